"""The catalogues of texts: every string that a person reads on a page or in an answer, in English and Chinese.

The same files serve the pages (/static/locales) and the server (keys that begin with ``server.``). The texts of errors,
and of the reasons that the system gives, have a file of their own, which the pages do not load.

Decision: an error carries a stable code, its values, and its English template, which is what logs and the command line
read (retrieval.errors.ErrataError); so does a reason that the system gives (knowledge.correcting.reasons).
``errors.zh-CN.json`` has the Chinese template under the same code. So the packages below know no catalogue, and a
message can be read where it is raised. Costs: a code has its two texts in two places; a test compares their
placeholders.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.phrases import Phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrieval.errors import ErrataError
    from retrieval.place import Place

FOLDER = Path(__file__).parent / "locales"
LOCALES = {"en": "en", "zh": "zh-CN"}  # language of a text → catalogue
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


def place(where: Place | None, language: str) -> str:
    """Where a passage stands in its file, in words; "" if that is not known."""
    if where is None:
        return ""
    key = f"place.{where.kind}{'s' if where.last is not None else ''}"
    words = text(key, language, first=where.first, last=where.last, name=where.name)
    return (
        text("place.in_sheet", language, sheet=where.name, rows=words) if where.kind == "row" and where.name else words
    )


def has(key: str) -> bool:
    return key in catalogue(LOCALES["en"])


def error_text(error: ErrataError, language: str) -> str:
    """The message of an error in a language; in English where its code has no template."""
    return message(error.code, error.values, str(error), language)


def message(code: str | None, values: Mapping[str, object], english: str, language: str) -> str:
    """A message in a language, by its code and values; ``english`` where no template is known. A value that is itself a
    phrase, or has a name (``{state}``: ``state.queued``), is written in that language, too."""
    if not language.startswith("zh"):
        return english
    template = error_templates().get(code or "")
    if template is None:
        return english
    try:
        return template.format(**{name: _value(name, value, language) for name, value in values.items()})
    except (LookupError, ValueError, TypeError):  # stored by an earlier version, which had other values
        return english


def _value(name: str, value: object, language: str) -> object:
    """A value as it is written into a message: a phrase, also as it is stored, in the language; or its name."""
    phrase = value.to_json() if isinstance(value, Phrase) else value
    if isinstance(phrase, dict):
        return message(phrase["code"], phrase["values"], phrase["text"], language)
    return catalogue(LOCALES["zh"]).get(f"{name}.{phrase}", phrase)


def is_translated(error: ErrataError) -> bool:
    """Whether the error has a message in every language."""
    return error.code in error_templates()


@cache
def error_templates() -> dict[str, str]:
    """Code → Chinese template."""
    templates: dict[str, str] = json.loads((FOLDER / "errors.zh-CN.json").read_text(encoding="utf-8"))
    return templates


def preferred(accepted: str) -> str:
    """The language, "en" or "zh", that an Accept-Language header likes best; English when it names neither."""
    weighted = [(float(weight or 1), language.lower()) for language, weight in _ACCEPTED.findall(accepted)]
    weight, language = max(weighted, key=lambda entry: entry[0], default=(0.0, "en"))
    return language if weight else "en"
