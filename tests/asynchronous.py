"""Coroutines in tests: each runs in a thread of its own, because a browser test that ran before leaves an event loop
running in the test's thread."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")


def complete(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine."""
    return in_a_thread(asyncio.run, coroutine)


def in_a_thread(function: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a function that runs coroutines itself."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()
