"""Our search as a LangChain ``BaseRetriever``, for chains and graphs that others build.

Uses LangChain and a ``Searcher``. Nothing else in the product needs this module, so LangChain is loaded only where it
is used. A ``VectorStore``, which also writes, is in knowledge.langchain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from retrieval.scope import Scope  # noqa: TC001 (as above)
from retrieval.search import Searcher  # noqa: TC001 (pydantic reads the annotation at run time)

if TYPE_CHECKING:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun

    from retrieval.passage import Hit


class ErrataRetriever(BaseRetriever):
    """The ``k`` best passages for a question inside ``scope``, at the newest state of the knowledge.

    Each document's metadata has ``passage_id``, ``document_id``, ``version``, ``title``, ``headings``, ``url``,
    ``language``, ``erratum``, ``place``, ``score``, ``stages`` and ``knowledge_version``.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    searcher: Searcher
    scope: Scope
    k: int = Field(default=5, ge=1)
    language: str | None = None
    filters: dict[str, str] = Field(default_factory=dict)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        """``k``: the number for this one call (``invoke(question, k=3)``)."""
        result = self.searcher.search(
            query, k or self.k, scope=self.scope, language=self.language, filters=self.filters
        )
        return [document_of(hit, result.seq) for hit in result.hits]


def document_of(hit: Hit, seq: int) -> Document:
    """A hit of a search at step ``seq`` of the log as a document."""
    passage = hit.passage
    return Document(
        id=str(passage.id),
        page_content=passage.text,
        metadata={
            "passage_id": passage.id,
            "document_id": passage.document_id,
            "version": passage.version,
            "title": passage.title,
            "headings": list(passage.headings),
            "url": passage.address,
            "language": passage.language,
            "erratum": passage.erratum,
            "place": passage.place and passage.place.to_json(),
            "score": hit.score,
            "stages": dict(hit.stages),
            "knowledge_version": seq,
        },
    )
