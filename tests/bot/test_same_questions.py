"""What a curator is offered for merging: corrections in the queue that ask the same, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.same_questions import SameQuestions
from knowledge.errors import NotFound
from retrieval.scope import EVERYTHING, Scope
from tests.bot.talk import Talk
from tests.bot.test_unanswered import CATS, DOGS, PETS, Meanings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    yield talk
    talk.close()


def complain(talk: Talk, question: str) -> int:
    correction_id = talk.rate(talk.ask(question)[1], "down")
    assert correction_id is not None
    return correction_id


def offered(talk: Talk, correction_id: int, scope: Scope = EVERYTHING, alike: float = 0.97) -> list[str]:
    with talk.database.read() as session:
        alike_items = SameQuestions(Meanings(), alike).of(session, correction_id, scope)
    return [item["question"] for item in alike_items]


def test_only_corrections_with_the_same_question_are_offered(talk: Talk) -> None:
    """Three unrelated complaints, and one that is worded differently."""
    dogs = complain(talk, DOGS)
    for other in (CATS, "Is a room free?", PETS, "May I bring 2 dogs?", "可以带狗吗？"):
        complain(talk, other)
    assert offered(talk, dogs) == [PETS]
    assert offered(talk, dogs, alike=float("inf")) == []


def test_corrections_that_cannot_be_merged_are_not_offered(talk: Talk) -> None:
    dogs, pets = complain(talk, DOGS), complain(talk, PETS)
    talk.correct(pets, "Yes.")
    talk.curation.reopen(pets, actor="ann")
    assert offered(talk, dogs) == []  # it is published
    assert offered(talk, pets) == [DOGS]
    talk.curation.reject(dogs, actor="ann", reason="no")
    assert (offered(talk, dogs), offered(talk, pets)) == ([], [])


def test_what_is_outside_the_scope_is_unknown(talk: Talk) -> None:
    dogs = complain(talk, DOGS)
    with pytest.raises(NotFound):
        offered(talk, dogs, Scope.of("elsewhere"))
    with pytest.raises(NotFound):
        offered(talk, 99)
