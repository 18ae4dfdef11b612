"""Accounts and keys on the command line."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

import pytest

from bot import accounts
from bot.errors import NotSignedIn
from bot.settings import Settings

if TYPE_CHECKING:
    from tests.bot.commandline import CommandLine

PASSWORD = "correct horse battery"


def may_sign_in(errata: CommandLine, name: str, password: str) -> bool:
    parts = errata.parts(Settings(data=errata.data))
    try:
        with parts.database.read() as session:
            accounts.verify_password(session, name, password)
    except NotSignedIn:
        return False
    else:
        return True
    finally:
        parts.close()


def test_user_add_reads_the_password_from_standard_input(errata: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\nand more\n"))
    printed = errata("user", "add", "ann", "--role", "curator", "--password-stdin")
    assert (printed.code, printed.out, printed.err) == (0, "ann can sign in as curator.\n", "")
    assert may_sign_in(errata, "ann", PASSWORD)
    assert errata("user", "list").out == "ann                      curator\n"


def test_user_add_makes_a_password_and_shows_it_once(errata: CommandLine) -> None:
    printed = errata("user", "add", "admin", "--role", "admin", "--generate")
    shown = re.fullmatch(r"Curator login: user admin, password ([a-z2-9]{5}(?:-[a-z2-9]{5}){3})\n.*\n", printed.out)
    assert shown is not None
    assert may_sign_in(errata, "admin", shown[1])
    assert shown[1].encode() not in (errata.data / "errata.db").read_bytes()
    again = errata("user", "add", "admin", "--role", "admin", "--generate", "--if-first")
    assert again.code == 0
    assert again.out == "Accounts: admin. A new password: errata user passwd NAME\n"
    assert may_sign_in(errata, "admin", shown[1])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ann", "--role", "curator"], 2, "There is no terminal to ask for the password"),
        (["ann", "--role", "owner", "--generate"], 2, "owner"),
        (["ann", "--role", "curator", "--password-stdin", "--generate"], 2, "not both"),
        (["a b", "--role", "curator", "--generate"], 1, "errata: A user name has"),
        (["ann", "--role", "curator", "--password-stdin"], 1, "errata: A password has 10 to 1024 characters."),
    ],
)
def test_user_add_refuses(
    errata: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    done = errata("user", "add", *arguments)
    assert done.code == code
    assert said in " ".join(done.err.replace("│", " ").split())
    assert errata("user", "list", "--json").out == "[]\n"


def test_user_passwd_replaces_the_password(errata: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    errata("user", "add", "ann", "--role", "curator", "--generate")
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
    assert errata("user", "passwd", "ann", "--password-stdin").code == 0
    assert may_sign_in(errata, "ann", PASSWORD)
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
    assert (
        errata("user", "passwd", "bob", "--password-stdin").err
        == "errata: There is no user 'bob'. See: errata user list\n"
    )


def test_user_disable_locks_out_until_enabled(errata: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))
    errata("user", "add", "ann", "--role", "curator", "--password-stdin")
    assert errata("user", "disable", "ann").code == 0
    assert not may_sign_in(errata, "ann", PASSWORD)
    assert errata("user", "enable", "ann").code == 0
    assert may_sign_in(errata, "ann", PASSWORD)


def test_user_disable_keeps_the_last_administrator(errata: CommandLine) -> None:
    errata("user", "add", "root", "--role", "admin", "--generate")
    printed = errata("user", "disable", "root")
    assert printed.code == 1
    assert printed.err == "errata: root is the only administrator left. Add another one first.\n"


def test_keys_are_shown_once_and_can_be_revoked(errata: CommandLine) -> None:
    printed = errata("keys", "add", "website", "--role", "program")
    assert re.fullmatch(r"errata_\S{43}\n", printed.out)
    assert printed.out.strip().encode() not in (errata.data / "errata.db").read_bytes()
    [key] = json.loads(errata("keys", "list", "--json").out)
    assert (key["name"], key["role"], key["revoked_at"]) == ("website", "program", None)
    assert errata("keys", "revoke", str(key["id"])).code == 0
    assert "revoked" in errata("keys", "list").out
    assert errata("keys", "revoke", "99").err == "errata: There is no key 99.\n"
