"""``errata models …``: what models there are, fetching them, checking them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.context import FAILED, open_parts, say, say_json
from bot.commands.progress import Steps

if TYPE_CHECKING:
    from bot.models.catalogue import Kind
    from bot.models.fetch import OnProgress, Progress
    from bot.settings import Settings

app = typer.Typer(no_args_is_help=True, help="The model store: list, pull, verify.")

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Names or hub ids; by default the models in the settings.", metavar="[MODEL]…"),
]
Embedding = Annotated[bool, typer.Option("--embedding", help="A hub id is an embedding model, not a chat model.")]


@app.command("list")
def show_list(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models known by name, and those that were fetched."""
    with open_parts() as parts:
        settings = parts.settings
        lines = parts.store.list()
    if as_json:
        from dataclasses import asdict

        say_json([asdict(line) for line in lines])
        return
    used = {settings.chat_model, settings.embedding_model}
    for line in lines:
        mark = "*" if line.id in used else " "
        size = f"{line.size / 1e6:,.0f} MB"
        say(f"{mark} {line.id:<38} {line.kind:<10} {line.state:<8} {size:>9}  {line.licence:<11} {line.title}")
    say(f"* named in the settings. Folder: {settings.models}")


@app.command()
def pull(models: Names = None, embedding: Embedding = False) -> None:
    """Fetch models and verify them. What an interrupted run has fetched is used."""
    with open_parts(offline=False) as parts:
        for name, kind in _named(models, embedding) if models else _wanted(parts.settings):
            with Steps(unit="bytes") as steps:
                path = parts.store.pull(name, _reporter(steps), kind=kind)
            say(f"ready: {name} ({path})")


@app.command()
def verify(models: Names = None, embedding: Embedding = False) -> None:
    """Read every byte of models and compare them with what they must be."""
    from bot.models.errors import ModelError

    failed = False
    with open_parts() as parts:
        for name, _kind in _named(models, embedding) if models else _wanted(parts.settings):
            try:
                with Steps(unit="bytes") as steps:
                    manifest = parts.store.verify(name, _reporter(steps))
            except ModelError as error:
                say(f"errata: {error}", error=True)
                failed = True
            else:
                size = sum(file.size for file in manifest.files)
                say(f"sound: {name} ({len(manifest.files)} files, {size / 1e6:,.0f} MB)")
    if failed:
        raise typer.Exit(FAILED)


def _named(models: list[str], embedding: bool) -> list[tuple[str, Kind]]:
    return [(name, "embedding" if embedding else "chat") for name in models]


def _wanted(settings: Settings) -> list[tuple[str, Kind]]:
    """The models in the settings that are fetched: not paths, servers and built-in ones."""
    from bot.models.spec import CatalogueModel, HubModel, parse

    both: list[tuple[str, Kind]] = [(settings.embedding_model, "embedding"), (settings.chat_model, "chat")]
    wanted: list[tuple[str, Kind]] = []
    for name, kind in both:
        if isinstance(parse(name, kind), CatalogueModel | HubModel):
            wanted.append((name, kind))
        else:
            say(f"{name} is used where it is; nothing to fetch.")
    return wanted


def _reporter(steps: Steps) -> OnProgress:
    labels = {"waiting": "Waiting for", "downloading": "Fetching", "verifying": "Verifying", "converting": "Unpacking"}

    def report(progress: Progress) -> None:
        if progress.stage == "done":
            return
        source = f" ({progress.source})" if progress.source else ""
        steps.update(f"{labels[progress.stage]} {progress.model}{source}", progress.done, progress.total)

    return report
