"""The reading process: ``python -m knowledge.load.child DESCRIPTOR``, started only by ``runner``.

First restricts its own rights, then takes requests from a socket until it closes. Each answer is documents or a
LoadError. Standard input is a pipe that only the parent can write to: when it closes, the parent is dead, and the child
ends in the middle of whatever it does. Knows which module reads which suffix, but nothing about formats.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import signal
import socket
import sys
import threading
import warnings
from importlib import import_module
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from knowledge.load import wire
from knowledge.load.errors import CannotStart, Changed, Damaged, LoadError, TooLarge, Unsupported
from knowledge.load.tidy import tidy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knowledge.load.values import Limits, LoadedDocument, Parse

REQUEST_BYTES = 65_536
OPEN_FILES = 64
FULL_SHARE = 0.95  # of the memory limit: above this, an error counts as caused by the limit
RETIRE_SHARE = 0.5  # of the memory limit: a child that has used this much is replaced


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    end_with(sys.stdin.fileno())
    confine()
    channel.sendall(wire.encode({"ready": True}))
    silence()
    while (received := receive(channel)) is not None:
        request, file = received
        name, limits = wire.read_request(request)
        bound(limits)
        try:
            answer(channel, file, name, limits)
        finally:
            os.close(file)


def end_with(pipe: int) -> None:
    """Makes this process end as soon as the pipe's other end closes, which also happens when its owner is killed.

    On Linux the kernel does it, with a signal that no parser can delay. A thread does it on other systems, when the
    parser lets it run. Not PR_SET_PDEATHSIG: it kills the child when the parent's *thread* ends that started it.
    """
    if sys.platform == "linux":
        signal.signal(signal.SIGIO, signal.SIG_DFL)  # which ends the process
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_await_end, args=(pipe,), daemon=True).start()


def _await_end(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os._exit(1)


def receive(channel: socket.socket) -> tuple[bytes, int] | None:
    """Receives a request line and the descriptor that came with it; None when the parent has finished."""
    request, files, _flags, _address = socket.recv_fds(channel, REQUEST_BYTES, 1)
    while request and not request.endswith(b"\n"):
        request += channel.recv(REQUEST_BYTES)
    return (request, files[0]) if request and files else None


def answer(channel: socket.socket, file: int, name: str, limits: Limits) -> None:
    """Sends the documents of the file, or the reason why it cannot be read."""
    try:
        for document in documents(read(file, limits), name, limits):
            channel.sendall(wire.document(document))
        channel.sendall(
            wire.encode({"done": True, "retire": peak_bytes("VmHWM:") > RETIRE_SHARE * limits.memory_bytes})
        )
    except LoadError as error:
        channel.sendall(wire.error(error))
    except MemoryError:
        channel.sendall(wire.error(_too_much(limits)))


def documents(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """The documents of a file's content. Raises only LoadError, whatever the parsers raise."""
    try:
        yield from tidy(parser(PurePosixPath(name).suffix.lower())(data, name, limits), limits)
    except LoadError:
        raise
    except MemoryError:
        raise _too_much(limits) from None
    except RecursionError:
        raise Damaged(
            "The file is nested too deeply to be read. Save it again from the program that made it.",
            code="file_nesting",
        ) from None
    except (ImportError, SyntaxError) as error:
        raise CannotStart(
            "A part of Errata that reads such files is missing or broken ({problem}). Install Errata again.",
            code="reader_broken",
            problem=error,
        ) from error
    except Exception as error:  # third-party parsers raise any exception on broken input
        if is_bounded() and peak_bytes("VmPeak:") > FULL_SHARE * limits.memory_bytes:  # or when memory runs out
            raise _too_much(limits) from error
        reason = f"{type(error).__name__}: {error}"[:200]
        raise Damaged(
            "The file is damaged or has the wrong suffix ({reason}). Save it again from the program that made it.",
            code="file_false_name",
            reason=reason,
        ) from error


