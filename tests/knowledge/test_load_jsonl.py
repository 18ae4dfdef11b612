from __future__ import annotations

import json

import pytest

from knowledge.load import Damaged, Limits, LoadedDocument
from knowledge.load.child import documents


def load(text: str, name: str = "faq.jsonl") -> list[LoadedDocument]:
    return list(documents(text.encode(), name, Limits()))


def message(text: str, name: str = "faq.jsonl") -> str:
    with pytest.raises(Damaged) as caught:
        load(text, name)
    return str(caught.value)


def test_jsonl_reads_fields_by_name() -> None:
    row = {
        "id": 7,
        "question": "退货期限？",
        "answer": "三十天。",
        "lang": "zh-CN",
        "source_url": "https://acme.example/7",
        "tags": ["shop", "parcels"],
        "metadata": {"author": "Li", "reviewed": True, "none": None},
    }
    assert load(json.dumps(row) + "\n\n") == [
        LoadedDocument(
            key="7",
            title="退货期限？",
            text="author: Li; reviewed: true; tags: shop, parcels\n\n三十天。",
            language="zh",
            url="https://acme.example/7",
            metadata={"author": "Li", "reviewed": "true", "tags": "shop, parcels"},
        )
    ]


@pytest.mark.parametrize(
    ("row", "title", "text"),
    [
        ({"title": "T", "text": "body"}, "T", "body"),
        ({"content": "first line\nsecond"}, "first line second", "first line\nsecond"),
        ({"title": "T", "question": "Q?", "answer": "A."}, "T", "Q?\n\nA."),
        ({"question": "Q?", "answer": "A.", "text": "More."}, "Q?", "A.\n\nMore."),
        ({"标题": "退货", "正文": "三十天。"}, "退货", "三十天。"),
        ({"text": ["one", "two"]}, "one two", "one\n\ntwo"),
    ],
)
def test_jsonl_makes_title_and_text(row: dict[str, object], title: str, text: str) -> None:
    (document,) = load(json.dumps(row))
    assert (document.title, document.text) == (title, text)


def test_jsonl_keys_do_not_change_when_rows_are_inserted() -> None:
    first, second, third = ({"question": f"Question {n}?", "answer": "yes"} for n in range(3))
    before = {document.title: document.key for document in load("\n".join(map(json.dumps, (first, second))))}
    after = {document.title: document.key for document in load("\n".join(map(json.dumps, (third, first, second))))}
    assert {title: after[title] for title in before} == before


def test_jsonl_gives_equal_questions_different_keys_and_numbers_bare_texts() -> None:
    keys = [
        document.key for document in load('{"question":"Q","answer":"1"}\n{"question":"Q","answer":"2"}\n{"text":"t"}')
    ]
    assert keys == [keys[0], keys[0] + "-2", "row-3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"text":"a"}\n{"text": oops}', "There is no valid JSON on line 2, at character 10: Expecting value."),
        ('{"text":"a"}\n\n[1]', "There is no JSON object on line 3, but an array."),
        ('{"text":"a"}\n{"title":"b"}', "There is no text on line 2:"),
        ('{"id":"x","text":"a"}\n{"id":"x","text":"b"}', "The id 'x' on line 2 was used on line 1 already."),
        ('{"text":' + "[" * 100_000, "The JSON on line 1 is nested too deeply."),
        ('{"text":"a","n":' + "1" * 5_000 + "}", "The JSON on line 1 cannot be read:"),
    ],
)
def test_jsonl_names_the_bad_line(text: str, expected: str) -> None:
    assert message(text).startswith(expected)


def test_jsonl_does_not_cut_at_unusual_line_ends() -> None:
    assert [document.text for document in load('{"text":"a\u2028b\x85c"}')] == ["a\nb\nc"]


def test_json_accepts_an_array_or_an_object_of_documents() -> None:
    rows = [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}]
    expected = [LoadedDocument("a", "one", "one"), LoadedDocument("b", "two", "two")]
    assert load(json.dumps(rows), "faq.json") == expected
    assert load(json.dumps({"documents": rows}, indent=2), "faq.json") == expected
    assert load(json.dumps(rows[0]), "faq.json") == expected[:1]
    assert message('{"documents": [\n{"text": 1,}]}', "faq.json").startswith("There is no valid JSON on line 2, at")
    assert message("[1]", "faq.json").startswith("There is no JSON object on item 1, but a number.")
    assert message('"text"', "faq.json").startswith("The file must contain an array of documents")


def test_jsonl_reads_gb18030() -> None:
    row = json.dumps({"question": "退货期限？", "answer": "收货后三十天。"}, ensure_ascii=False)
    assert [document.text for document in documents(row.encode("gb18030"), "faq.jsonl", Limits())] == ["收货后三十天。"]
