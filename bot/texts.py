"""The catalogues of words: every string that a person reads on a page or in an answer, in English and Chinese.

The same files serve the pages (/static/locales) and the server (keys that begin with ``server.``).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "locales"
LOCALES = {"en": "en", "zh": "zh-CN"}  # language of a text → catalogue


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
