"""The knowledge as a LangChain ``VectorStore``, for programs that others build.

Every write goes through ``knowledge.put``: it is a step of the one log, documents have versions, the corrections that a
new text affects go back to the queue, and whoever asks next gets the new text. Reading is the product's own search
(by meaning and by words, errata included), within the scope that the store was made with.

A document of LangChain is a document of Errata, under the same id. A long one is cut into passages, and searches give
these: ``page_content`` is the passage, ``id`` the document's id. Where a document is a single passage, its whole text
is given as it was added. Passages with the same words are one hit.

Metadata come back as they were sent. A document that came from elsewhere has ``title``, ``url`` and its details.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from knowledge import put, tables, vectors
from knowledge.errors import Invalid
from knowledge.put import NewDocument
from knowledge.scoping import within
from knowledge.tables import DocumentVersion, Embedding, PassageRow
from knowledge.versions import BATCH, Content

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from knowledge.db import Database
    from retrieval.embed import Embedder
    from retrieval.passage import Hit
    from retrieval.scope import Scope
    from retrieval.search import Searcher

SOURCE = "langchain"  # documents.source of the documents that came this way
MAX_METADATA = 50_000  # bytes of one document's metadata as JSON
MAX_K = 1_000  # documents of one search
# Filters of these names compare what Errata itself knows of a document. Metadata of these names are kept beside it.
_OWN = ("document_id", "source", "kind")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})?")
_OF_VERSION = sa.and_(
    PassageRow.document_id == DocumentVersion.document_id, PassageRow.version == DocumentVersion.version
)
_PASSAGES = sa.select(sa.func.count()).where(_OF_VERSION).scalar_subquery()
_ADDRESS = re.compile(r"https?://\S{1,1900}")


class KnowledgeStore(VectorStore):
    """The part of the knowledge inside ``scope``. ``collection``: where new documents belong (default: the scope's
    own); ``actor``: who is recorded as their author.

    ``filter`` of the searches compares metadata: keys and values of one level, all of which must be equal. The key
    ``language`` compares the language of the passage ("en", "zh").
    Raises Invalid for a collection outside the scope.
    """

    def __init__(
        self,
        database: Database,
        searcher: Searcher,
        embedder: Embedder,
        *,
        scope: Scope,
        collection: str | None = None,
        actor: str = SOURCE,
    ) -> None:
        self._collection = scope.default if collection is None else collection
        if self._collection not in scope:
            raise Invalid(
                "The collection {collection!r} is outside the scope of this store.",
                code="store_outside_scope",
                collection=self._collection[:80],
            )
        self._database = database
        self._searcher = searcher
        self._embedder = embedder
        self._scope = scope
        self._actor = actor

    @property
    def embeddings(self) -> Embeddings:
        """The embedding model of the knowledge."""
        return _Embeddings(self._embedder)

    @classmethod
    def from_texts(  # type: ignore[override]  # the store embeds with its own model
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        store: KnowledgeStore,
        **_kwargs: Any,
    ) -> KnowledgeStore:
        """Adds the texts to ``store``. Raises Invalid for another ``embedding`` than the store's own, because one index
        has one embedding model."""
        if embedding is not None and not (isinstance(embedding, _Embeddings) and embedding.of(store._embedder)):
            raise Invalid(
                "The knowledge is embedded with its own model. Leave out embedding, or pass the store's own.",
                code="store_has_own_model",
            )
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """Stores the documents: all or, on an error, none. They can be found when it returns. ``ids`` (else the ids of
        the documents, else new ones): a document with a known id becomes its next version.

        Raises Invalid (a text, an id or metadata that cannot be stored), Conflict (an id of another collection).
        """
        ids: Sequence[str | None] = kwargs.get("ids") or [document.id for document in documents]
        if len(ids) != len(documents):
            raise ValueError(f"there are {len(documents)} documents and {len(ids)} ids")
        new = [
            _new(id_ or document.id or str(uuid.uuid4()), document, self._collection)
            for id_, document in zip(ids, documents, strict=True)
        ]
        put.put(self._database, self._embedder, new, actor=self._actor)
        return [document.id for document in new]

    def delete(self, ids: list[str] | None = None, **_kwargs: Any) -> bool:
        """Retires the documents: nobody finds them any more, their versions stay, and a curator can bring them back.
        Unknown ids, and those outside the scope, are ignored. Raises Invalid for errata, and without ids: a whole
        knowledge base is not deleted by a call that forgot its argument."""
        if ids is None:
            raise Invalid(
                "delete() needs the ids of the documents. Errata does not delete all documents at once.",
                code="delete_needs_ids",
            )
        put.remove_all(self._database, ids, self._scope, actor=self._actor)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Those of these documents that readers of the scope can find, in the order of the ids; of a document that a
        correction hides in part, the rest."""
        with self._database.read() as session:
            documents = _documents(session, list(dict.fromkeys(ids)), self._scope)
        return [documents[id_] for id_ in dict.fromkeys(ids) if id_ in documents]

    def similarity_search(
        self,
        query: str,
        k: int = 4,
        filter: Mapping[str, Any] | None = None,
        **_kwargs: Any,
    ) -> list[Document]:
        """The ``k`` best passages, best first."""
        return [document for document, _ in self.similarity_search_with_score(query, k, filter)]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        filter: Mapping[str, Any] | None = None,
        **_kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """The ``k`` best passages with the score that orders them: higher is better, and it means nothing alone."""
        hits = self._search(query, k, filter)
        return list(zip(self._shown(hits), (hit.score for hit in hits), strict=True))

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The ``k`` best passages with their cosine, 0 to 1; 0 for those that were found by their words only."""
        hits = self._search(query, k, kwargs.get("filter"))
        cosines = (min(1.0, max(0.0, hit.stages.get("dense", 0.0))) for hit in hits)
        return list(zip(self._shown(hits), cosines, strict=True))

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Mapping[str, Any] | None = None,
        **_kwargs: Any,
    ) -> list[Document]:
        """``k`` of the ``fetch_k`` best passages, chosen so that they are near the query and unlike each other."""
        hits = self._search(query, max(k, fetch_k), filter)
        stored = self._vectors([hit.passage.id for hit in hits])
        candidates = [hit for hit in hits if hit.passage.id in stored]
        chosen = maximal_marginal_relevance(
            self._embedder.query(query), [stored[hit.passage.id].tolist() for hit in candidates], lambda_mult, k
        )
        return self._shown([candidates[place] for place in chosen])

    def _search(self, query: str, k: int, conditions: Mapping[str, Any] | None) -> tuple[Hit, ...]:
        if not 1 <= k <= MAX_K:
            raise ValueError(f"k is 1 to {MAX_K}, not {k}")
        return self._searcher.search(query, k, scope=self._scope, filters=_filters(conditions or {})).hits

    def _shown(self, hits: Sequence[Hit]) -> list[Document]:
        """The passages as documents."""
        with self._database.read() as session:
            versions = {
                (row.document_id, row.version): row
                for row in _versions(
                    session, [(hit.passage.document_id, hit.passage.version) for hit in hits], _PASSAGES == 1
                )
            }
        documents = []
        for hit in hits:
            row = versions[hit.passage.document_id, hit.passage.version]
            text = hit.passage.text if row.whole is None else row.whole
            documents.append(Document(text, metadata=_metadata(row), id=hit.passage.document_id))
        return documents

    def _vectors(self, passage_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        stored: dict[int, NDArray[np.float32]] = {}
        with self._database.read() as session:
            for ids in _batches(passage_ids):
                rows = session.execute(
                    sa.select(Embedding.passage_id, Embedding.vector).where(
                        Embedding.passage_id.in_(ids), Embedding.fingerprint == self._embedder.fingerprint
                    )
                )
                read = ((id_, vectors.read(blob, self._embedder.dimension)) for id_, blob in rows)
                stored |= {id_: vector for id_, vector in read if vector is not None}
        return stored


class _Embeddings(Embeddings):
    """An embedder of ours as LangChain calls one."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def of(self, embedder: Embedder) -> bool:
        return self._embedder.fingerprint == embedder.fingerprint

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [vector.tolist() for vector in self._embedder.passages(texts)]

    def embed_query(self, text: str) -> list[float]:
        return [float(value) for value in self._embedder.query(text)]


