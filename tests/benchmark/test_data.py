"""Reading benchmark data: fields, checks of every row, samples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from scripts.benchmark import data
from scripts.benchmark.errors import BenchError

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = {"id": "d1", "title": "Ferry", "text": "The ferry leaves at 9.", "lang": "en", "line": "east"}
QUESTION = {"id": "q1", "question": "When?", "answers": ["9"], "doc_ids": ["d1"], "lang": "en", "kind": "answerable"}


def write(folder: Path, name: str, documents: list[Any], questions: list[Any]) -> Path:
    (folder / name).mkdir(parents=True)
    for file, rows in (("corpus.jsonl", documents), ("questions.jsonl", questions)):
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        (folder / name / file).write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_a_set_is_read_with_all_fields(tmp_path: Path) -> None:
    documents = [{**DOCUMENT, "id": f"d{number}", "line": "west" if number % 2 else "east"} for number in range(8)]
    question = {
        **QUESTION,
        "lang": "zh-Hant",
        "line": "east",
        "answer_groups": [["9", "nine"], [], ["east"]],
        "parallel_doc_ids": ["d2"],
        "neg_doc_ids": ["d3"],
        "label": [],
    }
    whole = data.read_set(write(tmp_path, "ships", documents, [question]), "ships")
    assert (whole.name, len(whole.documents), whole.languages, whole.shared) == ("ships", 8, ("en",), ("line",))
    assert whole.documents[1] == data.Document("d1", "Ferry", "The ferry leaves at 9.", "en", {"line": "west"})
    assert whole.questions == (
        data.Question(
            id="q1",
            text="When?",
            lang="zh",
            kind="answerable",
            groups=(("9", "nine"), ("east",)),
            document_ids=("d1",),
            parallel_ids=("d2",),
            noise_ids=("d3",),
            details={"line": "east"},
        ),
    )
    assert (data.names(tmp_path), data.chosen(None, ["ships"]), data.chosen("ships", ["ships"])) == (
        ["ships"],
        ["ships"],
        ["ships"],
    )


def test_a_field_that_names_the_document_is_not_shared(tmp_path: Path) -> None:
    documents = [{**DOCUMENT, "id": f"d{number}", "line": str(number)} for number in range(8)]
    assert data.read_set(write(tmp_path, "ships", documents, [{**QUESTION, "line": "1"}]), "ships").shared == ()


@pytest.mark.parametrize(
    ("documents", "questions", "message"),
    [
        ([DOCUMENT], ["{"], r"questions.jsonl, line 1: this is no JSON"),
        ([DOCUMENT, "[]"], [QUESTION], r"corpus.jsonl, line 2: this is no JSON object"),
        ([{**DOCUMENT, "text": " "}], [QUESTION], r"line 1: 'text' is no text"),
        ([{"id": "d1"}], [QUESTION], r"line 1: 'title' is missing"),
        ([DOCUMENT], [{**QUESTION, "answers": "9"}], r"'answers' is no list of texts"),
        ([DOCUMENT], [{**QUESTION, "answer_groups": ["9"]}], r"answer_groups is no list"),
        ([DOCUMENT], [{**QUESTION, "doc_ids": ["d2"]}], r"question 'q1' names document 'd2', which .* lacks"),
        ([DOCUMENT, DOCUMENT], [QUESTION], r"the id 'd1' is given twice"),
        ([DOCUMENT], [], r"questions.jsonl is empty"),
    ],
)
def test_broken_rows_are_refused_with_their_place(
    tmp_path: Path, documents: list[Any], questions: list[Any], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        data.read_set(write(tmp_path, "ships", documents, questions), "ships")


def test_unknown_sets_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="is no folder"):
        data.names(tmp_path / "nowhere")
    with pytest.raises(BenchError, match=r"no set 'trains'. The sets are: ships"):
        data.chosen("trains", ["ships"])
    with pytest.raises(BenchError, match="names no set"):
        data.chosen(" ,", ["ships"])


def test_a_sample_keeps_the_documents_that_its_questions_need(tmp_path: Path) -> None:
    documents = [{**DOCUMENT, "id": f"d{number}"} for number in range(50)]
    questions = [{**QUESTION, "id": f"q{number}", "doc_ids": [f"d{number}"]} for number in range(50)]
    whole = data.read_set(write(tmp_path, "ships", documents, questions), "ships")
    some = data.limited(whole, questions=5, documents=20, seed=1)
    assert (len(some.questions), len(some.documents)) == (5, 20)
    assert {question.document_ids[0] for question in some.questions} <= {document.id for document in some.documents}
    assert data.limited(whole, questions=5, documents=20, seed=1) == some
    assert data.limited(whole, questions=5, documents=20, seed=2) != some
    assert data.limited(whole, questions=None, documents=None, seed=1) == whole


def test_intents_are_read(tmp_path: Path) -> None:
    (tmp_path / "intents").mkdir()
    rows = [
        {"text": "Where is my parcel?", "intent": "track", "kind": "example", "lang": "en"},
        {"text": "Parcel lost", "intent": "track", "kind": "in_scope", "lang": "en"},
        {"text": "Sing a song", "intent": "oos", "kind": "out_of_scope", "lang": "en"},
    ]
    file = tmp_path / "intents" / "post.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert data.intent_names(tmp_path) == ["post"]
    assert data.read_intents(tmp_path, "post") == data.Intents(
        "post", {"track": ("Where is my parcel?",)}, (("Parcel lost", "track"),), ("Sing a song",), "en"
    )
    file.write_text(json.dumps({**rows[0], "kind": "other"}), encoding="utf-8")
    with pytest.raises(BenchError, match="kind 'other' is none of"):
        data.read_intents(tmp_path, "post")
