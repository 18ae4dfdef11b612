"""Documents and their versions: plan outside a transaction, install inside one, settle what readers see.

A version is *composed*: a base text (from the source) with the active edits of corrections applied in order.
Work on a document has three steps, so that the slow part (embedding) never holds the database:

1. ``plan``     reads what stands and composes the next text (cheap, any session);
2. ``embed``    gives the new passages their vectors, reusing those of equal text (slow, no transaction);
3. ``install``  writes the version if nothing changed since the plan (else ``Stale``: plan again), then
   ``settle`` makes ``passages.live`` follow the rules and writes the difference as ONE log entry.

The rules for live: the document is not retired, the passage belongs to its current version, and no live entry
supersedes it. They are evaluated for the touched documents only, so cost grows with the change.

Decision: liveness is recomputed from these rules instead of being reversed step by step. It costs a read of
the touched documents' passages and makes every order of approvals, rollbacks and re-ingests end in the same
state: a rollback returns to the very passages (ids, vectors) that stood before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from knowledge.db import utc_now
from knowledge.errors import Invalid, NotFound, Stale
from knowledge.tables import Document, DocumentVersion, Edit, Embedding, LogChange, LogEntry, PassageRow, Supersession
from retrieval.chunk import chunk
from retrieval.passage import Passage
from retrieval.text import language_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from retrieval.embed import Embedder

MAX_TEXT = 20_000_000  # characters of one document: about 20,000 pages; more is a mistake or an attack
MAX_TITLE = 1_000
MAX_ID = 500


@dataclass(frozen=True, slots=True)
class Content:
    """What a version says."""

    title: str
    text: str
    url: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    def sha256(self) -> str:
        whole = json.dumps([self.title, self.text, self.url, dict(sorted(self.details.items()))], ensure_ascii=False)
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Replacement:
    """An edit of a document: ``find`` occurs exactly once and becomes ``replace``."""

    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What a plan was made from; ``install`` refuses if it is no longer so."""

    base_version: int | None
    current_version: int | None
    edits: tuple[int, ...]
    retired: bool


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A passage to be: not yet in the database."""

    position: int
    headings: tuple[str, ...]
    text: str
    sha256: str
    indexed_text: str
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The next state of one document."""

    document_id: str
    kind: str
    source: str
    language: str
    seen: Seen
    base: Content | None  # a new base text, or None: the present base stays
    content: Content  # the composed text
    kept: tuple[int, ...]  # active edits that still apply
    broken: tuple[int, ...]  # active edits whose words the new base no longer has
    added: int  # how many new replacements the content contains
    pieces: tuple[Piece, ...]

    @property
    def unchanged(self) -> bool:
        """The source says what it already said, and readers can see it."""
        return self.base is None and not self.added and not self.seen.retired and self.kept == self.seen.edits

    def passages(self, first_id: int = -1) -> list[Passage]:
        """The passages as a candidate shows them, with negative ids counting down from ``first_id``."""
        return [
            Passage(
                id=first_id - index,
                document_id=self.document_id,
                version=(self.seen.current_version or 0) + 1,
                position=piece.position,
                title=self.content.title,
                headings=piece.headings,
                text=piece.text,
                language=self.language,
                url=self.content.url,
                erratum=self.kind == "erratum",
            )
            for index, piece in enumerate(self.pieces)
        ]


def compose(text: str, edits: Iterable[tuple[int, Replacement]]) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """Applies edits in order. Returns (text, ids that applied, ids whose words do not occur exactly once)."""
    kept: list[int] = []
    broken: list[int] = []
    for edit_id, edit in edits:
        if text.count(edit.find) == 1:
            text = text.replace(edit.find, edit.replace)
            kept.append(edit_id)
        else:
            broken.append(edit_id)
    return text, tuple(kept), tuple(broken)


