"""Square brackets in prose are citations; brackets in code are never changed."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering.citations import verify
from bot.answering.markers import bare, markers

OPENING = "The shop opens at nine and closes at eight."
ARGUMENT = "The first argument of the program names the file to read."
PASSAGES = [OPENING, ARGUMENT]

# Texts with a bracket that is no citation. Each ends its line.
NO_MARKER = [
    "`argv[1]`",
    "``a ` b argv[1]``",
    "`two\nlines argv[1]`",
    "```\nprint(argv[1])\n```",
    "~~~ python\nprint(argv[1])\n~~~",
    "````\n```\nargv[1]\n```\n````",
    "- item\n\n  ```\n  argv[1]\n  ```",
    "> ```\n> argv[1]\n> ```",
    "Text:\n\n    print(argv[1])\n    print(argv [1])",
    "\tprint(argv [1])",
    "- item\n\n      print(argv [1])",
    "<code>argv [1]</code>",
    "<pre>\n\nargv [1]\n\n</pre>",
    "x[1]",
    "sys.argv[1]",
    "$a[1]",
    "row_2[1]",
    "f(x)[1]",
    "x[1][2]",
    "table[1]=5",
    "[1](https://example.org)",
    '[1](https://example.org "a title")',
    "![1](picture.png)",
    "[1]: https://example.org",
    "[^1]",
    "\\[1]",
    "[1,2,x]",
    "[ ]",
]
UNCLOSED = ["```\nprint(argv [1])", "~~~\nargv [1]\n```\nargv [2]", "<code>argv [1]", "Text\n\n    argv [1]"]


@pytest.mark.parametrize("text", [*NO_MARKER, *UNCLOSED])
def test_brackets_that_are_no_markers_are_not_changed(text: str) -> None:
    assert markers(text) == ()
    assert bare(text) == text
    for answer in (text, f"The first argument names the file to read [1].\n\n{text}"):
        assert text.strip() in verify(answer, PASSAGES)[0]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("At nine [1].", [(1,)]),
        ("At nine [1][2].", [(1,), (2,)]),
        ("At nine [1, 2].", [(1, 2)]),
        ("在九点【1】。", [(1,)]),
        ("九点[1]开门", [(1,)]),
        ("30[1]", [(1,)]),
        ("20MB[1]", [(1,)]),
        ("[1] At nine", [(1,)]),
        ("- At nine\n    - on Sundays [1]", [(1,)]),
        ("1. At nine\n\n   On Sundays [1]", [(1,)]),
        ("A paragraph\n    that goes on [1]", [(1,)]),
        ("A ` alone, at nine [1]", [(1,)]),
        ("A \\`quoted\\` word [1]", [(1,)]),
        ("`one` [1] `two`", [(1,)]),
        ("```\nx[1]\n```\nAt nine [2]", [(2,)]),
        ("The tag `<pre>` is closed at nine [1].", [(1,)]),
        ("At nine [1](the second [2])", [(1,), (2,)]),
        ("[1]: at nine", [(1,)]),
        ("Within 14 days[1].", [(1,)]),
        ("Within 14 days[1][2].", [(1,), (2,)]),
        ("Within 14 days[1]. At nine [2].", [(2,)]),  # who writes a space leaves none out
    ],
)
def test_markers_in_prose_are_recognised(text: str, numbers: list[tuple[int, ...]]) -> None:
    assert [marker.numbers for marker in markers(text)] == numbers


@pytest.mark.parametrize(
    ("answer", "expected", "cited"),
    [
        # the only marker names the wrong passage: it is moved, and nothing else is
        (
            "The first argument names the file to read: `argv[1]` [1].",
            "The first argument names the file to read: `argv[1]` [2].",
            (2,),
        ),
        (
            "The first argument, argv[1], names the file to read [1].",
            "The first argument, argv[1], names the file to read [2].",
            (2,),
        ),
        (
            "The first argument names the file to read, in argv[1].",
            "The first argument names the file to read, in argv[1]. [2]",
            (2,),
        ),
    ],
)
def test_an_index_is_not_renumbered_with_the_citation(answer: str, expected: str, cited: tuple[int, ...]) -> None:
    assert verify(answer, PASSAGES) == (expected, cited)


BLOCKS = st.one_of(
    st.sampled_from([text for text in NO_MARKER if not text.startswith("[1]:")]),
    st.sampled_from(["At nine [1].", "The first argument names the file to read [1].", "Words [9].", "九点【2】。"]),
    st.text("ab 九。", max_size=12).map(lambda text: f"w{text.strip()}"),
)


@given(st.lists(BLOCKS, max_size=8), st.sampled_from(UNCLOSED) | st.just(""))
def test_brackets_in_code_and_links_are_never_changed(blocks: list[str], last: str) -> None:
    unmarked = [block for block in [*blocks, last] if block in NO_MARKER or block in UNCLOSED]
    answer, cited = verify("\n\nend\n\n".join([*blocks, last]), PASSAGES)
    at = 0
    for block in unmarked:
        at = answer.find(block.strip(), at)
        assert at >= 0, (block, answer)
        at += len(block.strip())
    assert set(cited) <= {1, 2}


@given(st.text("[]1，,`~\n\t ()x九\\<code>/:$-", max_size=60))
def test_any_text_keeps_everything_except_its_brackets(text: str) -> None:
    marks = markers(text)
    assert all(0 <= mark.start < mark.end <= other.start for mark, other in pairwise(marks))
    answer, _ = verify(text, PASSAGES)
    outside = "".join(
        text[at:end]
        for at, end in zip([0, *(m.end for m in marks)], [*(m.start for m in marks), len(text)], strict=True)
    )
    if not any(marker.attached for marker in marks):
        plain = answer.removesuffix(" [1]").removesuffix(" [2]")
        assert "".join(bare(plain).split()) == "".join(outside.split())


@pytest.mark.parametrize(
    "piece", ["`", "``` ", "[1]", "x[1]", "[", "<code>", "- ", "\n\n    a[1]", "~~~\n", "> ", "\\`"]
)
def test_long_texts_are_read_in_little_time(piece: str) -> None:
    began = time.thread_time()  # this thread's own work, on a busy machine too
    markers(piece * 20_000)
    assert time.thread_time() - began < 2
