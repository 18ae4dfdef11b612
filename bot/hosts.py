"""Decides which names in a Host header belong to this server.

A page of another site can point its own name at this machine (DNS rebinding), and a browser then sends that name as
Host. So only names that nobody else can own are served: those of the settings, those of the machine, and literal IP
addresses.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOST = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?", re.ASCII)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)
WebOrigin = tuple[str, str, int | None]  # scheme, host, port


def origin_of_host(scheme: str, host: str) -> WebOrigin | None:
    """The web origin that a Host header names; None when it names none."""
    try:
        parsed = urlsplit(f"{scheme.lower()}://{host}")
        port, name = parsed.port, parsed.hostname or ""
    except ValueError:
        return None
    if parsed.netloc != host or not _HOST.fullmatch(host):
        return None
    with contextlib.suppress(ValueError):
        name = ipaddress.ip_address(name).compressed
    return parsed.scheme, name, port if port != {"http": 80, "https": 443}.get(parsed.scheme) else None


def origin_of_url(url: str) -> WebOrigin | None:
    """The web origin of an address or an Origin header; None for ``null``."""
    scheme, separator, rest = url.partition("://")
    return origin_of_host(scheme, rest.split("/")[0]) if separator else None


def is_loopback(host: str) -> bool:
    """Whether a host name or IP address always means the machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def host_name(text: str) -> str | None:
    """A host name or IP address, without port, in the form that ``Hosts`` compares; None when it is none."""
    address = _address(text.strip("[]"))
    name = address.compressed if address else text.lower().removesuffix(".")
    return name if address or (len(name) <= 253 and _NAME.fullmatch(name)) else None


class Hosts:
    """Which Host headers are served. Loopback names always are, and what the settings name: ``public_url`` and
    ``more``. When the server listens on another address than loopback (``listens_on``) and has no public address, so
    are literal IP addresses and the machine's own names."""

    def __init__(self, *, listens_on: str, public_url: str | None, more: Iterable[str]) -> None:
        self._open = public_url is None and not (is_loopback(listens_on) or listens_on == "")
        public = origin_of_url(public_url) if public_url else None
        names = [*more, *([public[1]] if public else ()), *((listens_on, *_own_names()) if self._open else ())]
        self._names = frozenset(name for name in map(host_name, names) if name)

    def serve(self, host: str) -> bool:
        """Whether a Host header names this server, whatever its port. Browsers never leave the header out, so a request
        without one is no page's."""
        if host == "":
            return True
        here = origin_of_host("http", host)
        name = host_name(here[1]) if here else None
        if name is None:
            return False
        return name in self._names or is_loopback(name) or (self._open and _address(name) is not None)


def _own_names() -> tuple[str, ...]:
    """The names of this machine for other machines: its name, the forms of the local network, and its full name."""
    name = socket.gethostname()
    short = name.split(".", 1)[0]
    return name, short, f"{short}.local", socket.getfqdn()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
