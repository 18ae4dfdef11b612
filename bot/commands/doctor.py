"""``errata doctor``: checks the installation and says what to do about faults."""

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
        bool,
        typer.Option(
            "--deep",
            help="Also check stored texts by their hashes and all bytes of the models, and try the chat model.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, disk, database, models, index, accounts, jobs and port, and say how to remedy each.

    May run beside a running server. Exit code 0: nothing failed (there may be warnings); 1: something failed.
    """
    with open_parts() as parts:
        from dataclasses import asdict

        from bot.doctor import examine

        findings = []
        with Steps(lines=False) as steps:
            for finding in examine(parts, deep=deep, on_check=lambda name: steps.update(f"Looking at: {name}")):
                findings.append(finding)
                if not as_json:
                    steps.clear()
                    _show(finding)
    if as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        failed = sum(finding.state == "fail" for finding in findings)
        warned = sum(finding.state == "warn" for finding in findings)
        say(
            f"\n{len(findings)} checks: "
            + (f"{failed} failed, {warned} warnings." if failed or warned else "all is well.")
        )
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(FAILED)


def _show(finding: Finding) -> None:
    say(f"{MARKS[finding.state]}  {finding.name:<17} {finding.what}")
    if finding.remedy and finding.state != "ok":
        say(f"{'':<24}→ {finding.remedy}")