def plan(
    session: Session,
    document_id: str,
    *,
    base: Content | None = None,
    add: Sequence[Replacement] = (),
    drop: Collection[int] = (),
    kind: str = "source",
    source: str = "api",
    language: str | None = None,
) -> Plan:
    """Composes the next text of a document: a new base, or the present one with edits added or dropped.

    Raises NotFound (no base given and no such document), Invalid (an added replacement does not fit).
    """
    document = session.get(Document, document_id)
    if document is None and base is None:
        raise NotFound(f"There is no document {document_id!r}.")
    if base is not None:
        _check_input(document_id, base)
    seen = see(session, document_id)
    present = _content(session, document_id, seen.base_version)
    if base is not None and present is not None and base.sha256() == present.sha256():
        base = None  # the same text again
    root = base or present
    assert root is not None
    active = session.execute(sa.select(Edit).where(Edit.id.in_([i for i in seen.edits if i not in drop]))).scalars()
    text, kept, broken = compose(
        root.text, [(e.id, Replacement(e.find, e.replace)) for e in sorted(active, key=lambda e: e.id)]
    )
    for new in add:
        found = text.count(new.find)
        if found != 1:
            times = "does not occur" if not found else f"occurs {found} times"
            raise Invalid(
                f"The words to replace {times} in {document_id!r}: {new.find[:80]!r}. "
                "Copy them from the newest version, with enough words around them to be unique."
            )
        text = text.replace(new.find, new.replace)
    content = replace(root, text=text)
    return Plan(
        document_id=document_id,
        kind=document.kind if document else kind,
        source=document.source if document else source,
        language=language or (document.language if document else language_of(f"{content.title}\n{content.text}")),
        seen=seen,
        base=base,
        content=content,
        kept=kept,
        broken=broken,
        added=len(add),
        pieces=_pieces(content),
    )


def see(session: Session, document_id: str) -> Seen:
    """What stands now for a document (all None and empty for an unknown one)."""
    document = session.get(Document, document_id, populate_existing=True)
    edits = session.scalars(sa.select(Edit.id).where(Edit.document_id == document_id, Edit.active).order_by(Edit.id))
    return Seen(
        base_version=document.base_version if document else None,
        current_version=document.current_version if document else None,
        edits=tuple(edits),
        retired=bool(document and document.retired_at),
    )


def embed(session: Session, plans: Sequence[Plan], embedder: Embedder) -> list[Plan]:
    """Gives every piece its vector; text that was embedded before under this model is not embedded again."""
    wanted = {piece.sha256: piece.indexed_text for a_plan in plans if not a_plan.unchanged for piece in a_plan.pieces}
    vectors: dict[str, NDArray[np.float32]] = {}
    hashes = list(wanted)
    for start in range(0, len(hashes), 500):  # below SQLite's limit of bound parameters
        known = session.execute(
            sa.select(PassageRow.sha256, Embedding.vector)
            .join(Embedding, Embedding.passage_id == PassageRow.id)
            .where(PassageRow.sha256.in_(hashes[start : start + 500]), Embedding.fingerprint == embedder.fingerprint)
        )
        vectors.update({sha: np.frombuffer(blob, dtype="<f4") for sha, blob in known})
    missing = [sha for sha in hashes if sha not in vectors]
    if missing:
        vectors.update(zip(missing, embedder.passages([wanted[sha] for sha in missing]), strict=True))
    return [
        replace(a_plan, pieces=tuple(replace(piece, vector=vectors.get(piece.sha256)) for piece in a_plan.pieces))
        for a_plan in plans
    ]


