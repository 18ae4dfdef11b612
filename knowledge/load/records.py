"""Turns a row of a table or an object of a JSON file into a document, by the names of its fields.

Names are recognised in English and Chinese, in any case. Knows nothing about where the fields come from.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from knowledge.load.errors import Damaged
from knowledge.load.tables import PIECE_BYTES
from knowledge.load.tidy import KEY_CHARACTERS, language, line, web_address
from knowledge.load.values import LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retrieval.phrases import Phrase

_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "key", "doc_id", "document_id", "编号", "編號", "序号"),
    "title": ("title", "subject", "heading", "标题", "標題", "主题"),
    "question": ("question", "query", "q", "问题", "問題", "提问", "标准问", "标准问题"),
    "answer": ("answer", "a", "response", "reply", "答案", "回答", "答复", "回复", "解答"),
    "text": ("text", "content", "body", "passage", "正文", "内容", "內容", "文本"),
    "url": ("url", "source_url", "link", "链接", "網址", "网址", "鏈接"),
    "language": ("language", "lang", "语言", "語言"),
}
_ROLE = {name: role for role, names in _NAMES.items() for name in names}
TITLE_FROM_TEXT = 80  # characters
HEADING_CHARACTERS = 200  # of the other fields; more of them stand in the text once


def role(name: str) -> str | None:
    """The role of a field (``id``, ``title``, ``question``, ``answer``, ``text``, ``url``, ``language``), or None."""
    return _ROLE.get(re.sub(r"[\s-]+", "_", unicodedata.normalize("NFKC", name).strip().lower()))


def is_record(names: Iterable[str]) -> bool:
    """Whether each row with these field names is a document: it has a text, or an answer to a question."""
    roles = {role(name) for name in names}
    return "text" in roles or ("answer" in roles and bool({"question", "title"} & roles))


class Records:
    """Makes the documents of one file and gives each a different key."""

    def __init__(self) -> None:
        self._places: dict[str, Phrase] = {}  # key → the place where it was used
        self._copies: Counter[str] = Counter()

    def document(
        self, fields: Mapping[str, str], place: Phrase, fallback: str, *, topic: str = ""
    ) -> LoadedDocument | None:
        """The document of these fields, or None if it would have no text.

        Fields without a role (product, region, owner) say for what the text is valid, or are asked for themselves.
        They stand with their names above the text, and are metadata too. ``place`` ("line 3") is for messages,
        ``fallback`` ("row-3") is the key of a document without a better one, ``topic`` the title of the table. Raises
        Damaged for an id that is used twice or is not valid.
        """
        by_role, metadata = _by_role_and_name(fields)
        title, question = by_role.get("title", ""), by_role.get("question", "")
        body = "\n\n".join(by_role[part] for part in ("answer", "text") if part in by_role)
        if not body:
            return None
        if title and question and question != title:
            body = f"{question}\n\n{body}"
        url = by_role.get("url")
        if url and not web_address(url):
            metadata.setdefault("url", url)
        return LoadedDocument(
            key=self._key(by_role, place, fallback),
            title=title or question or line(body)[:TITLE_FROM_TEXT],
            text=with_context(body, metadata, topic),
            language=language(by_role.get("language")),
            url=web_address(url),
            metadata=metadata,
        )

    def _key(self, by_role: Mapping[str, str], place: Phrase, fallback: str) -> str:
        if stated_id := by_role.get("id"):
            key = line(stated_id)
            if not key or len(key) > KEY_CHARACTERS:
                raise Damaged(
                    "The id on {place} must have 1 to {limit} characters.",
                    code="record_id_length",
                    place=place,
                    limit=KEY_CHARACTERS,
                )
            if key in self._places:
                raise Damaged(
                    "The id {key!r} on {place} was used on {before} already. Make ids unique.",
                    code="record_id_twice",
                    key=key,
                    place=place,
                    before=self._places[key],
                )
            self._places[key] = place
            return key
        # An address, question or title is not changed by rows inserted above it; a row's number is.
        name = by_role.get("url") or by_role.get("question") or by_role.get("title")
        key = "h-" + hashlib.sha256(line(name).encode()).hexdigest()[:16] if name else fallback
        unique = key
        while unique in self._places:
            self._copies[key] += 1
            unique = f"{key}-{self._copies[key] + 1}"
        self._places[unique] = place
        return unique


def with_context(body: str, fields: Mapping[str, str], topic: str = "") -> str:
    """The text below the title of its table and the other fields with their names.

    These become a heading where the text is too long for one passage: each passage of it repeats its headings.
    """
    pairs = "; ".join(f"{line(name)}: {line(value)}" for name, value in fields.items())
    context = " · ".join(filter(None, [topic, pairs]))
    if not context:
        return body
    is_long = len(f"{context}{body}".encode("utf-8", "replace")) > PIECE_BYTES
    return f"{'# ' if is_long and len(context) <= HEADING_CHARACTERS else ''}{context}\n\n{body}"


def _by_role_and_name(fields: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Splits fields into (values by role, other values by name), without blank ones. The first field of a role
    counts."""
    by_role: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for name, raw in fields.items():
        if not (value := raw.strip()):
            continue
        field_role = role(name)
        if field_role is None or field_role in by_role:
            by_name[name] = value
        else:
            by_role[field_role] = value
    return by_role, by_name
