"""The two catalogues: the same keys, the same placeholders, nothing missing, nothing left over; and what the server
makes of them."""

from __future__ import annotations

import json
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path

import pytest

import bot
import knowledge
from bot import texts
from bot.answering.prompt import Use
from bot.answering.smalltalk import Kind
from bot.answering.values import Reason
from bot.web.problems import STATUSES
from knowledge.correcting import replay
from knowledge.correcting.corrections import TRANSITIONS

BOT = Path(bot.__file__).parent
KNOWLEDGE = Path(knowledge.__file__).parent
STATIC = BOT / "web" / "static"
LANGUAGES = ("en", "zh-CN")

# Values that the pages look up as `prefix.value`, most of them sent by the server: each has a text of its own.
FAMILIES = {
    "state": {"queued", "drafted", "approved", "verified", "reopened", "rejected", "merged", "rolled_back"},
    "place": {"page", "pages", "row", "rows", "line", "item", "slide", "slides", "anchor"},
    "priority": {"urgent", "important", "normal"},
    "origin": {"rated_down", "unanswered", "api", "curator"},
    "origin_long": {"rated_down", "unanswered", "api", "curator"},
    "kind": {"wrong", "missing", "outdated", "retrieval", "synthesis", "out_of_scope"},
    "reason": {"wrong", "outdated", "incomplete", "off_topic", "unclear", "source_wrong", "missing", "other"},
    "proof.verdict": {"fixed", "not_fixed", "regressed", "failed"},
    "outcome": {"fixed", "same", "changed", "regressed", "not_fixed"},
    "recheck_mark": {"partly", "failed"},
    "role": {"complaint", "paraphrase", "golden", "edited", "neighbour"},
    "proof.reason": set(replay.REASONS),
    "proof.left_out": {
        "limit",
        "limit_edited",
        "waiting",
        "expired",
        "rated_down",
        "unknown",
    },
    "proof.count": {"fixed", "not_fixed", "regressed", "changed", "same"},
    "recheck": {"pending", "verified", "partly", "reopened", "failed"},
    "answer_status": {"answered", "curated", "refused", "stopped", "failed"},
    "refusal": {"no_documents", "nothing_near", "doubt", "said_so", "invented", "not_cited"},
    "chat.announce": {"asked", "answered", "curated", "refused", "stopped", "failed"},
    "job": {"sending", "queued", "running", "done", "failed"},
    "language": {"en", "zh-CN"},
    "action": {action for _, action in TRANSITIONS} | {"report", "absorb", "source_changed", "split_off", "start"},
    "action_button": {"claim", "prove", "approve", "recheck", "reject", "reopen", "rollback"},
    "conflict_reason": {"cited"},
    "dialog": {f"{action}{part}" for action in ("reject", "reopen", "rollback") for part in ("", "_text")},
    "editor": {f"{name}{part}" for name in ("paraphrases", "negatives") for part in ("", "_hint")},
    "error.status": {"401", "403", "404", "409", "413", "422", "429", "500", "502", "503"},
    "stage": {"dense", "dense_rank", "keyword", "keyword_rank", "fused", "erratum", "exact", "curated"},
    "tab": {"queue", "knowledge"},
    "use": set(Use),
    "who": {"visitor", "system", "recheck"},
    "done": {"claim", "approve", "recheck", "reject", "reopen", "rollback"},
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
    keys: set[str] = set()
    for text in scripts().values():
        keys.update(re.findall(r"\b(?:t|has)\(`([\w.]+)\.\$\{", text))
        keys.update(re.findall(r"""\blabel\("([\w.]+)",""", text))
        keys.update(re.findall(r"""= `([\w.]+)\.\$\{""", text))
    return keys


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
    """What the server says in English may hold a value that the Chinese sentence has no place for."""
    different = {
        key: (text, theirs)
        for key, text in catalogue("en").items()
        if placeholders(text) != placeholders(theirs := catalogue("zh-CN")[key])
        and not (key.startswith("server.") and set(placeholders(theirs)) < set(placeholders(text)))
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


def test_pages_use_only_families_that_are_known() -> None:
    assert used_prefixes() - FAMILIES.keys() == set()


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
    valued = {f"{prefix}.{value}" for prefix in used_prefixes() for value in FAMILIES[prefix]}
    in_pages = {"page.broken", "page.noscript"}  # written into the HTML itself, see the next test

    def used(key: str) -> bool:
        base = re.sub(r"\.(one|other)$", "", key)
        return bool({key, base} & (strings | in_pages | valued))

    assert {key for key in catalogue("en") if not used(key) and not key.startswith("server.")} == set()


def test_catalogue_has_a_text_for_every_reason_of_a_refusal() -> None:
    keys = [key for key in catalogue("en") if key.startswith("server.refused.")]
    assert keys == [f"server.refused.{reason}" for reason in Reason if reason != Reason.NO_QUESTION]


def test_catalogue_has_a_reply_for_everything_that_is_no_question() -> None:
    assert [key for key in catalogue("en") if key.startswith("server.no_question.")] == [
        f"server.no_question.{kind}" for kind in Kind
    ]


def test_catalogue_has_a_title_for_every_status_that_the_server_decides() -> None:
    statuses = {status for _, status in STATUSES} | {400, 405, 415, 421}
    assert {f"server.title.{status}" for status in statuses} <= catalogue("en").keys()


def test_titles_are_the_phrases_of_their_statuses() -> None:
    titles = {key: text for key, text in catalogue("en").items() if key.startswith("server.title.")}
    assert titles == {key: HTTPStatus(int(key.removeprefix("server.title."))).phrase for key in titles}


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("fr-FR, de;q=0.9", "en"),
        ("zh-CN", "zh"),
        ("ZH-hant-TW", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("fr, zh;q=0.5, en;q=0.3", "zh"),
        ("en;q=0.3,zh; q=0.7", "zh"),
        ("zh;q=0", "en"),
        ("zhen, english", "en"),
        ("zh;q=9;;q=\x00,,", "zh"),
    ],
)
def test_preferred_language_is_the_one_that_weighs_most(accepted: str, language: str) -> None:
    assert texts.preferred(accepted) == language


@pytest.mark.parametrize("page", ["chat", "curate", "login"])
def test_page_without_script_shows_the_texts_of_both_catalogues(page: str) -> None:
    text = (BOT / "web" / "pages" / f"{page}.html").read_text(encoding="utf-8")
    shown = sorted(re.findall(r'<p lang="([^"]+)">([^<]+)</p>', text))
    expected = [(lang, catalogue(lang)[key]) for key in ("page.broken", "page.noscript") for lang in LANGUAGES]
    assert shown == sorted(expected)