def _too_much(limits: Limits) -> TooLarge:
    return TooLarge(
        "Reading the file takes more than {limit:,} MB of memory. Split it.",
        code="file_memory",
        limit=limits.memory_bytes // 1_000_000,
    )


def read(file: int, limits: Limits) -> bytes:
    """Reads the whole content. Raises TooLarge, or Changed when somebody writes to the file meanwhile."""
    before = os.fstat(file)
    if before.st_size > limits.file_bytes:
        raise TooLarge(
            "The file has more than {limit:,.1f} MB. Split it into smaller files.",
            code="file_too_large_to_read",
            limit=limits.file_bytes / 1e6,
        )
    parts, size = [], 0
    while size <= before.st_size and (part := os.pread(file, before.st_size + 1 - size, size)):
        parts.append(part)
        size += len(part)
    after = os.fstat(file)
    if size != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise Changed(
            "The file changed while it was being read. Try again when it is no longer written to.", code="file_changing"
        )
    return b"".join(parts)


# Which module reads which suffix. It is imported when first needed, because HTML alone takes 0.3 s.
_MODULES = {
    ".md": "markdown", ".markdown": "markdown", ".txt": "plain", ".text": "plain", ".rst": "plain",
    ".html": "html", ".htm": "html", ".pdf": "pdf", ".docx": "docx", ".csv": "sheets", ".tsv": "sheets",
    ".xlsx": "workbook", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".epub": "epub", ".eml": "mail",
    ".pptx": "slides", ".odt": "odt", ".rtf": "rtf", ".adoc": "asciidoc", ".asciidoc": "asciidoc",
}  # fmt: skip


def parser(suffix: str) -> Parse:
    """The parser for a suffix. Raises Unsupported."""
    if suffix not in _MODULES:
        raise Unsupported("Files of type {suffix} cannot be read.", code="file_type_unread", suffix=suffix)
    parse: Parse = import_module(f"knowledge.load.{_MODULES[suffix]}").parse
    return parse


def confine() -> None:
    """Gives up all rights that reading a file does not need."""
    import resource

    for limit, value in (
        (resource.RLIMIT_CORE, 0),  # no core dump with somebody's document
        (resource.RLIMIT_FSIZE, 0),  # no file can be written
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        resource.setrlimit(limit, (value, value))
    sys.addaudithook(_refuse)


def bound(limits: Limits) -> None:
    """Limits memory and processor time for the next file. Soft limits, because the file after it may have others."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + limits.seconds)
    for limit, value in ((resource.RLIMIT_AS, limits.memory_bytes), (resource.RLIMIT_CPU, seconds)):
        hard = resource.getrlimit(limit)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(limit, (soft, hard))
        except (OSError, ValueError):  # macOS has no limit of address space
            continue


def is_bounded() -> bool:
    """Whether this process has a memory limit that could have caused an error."""
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def peak_bytes(kind: str) -> int:
    """The most memory (VmHWM:) or address space (VmPeak:) this process has used; 0 where the system does not report it.

    Not ru_maxrss: Linux starts it at the parent's value, and a server keeps models in memory.
    """
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
            return next(int(row.split()[1]) * 1024 for row in status if row.startswith(kind))
    except (OSError, StopIteration, ValueError):
        return 0


def silence() -> None:
    """Switches the parsers' logs off, because nobody reads them."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)


_REFUSED = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.", "os.exec", "os.fork", "os.spawn",
            "os.posix_spawn", "os.system", "os.remove", "os.rename", "os.truncate", "shutil.")  # fmt: skip


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Stops actions that no parser of a document needs, as far as Python's audit events show them."""
    if event.startswith(_REFUSED) or (event == "open" and _writes(arguments)):
        raise PermissionError(f"{event} is not for a reader of documents")


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, _mode, flags = arguments
    return path != os.devnull and isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


if __name__ == "__main__":
    main()
