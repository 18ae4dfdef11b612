"""Turns a blocking producer with a callback into an iterator that can be stopped from both sides.

Knows nothing about models. The producer runs in a separate thread and passes its items through a bounded queue, so a
slow reader slows it down. When the reader closes the iterator or sets the event, the producer's next `emit` returns
False, so that it stops. The end of the program does the same and then waits for the producers: a thread inside an
engine's code cannot be interrupted, the process would abort.
"""

from __future__ import annotations

import atexit
import contextvars
import queue
import threading
import time
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Item = TypeVar("Item")
Emit: TypeAlias = "Callable[[Item], bool]"
SIZE: Final = 64
POLL_SECONDS: Final = 0.05  # how soon a set event, or a reader that has left, is noticed
EXIT_SECONDS: Final = 30.0  # how long the program's end waits: an engine emits at least once per batch of the prompt

_exiting = threading.Event()
_threads: set[threading.Thread] = set()


class _End:
    """The producer has returned, or failed with `error`."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def pump(
    produce: Callable[[Callable[[Item], bool]], None],
    *,
    stop: threading.Event | None = None,
    on_idle: Callable[[float], None] = lambda _seconds: None,
    size: int = SIZE,
) -> Iterator[Item]:
    """Yields the items that `produce(emit)` emits. `emit` returns False when no more items are needed; the producer
    must then return.

    The iterator ends without an error once `stop` is set. The iterator raises exceptions of the producer
    and of `on_idle`. While no item comes, `on_idle` is called now and then with the seconds that the reader has waited.
    """
    items: queue.Queue[Item | _End] = queue.Queue(maxsize=size)
    unwanted = threading.Event()

    def put(item: Item | _End) -> bool:
        while not (unwanted.is_set() or _exiting.is_set()):
            try:
                items.put(item, timeout=POLL_SECONDS)
            except queue.Full:
                continue
            return not unwanted.is_set()
        return False

    def run() -> None:
        try:
            produce(put)
        except BaseException as error:  # noqa: BLE001 it goes to the reader
            put(_End(error))
        else:
            put(_End(None))
        finally:
            _threads.discard(threading.current_thread())

    context = contextvars.copy_context()  # so that log lines have the request's id
    thread = threading.Thread(target=context.run, args=(run,), name="generation", daemon=True)
    _threads.add(thread)
    thread.start()
    since = time.monotonic()
    try:
        while stop is None or not stop.is_set():
            try:
                item = items.get(timeout=POLL_SECONDS)
            except queue.Empty:
                on_idle(time.monotonic() - since)
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            since = time.monotonic()
    finally:
        unwanted.set()


@atexit.register
def _finish() -> None:
    _exiting.set()
    for thread in list(_threads):
        thread.join(EXIT_SECONDS)
