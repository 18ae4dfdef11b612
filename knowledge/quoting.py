"""Answers quote passages, and prompts repeat one instruction: each of these texts is stored once.

Passages are never changed or removed (tables.PassageRow), so a stored source has the id of its passage without the
text. A stored prompt has, instead of a message that all answers have in common, the hash of its text (tables.Text), and
in its last message ids instead of passages, and a mark instead of the question. A text is replaced only where the
database has exactly this text. Readers get the same words as before: ``whole_sources`` and ``whole_prompt``. Both also
read what earlier versions stored, with all texts in place.

Decision: references instead of compression. A refused question of 4,000 characters stored its words in five places,
and no compression makes them cheap; passages and instructions are in the database anyway.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

from knowledge.tables import PassageRow, Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    Stored: TypeAlias = Sequence[Mapping[str, Any]]  # a list of JSON objects as it is in the database

THE_QUESTION = None  # stands for the condensed question in a stored prompt


def short_sources(session: Session, sources: Stored) -> list[dict[str, Any]]:
    """The sources as they are stored: without the texts of those that are passages of the knowledge."""
    texts = _texts_of(session, {source["passage_id"] for source in sources})
    return [
        {name: value for name, value in source.items() if name != "passage"}
        if texts.get(source["passage_id"]) == source["passage"]
        else dict(source)
        for source in sources
    ]


def whole_sources(session: Session, *stored: Stored) -> list[list[dict[str, Any]]]:
    """Lists of stored sources with their texts; one statement for all lists."""
    texts = _texts_of(session, {source["passage_id"] for sources in stored for source in sources if _is_short(source)})
    return [
        [{**source, "passage": texts.get(source["passage_id"], "")} if _is_short(source) else dict(source)
         for source in sources]
        for sources in stored
    ]  # fmt: skip


def short_prompt(session: Session, messages: Stored, sources: Stored, question: str) -> list[dict[str, Any]]:
    """The messages (``role``, ``content``) as they are stored. ``sources``: of the answer, as ``short_sources`` returns
    them; ``question``: the condensed question, which is stored beside the prompt."""
    if not messages:
        return []
    *beginning, last = messages
    texts = _texts_of(session, {source["passage_id"] for source in sources if _is_short(source)})
    quoted = [(id_, texts[id_]) for source in sources if (id_ := source["passage_id"]) in texts]
    return [
        *({"role": message["role"], "sha256": _keep(session, message["content"])} for message in beginning),
        {"role": last["role"], "parts": _parts(last["content"], quoted, question)},
    ]


def whole_prompt(session: Session, stored: Stored, question: str) -> list[dict[str, str]]:
    """The messages of a stored prompt, with ``role`` and ``content``."""
    shared = {message["sha256"] for message in stored if "sha256" in message}
    rows = session.execute(sa.select(Text.sha256, Text.text).where(Text.sha256.in_(shared))) if shared else ()
    common = {key: text for key, text in rows}  # noqa: C416 - rows are no pairs for mypy
    ids = {part for message in stored for part in message.get("parts", ()) if isinstance(part, int)}
    passages = _texts_of(session, ids)

    def word_for(part: str | int | None) -> str:
        if part is THE_QUESTION:
            return question
        return passages.get(part, "") if isinstance(part, int) else str(part)

    def content_of(message: Mapping[str, Any]) -> str:
        if "sha256" in message:
            return str(common.get(message["sha256"], ""))
        if "parts" in message:
            return "".join(map(word_for, message["parts"]))
        return str(message.get("content", ""))

    return [{"role": message["role"], "content": content_of(message)} for message in stored]


def _is_short(source: Mapping[str, Any]) -> bool:
    return "passage" not in source


def _texts_of(session: Session, ids: Collection[int]) -> dict[int, str]:
    """The texts of passages. An answer has a few; a page of a conversation has fewer than SQLite's limit."""
    if not ids:
        return {}
    rows = session.execute(sa.select(PassageRow.id, PassageRow.text).where(PassageRow.id.in_(ids)))
    return {row.id: row.text for row in rows}


def _keep(session: Session, text: str) -> str:
    """Stores a text that many prompts have in common, unless it is stored. Returns its hash."""
    key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    if session.get(Text, key) is None:
        session.add(Text(sha256=key, text=text))
        session.flush()
    return key


def _parts(content: str, quoted: Iterable[tuple[int, str]], question: str) -> list[str | int | None]:
    """The parts of a message in their order: ids of the quoted passages, THE_QUESTION, and the text between them."""
    parts: list[str | int | None] = []
    at = 0
    for part, text in (*quoted, (THE_QUESTION, question)):
        start = content.find(text, at) if text else -1
        if start >= 0:
            parts += [content[at:start], part]
            at = start + len(text)
    return [part for part in (*parts, content[at:]) if part != ""]
