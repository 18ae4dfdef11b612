"""Which questions are the corrected question: the same words, however they are written, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.correcting import matching
from knowledge.correcting.matching import Match, normal_form
from retrieval.scope import EVERYTHING

if TYPE_CHECKING:
    from tests.knowledge.world import World

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def served(world: World, question: str, *, now: datetime = NOW, excluded: frozenset[int] = frozenset()) -> str | None:
    with world.database.read() as session:
        result = matching.match(session, question, EVERYTHING, now=now, excluded=excluded)
    return result.answer if result else None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I return goods?", "how do i return goods"),
        ("How do I return goods?", "  How do I   return goods ?!"),
        ("How do I return goods?", "“How do I return goods…”"),
        ("Ｈｏｗ ｄｏ Ｉ ｒｅｔｕｒｎ？", "How do I return?"),
        ("Returns: how long?", "Returns - how long?"),
        ("Returns — how long?", "Returns (how long)"),
        ("What is `git push`?", "what is git push"),
        ("What is version 5.", "What is version 5?"),
        ("Can’t I log in?", "can't I log in"),
        ("退货要多久？", "退貨要多久"),
        ("退货要多久？", "退货 要多久 ？"),
        ("TiDB 怎么安装?", "TiDB怎么安装？"),
        ("有 3 天吗", "有３天吗"),
        ("《用户手册》在哪里", "用户手册在哪里"),
        ("How\u200b long?", "How long?"),
    ],
)
def test_key_is_equal_for_the_same_question_written_differently(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is C?", "What is C++?"),
        ("What is C?", "What is C#?"),
        ("Is it 5 %?", "Is it 5 ‰?"),
        ("What is 5²?", "What is 52?"),
        ("What happens at -5 degrees?", "What happens at 5 degrees?"),
        ("What does -v do?", "What does v do?"),
        ("Is 1.5 enough?", "Is 15 enough?"),
        ("Is 1,5 enough?", "Is 1 5 enough?"),
        ("Open at 12:30?", "Open at 12 30?"),
        ("Where is .env?", "Where is env?"),
        ("Can A+ give blood to A-?", "Can A+ give blood to A?"),
        ("Can I return it?", "Can't I return it?"),
        ("Can I return it?", "Can I not return it?"),
        ("Does it work with 3 users?", "Does it work with 4 users?"),
        ("Does it cost $5?", "Does it cost €5?"),
        ("可以退货吗", "不可以退货吗"),
        ("有没有优惠", "有优惠"),
        ("三天内退货", "五天内退货"),
        ("北京怎么走", "南京怎么走"),
        ("特价商品可以退吗", "特价商品以外可以退吗"),
    ],
)
def test_key_differs_where_the_meaning_does(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


@pytest.mark.parametrize("question", ["", "   ", "?!", "。。。", "…", "()", "\u200b"])
def test_key_is_empty_for_a_question_without_words(question: str) -> None:
    assert normal_form(question) == ""


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60))
def test_key_is_a_normal_form(question: str) -> None:
    once = normal_form(question)
    assert normal_form(f" {question}\n") == once
    assert once == " ".join(once.split())


def test_match_serves_the_question_and_its_paraphrases_and_nothing_else(world: World) -> None:
    correction_id = world.draft(
        "how long returns??",
        "Within 30 days.",
        question="How long can I return goods?",
        paraphrases=["Until when may I send goods back?", "退货期限是多少？"],
    )
    world.curation.approve(correction_id, actor="root", override=True, reason="the complaint's own words are unclear")
    for question in (
        "how long can I return goods",
        "Until when may I send goods back",
        "退貨期限是多少",
    ):
        assert served(world, question) == "Within 30 days."
    assert served(world, "How long returns?") is None  # what was complained with, and the curator reworded
    assert served(world, "How long can I return sale goods?") is None
    with world.database.read() as session:
        result = matching.match(session, "how long can I return goods", EVERYTHING, now=NOW)
    assert result == Match(
        entry_id=1,
        correction_id=correction_id,
        question="How long can I return goods?",
        answer="Within 30 days.",
        document_id=f"erratum-{correction_id}",
        document_version=1,
    )


def test_match_leaves_out_negatives(world: World) -> None:
    world.complain("Returns of sale goods?")
    correction_id = world.draft("Returns?", "30 days.", negatives=["Returns of sale goods"])
    merged = world.complain("And sale goods?")
    world.curation.merge([correction_id, merged], actor="ann")
    world.curation.draft(correction_id, {"negatives": ["Returns of sale goods", "and sale goods"]}, actor="ann")
    world.curation.approve(correction_id, actor="root", override=True, reason="sale goods are another matter")
    assert served(world, "Returns") == "30 days."
    assert (served(world, "Returns of sale goods?"), served(world, "And sale goods?")) == (None, None)


def test_a_negative_of_one_entry_does_not_silence_another(world: World) -> None:
    world.publish("Returns of sale goods?", "Never.")
    world.publish("Returns?", "30 days.", negatives=["Returns of sale goods?"])
    assert (served(world, "Returns"), served(world, "Returns of sale goods")) == ("30 days.", "Never.")


def test_match_ends_when_the_validity_ends(world: World) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    world.publish("Is the shop closed?", "Yes, for stocktaking.", valid_until=until.isoformat())
    assert served(world, "Is the shop closed?", now=until - timedelta(seconds=1)) == "Yes, for stocktaking."
    assert served(world, "Is the shop closed?", now=until) is None


def test_match_leaves_out_what_the_asker_excluded(world: World) -> None:
    world.publish("Returns?", "30 days.")
    assert served(world, "Returns?", excluded=frozenset({1})) is None


def test_match_takes_the_newest_of_several(world: World) -> None:
    world.publish("Returns?", "30 days.")
    second = world.draft("Sending back?", "31 days.", paraphrases=["Returns?"])
    world.curation.approve(second, actor="ann", override=True, reason="the newer is right")
    assert served(world, "Returns?") == "31 days."
    assert served(world, "Returns?", excluded=frozenset({2})) == "30 days."


def test_match_forgets_what_was_rolled_back(world: World) -> None:
    correction_id = world.publish("Returns?", "30 days.")
    world.curation.rollback(correction_id, actor="ann")
    assert served(world, "Returns?") is None


def test_match_of_an_empty_question_is_none(world: World) -> None:
    assert served(world, "?!") is None
