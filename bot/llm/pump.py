"""Turn a blocking producer with a callback into an iterator that can be stopped from either side.

Knows nothing about models. The producer runs in a thread of its own and hands its items over through a bounded queue,
so a slow reader slows it down; when the reader closes the iterator or sets the event, the producer's next hand-over
tells it to stop. So does the end of the program, which then waits for the producers: a thread inside an engine's own
code cannot be cut off, the process would abort.
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
POLL_SECONDS: Final = 0.05  # how soon an event that was set, or a reader that left, is noticed
EXIT_SECONDS: Final = (
    30.0  # how long the program's end waits: an engine hands over at least once in a batch of the prompt
)

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
    """The items that `produce(emit)` emits. `emit` returns False when nothing more is wanted: the producer should
    then return.

    The iterator ends without an error once `stop` is set. An exception of the producer comes out of the iterator; so
    does one of `on_idle`, which hears now and then, while nothing comes, for how many seconds the reader has waited.
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
