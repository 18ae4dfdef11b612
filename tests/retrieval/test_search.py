from __future__ import annotations

import logging
import math
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from retrieval.passage import Hit, Passage
from retrieval.ranking import Ranking, errata_first
from retrieval.scope import EVERYTHING, MAIN, Scope
from retrieval.search import Check, Searcher
from tests.fakes import HashingEmbedder, MemoryLog, passage

if TYPE_CHECKING:
    from numpy.typing import NDArray


def knowledge(*, hide: int | None = None) -> tuple[MemoryLog, Searcher]:
    source = MemoryLog()
    source.add(
        passage(1, "how to bake bread in an oven", title="Bread"),
        passage(2, "the opening hours of the shop are nine to five"),
        passage(3, "如何把数据导入 TiDB", language="zh"),
        passage(4, "tidb-lightning imports data quickly"),
    )
    if hide is not None:
        source.hide(hide)
    return source, Searcher(source, source.embedder)


def ids(searcher: Searcher, query: str, *, scope: Scope = EVERYTHING, **options: object) -> list[int]:
    return [hit.passage.id for hit in searcher.search(query, scope=scope, **options).hits]  # type: ignore[arg-type]


def test_search_finds_by_words_and_by_meaning() -> None:
    _, searcher = knowledge()
    assert [ids(searcher, query)[0] for query in ("baking bread", "opening hours", "导入数据", "lightning")] == [
        1,
        2,
        3,
        4,
    ]


def test_search_hits_carry_the_score_of_each_stage() -> None:
    _, searcher = knowledge()
    result = searcher.search("the opening hours of the shop", 4, scope=EVERYTHING)
    first, last = result.hits[0], result.hits[-1]
    assert (first.passage.id, sorted(first.stages)) == (
        2,
        ["dense", "dense_rank", "fused", "keyword", "keyword_rank"],
    )
    assert (first.stages["dense_rank"], first.stages["keyword_rank"], first.score) == (1.0, 1.0, 1.0)
    assert sorted(last.stages) == ["dense", "dense_rank", "fused"]  # it contains no word of the question
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)
    assert (result.seq, result.best_dense) == (1, first.stages["dense"])
    assert result.embed_ms > 0
    assert result.search_ms > 0


def test_search_sees_each_step_of_the_log_at_once() -> None:
    source, searcher = knowledge()
    assert ids(searcher, "opening hours")[0] == 2
    source.add(passage(5, "the opening hours of the shop are ten to six"), hide=[2])
    result = searcher.search("opening hours", scope=EVERYTHING)
    assert (result.hits[0].passage.id, result.seq) == (5, 2)
    assert 2 not in [hit.passage.id for hit in result.hits]
    source.add(passage(2, "the opening hours of the shop are nine to five"), hide=[5])
    assert (
        searcher.search("opening hours", scope=EVERYTHING).hits
        == knowledge()[1].search("opening hours", scope=EVERYTHING).hits
    )


@pytest.mark.parametrize("query", ["", "  \n", "🚀 … !", "\ud800", "\x00"])
def test_search_for_nothing_finds_nothing(query: str) -> None:
    source, searcher = knowledge()
    before = source.embedder.embedded
    result = searcher.search(query, scope=EVERYTHING)
    assert (result.hits, result.best_dense, result.seq) == ((), 0.0, 1)
    assert source.embedder.embedded == before


def test_search_of_an_empty_knowledge_base_finds_nothing() -> None:
    source = MemoryLog()
    result = Searcher(source, source.embedder).search("anything", scope=EVERYTHING)
    assert (result.hits, result.best_dense, result.seq) == ((), 0.0, 0)


def test_search_of_a_knowledge_base_that_was_emptied_finds_nothing() -> None:
    source = MemoryLog()
    searcher = Searcher(source, source.embedder)
    source.add(passage(1, "anything"))
    assert ids(searcher, "anything") == [1]
    source.hide(1)
    assert ids(searcher, "anything") == []


def test_search_returns_at_most_k_hits() -> None:
    _, searcher = knowledge()
    assert [len(searcher.search("data", k, scope=EVERYTHING).hits) for k in (1, 2, 10)] == [1, 2, 4]


