"""The vector store: LangChain's own suite, and what it does not ask: versions, scope, metadata, corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sqlalchemy as sa
from langchain_core.documents import Document
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests

from knowledge import hashes
from knowledge.errors import Conflict, Invalid
from knowledge.langchain import KnowledgeStore
from knowledge.tables import LogStep
from retrieval.scope import EVERYTHING, Scope
from tests.knowledge.world import World, assert_index_follows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from langchain_core.embeddings import Embeddings
    from numpy.typing import NDArray


class SuiteEmbedder:
    """The suite's embeddings as an embedder of ours."""

    fingerprint = "langchain-tests"

    def __init__(self, embeddings: Embeddings) -> None:
        self._embeddings = embeddings
        self.dimension = len(embeddings.embed_query(""))

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.asarray(self._embeddings.embed_documents(list(texts)), dtype=np.float32)
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.passages([text])[0]
        return vector


class TestConformance(VectorStoreIntegrationTests):
    """All tests of LangChain's suite, none left out."""

    @pytest.fixture
    def vectorstore(self, tmp_path: Path, empty_database: Path) -> Iterator[KnowledgeStore]:  # type: ignore[override]
        world = World(tmp_path / "errata.db", template=empty_database, embedder=SuiteEmbedder(self.get_embeddings()))
        yield store_of(world)
        assert_index_follows(world)
        world.close()


def store_of(world: World, scope: Scope = EVERYTHING, **more: Any) -> KnowledgeStore:
    return KnowledgeStore(world.database, world.searcher, world.embedder, scope=scope, **more)


@pytest.fixture
def store(world: World) -> KnowledgeStore:
    return store_of(world)


def test_all_documents_of_one_call_are_one_step_of_the_log(world: World, store: KnowledgeStore) -> None:
    store.add_texts(["Parcels take 3 days.", "Letters take 1 day."], ids=["parcels", "letters"])
    assert steps(world) == [("put", "langchain", None)]
    store.delete(["letters", "parcels"])
    assert steps(world)[1:] == [("retire", "langchain", "letters"), ("retire", "langchain", "parcels")]
    assert world.live() == {}


def test_a_text_under_a_known_id_is_its_next_version_and_the_same_text_is_none(
    world: World, store: KnowledgeStore
) -> None:
    for text in ("Parcels take 3 days.", "Parcels take 3 days.", "Parcels take 4 days."):
        store.add_texts([text], ids=["parcels"])
    versions = [(row["version"], row["text"]) for row in world.rows("document_versions")["document_versions"]]
    assert versions == [(1, "Parcels take 3 days."), (2, "Parcels take 4 days.")]
    assert store.get_by_ids(["parcels"])[0].page_content == "Parcels take 4 days."


def test_metadata_come_back_with_their_types_and_a_change_of_them_alone_is_a_new_version(
    world: World, store: KnowledgeStore
) -> None:
    metadata = {"page": 3, "share": 0.5, "draft": False, "tags": ["a", {"deep": None}], "title": "Post", "名": "包裹"}
    document = Document("Parcels take 3 days.", metadata=metadata, id="parcels")
    store.add_documents([document])
    assert store.get_by_ids(["parcels"]) == store.similarity_search("parcels", 1) == [document]
    changed = document.model_copy(update={"metadata": {**metadata, "page": 4}})
    store.add_documents([changed])
    assert store.get_by_ids(["parcels"]) == [changed]
    with world.database.read() as session:
        assert hashes.changed_versions(session) == (2, [])


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"page": 3}, ["a"]),
        ({"page": "3"}, ["a"]),
        ({"draft": True}, ["b"]),
        ({"source": "manual.pdf"}, ["a"]),
        ({"source": "langchain"}, []),
        ({"document_id": "original-7", "page": 3}, ["a"]),
        ({"page": 5}, []),
        ({'a"b': "c"}, []),
    ],
)
def test_a_filter_compares_metadata_also_those_that_errata_uses_itself(
    store: KnowledgeStore, condition: dict[str, Any], expected: list[str]
) -> None:
    store.add_texts(
        ["Parcels take 3 days.", "Parcels take 4 days."],
        [{"page": 3, "source": "manual.pdf", "document_id": "original-7"}, {"page": 4, "draft": True}],
        ids=["a", "b"],
    )
    assert [document.id for document in store.similarity_search("parcels", filter=condition)] == expected


