"""The benchmark of answers, from the command line to its results, with a small embedder and the extractive reader."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bot.wiring import Parts
from scripts import bench_answers
from scripts.benchmark import cases, data
from tests.benchmark.test_data import write
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings

TOWNS = ("Arbo", "Belm", "Cavo", "Dorn", "Elva", "Fern", "Gold", "Hasp")


def make_parts(settings: Settings) -> Parts:
    return Parts(settings, embedder=HashingEmbedder())


def document(id_: str, text: str) -> dict[str, str]:
    return {"id": id_, "title": "", "text": text, "lang": "en"}


def asked(id_: str, question: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "question": question, "lang": "en", "kind": "answerable", **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    facts = [document(f"d{n}", f"The mayor of {town} is called Mayor{n}.") for n, town in enumerate(TOWNS)]
    questions = [
        asked(f"q{n}", f"What is the mayor of {town} called?", answers=[f"Mayor{n}"], doc_ids=[f"d{n}"])
        for n, town in enumerate(TOWNS)
    ]
    write(tmp_path / "data", "towns", facts, questions)
    near = asked("near", "Who painted the harbour of Zulu?", kind="unanswerable")
    write(tmp_path / "data", "misses", facts, [*questions[:2], near])
    noise = [document(f"n{n}", f"The town {town} lies at a river.") for n, town in enumerate(TOWNS)]
    noisy = {**questions[0], "neg_doc_ids": ["n1", "n2"]}
    write(tmp_path / "data", "noisy", [*facts[:1], *noise], [noisy])
    (tmp_path / "data" / "intents").mkdir()
    rows = [
        {"text": "Where is my parcel?", "intent": "track", "kind": "example", "lang": "en"},
        {"text": "My parcel, where?", "intent": "track", "kind": "in_scope", "lang": "en"},
        {"text": "Zebras sing", "intent": "oos", "kind": "out_of_scope", "lang": "en"},
    ]
    (tmp_path / "data" / "intents" / "post.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path


def run(folder: Path, *more: str) -> int:
    arguments = ["--data", str(folder / "data"), "--vectors", str(folder / "v.db"), "--out", str(folder / "r.json")]
    return bench_answers.main([*arguments, *more], make_parts)


def figures(folder: Path) -> dict[tuple[str, str], tuple[float, int]]:
    rows = json.loads((folder / "r.json").read_text(encoding="utf-8"))["rows"]
    assert {(row["lang"], row["system"]) for row in rows} == {("en", "product")}
    return {(row["set"], row["metric"]): (row["value"], row["n"]) for row in rows}


def test_every_condition_has_its_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--sets", "towns,misses,noisy") == 0
    rows = figures(folder)
    answerable = {"accuracy", "over_refusal", "false_answer"}
    others = {"refusal", "false_answer"}
    assert rows.keys() == {
        *(("towns", metric) for metric in answerable),
        *(("towns@removed", metric) for metric in others),
        *(("misses", metric) for metric in answerable | others | {"balanced_accuracy"}),
        *((f"noisy@{name}", metric) for name in ("0", ".4", ".8") for metric in answerable),
        *(("noisy@1", metric) for metric in others),
        *(("all", metric) for metric in answerable | others | {"balanced_accuracy"}),
    }
    assert (rows["towns", "accuracy"], rows["towns@removed", "refusal"][1]) == ((1.0, 4), 4)
    assert (rows["misses", "accuracy"], rows["misses", "refusal"]) == ((1.0, 2), (1.0, 1))
    assert [rows[f"noisy@{name}", "accuracy"] for name in ("0", ".4", ".8")] == [(1.0, 1)] * 3
    assert "| towns | en | product | 4 |" in capsys.readouterr().out


def test_sentences_outside_of_all_intents_are_to_be_refused(folder: Path) -> None:
    assert run(folder, "--sets", "post") == 0
    rows = figures(folder)
    assert (rows["post", "over_refusal"], rows["post", "refusal"]) == ((0.0, 1), (1.0, 1))


def test_a_stopped_run_goes_on_and_gives_the_same_figures(folder: Path) -> None:
    assert run(folder, "--sets", "towns") == 0
    whole = figures(folder)
    journal = folder / "r.json.partial.jsonl"
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) == 1 + len(TOWNS)
    journal.write_text("".join(lines[:4]) + lines[4][:30], encoding="utf-8")
    assert run(folder, "--sets", "towns") == 0
    assert figures(folder) == whole
    assert run(folder, "--sets", "towns", "--seed", "1") == 1  # the journal is of another seed


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
    assert bench_answers.main([], make_parts) == 1
    assert "Give --data" in capsys.readouterr().err


def test_snippets_have_the_share_of_noise_and_every_part_of_the_answer(folder: Path) -> None:
    texts = ["Anna came first.", "Anna spoke.", "Ben came second.", "Ben left."]
    documents = [document(f"d{n}", text) for n, text in enumerate(texts)]
    documents += [document(f"n{n}", f"Nobody came, said voice {n}.") for n in range(6)]
    documents.append(document("other", "Ben is also here."))
    question = asked(
        "q",
        "Who came first, and who second?",
        answer_groups=[["Anna"], ["Ben"]],
        doc_ids=["d0", "d1", "d2", "d3"],
        neg_doc_ids=["n0", "n1", "n2"],
    )
    write(folder / "more", "pairs", documents, [question])
    plan = cases.of_set(data.read_set(folder / "more", "pairs"), limit=None, seed=0)
    ids = {case.set: sorted(d.id for d in plan.collections[case.collections[0]]) for case in plan.cases}
    assert ids["pairs@0"] == ["d0", "d1", "d2", "d3"]
    assert ids["pairs@.4"] == ["d0", "d1", "d2", "n0", "n1"]
    assert ids["pairs@.8"] == ["d0", "d2", "n0", "n1", "n2"]
    assert len(ids["pairs@1"]) == 5
    assert {"n0", "n1", "n2"} < set(ids["pairs@1"]) <= {f"n{n}" for n in range(6)}
    assert [case.answerable for case in plan.cases] == [True, True, True, False]


def test_a_removed_document_answers_no_question_that_stays(folder: Path) -> None:
    plan = cases.of_set(data.read_set(folder / "data", "towns"), limit=None, seed=3)
    left = {document.id for document in plan.collections["towns-en"]}
    stated = {case.key.partition("|")[2]: case.answerable for case in plan.cases}
    assert stated == {f"q{n}": f"d{n}" in left for n in range(len(TOWNS))}
    assert len(left) == len(TOWNS) // 2