def test_search_refuses_k_below_one() -> None:
    with pytest.raises(ValueError, match="finds nothing"):
        knowledge()[1].search("bread", 0, scope=EVERYTHING)


def test_search_in_a_language_finds_only_this_language() -> None:
    _, searcher = knowledge()
    assert ids(searcher, "导入数据 TiDB", language="zh") == [3]
    assert sorted(ids(searcher, "导入数据 TiDB", language="en")) == [1, 2, 4]


def test_search_with_filters_finds_only_matching_passages() -> None:
    _, searcher = knowledge()
    assert ids(searcher, "bread", filters={"document_id": "document-4"}) == [4]
    assert ids(searcher, "bread", filters={"document_id": "none"}) == []


def test_only_a_search_on_the_candidate_sees_its_change() -> None:
    source, searcher = knowledge()
    draft = passage(-1, "the opening hours of the shop are ten to six", erratum=True)
    candidate = searcher.candidate(hide=[2, 999], add=[draft])
    inside = searcher.search("opening hours", candidate=candidate, scope=EVERYTHING)
    assert (inside.hits[0].passage, inside.seq) == (draft, 1)
    assert 2 not in [hit.passage.id for hit in inside.hits]
    assert ids(searcher, "opening hours")[0] == 2
    assert (source.head(), searcher.check().ok) == (1, True)


def test_candidate_does_not_change_when_the_log_grows() -> None:
    source, searcher = knowledge()
    candidate = searcher.candidate(hide=[1], add=[])
    source.hide(2)
    assert sorted(ids(searcher, "shop bread", candidate=candidate)) == [2, 3, 4]
    assert sorted(ids(searcher, "shop bread")) == [1, 3, 4]


def test_candidate_equals_the_published_state() -> None:
    source, searcher = knowledge()
    text = "the opening hours of the shop are ten to six"
    candidate = searcher.candidate(hide=[2], add=[passage(-1, text)])
    before = searcher.search("opening hours", candidate=candidate, scope=EVERYTHING)
    source.add(passage(5, text), hide=[2])
    after = searcher.search("opening hours", scope=EVERYTHING)
    assert [(hit.passage.text, hit.score, hit.stages) for hit in before.hits] == [
        (hit.passage.text, hit.score, hit.stages) for hit in after.hits
    ]


def test_candidate_passages_are_restricted_by_the_language() -> None:
    _, searcher = knowledge()
    added = [passage(-1, "bread draft"), passage(-2, "面包 bread", language="zh")]
    candidate = searcher.candidate(hide=[], add=added)
    assert sorted(ids(searcher, "bread", language="zh", candidate=candidate)) == [-2, 3]


def test_candidate_refuses_ids_of_the_source() -> None:
    with pytest.raises(ValueError, match="negative"):
        knowledge()[1].candidate(hide=[], add=[passage(1, "x")])


def hit(id_: int, score: float, dense: float | None, *, erratum: bool = False) -> Hit:
    return Hit(passage(id_, "x", erratum=erratum), score, {} if dense is None else {"dense": dense})


def test_errata_first_moves_an_erratum_whose_cosine_and_bonus_reach_the_best_of_the_others() -> None:
    hits = [
        hit(1, 0.9, 0.80),
        hit(2, 0.8, 0.79, erratum=True),
        hit(3, 0.7, 0.76, erratum=True),
        hit(4, 0.6, 0.79, erratum=True),
        hit(5, 0.5, None, erratum=True),
        hit(6, 0.4, 0.79),
        hit(7, 0.3, 0.90, erratum=True),
    ]
    ranked = errata_first(hits, {2: 0.005, 3: 0.045, 4: 0.015, 5: 0.05, 6: 0.05, 7: -0.2})
    assert [(hit.passage.id, hit.score, "erratum" in hit.stages) for hit in ranked] == [
        (3, 2.7, True),
        (4, 2.6, True),
        (1, 0.9, False),
        (2, 0.8, False),
        (5, 0.5, False),
        (6, 0.4, False),
        (7, 0.3, False),
    ]


