"""The catalogues of words: every string that a person reads on a page or in an answer, in English and Chinese.

The same files serve the pages (/static/locales) and the server (keys that begin with ``server.``).

Decision: an error carries its English sentence, which is what logs, the command line and other programs read; here
that sentence is the key to its translation, its values taken over. So the packages below know no catalogue, and only
what people meet on the pages needs an entry; any other sentence stays English. Costs: who rewords a sentence must
reword its entry, and a test says so.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "locales"
LOCALES = {"en": "en", "zh": "zh-CN"}  # language of a text → catalogue
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ACCEPTED = re.compile(r"(?:^|,)\s*(en|zh)\b[\w-]*\s*(?:;\s*q=(0(?:\.\d*)?|1))?", re.IGNORECASE)


@cache
def catalogue(locale: str) -> dict[str, str]:
    """The words of ``en`` or ``zh-CN``. Raises KeyError for another locale."""
    if locale not in LOCALES.values():
        raise KeyError(locale)
    words: dict[str, str] = json.loads((FOLDER / f"{locale}.json").read_text(encoding="utf-8"))
    return words


def text(key: str, language: str, **values: object) -> str:
    """The words under ``key`` for a language ("zh", "zh-CN", "en"; others get English), placeholders filled."""
    words = catalogue(LOCALES["zh"] if language.startswith("zh") else LOCALES["en"])[key]
    for name, value in values.items():
        words = words.replace("{" + name + "}", str(value))
    return words


def translated(sentence: str, language: str) -> str:
    """One of the server's English sentences in a language; as it is where the catalogues do not have it. A value that
    has a name (``{state}``: ``state.queued``) is named."""
    if not language.startswith("zh"):
        return sentence
    names = catalogue(LOCALES["zh"])
    for key, pattern in _sentences():
        if match := pattern.fullmatch(sentence):
            values = {name: names.get(f"{name}.{value}", value) for name, value in match.groupdict().items()}
            return text(key, language, **values)
    return sentence


def preferred(accepted: str) -> str:
    """The language, "en" or "zh", that an Accept-Language header likes best; English when it names neither."""
    weighted = [(float(weight or 1), language.lower()) for language, weight in _ACCEPTED.findall(accepted)]
    weight, language = max(weighted, key=lambda one: one[0], default=(0.0, "en"))
    return language if weight else "en"


@cache
def _sentences() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The English sentences of the server as patterns; the one with most words of its own first, because "There is no
    document x to edit." also looks like "There is no document …"."""
    own = {key: words for key, words in catalogue(LOCALES["en"]).items() if key.startswith("server.")}
    return tuple(
        (key, _pattern(words)) for key, words in sorted(own.items(), key=lambda one: -len(_PLACEHOLDER.sub("", one[1])))
    )


def _pattern(words: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(words)  # words and names by turns
    parts[::2] = [re.escape(part) for part in parts[::2]]
    parts[1::2] = [f"(?P<{name}>.+?)" for name in parts[1::2]]
    return re.compile("".join(parts), re.DOTALL)
