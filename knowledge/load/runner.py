"""Runs the reading process: starts it, passes open files to it, limits its time and its answers, ends it.

Knows nothing about formats. Opens each file and passes the descriptor, so that the child needs no path.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import wire
from knowledge.load.errors import CannotStart, Damaged, Empty, LoadError, TimedOut, TooLarge, Unsupported
from knowledge.load.values import SUFFIXES, Limits, LoadedDocument
from retrieval.phrases import Phrase

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

START_SECONDS = 60.0  # a busy disk after a restart has needed 10
WALL_FACTOR = 10.0  # times the limit of processor time; after this the parent stops waiting, whatever the child does
FILES_PER_CHILD = 500  # then a new one, so that memory leaks stay small
RECEIVE_BYTES = 1 << 20


def load(path: Path, *, limits: Limits | None = None, name: str | None = None) -> list[LoadedDocument]:
    """The documents of one file, read in a separate process. For many files, keep a Loader.

    ``name`` is the file's original name (an upload has another name on disk). Its suffix gives the
    format, its stem the title if the content has none. Raises LoadError.
    """
    with Loader(limits) as loader:
        return loader.load(path, name=name)


class Loader:
    """Reads files one after another in a child process which it starts when needed and replaces when it dies.

    Threads may share it; they wait for each other. Use it in a ``with`` block, or call ``close``.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the child. The Loader stays usable: the next file starts another."""
        with self._lock:
            self._end()

    def load(self, path: Path, *, name: str | None = None) -> list[LoadedDocument]:
        """The documents of one file. Raises LoadError; CannotStart means that no file can be read."""
        name = _base_name(name if name is not None else path.name)
        if (suffix := Path(name).suffix.lower()) not in SUFFIXES:
            supported = ", ".join(sorted(SUFFIXES))
            if not suffix:
                raise Unsupported(
                    "A file without a suffix cannot be read. Files with these suffixes can: {known}.",
                    code="file_without_suffix",
                    known=supported,
                )
            raise Unsupported(
                "Files of type {suffix} cannot be read. These can: {known}.",
                code="file_type",
                suffix=suffix,
                known=supported,
            )
        file = _open(path, self.limits)
        try:
            with self._lock:
                return self._ask(file, name)
        finally:
            os.close(file)

    def _ask(self, file: int, name: str) -> list[LoadedDocument]:
        if self._child is None:
            self._child = _Child()
        try:
            documents, retire = self._child.ask(file, name, self.limits)
        except (
            BaseException
        ):  # for example a timeout, an invalid answer, Ctrl-C: the child may be in the middle of its work
            self._end()
            raise
        if isinstance(documents, LoadError):
            if isinstance(documents, TooLarge):  # perhaps of memory, which the child may not give back
                self._end()
            raise documents
        if retire or self._child.files >= FILES_PER_CHILD:
            self._end()
        return documents

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """One reading process and the socket to it. Raises CannotStart."""

    def __init__(self) -> None:
        self.files = 0
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="errata-load-", ignore_cleanup_errors=True)
        except OSError as error:
            raise CannotStart(
                "There is no space for temporary files: {problem}. Set TMPDIR to a folder with free space.",
                code="reader_without_room",
                problem=error,
            ) from error
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._buffer = bytearray()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "knowledge.load.child", str(theirs.fileno())],
                stdin=subprocess.PIPE,  # closed by the system when this process dies; the child ends then
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=self._folder.name,
                env=_environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a separate group, to kill all of it; the parent handles Ctrl-C
            )
        except OSError as error:
            self._socket.close()
            self._folder.cleanup()
            raise CannotStart(
                "The process that reads files could not be started: {problem}.",
                code="reader_not_started",
                problem=error,
            ) from error
        finally:
            theirs.close()
        try:
            self._receive_line(time.monotonic() + START_SECONDS, 1_000)
        except (LoadError, EOFError, OSError):
            reason = self._last_line()
            self.end()
            raise CannotStart(
                "The process that reads files did not start: {reason}. Run errata doctor; if it finds no problem, "
                "install Errata again.",
                code="reader_not_up",
                reason=reason,
            ) from None

    def ask(self, file: int, name: str, limits: Limits) -> tuple[list[LoadedDocument] | LoadError, bool]:
        """The child's answer, and whether the child asks to be replaced. After any exception it must be ended."""
        self.files += 1
        patience = WALL_FACTOR * limits.seconds
        deadline = time.monotonic() + patience
        documents: list[LoadedDocument] = []
        room = limits.text_characters
        try:
            self._socket.settimeout(patience)
            socket.send_fds(self._socket, [wire.request(name, limits)], [file])
            while True:
                answer = wire.read_answer(self._receive_line(deadline, wire.line_bytes(limits)))
                if isinstance(answer, LoadError):
                    return answer, False
                if isinstance(answer, bool):
                    return documents, answer
                documents.append(answer)
                room -= len(answer.text)
                if room < 0 or len(documents) > limits.documents:
                    raise TooLarge(
                        "The file gives more text than the limits allow. Split it into several files.",
                        code="file_too_much_text",
                    )
        except TimeoutError:
            raise _timed_out(patience) from None
        except (EOFError, OSError):
            raise self._reason_of_end(limits) from None

    def end(self) -> None:
        """Kills the process group and waits; never raises."""
        self._socket.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._folder.cleanup()

    def _receive_line(self, deadline: float, most: int) -> bytes:
        """Receives a line. Raises TimeoutError, EOFError when the child has ended, Damaged when the line is too
        long."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > most:
                raise Damaged(
                    "The program that reads the file gave output without end. Save the document again.",
                    code="reader_endless",
                )
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            self._socket.settimeout(remaining)
            received = self._socket.recv(RECEIVE_BYTES)
            if not received:
                raise EOFError
            self._buffer += received
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _reason_of_end(self, limits: Limits) -> LoadError:
        """The reason why the child ended, as far as its exit status shows it."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        status = self._process.returncode
        if status == -signal.SIGXCPU:
            return _timed_out(limits.seconds)
        if status and status < 0:
            cause = Phrase.of("by signal {name}", code="ended_by_signal", name=signal.Signals(-status).name)
        else:
            cause = Phrase.of("with status {status}", code="ended_with_status", status=str(status))
        return Damaged(
            "The file made its reader stop ({cause}). It is damaged, or needs more than the {limit:,} MB of "
            "memory that reading may take. Save it again from the program that made it, or split it.",
            code="reader_died",
            cause=cause,
            limit=limits.memory_bytes // 1_000_000,
        )

    def _last_line(self) -> str:
        """The last line that a child wrote before it failed to start."""
        self._socket.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        assert self._process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stderr, selectors.EVENT_READ)
            written = self._process.stderr.read(20_000) if selector.select(timeout=5) else b""
        lines = written.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else "it printed no message"