def test_the_bonus_of_an_erratum_rises_with_the_likeness_of_its_question() -> None:
    ranking = Ranking(erratum_weight=0.5, erratum_like=0.9, erratum_margin=0.01)
    assert [round(ranking.bonus(likeness), 3) for likeness in (1.0, 0.9, 0.7, None)] == [0.05, 0.0, -0.1, 0.01]


def test_errata_first_without_errata_changes_nothing() -> None:
    hits = [hit(1, 0.9, None), hit(2, 0.8, 0.5)]
    assert errata_first(hits, {}) == hits
    assert errata_first([], {}) == []


class PlaneEmbedder(HashingEmbedder):
    """Unit vectors in a plane, by the angle in degrees that is given for the text."""

    def __init__(self, angles: dict[str, float]) -> None:
        super().__init__(dimension=2)
        self._angles = angles

    def _vector(self, text: str) -> NDArray[np.float32]:
        angle = math.radians(self._angles[text])
        return np.array([math.cos(angle), math.sin(angle)], dtype=np.float32)


def test_an_erratum_is_first_for_its_question_in_other_words_but_not_for_a_neighbouring_question() -> None:
    corrected = "When does the last ferry leave?"
    other_words, neighbour = "What is the time of the last ferry?", "When does the first ferry leave?"
    embedder = PlaneEmbedder(
        {
            neighbour: 0,
            "The first ferry leaves at six.": 30,
            f"{corrected}\nAt ten.": 31,  # nearly as near to the neighbouring question as the passage that answers it
            "The last ferry leaves at nine.": 34,
            corrected: 55,
            other_words: 60,
        }
    )
    source = MemoryLog(embedder)
    source.add(
        passage(1, "The first ferry leaves at six."),
        passage(2, "The last ferry leaves at nine."),
        passage(3, "At ten.", title=corrected, erratum=True),
    )
    searcher = Searcher(source, embedder)
    assert ids(searcher, other_words)[0] == 3
    assert ids(searcher, neighbour)[0] == 1
    assert "erratum" not in searcher.search(neighbour, scope=EVERYTHING).hits[1].stages


def test_an_erratum_in_another_language_than_the_question_keeps_its_margin() -> None:
    corrected, asked = "末班渡轮几点开？", "When does the last ferry leave?"
    embedder = PlaneEmbedder(
        {asked: 0, f"{corrected}\n十点。": 31, "The last ferry leaves at nine.": 30, corrected: 80}
    )
    source = MemoryLog(embedder)
    source.add(
        passage(1, "The last ferry leaves at nine."),
        passage(2, "十点。", title=corrected, language="zh", erratum=True),
    )
    assert ids(Searcher(source, embedder), asked) == [2, 1]


def test_the_questions_of_at_most_eight_errata_are_embedded_for_a_search() -> None:
    source = MemoryLog()
    source.add(*(passage(n, "At ten.", title=f"When does ferry {n} leave?", erratum=True) for n in range(1, 21)))
    searcher = Searcher(source, source.embedder)
    searcher.refresh()
    before = source.embedder.embedded
    searcher.search("When does the ferry leave?", 5, scope=EVERYTHING)
    assert source.embedder.embedded - before == 1 + 8


def shelf(number: int) -> Passage:
    return passage(number, f"shelf {number % 7} has {number % 5} red {number % 3} books", erratum=number % 11 == 0)


def test_a_searcher_that_has_searched_before_finds_the_same_and_reads_only_its_hits() -> None:
    source = MemoryLog()
    source.add(*(shelf(number) for number in range(1, 60)))
    used = Searcher(source, source.embedder)
    questions = [f"which shelf has {number % 4} red books {number % 3}" for number in range(12)]
    before = [used.search(question, 3, scope=EVERYTHING).hits for question in questions]
    source.add(*(shelf(number) for number in range(60, 80)))
    for question in questions:
        used.search(question, 3, scope=EVERYTHING)
    for question in questions:
        source.read.clear()
        hits = used.search(question, 3, scope=EVERYTHING).hits
        near_errata = sum(number % 11 == 0 for number in range(1, 80))
        assert len(source.read) <= 3 + near_errata
        assert hits == Searcher(source, source.embedder).search(question, 3, scope=EVERYTHING).hits
    assert before != [used.search(question, 3, scope=EVERYTHING).hits for question in questions]


