"""The permissions of HTTP requests: identities from cookies and keys, foreign origins, headers, sizes, floods.

Every route declares one of ``Visitor``, ``Program``, ``Curator``, ``Admin`` (or is public); a table-driven test checks
all of them. Decision: cross-site requests are refused by Fetch-Metadata and Origin instead of tokens in forms, so that
there is no state to keep and no page can forget a token. Costs: browsers older than 2020 are checked by Origin only.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from bot import accounts
from bot.accounts import Identity
from bot.errors import Forbidden, NotSignedIn, TooMany
from bot.hosts import Hosts, origin_of_host, origin_of_url
from bot.web.problems import Refused, from_error
from bot.wiring import Parts
from retrieval.scope import EVERYTHING, Scope

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


def is_https(request: Request) -> bool:
    """Whether the browser uses https, directly or through a proxy that serves the public address."""
    if request.scope["scheme"] == "https":
        return True
    public_url: str | None = parts_of(request).settings.public_url
    if public_url is None or not public_url.lower().startswith("https://"):
        return False
    return origin_of_host("https", request.headers.get("host", "")) == origin_of_url(public_url)


def cookie_name(request: Request, name: str) -> str:
    """The name of a cookie. With https the name binds the cookie to exactly this host."""
    return f"__Host-{name}" if is_https(request) else name


def set_cookie(request: Request, response: Response, name: str, value: str, days: int) -> None:
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=days * 86_400,
        path="/",
        secure=is_https(request),
        httponly=True,
        samesite="lax",
    )


def clear_cookie(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(
        cookie_name(request, name), path="/", secure=is_https(request), httponly=True, samesite="lax"
    )


def identify(request: Request, parts: PartsDep) -> Identity | None:
    """The identity of a request: its API key, else the signed-in user, else the visitor. Raises NotSignedIn for a bad
    key."""
    authorization = request.headers.get("authorization", "")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        with parts.database.read() as session:
            identity = accounts.identity_of_key(session, token.strip()) if scheme.lower() == "bearer" else None
        if identity is None:
            raise NotSignedIn("The API key is unknown or was revoked.", code="key_unknown")
        return identity
    token = request.cookies.get(cookie_name(request, SESSION_COOKIE), "")
    if token:
        with parts.database.read() as session:
            identity = accounts.identity_of_session(session, token)
        if identity is not None:
            return identity
    token = request.cookies.get(cookie_name(request, VISITOR_COOKIE), "")
    return accounts.visitor(token) if token else None


MaybeIdentity = Annotated[Identity | None, Depends(identify)]


def visitor(identity: MaybeIdentity) -> Identity:
    """Any identity, which may own conversations. Raises NotSignedIn where there is none."""
    if identity is None:
        raise NotSignedIn("Nobody is signed in, and there is no visitor cookie.", code="nobody_signed_in")
    return identity


def asker(request: Request, response: Response, identity: MaybeIdentity, parts: PartsDep) -> Identity:
    """An identity that may ask questions; a new visitor gets a cookie. Raises NotSignedIn."""
    if identity is not None and (identity.role != "visitor" or parts.settings.anonymous_chat):
        return identity
    if not parts.settings.anonymous_chat:
        raise NotSignedIn("Please sign in to ask questions.", code="sign_in_to_ask")
    token = accounts.new_token()
    set_cookie(request, response, VISITOR_COOKIE, token, VISITOR_DAYS)
    return accounts.visitor(token)


def program(identity: MaybeIdentity) -> Identity:
    """The identity of an API key or of a user. Raises NotSignedIn."""
    if identity is None or identity.role == "visitor":
        raise NotSignedIn("This needs an API key (Authorization: Bearer …) or a curator.", code="key_or_curator")
    return identity


def curator(identity: MaybeIdentity) -> Identity:
    if identity is None or identity.role == "visitor":
        raise NotSignedIn("Please sign in as a curator.", code="sign_in_to_curate")
    if not identity.curates:
        raise Forbidden("This needs a curator.", code="curators_only")
    return identity


def admin(identity: MaybeIdentity) -> Identity:
    if identity is None or identity.role == "visitor":
        raise NotSignedIn("Please sign in as an administrator.", code="sign_in_as_administrator")
    if not identity.administers:
        raise Forbidden("This needs an administrator.", code="administrators_only")
    return identity


def scope_of(identity: MaybeIdentity, parts: PartsDep) -> Scope:
    """The collections that the caller may see: a key its own collection, people without an account those of the
    settings, accounts all."""
    if identity is None or identity.role == "visitor":
        names = parts.settings.visitor_collections
        return Scope.of(*names) if names else EVERYTHING
    return EVERYTHING if identity.collection is None else Scope.of(identity.collection)


ScopeDep = Annotated[Scope, Depends(scope_of)]


def writable(scope: Scope, collection: str | None) -> str | None:
    """The collection for a new document or correction: the named one, else the default of the scope. None where the
    caller sees everything and named none. Raises Forbidden."""
    if collection is not None and collection not in scope:
        raise Forbidden(
            "You may not add anything to the collection {collection!r}.",
            code="collection_forbidden",
            collection=collection[:80],
        )
    return collection or (None if scope == EVERYTHING else scope.default)


Visitor = Annotated[Identity, Depends(visitor)]
Asker = Annotated[Identity, Depends(asker)]
Program = Annotated[Identity, Depends(program)]
Curator = Annotated[Identity, Depends(curator)]
Admin = Annotated[Identity, Depends(admin)]


class Flood:
    """At most ``limit`` events per ``seconds`` for a key, in fixed windows; remembers ``most`` keys."""

    def __init__(
        self, limit: int, seconds: float, *, most: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()  # key → (start, events), oldest use first
        self._lock = threading.Lock()

    def take(self, *keys: str) -> None:
        """Counts one event for each key. Raises TooMany, and counts nothing, when one has used up its window."""
        with self._lock:
            now = self._clock()
            windows = {key: self._window(key, now) for key in keys}
            waits = [start + self._seconds - now for start, count in windows.values() if count >= self._limit]
            if waits:
                wait = int(max(waits)) + 1
                raise TooMany(
                    "Too many attempts. Please try again in {seconds} seconds.",
                    code="too_many_attempts",
                    seconds=wait,
                    retry_after=wait,
                )
            for key, (start, count) in windows.items():
                self._windows[key] = (start, count + 1)
                self._windows.move_to_end(key)
            while len(self._windows) > self._most:
                self._windows.popitem(last=False)

    def count(self, key: str) -> int:
        """The events of a key that count now."""
        with self._lock:
            return self._window(key, self._clock())[1]

    def give_back(self, *keys: str) -> None:
        """Takes back one counted event of each key."""
        with self._lock:
            for key in keys:
                start, count = self._window(key, self._clock())
                if count:
                    self._windows[key] = (start, count - 1)

    def _window(self, key: str, now: float) -> tuple[float, int]:
        start, count = self._windows.get(key, (now, 0))
        return (start, count) if now - start < self._seconds else (now, 0)


def address(request: Request) -> str:
    """The client's address; for IPv6 its /64 network, because one subscriber has a whole /64."""
    host = request.client.host if request.client else "unknown"
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network(f"{host}/64", strict=False)) if parsed.version == 6 else host


