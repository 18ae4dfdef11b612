"""How many questions per minute are taken: of one asker, and of all people without an account who share a network,
because whoever deletes the cookie is another asker. Programs have no rate; their line is the one before the model."""

from __future__ import annotations

from bot.errors import TooMany
from bot.web.security import Flood

WINDOW_SECONDS = 60.0


class Rates:
    """``per_asker``, ``per_network``: questions per minute."""

    def __init__(self, per_asker: int, per_network: int) -> None:
        self._limits = (per_asker, per_network)
        self._askers = Flood(per_asker, WINDOW_SECONDS)
        self._networks = Flood(per_network, WINDOW_SECONDS)

    def take(self, asker: str, network: str | None) -> None:
        """Counts a question. Raises TooMany, and counts nothing, when the asker or the network has used up a minute."""
        of_asker, of_network = self._limits
        try:
            self._askers.take(asker)
        except TooMany as error:
            raise TooMany(
                "You asked {limit} questions within a minute, and no more are taken. Please try again in {seconds} "
                "seconds.",
                code="too_many_questions",
                limit=of_asker,
                seconds=error.retry_after,
                retry_after=error.retry_after,
            ) from None
        if network is None:
            return
        try:
            self._networks.take(network)
        except TooMany as error:
            self._askers.give_back(asker)
            raise TooMany(
                "{limit} questions came from your network within a minute, and no more are taken without an account. "
                "Sign in, or try again in {seconds} seconds.",
                code="too_many_questions_of_network",
                limit=of_network,
                seconds=error.retry_after,
                retry_after=error.retry_after,
            ) from None