def test_search_puts_an_erratum_before_the_passage_that_it_corrects() -> None:
    source, searcher = knowledge()
    text = " ".join(["the opening hours of the shop are nine to five"] * 4)
    source.add(*(passage(10 + number, f"{text} {number}") for number in range(8)))
    without = ids(searcher, text, k=3)
    source.add(passage(30, "Ten to six today.", title=text, erratum=True))
    result = searcher.search(text, 3, scope=EVERYTHING)
    assert [hit.passage.id for hit in result.hits] == [30, *without[:2]]
    assert result.hits[0].stages["dense_rank"] > 3
    assert ["erratum" in hit.stages for hit in result.hits] == [True, False, False]


def table(*codes: str) -> tuple[MemoryLog, Searcher]:
    """A row of a table as a passage for each code, and twelve passages that are nearer to "where is the flange nut"."""
    source = MemoryLog()
    source.add(*(passage(number, f"{code}, 4, hall east") for number, code in enumerate(codes, start=1)))
    source.add(*(passage(100 + n, f"where is the flange nut of kind {n}") for n in range(12)))
    return source, Searcher(source, source.embedder)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("KX-59566", "KX-59566"),
        ("KX-59566", "kx59566"),
        ("KX-59566", "KX/59566"),
        ("KX-59566", "KX 59566"),
        ("KX-59566", "ＫＸ－５９５６６"),
        ("KX59566", "KX-59566"),
    ],
)
def test_the_passage_that_alone_has_a_code_of_the_question_is_first(written: str, asked: str) -> None:
    _, searcher = table("KX-59567", written, "KX-59565")
    result = searcher.search(f"where is the flange nut {asked}", 3, scope=EVERYTHING)
    assert (result.hits[0].passage.id, "exact" in result.hits[0].stages) == (2, True)
    assert ["exact" in hit.stages for hit in result.hits[1:]] == [False, False]
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)


def test_a_code_that_many_passages_have_moves_nothing() -> None:
    _, searcher = table(*["KX-59566"] * 4)
    assert all("exact" not in hit.stages for hit in searcher.search("flange nut KX-59566", 9, scope=EVERYTHING).hits)


def test_an_erratum_comes_before_the_passage_that_has_the_code() -> None:
    source, searcher = table("KX-59566")
    source.add(passage(50, "where is the flange nut KX-59566: hall west", erratum=True))
    hits = searcher.search("where is the flange nut KX-59566", 3, scope=EVERYTHING).hits
    assert [hit.passage.id for hit in hits[:2]] == [50, 1]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_code_outside_the_filters_or_the_scope_is_not_found() -> None:
    source, searcher = table("KX-59566")
    source.add(passage(60, "KX-70000, 4, hall west", collection="other", language="zh"))
    question = "where is the flange nut KX-70000"
    assert 60 not in ids(searcher, question, language="en")
    assert 60 not in ids(searcher, question, scope=Scope.of(MAIN))
    assert ids(searcher, question)[0] == 60


def test_a_passage_missing_from_the_source_is_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    source, searcher = knowledge()
    searcher.refresh()
    del source._passages[2]
    with caplog.at_level(logging.ERROR):
        assert 2 not in ids(searcher, "opening hours")
    assert ["errata doctor" in message for message in caplog.messages] == [True]


def test_check_of_a_correct_index_is_ok() -> None:
    source, searcher = knowledge(hide=4)
    searcher.refresh()
    source.add(passage(6, "later"))
    assert searcher.check() == Check(seq=3, passages=4, missing=(), surplus=(), different=())
    assert searcher.check().ok


def test_check_names_every_difference() -> None:
    source, searcher = knowledge()
    searcher.refresh()
    source._live = {1, 3, 4, 5}
    source._rows[5] = source._rows[1]
    source._rows = {id_: replace(row, id=id_) for id_, row in source._rows.items()}
    changed = source._rows[3]
    source._rows[3] = replace(changed, text="another text")
    check = searcher.check()
    assert (check.missing, check.surplus, check.different, check.ok) == ((5,), (2,), (3,), False)


