"""What was promised against what is stored: every kind of loss is reported, and nothing else."""

from __future__ import annotations

from scripts.benchmark.crash.ledger import Fact, Ledger
from scripts.benchmark.crash.served import superseded, unequal

HOURS: Fact = ("document", "hours")
RATING: Fact = ("rating", "c1")
COMPLAINT: Fact = ("complaint", "c1")


def ledger() -> Ledger:
    made = Ledger({HOURS: "nine"})
    made.begin("ann", {HOURS: ("ten",)})
    made.acknowledge("ann")
    return made


def test_what_was_acknowledged_is_expected() -> None:
    assert ledger().differences({HOURS: "ten"}) == []
    assert ledger().acknowledged == 1


def test_a_lost_write_is_reported() -> None:
    assert ledger().differences({HOURS: "nine"}) == ["document hours: 'nine' is stored, promised was 'ten'"]
    assert ledger().differences({}) == ["document hours: nothing is stored, promised was 'ten'"]


def test_a_doubled_write_is_reported() -> None:
    made = Ledger()
    made.begin("ann", {RATING: ("1",)})
    made.acknowledge("ann")
    assert made.differences({RATING: "2"}) == ["rating c1: '2' is stored, promised was '1'"]


def test_what_nobody_wrote_is_reported() -> None:
    assert ledger().differences({HOURS: "ten", RATING: "1"}) == ["rating c1: '1' is stored, promised was nothing"]


def test_a_write_without_an_answer_may_be_stored_or_not_until_one_looks() -> None:
    for stored, other in (("eleven", "ten"), ("ten", "eleven")):
        made = ledger()
        made.begin("ann", {HOURS: ("eleven",)})
        assert made.differences({HOURS: "ten"}) == made.differences({HOURS: "eleven"}) == []
        assert made.differences({HOURS: "nine"}) != []
        assert made.settle({HOURS: stored}) == {HOURS}
        assert made.differences({HOURS: stored}) == []
        assert made.differences({HOURS: other}) != []


def test_half_a_write_is_reported() -> None:
    made = Ledger()
    made.begin("ann", {RATING: ("1",), COMPLAINT: ("1",)})
    assert made.differences({RATING: "1", COMPLAINT: "1"}) == made.differences({}) == []
    assert made.differences({RATING: "1"}) == ["half of a write of ann is stored"]


def test_a_command_of_several_steps_may_stop_between_two() -> None:
    made = Ledger()
    made.begin("steps of ingest", {RATING: ("1",), COMPLAINT: ("1",)})
    assert made.differences({RATING: "1"}) == []


def test_a_refused_write_must_not_be_stored_and_a_doubted_one_may() -> None:
    made = ledger()
    made.begin("ann", {HOURS: ("eleven",)})
    made.refuse("ann")
    assert made.differences({HOURS: "eleven"}) != []
    made.begin("ann", {HOURS: ("eleven",)})
    made.doubt("ann")
    assert made.differences({HOURS: "eleven"}) == made.differences({HOURS: "ten"}) == []


def test_a_hit_that_a_new_index_does_not_find_is_reported() -> None:
    hits = [(1, "nine", 0.5), (2, "ten", 0.4)]
    assert unequal("q", (7, hits), (7, hits)) == []
    assert unequal("q", (7, hits), (7, hits[:1])) == ["q: hit 2 is (2, 'ten', 0.4), a new index finds None"]
    assert unequal("q", (7, hits[:1]), (7, hits)) == ["q: hit 2 is None, a new index finds (2, 'ten', 0.4)"]
    assert unequal("q", (6, hits), (7, hits)) == ["q: the server is at step 6 of the log, the database at 7"]


def test_a_superseded_text_is_reported() -> None:
    assert superseded("q", [("hours", "ten"), ("unknown", "x")], ledger()) == []
    assert superseded("q", [("hours", "nine")], ledger()) == ["q: hours is served as 'nine', promised was ('ten',)"]
