"""A draft: what a curator wants readers to see. It is kept as JSON on the correction until approval.

This module checks shape and bounds only. Whether the edits still fit the documents is checked when a publication is
prepared (fitting).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args

from knowledge.correcting.matching import normal_form
from knowledge.errors import Invalid
from retrieval import invisible

MAX_ANSWER = 50_000  # characters
MAX_QUESTION = 4_000
MAX_ID = 512  # of a document
MAX_VERSION = (1 << 31) - 1
MAX_LIST = 200
MAX_NAMED = 600  # characters of a refusal that name hidden characters
AROUND = 12  # characters beside a hidden one that show where it is
Kind: TypeAlias = Literal["wrong", "missing", "outdated", "retrieval", "synthesis", "out_of_scope"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class DraftEdit:
    """Words in ``version`` of a document, which the curator saw, and the words that replace them."""

    document_id: str
    version: int
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class DraftSupersession:
    """A document to hide (``passage`` None), or the passage of it with this text."""

    document_id: str
    passage: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    answer: str
    question: str
    paraphrases: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    edits: tuple[DraftEdit, ...] = ()
    supersedes: tuple[DraftSupersession, ...] = ()
    kind: str | None = None
    valid_until: str | None = None  # ISO 8601 with a zone

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def expires(self) -> datetime | None:
        return _moment(self.valid_until) if self.valid_until else None


def from_json(stored: Mapping[str, Any]) -> Draft:
    """Reads a draft back that ``to_json`` wrote."""
    return Draft(
        answer=stored["answer"],
        question=stored["question"],
        paraphrases=tuple(stored.get("paraphrases", ())),
        negatives=tuple(stored.get("negatives", ())),
        edits=tuple(DraftEdit(**edit) for edit in stored.get("edits", ())),
        supersedes=tuple(DraftSupersession(**item) for item in stored.get("supersedes", ())),
        kind=stored.get("kind"),
        valid_until=stored.get("valid_until"),
    )


def confirmed_forms(draft: Mapping[str, Any] | None, question: str) -> frozenset[str]:
    """The normal forms of the questions that this draft answers, as the curator confirmed: its question (``question``
    where there is no draft yet) and its paraphrases. Only these are answered word for word."""
    stored = draft or {}
    asked = (stored.get("question", question), *stored.get("paraphrases", ()))
    return frozenset(map(normal_form, asked)) - frozenset(map(normal_form, stored.get("negatives", ())))


def revise(current: Mapping[str, Any] | None, changes: Mapping[str, Any], *, question: str) -> Draft:
    """The draft after ``changes``. Fields that they leave out stay as they are. None removes ``kind`` and
    ``valid_until``; for every other field it counts as left out.

    Raises Invalid with a message that names the field.
    """
    fields = {name: value for name, value in changes.items() if value is not None or name in ("kind", "valid_until")}
    merged: dict[str, Any] = {"question": question, **(current or {}), **fields}
    answer = _text(merged.get("answer"), "answer", MAX_ANSWER)
    asked = question_of(merged["question"])
    paraphrases = _questions(merged.get("paraphrases"), "paraphrases")
    negatives = _questions(merged.get("negatives"), "negatives")
    excluded = {normal_form(text) for text in negatives}
    for text in (asked, *paraphrases):
        if normal_form(text) in excluded:
            raise Invalid(
                "The same question cannot be asked for and excluded: {question!r}.",
                code="question_both_ways",
                question=text[:80],
            )
    kind = merged.get("kind") or None
    if kind is not None and kind not in KINDS:
        raise Invalid(
            "kind is one of {kinds}; not {given!r}.", code="kind_unknown", kinds=", ".join(KINDS), given=str(kind)[:40]
        )
    valid_until = merged.get("valid_until") or None
    return Draft(
        answer=answer,
        question=asked,
        paraphrases=paraphrases,
        negatives=negatives,
        edits=tuple(map(_edit, _list(merged.get("edits"), "edits"))),
        supersedes=tuple(map(_supersession, _list(merged.get("supersedes"), "supersedes"))),
        kind=kind,
        valid_until=_moment(valid_until).isoformat() if valid_until else None,
    )


def refuse_hidden(draft: Draft) -> None:
    """Raises Invalid where words of the draft have characters that nobody sees (retrieval.invisible), with their names
    and where they are. The words that an edit looks for are the document's own."""
    fields = {"question": draft.question, "answer": draft.answer}
    fields |= {f"paraphrases {n}": text for n, text in enumerate(draft.paraphrases, start=1)}
    fields |= {f"negatives {n}": text for n, text in enumerate(draft.negatives, start=1)}
    fields |= {f"edits {n}": edit.replace for n, edit in enumerate(draft.edits, start=1)}
    places = [f"{name}: {', '.join(invisible.names([text]))} (“{_excerpt(text)}”)" for name, text in fields.items()
              if invisible.find(text)]  # fmt: skip
    if places:
        raise Invalid(
            "The draft has characters that nobody sees. {places}. Take them out, or approve it with allow_invisible.",
            code="draft_invisible",
            places="; ".join(places)[:MAX_NAMED],
        )


