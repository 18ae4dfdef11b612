"""Accounts: a credential becomes an identity, or nobody."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from bot import accounts
from bot.accounts import MAX_PASSWORD, SESSION_DAYS, Identity
from bot.errors import NotSignedIn
from bot.tables import ApiKey, LoginSession, User
from knowledge.db import Database, utc_now
from knowledge.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Argon2 with little work: what is tested here is not how slow it is."""
    hasher = PasswordHash([Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)])
    accounts._decoy.cache_clear()
    monkeypatch.setattr(accounts, "_hasher", lambda: hasher)
    yield
    accounts._decoy.cache_clear()


@pytest.fixture
def session(tmp_path: Path, migrated: Path) -> Iterator[Session]:
    shutil.copyfile(migrated, tmp_path / "errata.db")
    database = Database(f"sqlite:///{tmp_path / 'errata.db'}")
    with database.write() as session:
        yield session
    database.close()


def test_a_password_opens_its_account_only(session: Session) -> None:
    accounts.add_user(session, "ann", PASSWORD, "curator")
    accounts.add_user(session, "bob", "another password", "admin")
    assert accounts.verify_password(session, "ann", PASSWORD).role == "curator"
    for username, password in [
        ("ann", "another password"),
        ("bob", PASSWORD),
        ("carl", PASSWORD),
        ("ann", ""),
        ("", ""),
        ("ANN", PASSWORD),
        ("ann\n", PASSWORD),
        ("a n'; --", PASSWORD),
        ("ann", PASSWORD + " "),
        ("ann", "x" * (MAX_PASSWORD + 1)),
        ("ann", "\ud800"),
        ("\ud800", PASSWORD),
    ]:
        with pytest.raises(NotSignedIn, match="The user name or the password is wrong"):
            accounts.verify_password(session, username, password)


def test_a_disabled_account_opens_to_nobody(session: Session) -> None:
    user = accounts.add_user(session, "ann", PASSWORD, "curator")
    token = accounts.sign_in(session, user)
    user.disabled = True
    session.flush()
    assert accounts.identity_of_session(session, token) is None
    with pytest.raises(NotSignedIn):
        accounts.verify_password(session, "ann", PASSWORD)