def install(
    session: Session,
    a_plan: Plan,
    *,
    fingerprint: str,
    actor: str,
    reason: str | None = None,
    added_edits: Sequence[int] = (),
    correction_id: int | None = None,
) -> int:
    """Writes the planned version and makes it current (readers see it once ``settle`` ran).

    ``added_edits`` are the ids that the plan's new replacements were stored under. Returns the version.
    Raises Stale when the document is no longer as the plan saw it.
    """
    assert len(added_edits) == a_plan.added
    known_before = tuple(i for i in see(session, a_plan.document_id).edits if i not in added_edits)
    now = replace(see(session, a_plan.document_id), edits=known_before)
    # dropped edits are already inactive by now; what must not have happened is that others came or went
    if (now.base_version, now.current_version, now.retired) != (
        a_plan.seen.base_version,
        a_plan.seen.current_version,
        a_plan.seen.retired,
    ) or set(now.edits) != {*a_plan.kept, *a_plan.broken}:
        raise Stale(f"Document {a_plan.document_id!r} was changed by somebody else meanwhile. Look at it again.")
    document = session.get(Document, a_plan.document_id)
    if document is None:
        document = Document(
            id=a_plan.document_id,
            kind=a_plan.kind,
            title=a_plan.content.title,
            source=a_plan.source,
            language=a_plan.language,
        )
        session.add(document)
        session.flush()
    if a_plan.base is not None:
        document.base_version = _add_version(session, a_plan.document_id, None, "", a_plan.base, actor, reason, None)
    assert document.base_version is not None
    key = ",".join(map(str, sorted((*a_plan.kept, *added_edits))))
    version = session.scalar(
        sa.select(DocumentVersion.version).where(
            DocumentVersion.document_id == document.id,
            DocumentVersion.base_version == document.base_version,
            DocumentVersion.edits == key,
        )
    )
    if version is None:
        version = _add_version(
            session, document.id, document.base_version, key, a_plan.content, actor, reason, correction_id
        )
    _add_passages(session, document.id, version, a_plan, fingerprint)
    document.current_version = version
    document.title = a_plan.content.title
    document.language = a_plan.language
    document.retired_at = None
    document.updated_at = utc_now()
    if a_plan.broken:
        session.execute(sa.update(Edit).where(Edit.id.in_(a_plan.broken)).values(active=False))
    session.flush()
    return version


def settle(
    session: Session,
    document_ids: Iterable[str],
    *,
    action: str,
    actor: str,
    document_id: str | None = None,
    correction_id: int | None = None,
    reason: str | None = None,
) -> int | None:
    """Makes ``live`` of these documents' passages what the rules say; writes the difference as one log entry.

    Returns its seq, or None when readers would see no difference. The only writer of ``live`` and the log.
    """
    shown: list[int] = []
    gone: list[int] = []
    for one in dict.fromkeys(document_ids):
        document = session.get(Document, one)
        if document is None:
            continue
        hidden = list(
            session.scalars(sa.select(Supersession.passage).where(Supersession.document_id == one, Supersession.active))
        )
        whole = None in hidden or document.retired_at is not None
        rows = session.execute(
            sa.select(PassageRow.id, PassageRow.version, PassageRow.text, PassageRow.live).where(
                PassageRow.document_id == one,
                sa.or_(PassageRow.live, PassageRow.version == document.current_version),
            )
        )
        for row in rows:
            wanted = not whole and row.version == document.current_version and row.text not in hidden
            if wanted != row.live:
                (shown if wanted else gone).append(row.id)
    if not shown and not gone:
        return None
    entry = LogEntry(action=action, actor=actor, document_id=document_id, correction_id=correction_id, reason=reason)
    session.add(entry)
    session.flush()
    session.execute(
        sa.insert(LogChange),
        [
            {"seq": entry.seq, "passage_id": i, "added": i_added}
            for ids, i_added in ((shown, True), (gone, False))
            for i in ids
        ],
    )
    for ids, value in ((shown, True), (gone, False)):
        for start in range(0, len(ids), 500):
            session.execute(sa.update(PassageRow).where(PassageRow.id.in_(ids[start : start + 500])).values(live=value))
    session.flush()
    return entry.seq


