"""Who may do what over HTTP: identities from cookies and keys, foreign origins, headers, sizes, floods.

Every route declares one of ``Visitor``, ``Program``, ``Curator``, ``Admin`` (or is public); a table-driven test goes
over all of them. Decision: cross-site requests are refused by Fetch-Metadata and Origin instead of tokens in
forms: there is no state to keep, and nothing for a page to forget. Costs: browsers older than 2020 rely on Origin.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import accounts
from bot.accounts import Identity
from bot.errors import Forbidden, NotSignedIn, TooMany
from bot.web.problems import problem
from bot.wiring import Parts

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
VISITOR_COOKIE = "errata_visitor"
SESSION_COOKIE = "errata_session"
VISITOR_DAYS = 400  # the longest that browsers keep a cookie
JSON_BYTES = 1_000_000
DOCUMENT_BYTES = 64_000_000  # 20 million characters of text in UTF-8
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
)


def parts_of(request: Request) -> Parts:
    """The application's parts."""
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(parts_of)]


def cookie_name(request: Request, name: str) -> str:
    """Behind https a cookie is bound to this very host."""
    return f"__Host-{name}" if request.url.scheme == "https" else name


def set_cookie(request: Request, response: Response, name: str, value: str, days: int) -> None:
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=days * 86_400,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def clear_cookie(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(
        cookie_name(request, name), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def identify(request: Request, parts: PartsDep) -> Identity | None:
    """Who asks: the API key, else the signed-in user, else the visitor. Raises NotSignedIn for a bad key."""
    authorization = request.headers.get("authorization", "")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        with parts.database.read() as session:
            identity = accounts.by_key(session, token.strip()) if scheme.lower() == "bearer" else None
        if identity is None:
            raise NotSignedIn("The API key is unknown or was revoked.")
        return identity
    token = request.cookies.get(cookie_name(request, SESSION_COOKIE), "")
    if token:
        with parts.database.read() as session:
            identity = accounts.signed_in(session, token)
        if identity is not None:
            return identity
    token = request.cookies.get(cookie_name(request, VISITOR_COOKIE), "")
    return accounts.visitor(token) if token else None


MaybeIdentity = Annotated[Identity | None, Depends(identify)]


def visitor(identity: MaybeIdentity) -> Identity:
    """Anyone who is somebody: the owner of conversations."""
    if identity is None:
        raise NotSignedIn("Nobody is signed in, and there is no visitor cookie.")
    return identity


def asker(request: Request, response: Response, identity: MaybeIdentity, parts: PartsDep) -> Identity:
    """Who may ask questions; a new visitor gets a cookie."""
    if identity is not None and (identity.role != "visitor" or parts.settings.anonymous_chat):
        return identity
    if not parts.settings.anonymous_chat:
        raise NotSignedIn("Please sign in to ask questions.")
    token = accounts.new_token()
    set_cookie(request, response, VISITOR_COOKIE, token, VISITOR_DAYS)
    return accounts.visitor(token)


def program(identity: MaybeIdentity) -> Identity:
    """API keys and curators."""
    if identity is None or identity.role == "visitor":
        raise NotSignedIn("This needs an API key (Authorization: Bearer …) or a curator.")
    return identity


def curator(identity: MaybeIdentity) -> Identity:
    if identity is None or identity.role == "visitor":
        raise NotSignedIn("Please sign in as a curator.")
    if not identity.curates:
        raise Forbidden("This needs a curator.")
    return identity


def admin(identity: MaybeIdentity) -> Identity:
    if identity is None or identity.role == "visitor":
        raise NotSignedIn("Please sign in as an administrator.")
    if not identity.administers:
        raise Forbidden("This needs an administrator.")
    return identity


Visitor = Annotated[Identity, Depends(visitor)]
Asker = Annotated[Identity, Depends(asker)]
Program = Annotated[Identity, Depends(program)]
Curator = Annotated[Identity, Depends(curator)]
Admin = Annotated[Identity, Depends(admin)]


class Flood:
    """At most ``limit`` events per ``seconds`` for a key, in fixed windows; remembers ``most`` keys."""

    def __init__(self, limit: int, seconds: float, *, most: int = 10_000) -> None:
        self._limit = limit
        self._seconds = seconds
        self._most = most
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, key: str, *, now: float | None = None) -> None:
        """Raises TooMany when the key has used up its window. Counts nothing."""
        now = time.monotonic() if now is None else now
        with self._lock:
            started, count = self._windows.get(key, (now, 0))
            left = started + self._seconds - now
            if left > 0 and count >= self._limit:
                raise TooMany("Too many attempts. Please wait a little.", retry_after=int(left) + 1)

    def count(self, key: str, *, now: float | None = None) -> None:
        """One event."""
        now = time.monotonic() if now is None else now
        with self._lock:
            started, count = self._windows.pop(key, (now, 0))
            self._windows[key] = (started, count + 1) if now - started < self._seconds else (now, 1)
            while len(self._windows) > self._most:
                self._windows.popitem(last=False)


def address(request: Request) -> str:
    """The client's address; for IPv6 its /64 network, which is what one subscriber has."""
    host = request.client.host if request.client else "unknown"
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network(f"{host}/64", strict=False)) if parsed.version == 6 else host