def _new(id_: str, document: Document, collection: str) -> NewDocument:
    metadata = document.metadata
    typed = _as_json(id_, metadata)
    title, url, language = (metadata.get(name) for name in ("title", "url", "language"))
    address = url or metadata.get("source")
    content = Content(
        title=title.strip() if isinstance(title, str) else "",
        text=document.page_content,
        url=address if isinstance(address, str) and _ADDRESS.fullmatch(address) else None,
        details=_filters({key: value for key, value in typed.items() if isinstance(value, str | int | float)}),
        typed=typed,
    )
    stated = language if isinstance(language, str) and _LANGUAGE.fullmatch(language) else None
    return NewDocument(id_, content, source=SOURCE, language=stated, collection=collection)


def _as_json(id_: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata as JSON keeps them. Raises Invalid."""
    try:
        text = json.dumps(metadata, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError) as error:  # no JSON, NaN, a circle, half a character
        raise Invalid(
            "The metadata of {document_id!r} cannot be stored as JSON: {problem}",
            code="metadata_not_json",
            document_id=id_,
            problem=str(error)[:200],
        ) from error
    if size > MAX_METADATA:
        raise Invalid(
            "The metadata of {document_id!r} have {size:,} bytes; at most {limit:,}.",
            code="metadata_too_large",
            document_id=id_,
            size=size,
            limit=MAX_METADATA,
        )
    stored: dict[str, Any] = json.loads(text)
    return stored


def _filters(conditions: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as details and filters have them: texts, under names that do not hide what Errata knows itself."""
    return {
        f"metadata.{key}" if key in _OWN else key: value if isinstance(value, str) else json.dumps(value)
        for key, value in conditions.items()
    }


def _metadata(row: sa.Row[Any]) -> dict[str, Any]:
    if row.typed is not None:
        return dict(row.typed)
    return {"title": row.title, **({"url": row.url} if row.url else {}), **row.details}


def _versions(
    session: Session, keys: Sequence[tuple[str, int]], whole: sa.ColumnElement[bool]
) -> Iterator[sa.Row[Any]]:
    """Title, url and metadata of these versions, and the ``whole`` text of those for which the condition holds."""
    for some in _batches(sorted(set(keys))):
        yield from session.execute(
            sa.select(
                DocumentVersion.document_id,
                DocumentVersion.version,
                DocumentVersion.title,
                DocumentVersion.url,
                DocumentVersion.details,
                DocumentVersion.typed,
                sa.case((whole, DocumentVersion.text)).label("whole"),
            ).where(sa.tuple_(DocumentVersion.document_id, DocumentVersion.version).in_(some))
        )


def _documents(session: Session, ids: Sequence[str], scope: Scope) -> dict[str, Document]:
    """Documents of the scope by id, as far as readers can find them."""
    live: dict[tuple[str, int], list[str]] = {}
    for some in _batches(ids):
        rows = session.execute(
            sa.select(PassageRow.document_id, PassageRow.version, PassageRow.text)
            .join(tables.Document, tables.Document.id == PassageRow.document_id)
            .where(PassageRow.document_id.in_(some), PassageRow.live, within(scope, tables.Document.collection))
            .order_by(PassageRow.document_id, PassageRow.position)
        )
        for row in rows:
            live.setdefault((row.document_id, row.version), []).append(row.text)
    return {
        row.document_id: Document(
            "\n\n".join(live[row.document_id, row.version]) if row.whole is None else row.whole,
            metadata=_metadata(row),
            id=row.document_id,
        )
        for row in _versions(session, list(live), ~sa.exists().where(_OF_VERSION, ~PassageRow.live))
    }


def _batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values in parts that fit into one statement (two bound parameters for each)."""
    step = BATCH // 2
    return (values[start : start + step] for start in range(0, len(values), step))
