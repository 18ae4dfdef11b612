"""The two catalogues: the same keys, the same placeholders, nothing missing, nothing left over."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

import bot

BOT = Path(bot.__file__).parent
STATIC = BOT / "web" / "static"
LANGUAGES = ("en", "zh-CN")

# Values that the server sends and the pages look up as `prefix.value`: these must have a text of their own.
FAMILIES = {
    "state": {"queued", "drafted", "approved", "verified", "reopened", "rejected", "merged", "rolled_back"},
    "priority": {"urgent", "important", "normal"},
    "origin": {"rated_down", "unanswered", "api", "source_changed", "curator"},
    "origin_long": {"rated_down", "unanswered", "api", "source_changed", "curator"},
    "kind": {"wrong", "missing", "outdated", "retrieval", "synthesis", "out_of_scope"},
    "reason": {"wrong", "outdated", "incomplete", "off_topic", "unclear", "source_wrong", "missing", "other"},
    "proof.verdict": {"fixed", "not_fixed", "regressed", "failed"},
    "outcome": {"fixed", "same", "changed", "regressed", "not_fixed"},
    "role": {"complaint", "paraphrase", "neighbour", "golden"},
    "recheck": {"pending", "verified", "reopened"},
    "answer_status": {"answered", "curated", "refused", "stopped", "failed"},
    "chat.announce": {"asked", "answered", "curated", "refused", "stopped", "failed"},
    "job": {"sending", "queued", "running", "done", "failed"},
    "language": {"en", "zh-CN", "label"},
    "done": {"claim", "approve", "reject", "reopen", "rollback"},
}


@cache
def catalogue(language: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads((BOT / "locales" / f"{language}.json").read_text(encoding="utf-8"))
    return texts


@cache
def scripts() -> dict[str, str]:
    """Our own modules, by path; the vendored ones have no texts."""
    files = sorted(path for path in STATIC.rglob("*.js") if "vendor" not in path.parts)
    return {str(path.relative_to(STATIC)): path.read_text(encoding="utf-8") for path in files}


def placeholders(text: str) -> list[str]:
    return sorted(set(re.findall(r"\{(\w+)\}", text)))


def literal_keys() -> dict[str, str]:
    """Keys written out in a script as `t("key")`, each with the file that names it."""
    return {
        key: name for name, text in scripts().items() for key in re.findall(r"""\b(?:t|has)\("([\w.\-]+)"[,)]""", text)
    }


def used_prefixes() -> set[str]:
    """The fixed part of keys that are put together at run time: `t(`prefix.${…}`)` and `label("prefix", …)`."""
    found: set[str] = set()
    for text in scripts().values():
        found.update(re.findall(r"\b(?:t|has)\(`([\w.]+)\.\$\{", text))
        found.update(re.findall(r"""\blabel\("([\w.]+)",""", text))
        found.update(re.findall(r"""= `([\w.]+)\.\$\{""", text))
    return found


def exists(key: str) -> bool:
    texts = catalogue("en")
    return key in texts or {f"{key}.one", f"{key}.other"} <= texts.keys()


def test_catalogues_have_the_same_keys_in_the_same_order() -> None:
    assert list(catalogue("zh-CN")) == list(catalogue("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_has_no_key_twice(language: str) -> None:
    pairs: list[tuple[str, str]] = json.loads(
        (BOT / "locales" / f"{language}.json").read_text(encoding="utf-8"), object_pairs_hook=list
    )
    assert sorted(key for key, _ in pairs) == sorted(catalogue(language))


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_texts_are_not_empty_and_hold_no_markup(language: str) -> None:
    assert {key for key, text in catalogue(language).items() if not text.strip() or re.search(r"[<>]", text)} == set()


def test_catalogues_have_the_same_placeholders() -> None:
    different = {
        key: (text, catalogue("zh-CN")[key])
        for key, text in catalogue("en").items()
        if placeholders(text) != placeholders(catalogue("zh-CN")[key])
    }
    assert different == {}


def test_catalogue_braces_are_only_placeholders() -> None:
    """So that Python's str.format and the pages read the same text the same way."""
    odd = {
        key
        for language in LANGUAGES
        for key, text in catalogue(language).items()
        if re.search(r"[{}]", re.sub(r"\{\w+\}", "", text))
    }
    assert odd == set()


def test_catalogue_plurals_come_in_pairs() -> None:
    texts = catalogue("en")
    ones = {key.removesuffix(".one") for key in texts if key.endswith(".one")}
    with_other = {key.removesuffix(".other") for key in texts if key.endswith(".other")} - {"reason", "error.status"}
    assert ones == with_other


def test_pages_use_only_keys_that_exist() -> None:
    assert {key: name for key, name in literal_keys().items() if not exists(key)} == {}


def test_pages_use_only_families_that_exist() -> None:
    texts = catalogue("en")
    assert {prefix for prefix in used_prefixes() if not any(key.startswith(f"{prefix}.") for key in texts)} == set()


@pytest.mark.parametrize("prefix", FAMILIES)
def test_catalogue_names_every_value_of_the_contract(prefix: str) -> None:
    assert {value for value in FAMILIES[prefix] if not exists(f"{prefix}.{value}")} == set()


def test_server_uses_only_keys_that_exist() -> None:
    named = {
        key
        for path in BOT.rglob("*.py")
        for key in re.findall(r"""["'](server\.[a-z_]+(?:\.[a-z_]+)+)["']""", path.read_text(encoding="utf-8"))
    }
    assert {key for key in named if not exists(key)} == set()


def test_catalogue_has_no_key_that_nobody_uses() -> None:
    everything = "\n".join(scripts().values())
    strings = set(
        re.findall(r""""([\w.\-]+)\"""", everything)
    )  # a key may stand in a table and reach t() as a variable
    prefixes = used_prefixes()
    in_pages = {"page.broken", "page.noscript"}  # written into the HTML itself, see the next test

    def used(key: str) -> bool:
        base = re.sub(r"\.(one|other)$", "", key)
        named = bool({key, base} & (strings | in_pages))
        return named or key.startswith("server.") or any(key.startswith(f"{prefix}.") for prefix in prefixes)

    assert {key for key in catalogue("en") if not used(key)} == set()


@pytest.mark.parametrize("page", ["chat", "curate", "login"])
def test_page_without_script_shows_the_texts_of_both_catalogues(page: str) -> None:
    text = (BOT / "web" / "pages" / f"{page}.html").read_text(encoding="utf-8")
    shown = sorted(re.findall(r'<p lang="([^"]+)">([^<]+)</p>', text))
    expected = [(lang, catalogue(lang)[key]) for key in ("page.broken", "page.noscript") for lang in LANGUAGES]
    assert shown == sorted(expected)
