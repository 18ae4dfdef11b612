"""Accounts: users with roles, signed-in browsers, API keys, visitors.

Passwords are stored as argon2 hashes. Tokens are random and are stored as SHA-256 only. This module knows nothing of
HTTP: it turns a credential into an ``Identity``, and the role of an identity decides what it may do.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import sqlalchemy as sa
from sqlalchemy.orm import defer

from bot.errors import NotSignedIn
from bot.tables import ApiKey, LoginSession, User
from knowledge.db import utc_now
from knowledge.errors import Conflict, Invalid, NotFound
from knowledge.scoping import checked_name

if TYPE_CHECKING:
    from pwdlib import PasswordHash
    from sqlalchemy.orm import Session

Role: TypeAlias = Literal["curator", "admin"]  # of an account
KeyRole: TypeAlias = Literal["program", Role]
ROLES: tuple[Role, ...] = get_args(Role)
KEY_ROLES: tuple[KeyRole, ...] = get_args(KeyRole)
SESSION_DAYS = 14
MIN_PASSWORD = 10  # characters; NIST SP 800-63B asks for 8 at least
MAX_PASSWORD = 1024  # a very long text costs much time to hash, which would help an attacker
KEY_PREFIX = "errata_"
MAX_KEY_NAME = 200  # characters
NAME = re.compile(r"[\w.@-]{1,64}")


@dataclass(frozen=True, slots=True)
class Identity:
    """The person or program that sends a request. ``owner`` owns conversations; ``role``: visitor | program | curator |
    admin; ``collection``: the only collection that a key may see, None: no such limit."""

    owner: str
    role: str
    name: str
    collection: str | None = None

    @property
    def curates(self) -> bool:
        return self.role in ROLES

    @property
    def administers(self) -> bool:
        return self.role == "admin"


def visitor(token: str) -> Identity:
    """The identity of a browser with a visitor cookie."""
    return Identity(f"visitor:{_sha256(token)[:32]}", "visitor", "visitor")


def new_token() -> str:
    return secrets.token_urlsafe(32)


def add_user(session: Session, username: str, password: str, role: str) -> User:
    """Creates an account. Raises Invalid, Conflict (the name is taken)."""
    if not NAME.fullmatch(username):
        raise Invalid("A user name has 1 to 64 letters, digits or . @ _ -", code="user_name_invalid")
    if role not in ROLES:
        raise Invalid("A role is one of {roles}.", code="role_unknown", roles=", ".join(ROLES))
    _check_password(password)
    if session.get(User, username) is not None:
        raise Conflict("There is a user {username!r} already.", code="user_exists", username=username)
    user = User(username=username, role=role, password_hash=_hasher().hash(_bytes(password)))
    session.add(user)
    session.flush()
    return user


def set_password(session: Session, username: str, password: str) -> None:
    """Changes a password and signs the user out everywhere. Raises Invalid, NotFound."""
    user = session.get(User, username)
    if user is None:
        raise NotFound("There is no user {username!r}. See: errata user list", code="user_not_found", username=username)
    _check_password(password)
    user.password_hash = _hasher().hash(_bytes(password))
    session.execute(sa.delete(LoginSession).where(LoginSession.username == username))
    session.flush()


def set_disabled(session: Session, username: str, *, disabled: bool) -> None:
    """Disables an account and ends its sessions, or enables it again. Raises NotFound, Conflict (the last
    administrator)."""
    user = session.get(User, username)
    if user is None:
        raise NotFound("There is no user {username!r}. See: errata user list", code="user_not_found", username=username)
    others = sa.select(User.username).where(User.role == "admin", sa.not_(User.disabled), User.username != username)
    if disabled and user.role == "admin" and session.scalar(others.limit(1)) is None:
        raise Conflict(
            "{username} is the only administrator left. Add another one first.",
            code="last_administrator",
            username=username,
        )
    user.disabled = disabled
    if disabled:
        session.execute(sa.delete(LoginSession).where(LoginSession.username == username))
    session.flush()


def users(session: Session) -> list[User]:
    return list(session.scalars(sa.select(User).options(defer(User.password_hash)).order_by(User.username)))


def verify_password(session: Session, username: str, password: str) -> User:
    """The user, if the password is right. Takes the same time for unknown names. Raises NotSignedIn."""
    user = session.get(User, username) if NAME.fullmatch(username) else None
    stored = user.password_hash if user is not None else _decoy()
    valid = len(password) <= MAX_PASSWORD and _hasher().verify(_bytes(password), stored)
    if user is None or not valid or user.disabled:
        raise NotSignedIn("The user name or the password is wrong.", code="wrong_password")
    return user


def sign_in(session: Session, user: User) -> str:
    """Opens a session; returns its token for the cookie."""
    session.execute(sa.delete(LoginSession).where(LoginSession.expires_at < utc_now()))
    token = new_token()
    session.add(
        LoginSession(
            token_sha256=_sha256(token),
            username=user.username,
            expires_at=utc_now() + timedelta(days=SESSION_DAYS),
        )
    )
    session.flush()
    return token


def sign_out(session: Session, token: str) -> None:
    session.execute(sa.delete(LoginSession).where(LoginSession.token_sha256 == _sha256(token)))


def identity_of_session(session: Session, token: str, *, now: datetime | None = None) -> Identity | None:
    """The identity of a session token; None for an unknown or expired one, or a disabled user."""
    user = session.scalar(
        sa.select(User)
        .join(LoginSession, LoginSession.username == User.username)
        .where(
            LoginSession.token_sha256 == _sha256(token),
            LoginSession.expires_at > (now or utc_now()),
            sa.not_(User.disabled),
        )
    )
    return Identity(f"user:{user.username}", user.role, user.username) if user else None


def add_key(
    session: Session, name: str, role: str, *, created_by: str, collection: str | None = None
) -> tuple[ApiKey, str]:
    """Creates an API key, which sees one collection (None: all). The secret is returned once and never again. Raises
    Invalid."""
    if collection is not None:
        checked_name(collection)
    if role not in KEY_ROLES:
        raise Invalid("A key's role is one of {roles}.", code="key_role_unknown", roles=", ".join(KEY_ROLES))
    if not name.strip() or len(name) > MAX_KEY_NAME:
        raise Invalid("A key needs a name of at most {limit} characters.", code="key_name_invalid", limit=MAX_KEY_NAME)
    token = KEY_PREFIX + new_token()
    key = ApiKey(
        name=name.strip(), role=role, token_sha256=_sha256(token), created_by=created_by, collection=collection
    )
    session.add(key)
    session.flush()
    return key, token


def revoke_key(session: Session, key_id: int) -> None:
    key = session.get(ApiKey, key_id) if 0 < key_id < 1 << 63 else None
    if key is None:
        raise NotFound("There is no key {key_id}.", code="key_not_found", key_id=key_id)
    key.revoked_at = utc_now()
    session.flush()


def keys(session: Session) -> list[ApiKey]:
    return list(session.scalars(sa.select(ApiKey).options(defer(ApiKey.token_sha256)).order_by(ApiKey.id)))


def identity_of_key(session: Session, token: str) -> Identity | None:
    """The identity of an API key; None if the key is unknown or revoked, or if its account is disabled or deleted."""
    key = session.scalar(sa.select(ApiKey).where(ApiKey.token_sha256 == _sha256(token), ApiKey.revoked_at.is_(None)))
    if key is None or not _may_give_keys(session, key.created_by, frozenset()):
        return None
    return Identity(f"key:{key.id}", key.role, f"key {key.name}", key.collection)


def account_behind(session: Session, identity: Identity) -> str:
    """The account that is responsible for the changes of this identity; for a key, the account that made the key."""
    kind, _, number = identity.owner.partition(":")
    if kind != "key":
        return identity.name
    return session.get_one(ApiKey, int(number)).created_by


def _may_give_keys(session: Session, made_by: str, seen: frozenset[str]) -> bool:
    """Whether the maker of a key may still use the server: an account that is not disabled, or somebody at the server's
    own command line. User names have neither a colon nor a space, so the forms cannot be confused."""
    disabled = session.scalar(sa.select(User.disabled).where(User.username == made_by))
    if disabled is not None:
        return not disabled
    if made_by.startswith("key ") and made_by not in seen:  # older versions recorded the key that made the key
        makers = session.scalars(sa.select(ApiKey.created_by).where(ApiKey.name == made_by.removeprefix("key ")))
        return any(_may_give_keys(session, maker, seen | {made_by}) for maker in makers)
    return made_by == "cli" or made_by.startswith("cli:")


def _check_password(password: str) -> None:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Invalid(
            "A password has {least} to {most} characters.",
            code="password_length",
            least=MIN_PASSWORD,
            most=MAX_PASSWORD,
        )


def _bytes(password: str) -> bytes:
    """The bytes of a password. Any text can be one, also text that a terminal could not decode."""
    return password.encode("utf-8", "surrogatepass")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


@cache
def _hasher() -> PasswordHash:
    from pwdlib import PasswordHash

    return PasswordHash.recommended()


@cache
def _decoy() -> str:
    """A hash that no password has. It is verified for unknown names, so that they take as long as known ones."""
    return _hasher().hash(new_token())
