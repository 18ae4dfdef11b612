"""Where passages stand in their files: what is known, what an edit leaves, and the address that opens there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.place import Place, Places, address, place_from_json, places_from_json

PAGES = Places("page", ((0, 1), (10, 2), (20, 4)))
TEN = "0123456789"
TEXT = TEN * 3


@pytest.mark.parametrize(
    ("start", "end", "place"),
    [
        (0, 10, Place("page", 1)),
        (3, 9, Place("page", 1)),
        (10, 20, Place("page", 2)),
        (9, 11, Place("page", 1, 2)),
        (5, 25, Place("page", 1, 4)),
    ],
)
def test_a_passage_has_the_pages_that_its_characters_stand_on(start: int, end: int, place: Place) -> None:
    assert PAGES.of(TEXT, start, end) == place


def test_rows_name_their_sheet() -> None:
    assert Places("row", ((0, 7), (4, 8)), "Prices").of("a\nb\nc\nd", 0, 7) == Place("row", 7, 8, "Prices")


def test_a_passage_before_the_first_mark_or_in_unknown_text_has_no_place() -> None:
    assert Places("page", ((5, 1),)).of(TEXT, 0, 9) is None
    assert Places("page", ((0, 1), (5, None), (8, 2))).of(TEXT, 0, 9) is None
    assert Places("page", ((0, 1), (5, None), (8, 2))).of(TEXT, 8, 9) == Place("page", 2)


def test_lines_are_counted_from_the_nearest_mark() -> None:
    text = "one\ntwo\n\nnine\nten"
    lines = Places("line", ((0, 1), (9, 9)), counts=True)
    assert [lines.of(text, text.index(word), len(text)) for word in ("one", "two", "nine", "ten")] == [
        Place("line", 1),
        Place("line", 2),
        Place("line", 9),
        Place("line", 10),
    ]


def test_a_section_is_named_by_its_anchor() -> None:
    sections = Places("anchor", ((0, None), (5, "fees"), (15, None)))
    assert [sections.of(TEXT, start, start + 3) for start in (0, 5, 15)] == [None, Place("anchor", name="fees"), None]


def test_an_edit_moves_what_is_behind_it() -> None:
    edited = PAGES.edited(TEXT, 2, 5, "a longer text")
    text = TEXT[:2] + "a longer text" + TEXT[5:]
    assert [edited.of(text, start, start + 1) for start in (0, 2, 19, 20, 30)] == [
        Place("page", 1),
        Place("page", 1),
        Place("page", 1),
        Place("page", 2),
        Place("page", 4),
    ]


def test_words_that_replace_words_of_two_pages_have_no_place() -> None:
    edited = PAGES.edited(TEXT, 8, 12, "new")
    text = TEXT[:8] + "new" + TEXT[12:]
    assert [edited.of(text, start, end) for start, end in ((0, 8), (8, 11), (0, 9), (11, 15))] == [
        Place("page", 1),
        None,
        None,
        Place("page", 2),
    ]


def test_words_that_are_deleted_leave_the_places_around_them() -> None:
    edited = PAGES.edited(TEXT, 8, 12, "")
    assert edited.of(TEXT[:8] + TEXT[12:], 0, 12) == Place("page", 1, 2)


def test_an_edit_that_begins_with_a_page_stands_on_it() -> None:
    edited = PAGES.edited(TEXT, 10, 12, "new")
    assert edited.of(TEXT[:10] + "new" + TEXT[12:], 10, 13) == Place("page", 2)


def test_lines_behind_an_edit_keep_their_numbers_in_the_file() -> None:
    text = "a\nb\nc\nd\n"
    lines = Places("line", ((0, 1),), counts=True)
    more = lines.edited(text, 2, 3, "b1\nb2\nb3")
    edited = "a\nb1\nb2\nb3\nc\nd\n"
    numbers = [more.of(edited, edited.index(word), len(edited)) for word in ("a", "b1", "b2", "b3", "c", "d")]
    assert numbers == [Place("line", 1), Place("line", 2), None, None, Place("line", 3), Place("line", 4)]
    fewer = lines.edited(text, 2, 5, "x")
    edited = "a\nx\nd\n"
    assert [fewer.of(edited, edited.index(word), 6) for word in ("x", "d")] == [Place("line", 2), Place("line", 4)]


@pytest.mark.parametrize(
    ("url", "place", "opens"),
    [
        ("https://acme.example/a.pdf", Place("page", 12, 13), "https://acme.example/a.pdf#page=12"),
        ("https://acme.example/a", Place("anchor", name="fees"), "https://acme.example/a#fees"),
        ("https://acme.example/a", Place("anchor", name='费 "x"'), "https://acme.example/a#%E8%B4%B9%20%22x%22"),
        ("https://acme.example/a#part", Place("anchor", name="fees"), "https://acme.example/a#part"),
        ("https://acme.example/a.csv", Place("row", 5), "https://acme.example/a.csv"),
        ("https://acme.example/a.pdf", None, "https://acme.example/a.pdf"),
        (None, Place("page", 12), None),
    ],
)
def test_an_address_opens_at_the_place_where_browsers_can(url: str | None, place: Place | None, opens: object) -> None:
    assert address(url, place) == opens


def test_places_are_read_back_as_they_were_stored() -> None:
    for place in (Place("row", 5, 9, "Prices"), Place("anchor", name="fees"), Place("line", 1), None):
        assert place_from_json(place.to_json() if place else None) == place
    for places in (Places("row", ((0, 5), (9, None)), "Prices"), Places("anchor", ((3, "fees"),)), None):
        assert places_from_json(places.to_json() if places else None) == places


EDITS = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 30), st.text("x\n", max_size=6)), max_size=4)


@pytest.mark.parametrize("kind", ["row", "line"])
@given(EDITS)
def test_after_any_edits_what_is_left_of_the_file_has_its_place_and_new_words_have_no_wrong_one(
    kind: str, edits: list[tuple[int, int, str]]
) -> None:
    """Every character of the text knows its true line; new words may stand in any line of the words they replaced."""
    text = "".join(f"{chr(97 + line)}{'-' * (line % 5)}\n" for line in range(20))
    true: list[set[int]] = [{line} for line, row in enumerate(text.splitlines(keepends=True), start=1) for _ in row]
    starts = [0, *(at + 1 for at, character in enumerate(text) if character == "\n")][:-1]
    marks = tuple((start, line) for line, start in enumerate(starts, start=1))
    places = Places(kind, marks[:1] if kind == "line" else marks, counts=kind == "line")
    for at, length, new in edits:
        start = min(at, len(text) - 1)
        end = min(start + length, len(text))
        places = places.edited(text, start, end, new)
        true[start:end] = [set().union(*true[start:end])] * len(new)
        text = text[:start] + new + text[end:]
        if not text:
            return
    for at, lines in enumerate(true):
        place = places.of(text, at, at + 1)
        assert place.first in lines if place else len(lines) > 1 or kind == "line"
        if text[at] in "abcdefghijklmnopqrst":
            assert place == Place(kind, ord(text[at]) - 96)