def test_addresses_and_titles_reach_the_readers_of_sources(world: World, store: KnowledgeStore) -> None:
    store.add_texts(
        ["Parcels take 3 days.", "Letters take 1 day."],
        [{"source": "https://post.example/parcels", "title": "Parcels"}, {"source": "javascript:alert(1)"}],
    )
    shown = {
        hit.passage.text: (hit.passage.title, hit.passage.url)
        for hit in world.searcher.search("days", scope=EVERYTHING).hits
    }
    assert shown == {
        "Parcels take 3 days.": ("Parcels", "https://post.example/parcels"),
        "Letters take 1 day.": ("", None),
    }


def test_a_document_of_many_passages_is_found_by_passage_and_given_as_a_whole(
    world: World, store: KnowledgeStore
) -> None:
    text = "# Parcels\n\nParcels take 3 days.\n\n# Letters\n\nLetters take 1 day."
    store.add_texts([text], ids=["post"])
    assert store.similarity_search("letters", 1) == [Document("Letters take 1 day.", id="post")]
    assert store.get_by_ids(["post"]) == [Document(text, id="post")]
    superseded = {"document_id": "post", "passage": "Letters take 1 day."}
    world.publish("How long do letters take?", "Letters take 2 days.", supersedes=[superseded])
    assert store.get_by_ids(["post"]) == [Document("Parcels take 3 days.", id="post")]


def test_an_edit_of_a_correction_is_in_the_document_and_a_rollback_takes_it_out(
    world: World, store: KnowledgeStore
) -> None:
    store.add_texts(["Parcels take 3 days."], [{"page": 3}], ids=["post"])
    edit = world.edit("post", "3 days", "4 days")
    correction_id = world.publish("How long do parcels take?", "4 days.", edits=[edit])
    assert store.get_by_ids(["post"]) == [Document("Parcels take 4 days.", metadata={"page": 3}, id="post")]
    world.curation.rollback(correction_id, actor="ann")
    assert store.get_by_ids(["post"]) == [Document("Parcels take 3 days.", metadata={"page": 3}, id="post")]


def test_a_store_neither_finds_gives_nor_deletes_what_is_outside_its_scope(world: World) -> None:
    world.put("secret", "Parcels of staff are free.", collection="staff")
    world.put("open", "Parcels cost 3 euros.", collection="public")
    narrow = store_of(world, Scope.of("public"))
    assert [document.id for document in narrow.similarity_search("parcels", 9)] == ["open"]
    assert [document.id for document in narrow.get_by_ids(["secret", "open"])] == ["open"]
    narrow.delete(["secret"])
    assert "secret" in world.live()
    with pytest.raises(Conflict):
        narrow.add_texts(["Parcels are mine."], ids=["secret"])
    with pytest.raises(Invalid, match="outside the scope"):
        store_of(world, Scope.of("public"), collection="staff")


def test_new_documents_belong_to_the_collection_of_the_store(world: World) -> None:
    store_of(world, Scope.of("public", "staff"), collection="staff").add_texts(["Parcels of staff are free."])
    assert store_of(world, Scope.of("public")).similarity_search("parcels") == []
    assert len(store_of(world, Scope.of("staff")).similarity_search("parcels")) == 1


def test_delete_without_ids_is_refused_and_deletes_nothing(world: World, store: KnowledgeStore) -> None:
    store.add_texts(["Parcels take 3 days."], ids=["post"])
    with pytest.raises(Invalid, match="needs the ids"):
        store.delete()
    store.delete([])
    assert list(world.live()) == ["post"]


