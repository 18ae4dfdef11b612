"""``errata user …``: accounts for curators and administrators."""

from __future__ import annotations

import secrets
import sys
from enum import StrEnum
from typing import Annotated

import typer

from bot.commands.context import open_parts, program, say, say_json

app = typer.Typer(no_args_is_help=True, help="Accounts: add, list, passwd, disable, enable.")

LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without letters and digits that look alike
Name = Annotated[str, typer.Argument(help="User name.")]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input (its first line).")
]
Generated = Annotated[bool, typer.Option("--generate", help="Make a password and show it once.")]


class Role(StrEnum):
    """The roles of accounts."""

    CURATOR = "curator"
    ADMIN = "admin"


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="curator: corrections and documents. admin: accounts and keys as well.")],
    password_stdin: FromInput = False,
    generate: Generated = False,
    if_first: Annotated[bool, typer.Option("--if-first", help="Do nothing when there is an account already.")] = False,
) -> None:
    """Create an account."""
    from bot import accounts

    with open_parts() as parts:
        if if_first:
            with parts.database.read() as session:
                there = accounts.users(session)
            if there:
                names = ", ".join(user.username for user in there if not user.disabled)
                say(f"Accounts: {names}. A new password: {program()} user passwd NAME")
                return
        password = _password(from_input=password_stdin, generate=generate)
        with parts.database.write() as session:
            accounts.add_user(session, name, password, role.value)
    _added(name, role.value, password if generate else None)


@app.command("list")
def show_list(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the accounts."""
    from bot import accounts

    with open_parts() as parts, parts.database.read() as session:
        users = accounts.users(session)
        lines = [
            {
                "username": account.username,
                "role": account.role,
                "disabled": account.disabled,
                "created_at": account.created_at,
            }
            for account in users
        ]
    if as_json:
        say_json(lines)
        return
    for line in lines:
        say(f"{line['username']:<24} {line['role']:<8} {'disabled' if line['disabled'] else ''}".rstrip())
    if not lines:
        say("There is no account yet. Make one: errata user add NAME --role admin")


@app.command()
def passwd(name: Name, password_stdin: FromInput = False, generate: Generated = False) -> None:
    """Set a new password; the user is signed out everywhere."""
    from bot import accounts

    with open_parts() as parts:
        password = _password(from_input=password_stdin, generate=generate)
        with parts.database.write() as session:
            accounts.set_password(session, name, password)
    say(f"{name} has a new password." + (f" Password: {password}" if generate else ""))


@app.command()
def disable(name: Name) -> None:
    """Lock an account and the API keys that it made out; what it did stays on the record."""
    _set_disabled(name, disabled=True)
    say(f"{name} can no longer sign in, and API keys that {name} made stop working.")
    say(f"`errata user enable {name}` takes that back.")


@app.command()
def enable(name: Name) -> None:
    """Let a disabled account in again."""
    _set_disabled(name, disabled=False)
    say(f"{name} can sign in.")


def _set_disabled(name: str, *, disabled: bool) -> None:
    from bot import accounts

    with open_parts() as parts, parts.database.write() as session:
        accounts.set_disabled(session, name, disabled=disabled)


def _password(*, from_input: bool, generate: bool) -> str:
    """A password: from standard input, generated, or typed at a prompt that does not show it."""
    if from_input and generate:
        raise typer.BadParameter("Give --password-stdin or --generate, not both.")
    if generate:
        return "-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(4))  # 99 bits
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("There is no terminal to ask for the password: add --password-stdin or --generate.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _added(name: str, role: str, password: str | None) -> None:
    if password is None:
        say(f"{name} can sign in as {role}.")
        return
    say(f"Curator login: user {name}, password {password}")
    say(f"It is shown this once and kept only as a hash. A new one: {program()} user passwd {name}")
