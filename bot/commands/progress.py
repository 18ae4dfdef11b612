"""Shows the progress of work that takes over a second: a bar on a terminal, a plain line from time to time elsewhere.

Both go to standard error. Knows nothing of the work.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from bot.commands.context import console, say

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.progress import Progress, ProgressColumn, TaskID

LINE_SECONDS = 5.0  # between plain lines of one step


class Steps:
    """Shows one step at a time. ``unit``: the things that are counted ("bytes" are shown as megabytes). ``lines``:
    False shows nothing where there is no terminal.

    Use as a context manager. ``update`` may be called at any rate, from the thread that opened it.
    """

    def __init__(self, *, unit: str = "", lines: bool = True) -> None:
        self._unit = unit
        self._lines = lines
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._label = ""
        self._shown_at = 0.0
        self._last = ""

    def __enter__(self) -> Self:
        screen = console(error=True)
        if screen.is_terminal:
            self._bar = _bar(screen, self._unit)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, label: str, done: int = 0, total: int = 0) -> None:
        """Shows how far the step called ``label`` is. ``total`` 0: unknown."""
        if self._bar is not None:
            if self._task is None or label != self._label:
                self.clear()
                self._task = self._bar.add_task(label, total=total or None)
            self._bar.update(self._task, completed=done, total=total or None)
        elif self._lines and (label != self._label or time.monotonic() - self._shown_at >= LINE_SECONDS):
            line = label + self._amount(done, total)
            if line != self._last:
                say(line, error=True)
            self._shown_at, self._last = time.monotonic(), line
        self._label = label

    def note(self, text: str) -> None:
        """Writes a line that stays, above the bar."""
        if self._bar is not None:
            from retrieval.invisible import marked

            self._bar.console.print(marked(text), markup=False, highlight=False)
        else:
            say(text, error=True)

    def clear(self) -> None:
        """Removes the bar until the next update, so that other lines can be written."""
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
            self._bar.refresh()

    def _amount(self, done: int, total: int) -> str:
        if not total:
            return f": {done}" if done else " …"
        if self._unit == "bytes":
            return f": {done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
        return f": {done} of {total}{' ' + self._unit if self._unit else ''}"


def _bar(screen: Console, unit: str) -> Progress:
    from rich import progress

    amount: list[ProgressColumn]
    if unit == "bytes":
        amount = [progress.DownloadColumn(), progress.TransferSpeedColumn(), progress.TimeRemainingColumn()]
    elif unit:
        amount = [progress.MofNCompleteColumn(), progress.TimeElapsedColumn()]
    else:
        amount = [progress.TimeElapsedColumn()]
    return progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        *amount,
        console=screen,
        transient=True,
    )
