"""The benchmark of retrieval, from the command line to its results, with a small embedder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bot.wiring import Parts
from scripts import bench_retrieval
from tests.benchmark.test_data import write
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings

FACTS = ("ferry harbour", "library books", "museum paintings", "bakery bread", "station trains", "pool swimming")
CHINESE = ("渡轮码头", "图书馆图书", "博物馆绘画", "面包店面包", "车站火车", "游泳池游泳")


def make_parts(settings: Settings) -> Parts:
    return Parts(settings, embedder=HashingEmbedder())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = [
        {"id": f"{lang}{number}", "title": "", "text": f"{words} {number}", "lang": lang, "town": f"t{number % 2}"}
        for lang, all_words in (("en", FACTS), ("zh", CHINESE))
        for number, words in enumerate(all_words)
    ]
    questions = [
        {
            "id": f"q{number}",
            "question": words,
            "lang": "en",
            "kind": "answerable",
            "doc_ids": [f"en{number}"],
            "parallel_doc_ids": [f"zh{number}"],
            "town": f"t{number % 2}",
        }
        for number, words in enumerate(FACTS)
    ]
    questions.append({"id": "none", "question": "moon", "lang": "en", "kind": "unanswerable"})
    write(tmp_path / "data", "towns", documents, questions)
    copies = [{**document, "id": f"copy-{document['id']}"} for document in documents[:6]]
    asked = [
        {**question, "doc_ids": [f"copy-en{n}"], "parallel_doc_ids": []} for n, question in enumerate(questions[:6])
    ]
    write(tmp_path / "data", "copies", copies, asked)
    return tmp_path


def run(folder: Path, *more: str) -> int:
    arguments = ["--data", str(folder / "data"), "--vectors", str(folder / "v.db"), "--out", str(folder / "r.json")]
    return bench_retrieval.main([*arguments, *more], make_parts)


def figures(folder: Path) -> dict[tuple[str, str, str, str], dict[str, Any]]:
    rows = json.loads((folder / "r.json").read_text(encoding="utf-8"))["rows"]
    return {(row["set"], row["lang"], row["system"], row["metric"]): row for row in rows}


def test_every_set_condition_system_and_metric_has_a_figure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder) == 0
    rows = figures(folder)
    expected = {
        (set_, lang, system, metric)
        for set_, lang in [
            ("towns", "en"),
            ("towns", "en>zh"),
            ("towns[mixed]", "en>zh"),
            ("towns[town]", "en"),
            ("copies", "en"),
            ("pooled", "en"),
        ]
        for system in ("product", "bm25", "dense", "rrf")
        for metric in ("ndcg@10", "mrr@10", "recall@5", "recall@10", "hit@3", "hit@5", "mrr@5")
    }
    times = {("all", "all", "product", f"{name}_ms_p{p}") for name in ("search", "embed") for p in (50, 95)}
    assert rows.keys() == expected | times | {("all", "all", "product", "index_build_s")}
    assert rows["towns", "en", "product", "ndcg@10"] == {
        "set": "towns",
        "lang": "en",
        "system": "product",
        "metric": "ndcg@10",
        "value": 1.0,
        "low": 1.0,
        "high": 1.0,
        "n": 6,
    }
    # A copy in another set is the same document, so that pooling loses nothing here.
    assert (rows["pooled", "en", "product", "ndcg@10"]["value"], rows["pooled", "en", "product", "ndcg@10"]["n"]) == (
        1,
        12,
    )
    assert "| towns | en | product | 6 |" in capsys.readouterr().out


def test_a_stopped_run_goes_on_and_gives_the_same_figures(folder: Path) -> None:
    assert run(folder, "--sets", "towns") == 0
    whole = figures(folder)
    journal = folder / "r.json.partial.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) == 1 + 6 * 4
    journal.write_text("".join(lines[:7]) + lines[7][:20], encoding="utf-8")
    assert run(folder, "--sets", "towns") == 0
    untimed = {key for key in whole if key[0] != "all"}
    assert {key: figures(folder)[key] for key in untimed} == {key: whole[key] for key in untimed}
    assert journal.read_text(encoding="utf-8").count("\n") == 1 + 6 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--sets", "trains"], "There is no set 'trains'"), (["--data", "/nowhere"], "is no folder")],
)
def test_broken_input_ends_with_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(folder, *arguments) == 1
    assert message in capsys.readouterr().err
    assert not (folder / "r.json").exists()
