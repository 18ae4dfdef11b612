from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Busy
from bot.llm.errors import WaitCancelled
from bot.llm.gate import Gate
from bot.llm.line import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable


class Visitor:
    """A person at the gate, in a separate thread, who keeps the slot until the test lets them leave."""

    def __init__(self, gate: Gate, name: str, order: list[str], *, background: bool = False) -> None:
        self.positions: list[int] = []
        self.error: Exception | None = None
        self.inside = threading.Event()
        self.leave = threading.Event()
        self.cancelled = threading.Event()
        self._in_line = threading.Event()

        def on_position(position: int) -> None:
            self.positions.append(position)
            self._in_line.set()

        def visit() -> None:
            try:
                with gate.enter(on_position=on_position, cancelled=self.cancelled, background=background):
                    order.append(name)
                    self.inside.set()
                    self._in_line.set()
                    self.leave.wait(5)
            except (Busy, WaitCancelled) as error:
                self.error = error
                self._in_line.set()

        self.thread = threading.Thread(target=visit)
        self.thread.start()
        assert self._in_line.wait(5)

    def go(self) -> None:
        self.leave.set()
        self.thread.join(5)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("did not happen within five seconds")


def test_a_free_gate_lets_in_at_once_without_a_position() -> None:
    gate = Gate(2, 5)
    positions: list[int] = []
    with gate.enter(on_position=positions.append), gate.enter(on_position=positions.append):
        assert (gate.running, gate.waiting) == (2, 0)
    assert (gate.running, gate.waiting, positions) == (0, 0, [])


def test_order_of_arrival_is_kept_and_each_new_position_is_reported() -> None:
    gate, order = Gate(1, 5), list[str]()
    visitors = [Visitor(gate, name, order) for name in "abcd"]
    for number, visitor in enumerate(visitors):
        assert visitor.inside.wait(5)
        until(lambda number=number: all(each.positions[-1] == at for at, each in enumerate(visitors[number + 1 :], 1)))  # type: ignore[misc]
        visitor.go()
    assert order == ["a", "b", "c", "d"]
    assert [visitor.positions for visitor in visitors] == [[], [1], [2, 1], [3, 2, 1]]


def test_beyond_the_limit_the_next_question_is_refused_with_a_time() -> None:
    gate, order = Gate(1, 2), list[str]()
    visitors = [Visitor(gate, name, order) for name in "abc"]
    with pytest.raises(Busy, match="try again in 30 seconds") as raised, gate.enter():
        pass
    assert raised.value.retry_after == 30  # one running and two waiting generations, each assumed to take ten seconds
    for visitor in visitors:
        visitor.go()
    assert order == ["a", "b", "c"]


def test_the_time_to_try_again_follows_how_long_generations_take() -> None:
    now = [0.0]
    gate = Gate(1, 0, clock=lambda: now[0])
    for _ in range(40):
        with gate.enter():
            now[0] += 2.0
    with gate.enter(), pytest.raises(Busy) as raised, gate.enter():
        pass
    assert raised.value.retry_after == 2


def test_people_behind_a_person_who_leaves_move_up() -> None:
    gate, order = Gate(1, 5), list[str]()
    first, second, third = (Visitor(gate, name, order) for name in "abc")
    second.cancelled.set()
    second.thread.join(5)
    assert isinstance(second.error, WaitCancelled)
    until(lambda: third.positions == [2, 1])
    first.go()
    assert third.inside.wait(5)
    third.go()
    assert order == ["a", "c"]
    assert (gate.running, gate.waiting) == (0, 0)


def test_a_place_can_be_taken_before_anybody_waits_for_it() -> None:
    gate, order = Gate(1, 1), list[str]()
    unused, second = gate.join(), gate.join()
    with pytest.raises(Busy):
        gate.join()
    unused.leave()
    unused.leave()
    assert (gate.running, gate.waiting) == (0, 1)
    second.wait()
    assert (gate.running, gate.waiting) == (1, 0)
    third = Visitor(gate, "third", order)
    second.leave()
    assert third.inside.wait(5)
    third.go()
    assert (gate.running, gate.waiting) == (0, 0)


def test_a_place_whose_owner_does_not_wait_yet_delays_nobody() -> None:
    gate = Gate(1, 1)
    early = gate.join()
    with gate.enter(background=True):
        assert gate.running == 1
    with gate.enter():
        assert gate.running == 1
    early.wait()
    early.leave()
    assert (gate.running, gate.waiting) == (0, 0)


def test_a_slot_that_was_not_used_does_not_shorten_the_time_to_try_again() -> None:
    gate = Gate(1, 0)
    for _ in range(40):
        gate.join().leave()
    with gate.enter(), pytest.raises(Busy) as raised:
        gate.join()
    assert raised.value.retry_after == 10


def test_an_error_inside_frees_the_slot() -> None:
    gate = Gate(1, 0)
    with pytest.raises(RuntimeError), gate.enter():
        raise RuntimeError
    assert gate.running == 0


def test_an_error_in_the_position_callback_leaves_the_queue() -> None:
    gate, order = Gate(1, 5), list[str]()
    first = Visitor(gate, "a", order)

    def broken(_position: int) -> None:
        raise RuntimeError("the page is gone")

    with pytest.raises(RuntimeError, match="the page is gone"), gate.enter(on_position=broken):
        pass
    assert gate.waiting == 0
    first.go()


def test_people_go_before_the_background_which_still_gets_its_turn() -> None:
    gate, order = Gate(1, 20), list[str]()
    first = Visitor(gate, "first", order)
    background = [Visitor(gate, f"b{number}", order, background=True) for number in range(2)]
    people = [Visitor(gate, f"p{number}", order) for number in range(6)]
    assert people[0].positions == [1]
    assert PATIENCE == 4
    for visitor in [first, *people, *background]:
        visitor.leave.set()
    for visitor in [first, *people, *background]:
        visitor.thread.join(5)
    assert order == ["first", "p0", "p1", "p2", "b0", "p3", "p4", "p5", "b1"]


def test_positions_predict_the_order() -> None:
    gate, order = Gate(1, 20), list[str]()
    first = Visitor(gate, "first", order)
    background = Visitor(gate, "b", order, background=True)
    people = [Visitor(gate, f"p{number}", order) for number in range(4)]
    until(lambda: background.positions[-1] == 4)
    assert [person.positions[-1] for person in people] == [1, 2, 3, 5]
    for visitor in [first, background, *people]:
        visitor.leave.set()
    for visitor in [first, background, *people]:
        visitor.thread.join(5)
    assert order == ["first", "p0", "p1", "p2", "b", "p3"]


@pytest.mark.parametrize(("slots", "limit"), [(0, 1), (1, -1)])
def test_a_gate_without_slots_is_refused(slots: int, limit: int) -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        Gate(slots, limit)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_never_more_generations_run_than_slots_and_all_places_are_given_back(
    slots: int, visits: list[tuple[bool, bool]]
) -> None:
    gate, most, counting = Gate(slots, 20), [0], threading.Lock()

    def visit(background: bool, fails: bool) -> None:
        try:
            with gate.enter(background=background):
                with counting:
                    most[0] = max(most[0], gate.running)
                if fails:
                    raise RuntimeError
        except RuntimeError:
            pass

    threads = [threading.Thread(target=visit, args=each) for each in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert 1 <= most[0] <= slots
    assert (gate.running, gate.waiting) == (0, 0)
