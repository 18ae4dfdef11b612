"""The matcher that compares words: a question is the corrected question when both have the same normal form
(knowledge.correcting.matching). It never confuses different words, and it finds no paraphrase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.answering.values import Matched
from knowledge.correcting import matching
from knowledge.db import utc_now
from knowledge.log import head

if TYPE_CHECKING:
    from bot.answering.values import Ask
    from knowledge.db import Database

HOW = "same_words"


class SameWords:
    """The ``Matcher`` of equal words."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def match(self, question: str, ask: Ask) -> Matched | None:
        """The newest entry with the same words that ``ask`` may get now; None where there is none."""
        with self._database.read() as session:
            entry = matching.match(
                session, question, ask.scope, now=utc_now(), excluded=ask.exclude_entries, filters=ask.filters
            )
            return None if entry is None else Matched(entry, 1.0, HOW, head(session))