def test_search_from_many_threads_is_consistent() -> None:
    source = MemoryLog()
    searcher = Searcher(source, source.embedder, compact_after=5)
    source.add(passage(0, "the answer is number 0"))
    failures: list[object] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            result = searcher.search("the answer", scope=EVERYTHING)
            if [hit.passage.id for hit in result.hits] != [result.seq - 1]:
                failures.append(result)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for number in range(1, 40):
        source.add(passage(number, f"the answer is number {number}"), hide=[number - 1])
    done.set()
    for asker in askers:
        asker.join()
    searcher.close()
    assert failures == []


def test_results_do_not_depend_on_compaction() -> None:
    source = MemoryLog()
    eager, lazy = Searcher(source, source.embedder, compact_after=1), Searcher(source, HashingEmbedder())
    for number in range(30):
        source.add(
            passage(number, f"passage {number} about topic {number % 4}"), hide=[number - 3] if number % 5 == 4 else []
        )
        eager.refresh()
        lazy.refresh()
    eager.close()
    assert [eager.search(f"topic {topic}", 20, scope=EVERYTHING).hits for topic in range(4)] == [
        lazy.search(f"topic {topic}", 20, scope=EVERYTHING).hits for topic in range(4)
    ]


def test_search_coverage_weighs_words_by_their_rarity() -> None:
    source = MemoryLog()
    texts = ["The pump failed with error E1101.", "The pump is new.", "The valve is new.", "The door is open."]
    source.add(*(passage(number, text) for number, text in enumerate(texts, start=1)))
    searcher = Searcher(source, source.embedder)
    coverage = searcher.search("What is the error E1101?", 3, scope=EVERYTHING).coverage
    unknown = searcher.search("Who is the king of Spain?", 3, scope=EVERYTHING).coverage
    assert coverage > 0.4 > unknown
    assert searcher.search("E1101", 3, scope=EVERYTHING).coverage == 1.0


TWO = [
    passage(1, "the oven is hot", title="Oven"),
    passage(2, "bread is baked for an hour"),
    passage(11, "the oven of the sales team is not to be used", collection="sales"),
    passage(12, "oven oven oven bread", collection="sales", erratum=True),
]


@pytest.mark.parametrize("query", ["the oven", "bread", "how hot is the oven of the sales team?", "zebra"])
def test_passages_outside_the_scope_are_never_found_and_have_no_influence(query: str) -> None:
    both, alone = MemoryLog(), MemoryLog()
    both.add(*TWO)
    alone.add(*TWO[:2])
    wide, narrow = Searcher(both, both.embedder), Searcher(alone, alone.embedder)
    for k in (1, 3, 50):
        restricted = wide.search(query, k, scope=Scope.of("main"))
        expected = narrow.search(query, k, scope=EVERYTHING)
        assert (restricted.hits, restricted.best_dense) == (expected.hits, expected.best_dense)
        assert restricted.coverage == expected.coverage
    assert wide.search("oven", 50, scope=Scope.of("none")).hits == ()
    assert {hit.passage.id for hit in wide.search("oven", 50, scope=EVERYTHING).hits} == {1, 2, 11, 12}


def test_candidate_passages_obey_scope_and_filters() -> None:
    source = MemoryLog()
    source.add(*TWO)
    searcher = Searcher(source, source.embedder)
    added = [
        passage(-1, "the oven is cold", document_id="document-1", department="kitchen"),
        passage(-2, "the oven of the sales team is cold", collection="sales"),
    ]
    candidate = searcher.candidate(hide=[1], add=added)
    assert sorted(ids(searcher, "oven", k=50, scope=Scope.of("main"), candidate=candidate)) == [-1, 2]
    assert sorted(ids(searcher, "oven", k=50, scope=Scope.of("sales"), candidate=candidate)) == [-2, 11, 12]
    filtered = {"filters": {"department": "kitchen"}, "candidate": candidate}
    assert ids(searcher, "oven", k=50, scope=EVERYTHING, **filtered) == [-1]
    assert ids(searcher, "oven", k=50, scope=Scope.of("sales"), **filtered) == []


