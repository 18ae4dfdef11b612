"""The order of the line before the model. The fairness tests do not use the rule of turns: they play events and count,
for each question, who got a place while it waited."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Busy, TooManyWaiting
from bot.llm.errors import WaitCancelled
from bot.llm.gate import Gate, Ticket
from bot.llm.line import Line, Waiter

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = threading.Event()
NOW.set()


def ask(gate: Gate, asker: str, *, network: str | None = None, background: bool = False) -> Ticket:
    """Somebody joins and waits, without a thread: the ticket keeps the place after the wait was cancelled."""
    ticket = gate.join(asker, network=network, background=background)
    with pytest.raises(WaitCancelled):
        ticket.wait(cancelled=NOW)
    return ticket


def served(tickets: Iterable[tuple[str, Ticket]]) -> list[str]:
    """The names in the order in which they get the only place; each gives it back at once."""
    left, order = dict(tickets), []
    while left:
        (name,) = [name for name, ticket in left.items() if ticket.admitted]
        order.append(name)
        left.pop(name).leave()
    return order


def test_a_person_who_asks_forty_times_delays_another_by_one_answer_only() -> None:
    gate = Gate(1, 100)
    flood = [(f"flood {number}", ask(gate, "flood")) for number in range(40)]
    quiet = [(f"quiet {number}", ask(gate, f"person {number}")) for number in range(3)]
    order = served([*flood, *quiet])
    assert order[:6] == ["flood 0", "flood 1", "quiet 0", "quiet 1", "quiet 2", "flood 2"]
    assert order[6:] == [f"flood {number}" for number in range(3, 40)]


def test_forty_askers_from_one_network_delay_a_person_elsewhere_by_one_answer_only() -> None:
    gate = Gate(1, 100)
    flood = [(f"flood {number}", ask(gate, f"cookie {number}", network="198.51.100.0/24")) for number in range(40)]
    network = ("other network", ask(gate, "visitor", network="203.0.113.0/24"))
    account = ("account", ask(gate, "user:anna"))
    order = served([*flood, network, account])
    assert order[:5] == ["flood 0", "flood 1", "other network", "account", "flood 2"]


def test_within_a_network_askers_take_turns() -> None:
    gate = Gate(1, 100)
    flood = [(f"flood {number}", ask(gate, "flood", network="198.51.100.0/24")) for number in range(9)]
    quiet = ("quiet", ask(gate, "quiet", network="198.51.100.0/24"))
    assert served([*flood, quiet])[:3] == ["flood 0", "flood 1", "quiet"]


def test_one_asker_may_have_only_so_many_places() -> None:
    gate = Gate(1, 100, per_asker=3)
    mine = [ask(gate, "me") for _ in range(3)]
    with pytest.raises(TooManyWaiting, match=r"3 of your own questions .* in 10 seconds") as refused:
        gate.join("me")
    assert (refused.value.code, refused.value.values) == ("too_many_waiting", {"count": 3, "seconds": 10})
    other = ask(gate, "somebody else")
    mine[0].leave()
    ask(gate, "me")
    assert (gate.running, gate.waiting) == (1, 3)
    other.leave()


def test_the_time_to_try_again_is_when_the_first_own_question_ends() -> None:
    gate = Gate(1, 100, per_asker=2)
    for number in range(3):
        ask(gate, f"person {number}")  # one generation runs, two wait
    for _ in range(2):
        ask(gate, "me")
    with pytest.raises(TooManyWaiting) as refused:
        gate.join("me")
    assert refused.value.retry_after == 40  # my question is the fourth generation; each is assumed to take ten seconds


def test_a_full_line_refuses_people_without_a_question_in_it() -> None:
    gate = Gate(1, 1, per_asker=2)
    for _ in range(2):
        ask(gate, "me")
    with pytest.raises(Busy):
        gate.join("somebody else")
    with pytest.raises(TooManyWaiting):
        gate.join("me")


def test_questions_of_the_program_itself_and_the_background_have_no_limit_per_asker() -> None:
    gate = Gate(1, 100, per_asker=1)
    for _ in range(5):
        gate.join()
        gate.join(background=True)
    assert gate.waiting == 10


def test_an_asker_keeps_the_turn_while_nobody_waits_for_the_question_yet() -> None:
    line = Line()
    early, late, other = Waiter("a"), Waiter("a", ready=True), Waiter("b", ready=True)
    for waiter in (early, other, late):
        line.join(waiter)
    assert [line.take(), line.take(), line.take()] == [late, other, None]
    early.ready = True
    assert line.take() is early


ASKERS = "abcde"
NETWORKS = {"a": "x", "b": "x", "c": "x", "d": "y"}  # e has an account
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.sampled_from(ASKERS)),
        st.tuples(st.just("join"), st.just("a")),  # a person who asks more than the others
        st.tuples(st.just("background"), st.just("")),
        st.tuples(st.just("end"), st.integers(0, 30)),
        st.tuples(st.just("leave"), st.integers(0, 30)),
    ),
    max_size=60,
)


def is_fair(asker: str, own: int, passed: Counter[str]) -> bool:
    """``passed``: the places that each asker got while the ``own``-th question of ``asker`` waited."""
    places = Counter[str]()  # by network; an account counts as one
    for name in ASKERS:
        places[NETWORKS.get(name, name)] += passed[name]
    mine = NETWORKS.get(asker, asker)
    neighbours = [name for name in ASKERS if NETWORKS.get(name, name) == mine and name != asker]
    return all(passed[name] <= own for name in neighbours) and all(
        count <= places[mine] + 1 for network, count in places.items() if network != mine
    )


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 3), EVENTS)
def test_no_question_is_overtaken_more_often_than_turns_allow(slots: int, events: list[tuple[str, int | str]]) -> None:
    """While somebody's k-th own question waits, no other asker of the network gets more than k places, and each other
    network and account gets at most one place more than the own network. The background gets at most one place for each
    three of people, and one more. At the end everybody has been served."""
    gate = Gate(slots, 1000)
    waiting: dict[Ticket, tuple[str, int, Counter[str]]] = {}  # → asker, own questions up to it, who passed since
    running: list[Ticket] = []
    backgrounds: set[Ticket] = set()

    def settle() -> None:
        admitted = [ticket for ticket in [*waiting, *backgrounds] if ticket.admitted and ticket not in running]
        assert len(admitted) <= slots
        for ticket in admitted:
            running.append(ticket)
            name = "background" if ticket in backgrounds else waiting.pop(ticket)[0]
            backgrounds.discard(ticket)
            for _, _, passed in waiting.values():
                passed[name] += 1
        for asker, own, passed in waiting.values():
            assert is_fair(asker, own, passed)
            assert passed["background"] <= 1 + sum(passed[name] for name in ASKERS) // 3

    def end(ticket: Ticket) -> None:
        running.remove(ticket)
        ticket.leave()
        settle()

    for kind, value in events:
        if kind == "join":
            own = 1 + sum(asker == value for asker, _, _ in waiting.values())
            waiting[ask(gate, str(value), network=NETWORKS.get(str(value)))] = (str(value), own, Counter())
        elif kind == "background":
            backgrounds.add(ask(gate, "", background=True))
        elif kind == "end" and running:
            end(running[int(value) % len(running)])
        elif kind == "leave" and waiting:
            leaving = list(waiting)[int(value) % len(waiting)]
            del waiting[leaving]
            leaving.leave()
        settle()
        assert len(running) == min(slots, len(running) + len(waiting) + len(backgrounds))  # no place stays empty
    while running:
        end(running[0])
    assert (gate.running, gate.waiting) == (0, 0)


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_positions_predict_the_order_of_the_places(events: list[tuple[str, int | str]]) -> None:
    gate = Gate(1, 1000)
    tickets: list[Ticket] = []
    for kind, value in events:
        if kind in ("join", "background"):
            network = NETWORKS.get(str(value))
            tickets.append(ask(gate, str(value), network=network, background=kind == "background"))
        elif tickets:
            tickets.pop(int(value) % len(tickets)).leave()
    foretold = sorted((ticket for ticket in tickets if not ticket.admitted), key=lambda ticket: ticket.position)
    assert [ticket.position for ticket in foretold] == list(range(1, len(foretold) + 1))
    for ticket in [ticket for ticket in tickets if ticket.admitted]:
        ticket.leave()
    order: list[Ticket] = []
    while len(order) < len(foretold):
        (next_one,) = [ticket for ticket in foretold if ticket.admitted and ticket not in order]
        order.append(next_one)
        next_one.leave()
    assert order == foretold
