"""A cable between a browser and a server that a test can cut: connections break off and nobody answers any more."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cable:
    """Passes connections to ``address`` (of an http server) on, until it is cut."""

    def __init__(self, address: str) -> None:
        to = urlsplit(address)
        assert to.hostname is not None
        assert to.port is not None
        self._to = (to.hostname, to.port)
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._port = 0
        self.mend()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def mend(self) -> None:
        """Takes connections, on the same port as before."""
        self._listening = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listening.getsockname()[1]
        self._spawn(self._accept, self._listening)

    def cut(self) -> None:
        for end in (self._listening, *self._ends):
            with contextlib.suppress(OSError):  # closed by the other side already
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listening, *self._ends):
            end.close()
        self._ends, self._threads = [], []

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listening.accept()
                far = socket.create_connection(self._to)
                self._ends += [near, far]
                self._spawn(self._pass_on, near, far)
                self._spawn(self._pass_on, far, near)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _spawn(self, work: object, *arguments: socket.socket) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments, name="cable", daemon=True)
        self._threads.append(thread)
        thread.start()


@contextmanager
def cable(address: str) -> Iterator[Cable]:
    laid = Cable(address)
    try:
        yield laid
    finally:
        laid.cut()
