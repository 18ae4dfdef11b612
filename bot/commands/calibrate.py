"""``errata calibrate``: measures how much the chat model may doubt before a question is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.context import FAILED, open_parts, say
from bot.commands.progress import Steps

if TYPE_CHECKING:
    from bot.calibration.fit import Calibration, Share

NAMES = {"all": "both", "en": "English", "zh": "Chinese"}
WEAK = 0.7  # area under the curve below which the model's doubt separates questions badly


def calibrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what was measured and store nothing.")] = False,
) -> None:
    """Measure when the chat model should refuse, and store the limit in the data folder.

    Asks the model to judge 112 questions that are part of Errata and the installation's own confirmed questions: some
    minutes on a processor. Needed once for each chat model other than the default one; the server uses the new limit
    after its next start.
    """
    with open_parts() as parts:
        from bot.calibration import store
        from bot.calibration.fit import TooFew, fit
        from bot.calibration.measure import Measuring

        if not parts.has_chat_model:
            say(f"errata: {parts.chat_name} reads without a chat model: there is nothing to measure.", error=True)
            raise typer.Exit(FAILED)
        say("Loading the models …", error=True)
        measuring = Measuring(parts.database, parts.searcher, parts.embedder, parts.writer, parts.profile)
        with Steps(unit="questions") as steps:
            observations = measuring.observe(lambda done, total: steps.update("Judging", done, total))
        try:
            calibration = fit(observations)
        except TooFew as error:
            say(f"errata: {error} The chat model {parts.chat_name} writes neither YES nor NO.", error=True)
            raise typer.Exit(FAILED) from None
        _show(calibration, confirmed=sum(each.group == "confirmed" for each in observations))
        if dry_run:
            say("Nothing was stored.")
            return
        now = datetime.now(UTC)
        path = store.save(parts.settings.data, parts.chat_fingerprint, parts.embedder.fingerprint, calibration, now=now)
        say(f"Stored in {path}. A running server uses it after its next start.")


def _show(calibration: Calibration, *, confirmed: int) -> None:
    say(f"Limit of doubt (log-odds): {calibration.intercept:+.2f}; {calibration.bytes_per_token:.1f} bytes per token.")
    say(f"Of these questions {confirmed} are confirmed questions of this installation, with and without their answer.")
    for name, figures in calibration.figures.items():
        say(
            f"{NAMES.get(name, name):>8}: answerable questions refused {_format(figures.lost)}, unanswerable ones let "
            f"through {_format(figures.passed)}, area under the curve {figures.area:.2f}"
        )
    say("These are the questions that chose the limit: on other questions expect somewhat worse.")
    if calibration.figures["all"].area < WEAK:
        say("This model's doubt separates little: most unanswerable questions will get an answer, or many others none.")


def _format(share: Share) -> str:
    low, high = share.interval()
    return f"{share.hits} of {share.of} ({low:.0%} to {high:.0%})"
