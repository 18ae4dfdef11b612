"""Every error has a code, one English template where it is raised, and a Chinese one with the same placeholders."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import string
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bot
import knowledge
import retrieval
from bot import recheck, texts
from bot.web.problems import NotReady
from knowledge.correcting import affected
from knowledge.correcting.corrections import TRANSITIONS, State
from knowledge.correcting.reasons import Reason
from knowledge.db import disk_full
from knowledge.errors import Invalid, Stale
from knowledge.load.errors import Damaged
from retrieval.errors import ErrataError
from retrieval.phrases import Phrase

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = [Path(package.__file__ or "").parent for package in (bot, knowledge, retrieval)]


# What these raise is read on the command line or in the log, in English; a server that runs shows nobody their words
# (bot.web.problems). An error that is shown all the same has a Chinese template too: bot.llm.errors.ModelSilent.
FOR_OPERATORS = ("retrieval/", "knowledge/langchain.py", "knowledge/reindex.py", "bot/models/",
                 "bot/llm/", "bot/commands/", "bot/calibration/",
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
            for scope, call, code in coded_calls(tree):
                if call.args:
                    templates.setdefault(code, set()).update(_texts(call.args[0], scope))
    return templates


def coded_calls(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.Call, str]]:
    """(the function or the statement of the module around it, a call with a literal code, the code)."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    constants = [node for node in tree.body if isinstance(node, ast.Assign)]
    for scope in (*functions, *constants):
        for call in (node for node in ast.walk(scope) if isinstance(node, ast.Call)):
            code = next((k.value for k in call.keywords if k.arg == "code"), None)
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield scope, call, code.value


def _texts(argument: ast.expr, scope: ast.AST) -> set[str]:
    """The texts that an argument may be: a literal, or what a variable of the same function was given."""
    if isinstance(argument, ast.Constant):
        return {str(argument.value)}
    if isinstance(argument, ast.IfExp):
        return _texts(argument.body, scope) | _texts(argument.orelse, scope)
    if isinstance(argument, ast.Name):
        assignments = [
            node
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign)
            and node.lineno < argument.lineno
            and any(isinstance(target, ast.Name) and target.id == argument.id for target in node.targets)
        ]
        return _texts(max(assignments, key=lambda node: node.lineno).value, scope) if assignments else set()
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
    assert {code: templates for code, templates in english().items() if len(templates) != 1} == {}


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


# What the values in the Chinese templates are. None of them may bring English words into a Chinese sentence.
NUMBERS = {"cells", "column", "columns", "count", "current", "entry_id", "factor", "few", "gone", "index", "job_id",
           "least", "length", "limit", "most", "n", "needed", "newest", "number", "parts", "row", "rows", "seconds",
           "size", "status", "total", "unfixed", "version", "correction_id", "key_id", "passage_id", "first", "other",
           "ids", "date"}  # fmt: skip
# Names, paths and words that people or programs chose, and words that requests and commands are written with.
NAMES = {"actor", "characters", "collection", "copy", "database", "document", "document_id", "example", "facts",
         "field", "given", "host", "key", "kinds", "known", "locale", "manifest", "marker", "model", "name", "names",
         "others", "passage", "path", "places", "priorities", "question", "questions", "revision", "roles", "sheet",
         "shm", "source", "states", "suffix", "title", "username", "value", "variable", "wal", "words",
         "complaints"}  # fmt: skip
# The catalogue has a name for each of these values.
NAMED = {
    "state": {str(state) for state in State},
    "action": {action for _, action in TRANSITIONS} | {"report", "start", "absorb", "source_changed", "split_off"},
    "answer_status": {"answered", "curated", "refused", "stopped", "failed"},
    "who": {affected.ACTOR, recheck.ACTOR, "visitor"},
}
PHRASES = {"before", "cause", "place", "kind", "reason", "problem"}
FORMATS = {"PDF", "DOCX", "XLSX", "EPUB", "EML", "ODT", "PPTX", "RTF"}  # read the same in both languages


def test_it_is_known_of_every_value_in_a_chinese_text_what_it_is() -> None:
    used = {name for template in texts.error_templates().values() for name in fields(template)}
    assert used == NUMBERS | NAMES | NAMED.keys() | PHRASES


