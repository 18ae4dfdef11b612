from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.chunk import SIZE, Chunk, chunk

MANUAL = """Before any heading.

# Manual
## Install
First download. Then install it!
```bash
# not a heading
curl example.org
```
| option | meaning |
|--------|---------|
| a      | first   |

After the table.
## Later
## 使用
### 提问 ###
在页面里提问。
#hashtag is text
"""


def body(text: str) -> str:
    return "".join(text.split())


def test_chunk_gives_heading_paths() -> None:
    assert [(piece.headings, piece.text.splitlines()[0]) for piece in chunk(MANUAL)] == [
        ((), "Before any heading."),
        (("Manual", "Install"), "First download. Then install it!"),
        (("Manual",), "## Later"),
        (("Manual", "使用", "提问"), "在页面里提问。"),
    ]


def test_chunk_positions_count_from_zero() -> None:
    assert [piece.position for piece in chunk(MANUAL)] == [0, 1, 2, 3]


def test_a_heading_without_text_below_becomes_a_chunk() -> None:
    assert chunk("# One\n\n##\n\n# Two") == [Chunk(0, (), "# One", 0), Chunk(1, (), "# Two", 11)]


def test_blank_text_has_no_chunks() -> None:
    assert chunk(" \n\t\n ") == []


def test_chunk_reads_all_line_ends() -> None:
    assert chunk("# A\r\none\r\n# B\rtwo") == [Chunk(0, ("A",), "one", 4), Chunk(1, ("B",), "two", 12)]


def test_chunk_keeps_code_whole_where_it_fits() -> None:
    code = "```python\n" + "\n".join(f"line_{number} = {number}  # a comment." for number in range(25)) + "\n```"
    words = "Here is some text. " * 25
    assert [piece.text for piece in chunk(f"{words}\n{code}\n{words}")] == [words.strip(), code, words.strip()]


def test_chunk_keeps_table_whole_where_it_fits() -> None:
    table = "\n".join(
        ["| name | use |", "|---|---|", *(f"| row {number} | a sentence. More. |" for number in range(20))]
    )
    words = "Here is some text. " * 20
    assert [piece.text for piece in chunk(f"{words}\n\n{table}\n\n{words}")] == [words.strip(), table, words.strip()]


def test_chunk_cuts_a_table_between_rows_where_it_does_not_fit() -> None:
    rows = [f"| row {number} | has. Several. Sentences, and clauses |" for number in range(60)]
    pieces = chunk("\n".join(rows))
    assert len(pieces) > 1
    assert [line for piece in pieces for line in piece.text.split("\n")] == rows


@pytest.mark.parametrize("sentence", ["每一句话都应该保持完整，不要从中间切开。", "他问：“这样可以吗？”"])
def test_chunk_cuts_chinese_text_after_a_sentence(sentence: str) -> None:
    pieces = chunk(sentence * 60)
    assert len(pieces) > 1
    assert {piece.text[-1] for piece in pieces} == {sentence[-1]}
    assert {piece.text[0] for piece in pieces} == {sentence[0]}


def test_chunk_cuts_english_text_after_a_sentence_even_in_wrapped_lines() -> None:
    pieces = chunk("This sentence is wrapped over\ntwo lines of the file. " * 40)
    assert len(pieces) > 1
    assert {(piece.text[:13], piece.text[-9:]) for piece in pieces} == {("This sentence", "the file.")}


def test_chunk_counts_chinese_and_english_alike() -> None:
    english = max(len(piece.text) for piece in chunk("A sentence of text, as usual. " * 100))
    chinese = max(len(piece.text) for piece in chunk("这是一句很普通的话。" * 100))
    assert (SIZE - english < 40, SIZE // 3 - chinese < 20, english <= SIZE, chinese <= SIZE // 3) == (True,) * 4


def test_chunk_overlap_repeats_whole_sentences() -> None:
    sentences = [f"This is sentence number {number:03}." for number in range(60)]
    pieces = chunk(" ".join(sentences), size=200, overlap=80)
    for before, after in pairwise(pieces):
        assert after.text.startswith("This is sentence")
        repeated = after.text[: after.text.index(before.text[-4:]) + 4]
        assert before.text.endswith(repeated)
        assert len(repeated) <= 80


MARKDOWN = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "# A",
                "## B 标题",
                "### C ###",
                "#",
                "```",
                "~~~~",
                "```py",
                "| a | b |",
                "|---|---|",
                "",
                "- item",
                "    x",
            ]
        ),
        st.text(st.characters(blacklist_categories=()), max_size=60),
        st.text("句子。！？，a. \n", max_size=200),
    ),
    max_size=30,
).map("\n".join)