class Guard:
    """Wraps the application: refuses foreign hosts, foreign origins and oversized bodies, adds the security headers."""

    def __init__(self, app: ASGIApp, *, hosts: Hosts, public_url: str | None, upload_bytes: int) -> None:
        self._app = app
        self._public = origin_of_url(public_url) if public_url else None
        self._hosts = hosts
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        more = [(name.encode(), value.encode()) for name, value in (*HEADERS, _caching(scope["path"]))]
        if scope["scheme"] == "https" or (self._public and self._public == origin_of_host("https", host)):
            more.append((b"strict-transport-security", b"max-age=31536000"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((n, v) for n, v in more if n not in present)]
            await send(message)

        limit = self._limit(scope["path"], headers)
        refusal = self._refusal(scope, headers, host)
        length = headers.get("content-length", "")
        if refusal is None and length.isdecimal() and (len(length) > 18 or int(length) > limit):
            refusal = Refused(
                "The request is larger than {limit:,} bytes.", status=413, code="body_too_large", limit=limit
            )
        if refusal is not None:
            await from_error(refusal, path=scope["path"])(scope, receive, send_with_headers)
            return
        await self._app(scope, _Limited(receive, limit), send_with_headers)

    def _refusal(self, scope: AsgiScope, headers: Headers, host: str) -> Refused | None:
        here = origin_of_host(scope["scheme"], host)
        if not self._hosts.serve(host):
            return Refused(
                "Nothing is served here under the name {host!r}. If this is your server, set ERRATA_PUBLIC_URL to "
                "the address that people use, or add the name to ERRATA_HOSTS.",
                status=421,
                code="wrong_host",
                host=host[:100],
            )
        origin = headers.get("origin")
        # A proxy may receive https and send http to us. An http origin of an https address is foreign.
        own = (here, origin_of_host("https", host), self._public)
        if origin is not None and (origin_of_url(origin) is None or origin_of_url(origin) not in own):
            return Refused(
                "Requests from other sites are refused. If this is your site, set ERRATA_PUBLIC_URL to its address.",
                status=403,
                code="foreign_origin",
            )
        site = headers.get("sec-fetch-site")
        if scope["method"] not in SAFE_METHODS and site not in (None, "same-origin", "none"):
            return Refused("Requests from other sites are refused.", status=403, code="foreign_site")
        return None

    def _limit(self, path: str, headers: Headers) -> int:
        if path not in {"/api/documents", "/api/preview"}:
            return JSON_BYTES
        multipart = headers.get("content-type", "").lower().startswith("multipart/")
        return self._upload_bytes if multipart else DOCUMENT_BYTES if path == "/api/documents" else JSON_BYTES


def _caching(path: str) -> tuple[str, str]:
    """The Cache-Control header: answers are not stored; files are requested each time, which their ETag makes cheap."""
    return "cache-control", "no-store" if path.startswith(("/api/", "/v1/")) else "no-cache"


class _Limited:
    """A body that raises an error when it becomes longer than allowed."""

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
    """The body is longer than this route allows. An HTTPException, because only those pass through body parsing."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"The request is larger than {limit:,} bytes.")