@pytest.mark.parametrize(
    ("username", "password", "role", "says"),
    [
        ("", PASSWORD, "curator", "1 to 64"),
        ("a b", PASSWORD, "curator", "1 to 64"),
        ("a/b", PASSWORD, "curator", "1 to 64"),
        ("x" * 65, PASSWORD, "curator", "1 to 64"),
        ("ann", PASSWORD, "visitor", "A role is one of curator, admin"),
        ("ann", "short", "curator", "10 to 1024"),
        ("ann", "x" * (MAX_PASSWORD + 1), "curator", "10 to 1024"),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    session: Session, username: str, password: str, role: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        accounts.add_user(session, username, password, role)
    assert accounts.users(session) == []


def test_a_name_is_taken_once(session: Session) -> None:
    accounts.add_user(session, "ann", PASSWORD, "curator")
    with pytest.raises(Conflict, match="'ann' already"):
        accounts.add_user(session, "ann", "other password", "admin")
    accounts.add_user(session, "李雷", PASSWORD, "admin")
    assert [user.username for user in accounts.users(session)] == ["ann", "李雷"]


def test_secrets_are_not_stored(session: Session) -> None:
    user = accounts.add_user(session, "ann", PASSWORD, "curator")
    token = accounts.sign_in(session, user)
    _, key = accounts.add_key(session, "shop", "program", created_by="ann")
    stored = [
        str(value)
        for table in (User, LoginSession, ApiKey)
        for row in session.scalars(sa.select(table))
        for value in vars(row).values()
    ]
    assert not [value for value in stored if PASSWORD in value or token in value or key in value]
    assert user.password_hash.startswith("$argon2id$")


def test_a_session_lasts_two_weeks(session: Session) -> None:
    user = accounts.add_user(session, "ann", PASSWORD, "curator")
    token = accounts.sign_in(session, user)
    ann = Identity("user:ann", "curator", "ann")
    assert accounts.identity_of_session(session, token) == ann
    almost = utc_now() + timedelta(days=SESSION_DAYS) - timedelta(minutes=1)
    assert accounts.identity_of_session(session, token, now=almost) == ann
    assert accounts.identity_of_session(session, token, now=almost + timedelta(minutes=2)) is None
    for unknown in ("", "x", token + "x", token[:-1], "\ud800"):
        assert accounts.identity_of_session(session, unknown) is None


def test_signing_out_ends_one_session(session: Session) -> None:
    user = accounts.add_user(session, "ann", PASSWORD, "curator")
    first, second = accounts.sign_in(session, user), accounts.sign_in(session, user)
    accounts.sign_out(session, first)
    assert (
        accounts.identity_of_session(session, first),
        accounts.identity_of_session(session, second) is not None,
    ) == (None, True)


def test_a_new_password_ends_all_sessions(session: Session) -> None:
    user = accounts.add_user(session, "ann", PASSWORD, "curator")
    token = accounts.sign_in(session, user)
    accounts.set_password(session, "ann", "a newer password")
    assert accounts.identity_of_session(session, token) is None
    assert accounts.verify_password(session, "ann", "a newer password").username == "ann"
    with pytest.raises(NotSignedIn):
        accounts.verify_password(session, "ann", PASSWORD)
    with pytest.raises(NotFound):
        accounts.set_password(session, "bob", PASSWORD)
    with pytest.raises(Invalid):
        accounts.set_password(session, "ann", "short")


def test_signing_in_deletes_expired_sessions(session: Session) -> None:
    user = accounts.add_user(session, "ann", PASSWORD, "curator")
    accounts.sign_in(session, user)
    session.execute(sa.update(LoginSession).values(expires_at=utc_now() - timedelta(days=1)))
    accounts.sign_in(session, user)
    assert len(session.scalars(sa.select(LoginSession)).all()) == 1


def test_a_key_is_shown_once_and_works_until_it_is_revoked(session: Session) -> None:
    accounts.add_user(session, "ann", PASSWORD, "admin")
    key, token = accounts.add_key(session, " shop ", "program", created_by="ann")
    assert token.startswith("errata_")
    assert accounts.identity_of_key(session, token) == Identity(f"key:{key.id}", "program", "key shop")
    for unknown in ("", token[:-1], token.removeprefix("errata_"), "\ud800"):
        assert accounts.identity_of_key(session, unknown) is None
    accounts.revoke_key(session, key.id)
    assert accounts.identity_of_key(session, token) is None
    assert [(key.name, key.revoked_at is not None) for key in accounts.keys(session)] == [("shop", True)]


@pytest.mark.parametrize("key_id", [1, 0, -1, 10**30])
def test_an_unknown_key_says_so(session: Session, key_id: int) -> None:
    with pytest.raises(NotFound, match="no key"):
        accounts.revoke_key(session, key_id)


@pytest.mark.parametrize(
    ("name", "role", "says"),
    [("", "program", "needs a name"), ("x" * 201, "program", "200"), ("shop", "visitor", "role is one of")],
)
def test_a_key_that_cannot_be_is_refused(session: Session, name: str, role: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        accounts.add_key(session, name, role, created_by="ann")


def test_keys_end_with_the_account_that_made_them(session: Session) -> None:
    accounts.add_user(session, "ann", PASSWORD, "admin")
    accounts.add_user(session, "bob", PASSWORD, "admin")
    _, token = accounts.add_key(session, "robot", "admin", created_by="bob")
    robot = accounts.identity_of_key(session, token)
    assert robot is not None
    made_by_robot = accounts.account_behind(session, robot)
    tokens = {
        "robot": token,
        "child": accounts.add_key(session, "child", "program", created_by=made_by_robot)[1],
        "old child": accounts.add_key(session, "old", "program", created_by="key robot")[1],
        "circle": accounts.add_key(session, "circle", "program", created_by="key circle")[1],
        "other": accounts.add_key(session, "other", "program", created_by="ann")[1],
        "command": accounts.add_key(session, "command", "program", created_by="cli:bob")[1],
        "nameless command": accounts.add_key(session, "command", "program", created_by="cli")[1],
        "nobody": accounts.add_key(session, "nobody", "program", created_by="carl")[1],
    }

    def working() -> set[str]:
        return {name for name, token in tokens.items() if accounts.identity_of_key(session, token) is not None}

    of_bob, of_others = {"robot", "child", "old child"}, {"other", "command", "nameless command"}
    assert working() == of_bob | of_others
    accounts.set_disabled(session, "bob", disabled=True)
    assert working() == of_others
    accounts.set_disabled(session, "bob", disabled=False)
    assert working() == of_bob | of_others
    signed_in = accounts.sign_in(session, session.get_one(User, "bob"))
    session.execute(sa.delete(User).where(User.username == "bob"))
    assert working() == of_others
    assert accounts.identity_of_session(session, signed_in) is None


def test_visitors_are_distinguished_by_their_cookie(session: Session) -> None:
    visitor, same, other = accounts.visitor("a" * 43), accounts.visitor("a" * 43), accounts.visitor("b" * 43)
    assert visitor == same
    assert visitor.owner != other.owner
    assert "a" * 43 not in visitor.owner
    assert (visitor.role, visitor.curates, visitor.administers) == ("visitor", False, False)


def test_each_role_may_use_only_its_routes() -> None:
    may = {
        role: (Identity("x", role, "x").curates, Identity("x", role, "x").administers)
        for role in ("visitor", "program", "curator", "admin")
    }
    assert may == {
        "visitor": (False, False), "program": (False, False), "curator": (True, False), "admin": (True, True)
    }  # fmt: skip


def test_no_owner_is_another_kind_s(session: Session) -> None:
    accounts.add_user(session, "1", PASSWORD, "curator")
    _, token = accounts.add_key(session, "1", "program", created_by="cli:ann")
    signed_in = accounts.identity_of_session(session, accounts.sign_in(session, session.get_one(User, "1")))
    by_key = accounts.identity_of_key(session, token)
    assert signed_in is not None
    assert by_key is not None
    assert len({signed_in.owner, by_key.owner, accounts.visitor("1").owner}) == 3