def _timed_out(seconds: float) -> TimedOut:
    return TimedOut(
        "Reading the file took more than {seconds:g} seconds. It is very large or built to take long: "
        "split it, or save it again from the program that made it.",
        code="file_timed_out",
        seconds=seconds,
    )


def _environment() -> dict[str, str]:
    """The variables that an interpreter needs, and none of the server's others (keys, proxies, paths)."""
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[2]),  # the folder from which this package is imported
        "PYTHONUTF8": "1",
        "PYTHONHASHSEED": "0",  # the same file gives the same documents
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
    }
    kept = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")  # for an interpreter in an unusual folder
    return environment | {name: os.environ[name] for name in kept if name in os.environ}


def _base_name(name: str) -> str:
    """The last part of a name that came from outside, written on any system."""
    return PurePosixPath(name.replace("\\", "/").replace("\x00", "")).name[-255:]


def _open(path: Path, limits: Limits) -> int:
    """Opens a regular file within the size limit and returns its descriptor. Devices and pipes are not opened; a link
    is not followed (``find_files`` has resolved allowed links). Raises Unsupported, TooLarge, Empty."""
    try:
        _check(path.lstat(), limits)
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Unsupported("The file cannot be opened: {reason}.", code="file_not_openable", reason=reason) from error
    try:
        _check(os.fstat(file), limits)  # again, because the file may have been replaced since the check above
    except BaseException:
        os.close(file)
        raise
    return file


def _check(status: os.stat_result, limits: Limits) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise Unsupported("This is a symbolic link. Name the file that it points to.", code="file_is_link")
    if not stat.S_ISREG(status.st_mode):
        raise Unsupported("This is not a regular file but a folder, device, pipe or socket.", code="file_not_regular")
    if status.st_size > limits.file_bytes:
        raise TooLarge(
            "The file has {size:,.1f} MB; the limit is {limit:,.1f} MB. Split it into smaller files.",
            code="file_too_large",
            size=status.st_size / 1e6,
            limit=limits.file_bytes / 1e6,
        )
    if status.st_size == 0:
        raise Empty("The file is empty.", code="file_empty")