@pytest.mark.parametrize("name", NAMED)
def test_a_value_that_has_a_name_has_a_chinese_one(name: str) -> None:
    names = texts.catalogue("zh-CN")
    assert {value for value in NAMED[name] if not is_chinese(names.get(f"{name}.{value}", ""))} <= {
        "system",  # the product's own name
        "recheck",
    }


def test_a_phrase_is_chinese_in_a_chinese_text() -> None:
    phrases = {
        code
        for package in PACKAGES
        for path in package.rglob("*.py")
        for _, call, code in coded_calls(ast.parse(path.read_text(encoding="utf-8")))
        if ast.unparse(call.func) == "Phrase.of"
    }
    assert {code for code in phrases if not is_chinese(texts.error_templates()[code])} == {"json_null"}


def test_no_value_in_a_chinese_text_is_an_english_text_or_the_words_of_another_programs_error() -> None:
    assert [place for package in PACKAGES for path in package.rglob("*.py") for place in english_values(path)] == []


def english_values(path: Path) -> Iterator[str]:
    """The values in Chinese templates that the source makes of English words, or takes from an exception."""
    for scope, call, code in coded_calls(ast.parse(path.read_text(encoding="utf-8"))):
        caught = {node.name for node in ast.walk(scope) if isinstance(node, ast.ExceptHandler)}
        shown = fields(texts.error_templates().get(code, ""))
        for keyword in call.keywords:
            if keyword.arg in shown and _has_words(keyword.value, scope, caught):
                yield f"{path.name}:{call.lineno} {code}: {keyword.arg}"


def _has_words(value: ast.expr, scope: ast.AST, caught: set[str | None]) -> bool:
    match value:
        case ast.Constant(value=str(text)):
            return text not in FORMATS and re.search("[A-Za-z]{2}", text) is not None
        case ast.JoinedStr():
            return any(_has_words(part, scope, caught) for part in value.values)
        case ast.BoolOp():
            return any(_has_words(part, scope, caught) for part in value.values)
        case ast.BinOp():
            return _has_words(value.left, scope, caught) or _has_words(value.right, scope, caught)
        case ast.IfExp():
            return _has_words(value.body, scope, caught) or _has_words(value.orelse, scope, caught)
        case ast.Call(func=ast.Name(id="str"), args=[argument]):
            return _has_words(argument, scope, caught)
        case ast.Attribute(attr="msg" | "strerror" | "detail"):
            return True
        case ast.Name():
            assigned = [
                node.value
                for node in ast.walk(scope)
                if isinstance(node, ast.Assign)
                and any(isinstance(target, ast.Name) and target.id == value.id for target in node.targets)
            ]
            return value.id in caught or any(_has_words(expression, scope, caught) for expression in assigned)
    return False


def is_chinese(template: str) -> bool:
    """Whether a text has Chinese characters and no English word. ``uploads`` is the name of a folder."""
    text = re.sub(r"\{.*?\}|\buploads/", "", template)
    return re.search("[\u4e00-\u9fff]", text) is not None and re.search(r"\b[a-z]{2,}\b", text) is None


def test_a_phrase_in_an_error_is_written_in_the_readers_language() -> None:
    place = Phrase.of("row {number:,} of sheet {sheet!r}", code="place_sheet_row", number=1200, sheet="价格")
    error = Damaged("The id on {place} must have 1 to {limit} characters.", code="record_id_length", place=place,
                    limit=200)  # fmt: skip
    assert str(error) == "The id on row 1,200 of sheet '价格' must have 1 to 200 characters."
    assert texts.error_text(error, "zh-CN") == "工作表“价格”第 1,200 行的编号应有 1 到 200 个字符。"
    stored = json.loads(json.dumps(error.stored_values()))
    assert texts.message(error.code, stored, str(error), "zh-CN") == texts.error_text(error, "zh-CN")


def test_an_error_in_an_error_is_written_in_the_readers_language() -> None:
    full = disk_full()
    error = NotReady("Not ready: {reason}", code="not_ready", reason=full.phrase())
    assert str(error) == f"Not ready: {full}"
    assert (
        texts.error_text(error, "zh") == "尚未就绪：服务器磁盘已满，腾出空间之前无法保存任何内容；阅读和搜索仍可使用。"
    )


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
