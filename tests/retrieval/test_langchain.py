from __future__ import annotations

from typing import Any

from langchain_tests.integration_tests.retrievers import RetrieversIntegrationTests

from retrieval.langchain import ErrataRetriever
from retrieval.scope import EVERYTHING
from retrieval.search import Searcher
from tests.fakes import MemoryLog, passage


def test_retriever_gives_documents_with_their_scores() -> None:
    source = MemoryLog()
    source.add(passage(1, "how to bake bread", title="Bread"), passage(2, "数据导入", language="zh"))
    retriever = ErrataRetriever(searcher=Searcher(source, source.embedder), k=1, scope=EVERYTHING)
    (document,) = retriever.invoke("bread")
    assert (document.id, document.page_content) == ("1", "how to bake bread")
    assert {
        name: document.metadata[name] for name in ("document_id", "title", "url", "knowledge_version", "score")
    } == {
        "document_id": "document-1",
        "title": "Bread",
        "url": None,
        "knowledge_version": 1,
        "score": 1.0,
    }
    assert sorted(document.metadata["stages"]) == ["dense", "dense_rank", "fused", "keyword", "keyword_rank"]


def test_retriever_restricts_to_a_language() -> None:
    source = MemoryLog()
    source.add(passage(1, "how to bake bread"), passage(2, "数据导入", language="zh"))
    retriever = ErrataRetriever(searcher=Searcher(source, source.embedder), language="zh", scope=EVERYTHING)
    assert [document.id for document in retriever.invoke("bread")] == ["2"]


class TestConformance(RetrieversIntegrationTests):
    """All tests of LangChain's suite, none left out."""

    @property
    def retriever_constructor(self) -> type[ErrataRetriever]:
        return ErrataRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        source = MemoryLog()
        source.add(*(passage(number, f"bread of kind {number}") for number in range(1, 5)))
        return {"searcher": Searcher(source, source.embedder), "scope": EVERYTHING}

    @property
    def retriever_query_example(self) -> str:
        return "bread"
