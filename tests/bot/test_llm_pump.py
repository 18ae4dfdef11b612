from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.llm.pump import pump

if TYPE_CHECKING:
    from collections.abc import Callable


def endless(stopped: threading.Event) -> Callable[[Callable[[int], bool]], None]:
    """A producer that counts until `emit` returns False, and then sets ``stopped``."""

    def produce(emit: Callable[[int], bool]) -> None:
        number = 0
        while emit(number):
            number += 1
        stopped.set()

    return produce


def test_pump_gives_all_items_in_order() -> None:
    def produce(emit: Callable[[int], bool]) -> None:
        for number in range(500):
            assert emit(number)

    assert list(pump(produce)) == list(range(500))


def test_pump_stops_the_producer_when_the_reader_closes() -> None:
    stopped = threading.Event()
    items = pump(endless(stopped))
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert stopped.wait(2)


def test_pump_ends_without_an_error_when_the_event_is_set() -> None:
    stopped, stop = threading.Event(), threading.Event()
    seen = []
    for item in pump(endless(stopped), stop=stop):
        seen.append(item)
        if item == 3:
            stop.set()
    assert seen == [0, 1, 2, 3]
    assert stopped.wait(2)


def test_pump_notices_the_event_while_the_producer_is_silent() -> None:
    stop, release = threading.Event(), threading.Event()

    def produce(_emit: Callable[[int], bool]) -> None:
        release.wait(5)

    threading.Timer(0.05, stop.set).start()
    assert list(pump(produce, stop=stop)) == []
    release.set()


def test_pump_gives_the_producers_error_to_the_reader() -> None:
    def produce(emit: Callable[[int], bool]) -> None:
        emit(1)
        raise ValueError("broken")

    items = pump(produce)
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_pump_slows_a_producer_that_is_faster_than_the_reader() -> None:
    produced: list[int] = []

    def produce(emit: Callable[[int], bool]) -> None:
        for number in range(100):
            if not emit(number):
                return
            produced.append(number)

    items = pump(produce, size=4)
    assert next(items) == 0
    threading.Event().wait(0.1)
    assert len(produced) <= 6
    items.close()  # type: ignore[attr-defined]


def test_the_programs_end_stops_the_producers_and_waits_for_them(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import pathlib, time\n"
        "from bot.llm.pump import pump\n"
        "def produce(emit):\n"
        "    while emit(1):\n"
        "        time.sleep(0.01)\n"
        "    time.sleep(0.1)\n"
        f"    pathlib.Path({str(tmp_path / 'finished')!r}).touch()\n"
        "items = pump(produce)\n"
        "next(items)\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, program], env=environment, timeout=30, check=False).returncode == 0
    assert (tmp_path / "finished").exists()
