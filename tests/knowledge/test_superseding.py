"""Passages that corrections hide are recognised by their headings and the text before them, not by their text alone."""

from __future__ import annotations

from knowledge.superseding import Site, Superseded, from_row, sites, to_json
from retrieval.passage import Passage

SHOES = Site(("Shop", "Shoes"), "", "It takes 14 days.")


def passage(*headings: str, title: str = "Shop", text: str = "It takes 14 days.") -> Passage:
    return Passage(1, "rules", 1, 0, title, headings, text, "en")


def test_a_short_passage_has_the_end_of_the_one_before_it_in_its_section() -> None:
    long = "Shoes come back. " * 30
    assert sites("Shop", [(["Shoes"], long), (["Shoes"], "Soon."), (["Coats"], "Soon."), (["Coats"], long)]) == [
        Site(("Shop", "Shoes"), "", long),
        Site(("Shop", "Shoes"), long[-300:], "Soon.", (long.strip(),)),
        Site(("Shop", "Coats"), "", "Soon."),
        Site(("Shop", "Coats"), "", long, ("Soon.",)),
    ]


def test_a_passage_has_the_introductions_of_its_section_and_of_those_that_this_is_in() -> None:
    long = "Shoes come back. " * 30
    rules, members, fees = "These rules are for shoes.", "For members:", "For guests:"
    passages: list[tuple[list[str], str]] = [
        (["Shop"], rules),
        (["Shop", "Time"], f"{members}\n\n{long}"),
        (["Shop", "Time"], long),
        (["Shop", "Fees"], f"Soon.\n\n{fees}"),
        (["Shop", "Fees"], long),
        (["Shop"], long),
    ]
    assert [site.introductions for site in sites("Shop", passages)] == [
        (),
        (rules,),
        (rules, members),
        (rules,),
        (rules, "Soon.", fees),
        (),  # another section of this name
    ]


def test_a_stored_supersession_is_read_back() -> None:
    twice = {SHOES, Site(("Shop", "Boots"), "Before.", SHOES.text, ("For members:",))}
    assert from_row(SHOES.text, to_json(twice)) == Superseded(sites=frozenset(twice))
    assert from_row(SHOES.text, None) == Superseded()
    assert from_row(None, None) == Superseded(whole=True)


def test_the_same_text_below_another_heading_is_not_hidden() -> None:
    hidden = Superseded(sites=frozenset({SHOES}))
    passages = [passage("Shoes"), passage("Islands"), passage("Shoes", title="Other"), passage("Shoes", text="Soon.")]
    assert [hidden.could_hide(candidate) for candidate in passages] == [True, False, False, False]
    assert (Superseded(whole=True) | hidden).could_hide(passage("Islands"))
