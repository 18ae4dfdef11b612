"""Every error has a code, one English template where it is raised, and a Chinese one with the same placeholders."""

from __future__ import annotations

import ast
import importlib
import inspect
import string
from functools import cache
from pathlib import Path

import pytest

import bot
import knowledge
import retrieval
from bot import texts
from knowledge.correcting.reasons import Reason
from knowledge.errors import Invalid, Stale
from retrieval.errors import ErrataError

PACKAGES = [Path(package.__file__ or "").parent for package in (bot, knowledge, retrieval)]


# What these raise is read on the command line or in the log, in English; a server that runs shows nobody their words
# (bot.web.problems). An error that is shown all the same has a Chinese template too: bot.llm.errors.ModelSilent.
FOR_OPERATORS = ("retrieval/", "knowledge/reindex.py", "bot/models/", "bot/llm/", "bot/commands/", "bot/calibration/",
                 "bot/settings.py", "bot/wiring.py", "bot/web/app.py")  # fmt: skip


@cache
def english(without: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """Code → the English templates that are raised with it, read from the source but for these files and folders."""
    templates: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            if path.relative_to(package.parent).as_posix().startswith(without):
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
                for call in (node for node in ast.walk(scope) if isinstance(node, ast.Call)):
                    code = next((k.value for k in call.keywords if k.arg == "code"), None)
                    if isinstance(code, ast.Constant) and isinstance(code.value, str) and call.args:
                        templates.setdefault(code.value, set()).update(_texts(call.args[0], scope))
    return templates


def _texts(argument: ast.expr, scope: ast.AST) -> set[str]:
    """The texts that an argument may be: a literal, or what a variable of the same function was given."""
    if isinstance(argument, ast.Constant):
        return {str(argument.value)}
    if isinstance(argument, ast.IfExp):
        return _texts(argument.body, scope) | _texts(argument.orelse, scope)
    if isinstance(argument, ast.Name):
        given = [
            node
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign)
            and node.lineno < argument.lineno
            and any(isinstance(target, ast.Name) and target.id == argument.id for target in node.targets)
        ]
        return _texts(max(given, key=lambda node: node.lineno).value, scope) if given else set()
    return set()


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


# The modules that define classes of errors.
WITH_ERRORS = (
    "bot.calibration.store",
    "bot.llm.errors",
    "bot.models.errors",
    "bot.web.problems",
    "knowledge.load.errors",
    "knowledge.log",
    "knowledge.reindex",
)


def kinds(root: type[ErrataError]) -> set[type[ErrataError]]:
    return {root}.union(*(kinds(below) for below in root.__subclasses__()))


def test_every_error_that_is_raised_has_a_code() -> None:
    for module in WITH_ERRORS:
        importlib.import_module(module)
    named = {kind.__name__ for kind in kinds(ErrataError) if "code" in inspect.signature(kind).parameters}
    without = [
        f"{path.relative_to(package.parent)}:{call.lineno}"
        for package in PACKAGES
        for path in package.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in named
        and "code" not in {keyword.arg for keyword in call.keywords}
    ]
    assert without == []


def test_the_source_has_templates() -> None:
    assert english()["foreign_site"] == {"Requests from other sites are refused."}


def test_every_code_has_one_english_template() -> None:
    assert {code: found for code, found in english().items() if len(found) != 1} == {}


def test_every_code_has_a_chinese_template_and_nothing_is_left_over() -> None:
    assert english(FOR_OPERATORS).keys() - texts.error_templates().keys() == set(), (
        "add these to bot/locales/errors.zh-CN.json"
    )
    assert texts.error_templates().keys() - english().keys() == set(), "nothing raises these any more"


@pytest.mark.parametrize("code", sorted(texts.error_templates()))
def test_a_chinese_template_has_only_values_of_the_english_one(code: str) -> None:
    """It may leave some out: a list of actions in English words, for instance."""
    for template in english().get(code, set()):
        assert fields(texts.error_templates()[code]) <= fields(template)


def test_an_error_speaks_the_readers_language() -> None:
    error = Invalid("The request is larger than {limit:,} bytes.", code="body_too_large", limit=1_000_000)
    assert str(error) == texts.error_text(error, "en") == "The request is larger than 1,000,000 bytes."
    assert texts.error_text(error, "zh-CN") == "请求超过 1,000,000 字节。"


def test_values_that_people_wrote_are_never_read_as_templates() -> None:
    error = Invalid("There is no document {document_id!r}.", code="x", document_id="{document_id.__class__} {0} %s")
    assert str(error) == "There is no document '{document_id.__class__} {0} %s'."


def test_a_text_without_a_code_stays_as_it_is() -> None:
    error = Stale("Braces {stay} as they are.")
    assert (str(error), error.code, error.values) == ("Braces {stay} as they are.", "stale", {})
    assert texts.error_text(error, "en") == "Braces {stay} as they are."


@pytest.mark.parametrize(
    ("code", "values"),
    [
        (None, {}),
        ("no_such_code", {"document": "returns"}),
        ("source_changed", {}),  # an earlier version stored other values
        ("question_too_long", {"length": "many", "limit": "few"}),
    ],
)
def test_what_an_earlier_version_stored_without_its_values_stays_english(
    code: str | None, values: dict[str, str]
) -> None:
    assert texts.message(code, values, "as it was", "zh-CN") == "as it was"


def test_a_stored_message_is_written_for_who_reads_it() -> None:
    moved = Reason.of("complaints moved to correction {number}", code="split_to", number=7)
    assert str(moved) == "complaints moved to correction 7"
    assert texts.message(moved.code, moved.values, str(moved), "en") == "complaints moved to correction 7"
    assert texts.message(moved.code, moved.values, str(moved), "zh") == "反馈移到更正项 7"


def test_values_are_stored_as_text_or_numbers() -> None:
    error = Invalid("{size:.1f} {path}", code="x", size=1.5, path=Path("a/b"))
    assert error.stored_values() == {"size": 1.5, "path": "a/b"}
