"""A text composed of a source and edits: each applies where it was made, and nowhere else."""

from __future__ import annotations

from knowledge.composition import Anchor, Composition, Replacement, StoredEdit, from_json

SOURCE = "Shoes: 14 days.\n\nCoats: 20 days."


def edit(number: int, composed: Composition, find: str, replace: str) -> StoredEdit:
    start = composed.text.index(find)
    anchor = composed.anchor(start, start + len(find))
    assert anchor is not None
    return StoredEdit(number, Replacement(find, replace), from_json(anchor.to_json()))


def compose(source: str, *edits: StoredEdit) -> Composition:
    return Composition("Shop", source).apply(edits, same_source=False)


def result(composed: Composition) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    return composed.text, composed.kept, composed.broken


def test_an_edit_applies_to_its_own_statement_where_its_words_occur_in_others_too() -> None:
    first = edit(1, compose(SOURCE), "14 days", "30 days")
    assert result(compose(f"{SOURCE}\n\nHats: 14 days.", first)) == (
        "Shoes: 30 days.\n\nCoats: 20 days.\n\nHats: 14 days.", (1,), (),
    )  # fmt: skip


def test_an_edit_does_not_apply_to_another_statement_that_has_its_words() -> None:
    first = edit(1, compose(SOURCE), "14 days", "30 days")
    changed = "Shoes: 30 days.\n\nIslands: 14 days."
    assert result(compose(changed, first)) == (changed, (), (1,))


def test_edits_of_one_passage_need_each_other_only_if_one_changes_words_of_the_other() -> None:
    first = edit(1, compose(SOURCE), "Shoes", "All shoes")
    second = edit(2, compose(SOURCE, first), "14 days", "30 days")
    third = edit(3, compose(SOURCE, first, second), "All", "Many")
    across = edit(4, compose(SOURCE, first, second, third), "Many shoes: 30", "No shoes: 31")
    assert result(compose(SOURCE, first, second, third, across)) == (
        "No shoes: 31 days.\n\nCoats: 20 days.", (1, 2, 3, 4), (),
    )  # fmt: skip
    assert result(compose(SOURCE, second)) == ("Shoes: 30 days.\n\nCoats: 20 days.", (2,), ())
    assert result(compose(SOURCE, first, third)) == ("Many shoes: 14 days.\n\nCoats: 20 days.", (1, 3), ())
    assert result(compose(SOURCE, second, third, across)) == ("Shoes: 30 days.\n\nCoats: 20 days.", (2,), (3, 4))


def test_two_edits_of_words_of_a_third_edit_do_not_need_each_other() -> None:
    first = edit(1, compose(SOURCE), "Shoes: 14 days", "Shoes: 30 days, boots: 31 days")
    second = edit(2, compose(SOURCE, first), "30 days", "40 days")
    third = edit(3, compose(SOURCE, first, second), "31 days", "41 days")
    assert compose(SOURCE, first, third).text.startswith("Shoes: 30 days, boots: 41 days.")
    assert result(compose(SOURCE, second, third)) == (SOURCE, (), (2, 3))


def test_an_edit_of_words_that_another_edit_joined_ends_with_that_edit() -> None:
    first = edit(1, compose(SOURCE), ": 14 days.\n\nCoats", "")
    second = edit(2, compose(SOURCE, first), "Shoes: 20", "Shoes: 21")
    assert compose(SOURCE, first, second).text == "Shoes: 21 days."
    assert result(compose(SOURCE, second)) == (SOURCE, (), (2,))


def test_an_edit_without_an_anchor_applies_to_the_source_that_it_was_made_on_only() -> None:
    old = StoredEdit(1, Replacement("14 days", "30 days"), None)
    composed = Composition("Shop", SOURCE).apply([old], same_source=True)
    assert result(composed) == ("Shoes: 30 days.\n\nCoats: 20 days.", (1,), ())
    assert result(compose(SOURCE, old)) == (SOURCE, (), (1,))


def test_words_that_occur_twice_have_no_place_for_an_edit_without_an_anchor() -> None:
    old = StoredEdit(1, Replacement("day", "night"), None)
    composed = Composition("Shop", "day after day").apply([old], same_source=True)
    assert result(composed) == ("day after day", (), (1,))


def test_the_place_of_an_edit_can_be_read_back_from_its_json() -> None:
    anchor = compose(SOURCE).anchor(7, 14)
    assert isinstance(anchor, Anchor)
    assert from_json(anchor.to_json()) == anchor
