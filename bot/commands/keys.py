"""``errata keys …``: API keys for programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from bot.commands.context import actor, open_parts, say, say_json

app = typer.Typer(no_args_is_help=True, help="API keys for programs: add, list, revoke.")


class Role(StrEnum):
    """The roles of keys."""

    PROGRAM = "program"
    CURATOR = "curator"
    ADMIN = "admin"


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    role: Annotated[
        Role, typer.Option(help="program: ask, search, give feedback. curator, admin: as accounts.")
    ] = Role.PROGRAM,
    collection: Annotated[str | None, typer.Option(help="All that the key may see; by default everything.")] = None,
) -> None:
    """Create a key. It is printed alone on one line, once, and kept only as a hash."""
    from bot import accounts

    with open_parts() as parts, parts.database.write() as session:
        key, secret = accounts.add_key(session, name, role.value, created_by=actor(), collection=collection)
        number = key.id
    say(f"Key {number} ({role.value}). Send it as `Authorization: Bearer …`; it is shown this once.", error=True)
    say(secret)


@app.command("list")
def show_list(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the keys, without their secrets."""
    from bot import accounts

    with open_parts() as parts, parts.database.read() as session:
        lines = [
            {
                "id": key.id,
                "name": key.name,
                "role": key.role,
                "collection": key.collection,
                "created_by": key.created_by,
                "created_at": key.created_at,
                "revoked_at": key.revoked_at,
            }
            for key in accounts.keys(session)
        ]
    if as_json:
        say_json(lines)
        return
    for line in lines:
        only = f"only {line['collection']}" if line["collection"] else ""
        revoked = f"revoked {line['revoked_at']:%Y-%m-%d}" if line["revoked_at"] else ""
        say(f"{line['id']:>4}  {line['role']:<8} {line['name']}  {only}  {revoked}".rstrip())
    if not lines:
        say("There is no key. Make one: errata keys add NAME")


@app.command()
def revoke(
    key_id: Annotated[int, typer.Argument(help="Number of the key, see `errata keys list`.", metavar="ID")],
) -> None:
    """Make a key useless at once."""
    from bot import accounts

    with open_parts() as parts, parts.database.write() as session:
        accounts.revoke_key(session, key_id)
    say(f"Key {key_id} is revoked.")
