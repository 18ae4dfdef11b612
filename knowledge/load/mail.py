"""Reads EML, a stored e-mail: subject, who wrote to whom and when, and the text. Attachments are not read."""

from __future__ import annotations

import email
import email.policy
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import furniture, records, render, seen
from knowledge.load.errors import Damaged
from knowledge.load.left_out import LeftOut
from knowledge.load.tidy import line
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import MIMEPart

_SHOWN = ("From", "To", "Cc", "Date")
_NEEDED = ("From", "To", "Subject", "Date", "Message-ID", "Content-Type")


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document; its title is the subject. The plain text is preferred to HTML, as the sender wrote both."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not any(message[field] for field in _NEEDED):
        raise Damaged(
            "The file is not a {kind} file or is damaged ({reason}). Save it again.",
            code="file_damaged",
            kind="EML",
            reason="it has no lines From, To or Subject",
        )
    left_out = LeftOut()
    body = message.get_body(("plain", "html"))
    text = "" if body is None else _text(body, left_out)
    left_out.add("attachments", sum(1 for _ in message.iter_attachments()))
    fields = {field: value for field in _SHOWN if (value := line(str(message[field] or "")))}
    title = line(str(message["Subject"] or "")) or PurePosixPath(name).stem
    if text.strip():
        text = records.with_context(text, fields)
    yield LoadedDocument("", title, text, metadata=fields, left_out=left_out.take())


def _text(body: MIMEPart, left_out: LeftOut) -> str:
    content = body.get_content()
    if body.get_content_subtype() != "html":
        return str(content)
    tree = render.tree(content)
    furniture.remove(tree, left_out)
    seen.remove_unseen(tree, left_out)
    return render.markdown(tree)