def _excerpt(text: str) -> str:
    """The words beside the first hidden character, with its mark."""
    at = invisible.find(text)[0].position
    return invisible.marked(" ".join(text[max(0, at - AROUND) : at + AROUND].split(" "))).replace("\n", " ")


def question_of(value: Any) -> str:
    """Checks that a value is a question that somebody can ask, and returns it. Raises Invalid."""
    asked = _text(value, "question", MAX_QUESTION)
    if not normal_form(asked):
        raise Invalid("question must have a word in it, else nobody can ask it.", code="question_without_words")
    return asked


def _text(value: Any, name: str, limit: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Invalid("{field} must be a text that is not empty.", code="field_empty", field=name)
    return _characters(value, name, limit).strip()


def _characters(value: str, name: str, limit: int) -> str:
    """The text with plain line ends, as documents have them."""
    if len(value) > limit:
        raise Invalid(
            "{field} has {length:,} characters; at most {limit:,}.",
            code="field_too_long",
            field=name,
            length=len(value),
            limit=limit,
        )
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid(
            "{field} contains what is not a character (a lone surrogate or NUL).",
            code="field_characters",
            field=name,
        )
    return value.replace("\r\n", "\n").replace("\r", "\n")


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list | tuple) or len(value) > MAX_LIST:
        raise Invalid("{field} must be a list of at most {limit}.", code="field_no_list", field=name, limit=MAX_LIST)
    return list(value)


def _questions(value: Any, name: str) -> tuple[str, ...]:
    texts = [_text(text, name, MAX_QUESTION) for text in _list(value, name)]
    return tuple({normal_form(text): text for text in reversed(texts)}.values())[::-1]


def _edit(value: Any) -> DraftEdit:
    version = value.get("version") if isinstance(value, Mapping) else None
    if not isinstance(version, int) or not 0 < version <= MAX_VERSION:
        raise Invalid("An edit is {{document_id, version, find, replace}}, version being a number.", code="edit_form")
    find, replacement = value.get("find"), value.get("replace")
    if not isinstance(find, str) or not find.strip() or not isinstance(replacement, str):
        raise Invalid("An edit needs the words to find; what replaces them may be empty.", code="edit_without_words")
    find, replacement = _characters(find, "find", MAX_ANSWER), _characters(replacement, "replace", MAX_ANSWER)
    if find == replacement:
        raise Invalid("An edit replaces {words!r} by itself.", code="edit_same", words=find[:60])
    return DraftEdit(_text(value.get("document_id"), "document_id", MAX_ID), version, find, replacement)


def _supersession(value: Any) -> DraftSupersession:
    if not isinstance(value, Mapping):
        raise Invalid("supersedes is a list of {{document_id, passage?}}.", code="supersedes_form")
    passage = value.get("passage")
    if passage is not None and (not isinstance(passage, str) or not passage.strip()):
        raise Invalid("passage is the text of a passage, or left out for the whole document.", code="passage_form")
    if passage is not None:
        passage = _characters(passage, "passage", MAX_ANSWER)
    return DraftSupersession(_text(value.get("document_id"), "document_id", MAX_ID), passage)


def _moment(value: Any) -> datetime:
    """Reads a moment. A date without a time of day means the end of that day (UTC)."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        if isinstance(value, str) and len(value) == len("2027-01-31"):
            moment = moment.replace(hour=23, minute=59, second=59)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid(
            "valid_until is a date like 2027-01-31 or 2027-01-31T12:00:00+08:00, not {value!r}.",
            code="valid_until_form",
            value=str(value)[:40],
        ) from None
