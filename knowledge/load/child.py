"""The reading process: ``python -m knowledge.load.child DESCRIPTOR``, started by ``runner`` and by nobody else.

Takes requests from a socket until it closes; confines itself first. Each answer is documents or a LoadError. Knows
which module reads which suffix, and nothing about how.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from knowledge.load import wire
from knowledge.load.errors import Changed, Damaged, LoadError, TooLarge, Unsupported
from knowledge.load.tidy import tidy
from knowledge.load.values import Limits, LoadedDocument, Parse

REQUEST_BYTES = 65_536
OPEN_FILES = 64
RETIRE_SHARE = 0.5  # of the memory limit: a child that once took this much makes room for a fresh one


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    confine()
    channel.sendall(wire.encode({"ready": True}))
    silence()
    while (received := receive(channel)) is not None:
        request, file = received
        name, limits = wire.read_request(request)
        with os.fdopen(file, "rb", buffering=0, closefd=True) as opened:
            bound(limits)
            answer(channel, opened.fileno(), name, limits)


def receive(channel: socket.socket) -> tuple[bytes, int] | None:
    """A request line and the descriptor that came with it; None when the parent is done."""
    request, files, _flags, _address = socket.recv_fds(channel, REQUEST_BYTES, 1)
    while request and not request.endswith(b"\n"):
        request += channel.recv(REQUEST_BYTES)
    return (request, files[0]) if request and files else None


def answer(channel: socket.socket, file: int, name: str, limits: Limits) -> None:
    """Sends what is in the file, or why it cannot be read."""
    try:
        for one in documents(read(file, limits), name, limits):
            channel.sendall(wire.document(one))
        channel.sendall(wire.encode({"done": True, "retire": peak_bytes() > RETIRE_SHARE * limits.memory_bytes}))
    except LoadError as error:
        channel.sendall(wire.error(error))


def documents(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """The documents of a file's content. Raises LoadError and nothing else, whatever the parsers do."""
    try:
        yield from tidy(parser(PurePosixPath(name).suffix.lower())(data, name, limits), limits)
    except LoadError:
        raise
    except MemoryError:
        raise TooLarge(
            f"Reading the file takes more than {limits.memory_bytes // 1_000_000:,} MB of memory. Split it."
        ) from None
    except RecursionError:
        raise Damaged("The file is nested too deeply to be read. Save it anew from the program that made it.") from None
    except Exception as error:  # noqa: BLE001: third-party parsers raise anything on broken input
        reason = f"{type(error).__name__}: {error}"[:200]
        raise Damaged(
            f"The file is damaged or not what its name says ({reason}). Save it anew from the program that made it."
        ) from error


def read(file: int, limits: Limits) -> bytes:
    """The whole content. Raises Changed when somebody writes to the file meanwhile, TooLarge."""
    before = os.fstat(file)
    if before.st_size > limits.file_bytes:
        raise TooLarge(f"The file has more than {limits.file_bytes / 1e6:,.1f} MB. Split it into smaller files.")
    parts, size = [], 0
    while size <= before.st_size and (part := os.pread(file, before.st_size + 1 - size, size)):
        parts.append(part)
        size += len(part)
    after = os.fstat(file)
    if size != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise Changed("The file changed while it was being read. Try again when it is no longer written to.")
    return b"".join(parts)


def parser(suffix: str) -> Parse:  # noqa: C901, PLR0911: one line for each format
    """The module that reads a suffix, imported when first needed: HTML alone costs 0.3 s."""
    match suffix:
        case ".md" | ".markdown":
            from knowledge.load.markdown import parse
        case ".txt" | ".text" | ".rst":
            from knowledge.load.plain import parse
        case ".html" | ".htm":
            from knowledge.load.html import parse
        case ".pdf":
            from knowledge.load.pdf import parse
        case ".docx":
            from knowledge.load.docx import parse
        case ".csv" | ".tsv":
            from knowledge.load.csv import parse
        case ".xlsx":
            from knowledge.load.xlsx import parse
        case ".jsonl" | ".ndjson" | ".json":
            from knowledge.load.jsonl import parse
        case _:
            raise Unsupported(f"Files of type {suffix or '(no suffix)'} cannot be read.")
    return parse


def confine() -> None:
    """Gives up what reading a file does not need. Belt and braces: the parent's clock is what ends a loop."""
    import resource

    for limit, value in (
        (resource.RLIMIT_CORE, 0),  # no dump of somebody's document
        (resource.RLIMIT_FSIZE, 0),  # writes no file
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        resource.setrlimit(limit, (value, value))
    sys.addaudithook(_refuse)


def bound(limits: Limits) -> None:
    """Memory and processor time for the next file. Soft limits: those of the file after may be others."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + limits.seconds) + 2
    for limit, value in ((resource.RLIMIT_AS, limits.memory_bytes), (resource.RLIMIT_CPU, seconds)):
        hard = resource.getrlimit(limit)[1]
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(limit, (soft, hard))
        except (OSError, ValueError):  # macOS knows no address space limit; there the parent's clock must do
            continue


def peak_bytes() -> int:
    """The most memory that this process has had."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def silence() -> None:
    """Nobody reads what the parsers log."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)


_REFUSED = ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.", "os.exec", "os.fork", "os.posix_spawn",
            "os.spawn", "os.system", "os.remove", "os.rename", "os.truncate", "shutil.", "ctypes.dlopen")  # fmt: skip


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Ends what no parser of a document has to do, as far as Python sees it."""
    if event.startswith(_REFUSED) or (event == "open" and _writes(arguments)):
        raise PermissionError(f"{event} is not for a reader of documents")


def _writes(arguments: tuple[Any, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) and arguments[0] != os.devnull


if __name__ == "__main__":
    main()