def retire(
    session: Session, document_id: str, *, actor: str, reason: str | None = None, action: str = "retire"
) -> int | None:
    """Takes a document from the readers; its versions stay. Raises NotFound."""
    document = session.get(Document, document_id)
    if document is None or document.retired_at is not None:
        raise NotFound(f"There is no document {document_id!r}.")
    document.retired_at = utc_now()
    document.updated_at = utc_now()
    session.flush()
    return settle(session, [document_id], action=action, actor=actor, document_id=document_id, reason=reason)


def _check_input(document_id: str, content: Content) -> None:
    if not document_id or len(document_id) > MAX_ID or not document_id.isprintable():
        raise Invalid(f"A document id is 1 to {MAX_ID} printable characters.")
    if not content.text.strip():
        raise Invalid(f"Document {document_id!r} has no text.")
    if len(content.text) > MAX_TEXT:
        raise Invalid(f"Document {document_id!r} has {len(content.text):,} characters; at most {MAX_TEXT:,}: split it.")
    if len(content.title) > MAX_TITLE:
        raise Invalid(f"The title of {document_id!r} is longer than {MAX_TITLE:,} characters.")
    for value in (document_id, content.title, content.text, content.url or ""):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise Invalid(f"Document {document_id!r} contains half a character (a lone surrogate).") from None


def _content(session: Session, document_id: str, version: int | None) -> Content | None:
    row = session.get(DocumentVersion, (document_id, version)) if version is not None else None
    return Content(row.title, row.text, row.url, row.details) if row else None


def _pieces(content: Content) -> tuple[Piece, ...]:
    pieces = []
    for part in chunk(content.text):
        indexed = Passage(0, "", 0, part.position, content.title, part.headings, part.text, "").indexed_text
        pieces.append(
            Piece(part.position, part.headings, part.text, hashlib.sha256(indexed.encode()).hexdigest(), indexed)
        )
    return tuple(pieces)


def _add_version(
    session: Session,
    document_id: str,
    base_version: int | None,
    edits: str,
    content: Content,
    actor: str,
    reason: str | None,
    correction_id: int | None,
) -> int:
    newest = session.scalar(
        sa.select(sa.func.max(DocumentVersion.version)).where(DocumentVersion.document_id == document_id)
    )
    version = (newest or 0) + 1
    session.add(
        DocumentVersion(
            document_id=document_id,
            version=version,
            base_version=base_version or version,
            edits=edits,
            title=content.title,
            text=content.text,
            sha256=content.sha256(),
            url=content.url,
            details=dict(content.details),
            actor=actor,
            reason=reason,
            correction_id=correction_id,
        )
    )
    session.flush()
    return version


def _add_passages(session: Session, document_id: str, version: int, a_plan: Plan, fingerprint: str) -> None:
    """Stores passages and vectors of a version; those that already stand (a rollback) are left as they are."""
    ids = dict(
        session.execute(
            sa.select(PassageRow.position, PassageRow.id).where(
                PassageRow.document_id == document_id, PassageRow.version == version
            )
        ).tuples().all()
    )
    embedded = set(
        session.scalars(
            sa.select(Embedding.passage_id).where(
                Embedding.passage_id.in_(list(ids.values())), Embedding.fingerprint == fingerprint
            )
        )
    )
    vectors: list[dict[str, Any]] = []
    for piece in a_plan.pieces:
        if piece.position not in ids:
            row = PassageRow(
                document_id=document_id,
                version=version,
                position=piece.position,
                headings=list(piece.headings),
                text=piece.text,
                sha256=piece.sha256,
                language=language_of(piece.text),
            )
            session.add(row)
            session.flush()
            ids[piece.position] = row.id
        if ids[piece.position] not in embedded:
            assert piece.vector is not None, "install needs an embedded plan"
            blob = np.asarray(piece.vector, dtype="<f4").tobytes()
            vectors.append({"passage_id": ids[piece.position], "fingerprint": fingerprint, "vector": blob})
    if vectors:
        session.execute(sa.insert(Embedding), vectors)
