"""The server of the tests in this folder, as a process of its own: ``python -m tests.bot.server [errata arguments]``.

Real parts with a small embedder and a chat model that writes one word at a time, as slowly as SLOW says (seconds).
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from bot.__main__ import run
from bot.llm.engine import LocalChatModel, Request, Step
from bot.wiring import Parts
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.settings import Settings


class SlowChat(LocalChatModel):
    """Writes "word [1]" two hundred times, and stops when it is told to."""

    def _steps(self, request: Request) -> Iterator[Step]:
        for _ in range(200):
            if request.stop_event is not None and request.stop_event.is_set():
                return
            time.sleep(float(os.environ.get("SLOW", "0")))
            yield Step(text="word [1] ")
        yield Step(finish_reason="stop")


def make_parts(settings: Settings) -> Parts:
    return Parts(settings, embedder=HashingEmbedder(), chat=SlowChat(model="slow"))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:] or ["serve"], make_parts=make_parts))