class Guard:
    """Around the application: refuses foreign hosts, origins and oversized bodies, adds the security headers."""

    def __init__(self, app: ASGIApp, *, host: str, public_url: str | None, upload_bytes: int) -> None:
        self._app = app
        self._public = urlsplit(public_url) if public_url else None
        self._only_local = self._public is None and _is_loopback(host)
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refusal = self._refusal(request)
        limit = self._limit(request)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n.encode(), v.encode()) for n, v in HEADERS if n.encode() not in present),
                ]
                if self._secure(request):
                    message["headers"].append((b"strict-transport-security", b"max-age=31536000"))
            await send(message)

        length = request.headers.get("content-length", "")
        if refusal is None and length.isdigit() and int(length) > limit:
            refusal = problem(413, f"The request is larger than {limit:,} bytes.")
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        await self._app(scope, _Limited(receive, limit), send_with_headers)

    def _secure(self, request: Request) -> bool:
        return request.url.scheme == "https"

    def _refusal(self, request: Request) -> Response | None:
        host = (request.headers.get("host") or "").lower()
        name = urlsplit(f"//{host}").hostname or ""
        if self._only_local and not _is_loopback(name):
            return problem(421, "This address is not served here. Behind a proxy, set ERRATA_PUBLIC_URL.")
        origin = request.headers.get("origin")
        if origin is not None and not self._is_own(origin, request.url.scheme, host):
            return problem(403, "Requests from other sites are refused.")
        site = request.headers.get("sec-fetch-site")
        if request.method not in SAFE_METHODS and site not in (None, "same-origin", "none"):
            return problem(403, "Requests from other sites are refused.")
        return None

    def _is_own(self, origin: str, scheme: str, host: str) -> bool:
        if self._public is not None and origin.lower() == f"{self._public.scheme}://{self._public.netloc}".lower():
            return True
        return origin.lower() == f"{scheme}://{host}"

    def _limit(self, request: Request) -> int:
        if request.url.path != "/api/documents":
            return JSON_BYTES
        multipart = request.headers.get("content-type", "").startswith("multipart/")
        return self._upload_bytes if multipart else DOCUMENT_BYTES


class _Limited:
    """A body that ends with an error once it is longer than allowed."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit
        self._limit = limit

    async def __call__(self) -> Message:
        message: Any = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise BodyTooLarge(self._limit)
        return dict(message)


class BodyTooLarge(HTTPException):
    """The body is longer than this route takes. An HTTPException, because only those pass through body parsing."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The request is larger than {limit:,} bytes.")


def _is_loopback(host: str) -> bool:
    if host in ("localhost", "") or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
