"""Processes of Errata that can be killed: command lines and servers, started as people start them, or forked from a
process that has imported everything (nursery)."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from scripts.benchmark.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
END_SECONDS = 60.0
KILLED = -signal.SIGKILL
# For clients of these servers. They speak plain http, and reading the certificates of the machine takes long.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_READY = re.compile(r"Errata is ready: (http://\S+)")


class Process(Protocol):
    """A process that was started. ``wait`` returns its exit code (negative: the signal), or None when it still runs."""

    pid: int
    log: Path

    def wait(self, seconds: float) -> int | None: ...


class Starter(Protocol):
    """Starts command lines of Errata. ``settings``: all variables that begin with ERRATA_."""

    def start(self, arguments: Sequence[str], settings: Mapping[str, str], log: Path) -> Process: ...

    def close(self) -> None: ...


def kill(process: Process) -> None:
    """SIGKILL, and waits for the end."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    if process.wait(END_SECONDS) is None:
        raise BenchError(f"The process {process.pid} does not end after SIGKILL.")


def stop(process: Process) -> int | None:
    """SIGTERM, and waits for the end. Returns the exit code; None when it had to be killed."""
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    code = process.wait(END_SECONDS)
    if code is None:
        kill(process)
    return code


def words(process: Process) -> str:
    """What the process wrote."""
    return process.log.read_text(encoding="utf-8", errors="replace")


def address(process: Process, seconds: float = START_SECONDS) -> str | None:
    """Waits until the server is ready, and returns its address; None when it ended before that."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended = process.wait(0.0) is not None
        if match := _READY.search(words(process)):
            return match[1]
        if ended:
            return None
        time.sleep(0.02)
    raise BenchError(f"The server is not ready after {seconds:.0f} s: {words(process)[-500:]}")


class _Program:
    """A process of its own, as people start it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.pid = process.pid
        self.log = log

    def wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds) if seconds else self._process.poll()
        except subprocess.TimeoutExpired:
            return None


class Programs:
    """Starts ``python -m bot``, with the models of the settings."""

    def start(self, arguments: Sequence[str], settings: Mapping[str, str], log: Path) -> Process:
        others = {name: value for name, value in os.environ.items() if not name.startswith("ERRATA_")}
        if "ERRATA_MODELS" in os.environ:
            others["ERRATA_MODELS"] = os.environ["ERRATA_MODELS"]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "bot", *arguments],
                cwd=ROOT,
                env={**others, **settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return _Program(process, log)

    def close(self) -> None:
        """Nothing is left to close."""


class _Child:
    """A child of the nursery."""

    def __init__(self, nursery: Nursery, pid: int, log: Path) -> None:
        self._nursery = nursery
        self._code: int | None = None
        self.pid = pid
        self.log = log

    def wait(self, seconds: float) -> int | None:
        until = time.monotonic() + seconds
        while self._code is None:
            status = self._nursery.ask({"wait": self.pid})
            if status is not None:
                self._code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                break
            else:
                time.sleep(0.01)
        return self._code


class Nursery:
    """Forks the processes from one that has imported everything; they embed by hashing."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.benchmark.nursery"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise BenchError("The process that forks the servers did not start.")

    def ask(self, request: Mapping[str, object]) -> int | None:
        with self._asking:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer: int | None = json.loads(self._process.stdout.readline())
            return answer

    def start(self, arguments: Sequence[str], settings: Mapping[str, str], log: Path) -> Process:
        log.touch()
        pid = self.ask({"run": list(arguments), "settings": dict(settings), "log": str(log)})
        assert pid is not None
        return _Child(self, pid, log)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(END_SECONDS)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