@pytest.mark.parametrize(("asked", "expected"), [("fr", [5]), ("FR", [5]), ("fr-CA", [5]), ("de", [])])
def test_the_filter_language_compares_the_language_of_a_passage(asked: str, expected: list[int]) -> None:
    source = MemoryLog()
    source.add(passage(1, "the oven"), passage(5, "le four oven", language="fr"))
    searcher = Searcher(source, source.embedder)
    assert ids(searcher, "oven", scope=EVERYTHING, filters={"language": asked}) == expected
    assert ids(searcher, "oven", scope=EVERYTHING, language=asked) == expected
    assert ids(searcher, "oven", scope=EVERYTHING, language="en", filters={"language": asked}) == []


def test_the_ranking_of_a_profile_decides_the_order() -> None:
    source = MemoryLog()
    source.add(passage(1, "alpha beta gamma delta"), passage(2, "alpha alpha alpha"))
    words = Searcher(source, source.embedder, ranking=Ranking(dense_weight=0.0, keyword_weight=1.0))
    meaning = Searcher(source, source.embedder, ranking=Ranking(dense_weight=1.0, keyword_weight=0.0))
    by_words = words.search("alpha", 2, scope=EVERYTHING).hits
    by_meaning = meaning.search("alpha", 2, scope=EVERYTHING).hits
    assert [hit.stages["keyword_rank"] for hit in by_words] == [1.0, 2.0]
    assert [hit.stages["dense_rank"] for hit in by_meaning] == [1.0, 2.0]


def test_passages_with_the_same_words_are_one_hit() -> None:
    source = MemoryLog()
    copies = [
        passage(number, "Parcels are logged by the porter when they arrive.", title="Parcels")
        for number in range(1, 13)
    ]
    source.add(
        *copies,
        passage(20, "parcels are  logged by the porter, when they arrive", title="PARCELS"),
        passage(21, "Parcels are logged by the porter when they arrive.", title="Letters"),
        passage(22, "After nine days unclaimed items go back to the sender.", title="Storage"),
    )
    searcher = Searcher(source, source.embedder)
    hits = searcher.search("When are parcels logged by the porter?", 3, scope=EVERYTHING).hits
    assert [hit.passage.id for hit in hits] == [1, 21, 22]
    source.hide(1)
    assert ids(searcher, "When are parcels logged by the porter?", k=3) == [2, 21, 22]


def test_an_erratum_is_kept_rather_than_a_document_with_the_same_words() -> None:
    source = MemoryLog()
    source.add(
        passage(1, "For 30 days.", title="How long is a loan?"),
        passage(2, "For 30 days.", title="How long is a loan?", erratum=True),
        passage(3, "Loans are free of charge.", title="Fees"),
    )
    assert ids(Searcher(source, source.embedder), "How long is a loan?", k=2) == [2, 3]


def with_background() -> tuple[MemoryLog, PlaneEmbedder]:
    embedder = PlaneEmbedder(
        {
            "How long is a loan?": 0,
            "A loan takes 30 days.": 20,
            "Errata keeps answers for 365 days.": 22,
            "How long are answers kept?": 50,
        }
    )
    source = MemoryLog(embedder)
    source.add(passage(1, "Errata keeps answers for 365 days.", collection="own"))
    return source, embedder


def test_a_background_collection_takes_part_only_where_it_is_clearly_nearer_than_all_others() -> None:
    source, embedder = with_background()
    searcher = Searcher(source, embedder, ranking=Ranking(background_lead=0.01), background=frozenset({"own"}))
    assert ids(searcher, "How long is a loan?") == [1]  # there is nothing else
    source.add(passage(2, "A loan takes 30 days."))
    assert ids(searcher, "How long is a loan?") == [2]
    assert ids(searcher, "How long are answers kept?")[0] == 1
    assert ids(searcher, "How long is a loan?", scope=Scope.of("own")) == [1]
    assert ids(searcher, "How long is a loan?", filters={"document_id": "document-1"}) == [1]
    assert ids(searcher, "How long are answers kept?", scope=Scope.of(MAIN)) == [2]