def test_an_erratum_is_found_and_neither_overwritten_nor_deleted(world: World, store: KnowledgeStore) -> None:
    store.add_texts(["Parcels take 3 days."], ids=["post"])
    world.publish("How long do parcels take?", "Parcels take 4 days.")
    (erratum,) = [document for document in store.similarity_search("parcels") if document.id != "post"]
    assert erratum.page_content == "Parcels take 4 days."
    assert store.get_by_ids([str(erratum.id)]) == [erratum]
    before = world.live()
    with pytest.raises(Invalid):
        store.delete(["post", str(erratum.id)])
    with pytest.raises(Invalid):
        store.add_texts(["Parcels take 5 days."], ids=[str(erratum.id)])
    assert world.live() == before


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"when": object()}, "cannot be stored as JSON"),
        ({"share": float("nan")}, "cannot be stored as JSON"),
        ({"half": "\ud800"}, "cannot be stored as JSON"),
        ({"long": "x" * 50_000}, "at most 50,000"),
    ],
)
def test_metadata_that_cannot_be_stored_are_refused_with_all_documents_of_the_call(
    world: World, store: KnowledgeStore, metadata: dict[str, Any], message: str
) -> None:
    with pytest.raises(Invalid, match=message):
        store.add_texts(["Parcels take 3 days.", "Letters take 1 day."], [{}, metadata])
    assert world.live() == {}


@pytest.mark.parametrize("id_", ["../post", "a/./b", "a\u200bb"])
def test_ids_that_no_address_can_name_are_refused(store: KnowledgeStore, id_: str) -> None:
    with pytest.raises(Invalid):
        store.add_texts(["Parcels take 3 days."], ids=[id_])


def test_relevance_is_the_cosine_and_the_score_orders(store: KnowledgeStore) -> None:
    store.add_texts(["parcels", "letters take one day"])
    relevance = store.similarity_search_with_relevance_scores("parcels", 2)
    assert [document.page_content for document, _ in relevance] == ["parcels", "letters take one day"]
    assert relevance[0][1] == pytest.approx(1.0, abs=1e-5)
    scores = [score for _, score in store.similarity_search_with_score("parcels", 2)]
    assert scores == sorted(scores, reverse=True)


def test_marginal_relevance_prefers_passages_that_differ(store: KnowledgeStore) -> None:
    store.add_texts(["parcels take 3 days", "parcels take 3 days now", "parcels weigh 20 kilograms at most"])
    plain = [document.page_content for document in store.similarity_search("parcels take 3 days", 2)]
    assert plain == ["parcels take 3 days", "parcels take 3 days now"]
    varied = store.max_marginal_relevance_search("parcels take 3 days", k=2, lambda_mult=0.1)
    assert [document.page_content for document in varied] == [
        "parcels take 3 days",
        "parcels weigh 20 kilograms at most",
    ]


def test_the_store_is_a_retriever_as_every_vector_store_is(store: KnowledgeStore) -> None:
    store.add_texts(["parcels", "letters"], [{"page": 1}, {"page": 2}])
    retriever = store.as_retriever(search_kwargs={"k": 1, "filter": {"page": 2}})
    assert [document.page_content for document in retriever.invoke("parcels")] == ["letters"]


def test_texts_are_added_with_the_models_of_the_knowledge_only(store: KnowledgeStore) -> None:
    same = KnowledgeStore.from_texts(["parcels"], store.embeddings, ids=["post"], store=store)
    assert same is store
    assert len(store.embeddings.embed_query("parcels")) == 64
    with pytest.raises(Invalid, match="its own model"):
        KnowledgeStore.from_texts(["letters"], VectorStoreIntegrationTests.get_embeddings(), store=store)
    assert [document.id for document in store.get_by_ids(["post"])] == ["post"]


def steps(world: World) -> list[tuple[str, str, str | None]]:
    with world.database.read() as session:
        rows = session.execute(sa.select(LogStep.action, LogStep.actor, LogStep.document_id).order_by(LogStep.seq))
        return [(action, actor, document_id) for action, actor, document_id in rows]
