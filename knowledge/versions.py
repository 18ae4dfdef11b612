"""The next version of a document: composed, cut into passages, embedded. Writes nothing.

A version is *composed*: a base text (from the source) with the active edits of corrections applied in order.
``plan`` reads the present state and composes (cheap), ``embed`` gives the passages their vectors (slow). Both need only
a read session, so neither makes a writer wait. ``knowledge.documents`` installs the result. ``knowledge.composition``
decides where an edit belongs in a text.

A composition that existed before is planned from the passages that were stored for it. This makes a rollback exact,
also after a newer version of this program cuts texts differently.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

from knowledge.composition import Anchor, Composition, Replacement, StoredEdit, from_json
from knowledge.copies import statements, statements_at
from knowledge.errors import Conflict, Invalid, NotFound
from knowledge.replacing import place
from knowledge.scoping import properties
from knowledge.superseding import Site, sites
from knowledge.tables import Document, DocumentVersion, Edit, Embedding, PassageRow
from knowledge.vectors import read
from retrieval import invisible
from retrieval.chunk import chunk
from retrieval.passage import Passage
from retrieval.place import place_from_json, places_from_json
from retrieval.scope import MAIN
from retrieval.text import language_in, language_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from retrieval.chunk import Chunk
    from retrieval.embed import Embedder
    from retrieval.place import Place, Places

MAX_TEXT = 20_000_000  # characters of one document: about 20,000 pages; more is a mistake or an attack
MAX_TITLE = 1_000
MAX_ID = 500
BATCH = 500  # below SQLite's limit of bound parameters

Cut: TypeAlias = "tuple[int, tuple[str, ...], str, Place | None]"  # position, headings, text, place


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a version. ``details`` are what filters compare; ``typed``: the same metadata as JSON, where a
    program that sent them wants them back with their types and nesting. ``places``: where the text stands in its file;
    no part of the content, so a file whose lines only moved makes no new version."""

    title: str
    text: str
    url: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, Any] | None = None
    places: Places | None = field(default=None, compare=False)

    def sha256(self) -> str:
        parts: list[object] = [self.title, self.text, self.url, dict(sorted(self.details.items()))]
        if self.typed is not None:
            parts.append(self.typed)
        whole = json.dumps(parts, ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()

    def stored_sha256(self) -> str:
        """The hash of this content as a version stores it."""
        return replace(self, text=_with_plain_line_ends(self.text)).sha256()


@dataclass(frozen=True, slots=True)
class Seen:
    """The state of a document that a plan was made from, and that must be unchanged when the plan is installed."""

    base_version: int | None
    current_version: int | None
    edits: tuple[int, ...]
    retired: bool


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A planned passage, which is not in the database yet."""

    position: int
    headings: tuple[str, ...]
    text: str
    language: str
    sha256: str  # of the indexed text: equal text is not embedded twice
    indexed_text: str
    place: Place | None = None
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The next state of one document."""

    document_id: str
    kind: str
    source: str
    collection: str
    language: str
    seen: Seen
    base: Content | None  # a new base text; None: the present base stays, unless ``back_to`` is given
    back_to: int | None  # the earlier base version that becomes the base again
    content: Content  # the composed text
    kept: tuple[int, ...]  # active edits that still apply
    broken: tuple[int, ...]  # active edits whose surroundings the new base no longer has
    repeated: tuple[int, ...]  # kept edits of a statement that the new base has in more places than the present one
    added: tuple[Anchor, ...]  # where the new replacements that the content contains belong, in their order
    pieces: tuple[Piece, ...]
    moved: bool  # the base has the same content as before, which stands elsewhere in its file now
    places: Places | None  # of the base

    @property
    def unchanged(self) -> bool:
        """The text and the edits are the same as before, and readers can see the document."""
        same_base = self.base is None and self.back_to in (None, self.seen.base_version)
        return same_base and not self.added and not self.seen.retired and self.kept == self.seen.edits

    def passages(self) -> list[Passage]:
        """The passages as a candidate shows them; their ids are all -1."""
        return [
            Passage(
                id=-1,
                document_id=self.document_id,
                version=(self.seen.current_version or 0) + 1,
                position=piece.position,
                title=self.content.title,
                headings=piece.headings,
                text=piece.text,
                language=piece.language,
                url=self.content.url,
                erratum=self.kind == "erratum",
                collection=self.collection,
                properties=properties(self.document_id, self.source, self.kind, self.content.details),
                place=piece.place,
            )
            for piece in self.pieces
        ]

    def sites(self) -> list[Site]:
        """The site of each passage: what it is about (superseding)."""
        return sites(self.content.title, ((piece.headings, piece.text) for piece in self.pieces))


def edits_key(edits: Iterable[int]) -> str:
    """The value of ``document_versions.edits`` for these edits: their ids, ascending."""
    return ",".join(map(str, sorted(edits)))


def plan(
    session: Session,
    document_id: str,
    *,
    base: Content | None = None,
    add: Sequence[Replacement] = (),
    drop: Collection[int] = (),
    revive: Collection[int] = (),
    back_to: int | None = None,
    kind: str = "source",
    source: str = "api",
    language: str | None = None,
    collection: str | None = None,
) -> Plan:
    """Composes the next text of a document: a new base, or the present one with edits added or dropped.

    ``revive``: edits that are inactive now and are to apply again, in their old order; ``back_to``: an earlier base.
    ``collection``: where a new document belongs; an existing document stays in its collection.
    Raises NotFound (no base given and no such document), Invalid (bounds; an added replacement does not fit),
    Conflict (a document of this id belongs to another collection).
    """
    document = session.get(Document, document_id)
    if document is not None and collection not in (None, document.collection):
        raise Conflict(
            "There is a document {document_id!r} in another collection. Choose another id.",
            code="document_in_other_collection",
            document_id=document_id,
        )
    if document is None and base is None:
        raise NotFound("There is no document {document_id!r}.", code="document_not_found", document_id=document_id)
    seen = see(session, document_id)
    base_version = back_to or seen.base_version
    present = _content(session, document_id, base_version)
    moved = False
    if base is not None:
        base = replace(base, text=_with_plain_line_ends(base.text))
        _check_input(document_id, base)
        if present is not None and base.sha256() == present.sha256():
            moved = base.places != present.places
            present, base = replace(present, places=base.places), None  # the same text again
    root = base or present
    assert root is not None
    active = [
        stored_edit(edit)
        for edit in session.scalars(
            sa.select(Edit).where(Edit.id.in_({*seen.edits, *revive}.difference(drop))).order_by(Edit.id)
        )
    ]
    composed = Composition(root.title, root.text, root.places).apply(active, same_source=base is None)
    kept = [edit for edit in active if edit.id in composed.kept]
    text, places, anchors = place(document_id, composed, add, limit=MAX_TEXT)
    content = replace(root, text=text, places=places)
    is_new = base is not None or bool(add)
    stored = [] if is_new else _stored(session, document_id, base_version, edits_key(composed.kept))
    language = language or (document.language if document else language_of_content(content))
    return Plan(
        document_id=document_id,
        kind=document.kind if document else kind,
        source=document.source if document else source,
        collection=document.collection if document else collection or MAIN,
        language=language,
        seen=seen,
        base=base,
        back_to=back_to,
        content=content,
        kept=composed.kept,
        broken=composed.broken,
        repeated=_repeated(kept, present, base) if kept and present and base else (),
        added=anchors,
        pieces=_pieces(content.title, language, stored) if stored else pieces(content, language),
        moved=moved,
        places=root.places,
    )


def language_of_content(content: Content) -> str:
    """The language of a document that states none, by its words."""
    return language_of(f"{content.title}\n{content.text}")


def pieces(content: Content, language: str) -> tuple[Piece, ...]:
    """The passages that a text is cut into. ``language``: that of the document; a passage may have another."""
    cuts = [(cut.position, cut.headings, cut.text, where) for cut, where in cuts_of(content.text, content.places)]
    return _pieces(content.title, language, cuts)


def cuts_of(text: str, places: Places | None) -> list[tuple[Chunk, Place | None]]:
    """The chunks of a text, and where each stands in the file."""
    return [
        (cut, None if places is None else places.of(text, cut.start, cut.start + len(cut.text))) for cut in chunk(text)
    ]


def see(session: Session, document_id: str) -> Seen:
    """The present state of a document (all None and empty for an unknown one)."""
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
    texts = {piece.sha256: piece.indexed_text for a_plan in plans if not a_plan.unchanged for piece in a_plan.pieces}
    vectors: dict[str, NDArray[np.float32]] = {}
    hashes = list(texts)
    for start in range(0, len(hashes), BATCH):
        rows = session.execute(
            sa.select(PassageRow.sha256, Embedding.vector)
            .join(Embedding, Embedding.passage_id == PassageRow.id)
            .where(PassageRow.sha256.in_(hashes[start : start + BATCH]), Embedding.fingerprint == embedder.fingerprint)
        )
        stored = ((sha, read(blob, embedder.dimension)) for sha, blob in rows)
        vectors.update({sha: vector for sha, vector in stored if vector is not None})
    missing = [sha for sha in hashes if sha not in vectors]
    if missing:
        vectors.update(zip(missing, embedder.passages([texts[sha] for sha in missing]), strict=True))
    return [
        replace(a_plan, pieces=tuple(replace(piece, vector=vectors.get(piece.sha256)) for piece in a_plan.pieces))
        for a_plan in plans
    ]


def _check_input(document_id: str, content: Content) -> None:
    if hidden := invisible.names([document_id.replace("\n", "").replace("\r", "").replace("\t", "")]):
        raise Invalid(
            "The name of a document has characters that nobody sees: {characters}. Rename it.",
            code="document_id_hides",
            characters=", ".join(hidden),
        )
    joined = all(c.isprintable() or unicodedata.category(c) == "Cf" for c in document_id)  # emoji are joined
    if not document_id.strip() or len(document_id) > MAX_ID or not joined:
        raise Invalid(
            "A document id is 1 to {limit} printable characters, not only spaces.",
            code="document_id_invalid",
            limit=MAX_ID,
        )
    if not {".", ".."}.isdisjoint(document_id.split("/")):
        raise Invalid("An id has no part that is . or .. because no address could name it.", code="document_id_dots")
    if not content.text.strip():
        raise Invalid("Document {document_id!r} has no text.", code="document_empty", document_id=document_id)
    if len(content.text) > MAX_TEXT:
        raise Invalid(
            "Document {document_id!r} has {length:,} characters; at most {limit:,}: split it.",
            code="document_too_long",
            document_id=document_id,
            length=len(content.text),
            limit=MAX_TEXT,
        )
    if len(content.title) > MAX_TITLE:
        raise Invalid(
            "The title of {document_id!r} is longer than {limit:,} characters.",
            code="document_title_too_long",
            document_id=document_id,
            limit=MAX_TITLE,
        )
    for value in (document_id, content.title, content.text, content.url or ""):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise Invalid(
                "Document {document_id!r} contains half a character (a lone surrogate).",
                code="document_half_character",
                document_id=document_id,
            ) from None


def _with_plain_line_ends(text: str) -> str:
    """Curators copy words to replace from passages, which have ``\\n`` only, and the text must contain these words."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def stored_edit(edit: Edit) -> StoredEdit:
    """An edit as a composition applies it."""
    anchor = from_json(edit.anchor) if edit.anchor else None
    return StoredEdit(edit.id, Replacement(edit.find, edit.replace), anchor)


def _repeated(edits: Iterable[StoredEdit], present: Content, new: Content) -> tuple[int, ...]:
    """The edits of a statement that the new source has in more places than the present one."""
    before, after = statements(present.text), statements(new.text)
    repeated: list[int] = []
    for edit in edits:
        if edit.anchor is not None:
            around = edit.anchor.surroundings
            edited = statements_at(around.passage, around.start, around.end)
            if any(after[statement] > before[statement] for statement in edited):
                repeated.append(edit.id)
    return tuple(repeated)


def _content(session: Session, document_id: str, version: int | None) -> Content | None:
    row = session.get(DocumentVersion, (document_id, version)) if version is not None else None
    return Content(row.title, row.text, row.url, row.details, row.typed, places_from_json(row.places)) if row else None


def _stored(session: Session, document_id: str, base_version: int | None, edits: str) -> list[Cut]:
    """The stored passages of a composition; none if it never existed."""
    rows = session.execute(
        sa.select(PassageRow.position, PassageRow.headings, PassageRow.text, PassageRow.place)
        .join(
            DocumentVersion,
            sa.and_(
                DocumentVersion.document_id == PassageRow.document_id, DocumentVersion.version == PassageRow.version
            ),
        )
        .where(
            DocumentVersion.document_id == document_id,
            DocumentVersion.base_version == base_version,
            DocumentVersion.edits == edits,
        )
        .order_by(PassageRow.position)
    )
    return [(position, tuple(headings), text, place_from_json(where)) for position, headings, text, where in rows]


def _pieces(title: str, language: str, parts: Iterable[Cut]) -> tuple[Piece, ...]:
    made = []
    for position, headings, text, where in parts:
        indexed = Passage(0, "", 0, position, title, headings, text, "").indexed_text
        sha256 = hashlib.sha256(indexed.encode()).hexdigest()
        made.append(Piece(position, headings, text, language_in(text, language), sha256, indexed, where))
    return tuple(made)
