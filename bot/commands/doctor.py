"""``errata doctor``: is everything in order, and if not, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.context import FAILED, open_parts, say, say_json
from bot.commands.progress import Steps

if TYPE_CHECKING:
    from bot.doctor import Finding

MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every byte of the models and let the chat model write a word.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, disk, database, models, index, accounts, jobs and port, and say how to remedy each.

    May run beside a running server. Exit code 0: nothing failed (warnings may stand); 1: something failed.
    """
    with open_parts() as parts:
        from dataclasses import asdict

        from bot.doctor import examine

        findings = []
        with Steps(lines=False) as steps:
            for one in examine(parts, deep=deep, on_check=lambda name: steps.update(f"Looking at: {name}")):
                findings.append(one)
                if not as_json:
                    steps.clear()
                    _show(one)
    if as_json:
        say_json([asdict(one) for one in findings])
    else:
        bad = sum(one.state == "fail" for one in findings)
        odd = sum(one.state == "warn" for one in findings)
        say(f"\n{len(findings)} checks: " + (f"{bad} failed, {odd} warnings." if bad or odd else "all is well."))
    if any(one.state == "fail" for one in findings):
        raise typer.Exit(FAILED)


def _show(one: Finding) -> None:
    say(f"{MARKS[one.state]}  {one.name:<17} {one.what}")
    if one.remedy and one.state != "ok":
        say(f"{'':<24}→ {one.remedy}")