@given(MARKDOWN, st.integers(16, 300))
def test_chunks_contain_all_text_of_the_document(text: str, size: int) -> None:
    pieces = chunk(text, size=size)
    source = text.replace("\r\n", "\n").replace("\r", "\n")
    position = 0
    for number, piece in enumerate(pieces):
        assert piece.position == number
        assert source[piece.start : piece.start + len(piece.text)] == piece.text
        assert piece.text.strip() == piece.text != ""
        assert len(piece.text.encode("utf-8", "surrogatepass")) <= max(size, 300)  # a lone heading may be longer
        start = source.find(piece.text, position)
        assert start >= position  # a part of the document, in order
        skipped = [line.strip(" \t") for line in source[position:start].split("\n")]
        assert [line for line in skipped if body(line) and not line.startswith("#")] == []
        position = start + len(piece.text)
    rest = [line.strip() for line in source[position:].split("\n")]
    assert [line for line in rest if body(line.strip("#"))] == []


@given(MARKDOWN)
def test_every_heading_occurs_in_the_chunks(text: str) -> None:
    pieces = chunk(text)
    shown = {heading for piece in pieces for heading in piece.headings} | {
        line.strip() for piece in pieces for line in piece.text.split("\n")
    }
    for heading in ("# A", "## B 标题", "### C ###"):
        if heading in text.replace("\r", "\n").split("\n"):
            assert shown & {heading, heading.strip("# ")} != set()


@pytest.mark.parametrize(
    "text",
    [
        "知" * 200_000,
        "a" * 200_000,
        "a b" * 80_000,
        "# a\n" * 30_000,
        "|a|\n" * 50_000,
        "```\n" * 50_000,
        "\n" * 200_000,
        "# " + " #" * 100_000,
        "1.\n" * 60_000,
    ],
    ids=lambda text: repr(text[:4]),
)
def test_chunk_of_hostile_text_takes_linear_time(text: str) -> None:
    started = time.thread_time()
    chunk(text)
    assert time.thread_time() - started < 3


def test_a_very_long_heading_is_not_repeated_in_every_chunk() -> None:
    text = "# " + "x" * 10_000 + "\n" + "## b\ntext\n" * 500
    assert sum(len("".join(piece.headings)) for piece in chunk(text)) < len(text)


@pytest.mark.parametrize(("size", "overlap"), [(15, 0), (100, 100), (100, -1)])
def test_chunk_refuses_impossible_sizes(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match=r"size|overlap"):
        chunk("text", size=size, overlap=overlap)


def test_a_caption_goes_with_the_table_below_it() -> None:
    before = "The prices are those of this year. " * 3
    table = "| Item | Price |\n| --- | --- |\n| Bread | 2 |\n| Milk | 1 |"
    text = f"{before}\n\nTable 3. Prices of the shop\n\n{table}\n\nEnd."
    assert [piece.text for piece in chunk(text, size=130)] == [
        before.strip(),
        f"Table 3. Prices of the shop\n\n{table}\n\nEnd.",
    ]


@pytest.mark.parametrize("lead", ["Lost keys", "Do this when a key is lost:", "钥匙丢失时", "按以下步骤操作："])
def test_a_small_heading_or_an_introduction_goes_with_the_paragraph_below_it(lead: str) -> None:
    text = f"Each guest gets one key at the desk.\n\n{lead}\n\nThe desk gives you a new key for ten euros."
    assert [piece.text for piece in chunk(text, size=80)] == [
        "Each guest gets one key at the desk.",
        f"{lead}\n\nThe desk gives you a new key for ten euros.",
    ]


@pytest.mark.parametrize("last", ["It is cheap.", "- a key", "3. A key", "它很便宜。", "the key,"])
def test_the_end_of_a_text_stays_with_it(last: str) -> None:
    text = f"Each guest gets one key at the desk.\n\n{last}\n\nThe desk gives you a new key for ten euros."
    assert chunk(text, size=80)[0].text == f"Each guest gets one key at the desk.\n\n{last}"
