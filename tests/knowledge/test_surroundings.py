"""What words of a text are about: which changes of a text leave a statement as it was, and which do not."""

from __future__ import annotations

import pytest

from knowledge.surroundings import Outline, from_json

LONG = "This paragraph is long enough to say by itself what it is about, and it goes on for a while. " * 12


def still_there(before: str, words: str, after: str, *, title: str = "Shop", new_title: str = "Shop") -> str | None:
    """The line of the new text in which the words with the old surroundings are found."""
    start = before.index(words)
    around = Outline(title, before).of(start, start + len(words))
    assert Outline(title, before).find(around) == start
    at = Outline(new_title, after).find(from_json(around.to_json()))
    return None if at is None else after[at : at + len(words)]


SECTIONS = "# Shoes\n\nReturn within 14 days.\n\n# Coats\n\nReturn within 20 days."
TABLE = "| Goods | Days |\n|---|---|\n| Shoes | 14 days |\n| Coats | 20 days |"
GROUPED = "| Goods | Days |\n|---|---|\n| Shoes | |\n| new | 14 days |\n| Coats | |\n| new | 20 days |"
GOES_ON = "| Goods | Where | Days |\n|---|---|---|\n| Shoes | EU | 3 |\n| | US | 14 days |"
LIST = "For members:\n\n- shoes of all kinds and sizes, worn or not: 14 days\n- coats of all kinds and sizes: 20 days"
NESTED = "- Shoes\n  - 14 days\n- Coats\n  - 20 days"
RECORDS = "- Goods: shoes\n- Where: EU\n- Time: 14 days\n\n- Goods: coats\n- Where: EU\n- Time: 20 days"
ANNOUNCED = "Return within 14 days:\n\n- shoes\n- boots\n\nReturn within 20 days:\n\n- coats"
FAR = "\n\n".join([LONG] * 3)  # several long paragraphs
FAR_ITEMS = "\n".join(
    f"- {number}: as the shop says on the page of this number, without exception" for number in range(9)
)
APPLIES = f"# Time\n\nKeep the bill.\n\nThe following applies to shoes:\n\n{FAR}\n\nReturn within 14 days."
TWO = "Shoes are special.\n\nReturn within 14 days.\n\nCoats are not."


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SECTIONS, SECTIONS.replace("20 days", "14 days")),
        (SECTIONS, "# Hats\n\nReturn within 14 days.\n\n" + SECTIONS),
        (SECTIONS, "# Coats\n\nReturn within 20 days.\n\n# Shoes\n\nReturn within 14 days."),
        (TABLE, TABLE.replace("| Coats | 20 days |", "| Hats | 14 days |\n| Coats | 21 days |")),
        (TABLE, TABLE.replace("| Shoes", "| Hats | 14 days |\n| Shoes")),
        (TABLE, TABLE.replace("| Shoes", "| Hats | 9 |\n\n| Goods | Days |\n|---|---|\n| Shoes")),
        (GROUPED, GROUPED.replace("20 days", "14 days")),
        (LIST, LIST.replace("20 days", "14 days")),
        (LIST, LIST.replace("- shoes", "- hats of all kinds and sizes, worn or not: 14 days\n- shoes")),
        (NESTED, NESTED.replace("20 days", "14 days")),
        (RECORDS, RECORDS.replace("20 days", "14 days")),
        (ANNOUNCED, ANNOUNCED.replace("- coats", "- coats\n- hats")),
        (TWO, TWO.replace("Coats", "Hats")),
        ("Within 14 days.\n\nThanks.\n\n(Open daily)", "Within 14 days.\n\nThanks.\n\n(Closed)"),
        ("Within 14 days[^1].\n\n[^1]: Shoes.\n\n[^2]: Hats.", "Within 14 days[^1].\n\n[^1]: Shoes.\n\n[^2]: Coats."),
        (f"{LONG}\n\nShoes: 14 days.", f"Hats: 14 days.\n\n{LONG}\n\nShoes: 14 days."),
        (APPLIES, APPLIES.replace("# Time", "# Hats\n\nNever.\n\n# Time")),
        (f"{APPLIES}\n\n# Coats", f"# Hats\n\nThe following applies to hats:\n\nNever.\n\n{APPLIES}\n\n# Coats"),
        (APPLIES, f"{APPLIES}\n\nThe following applies to hats:\n\nNever."),
        ("# A\n\n## B\n\nShoes:\n\nNo.\n\n## C\n\n14 days.", "# A\n\n## B\n\nHats:\n\nNo.\n\n## C\n\n14 days."),
        (f"Fees:\n\n| A |\n| 1 |\n\n{FAR}\n\n14 days.", f"All fees:\n\n| A |\n| 1 |\n\n{FAR}\n\n14 days."),
        (f"{FAR}\n\nShoes: 14 days.", f"{FAR.replace('a while', 'long', 1)}\n\nShoes: 14 days."),
        (f"{LONG}Shoes take 14 days. {LONG}", f"Hats take 3 days. {LONG}Shoes take 14 days. {LONG}Hats do not."),
    ],
)
def test_a_statement_is_found_again_where_other_statements_change(before: str, after: str) -> None:
    assert still_there(before, "14 days", after) == "14 days"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SECTIONS, SECTIONS.replace("Shoes", "Islands")),
        (SECTIONS, "# For members\n\n" + SECTIONS.replace("# ", "## ")),
        (SECTIONS, SECTIONS.replace("14 days", "30 days") + "\n\n# Islands\n\nReturn within 14 days."),
        (SECTIONS, f"{SECTIONS}\n\n{SECTIONS}"),
        (TABLE, TABLE.replace("Shoes", "Islands")),
        (TABLE, TABLE.replace("Days", "Weeks")),
        (f"Members:\n\n{TABLE}", f"Guests:\n\n{TABLE}"),
        (GROUPED, GROUPED.replace("Shoes", "Islands")),
        (GOES_ON, GOES_ON.replace("Shoes", "Islands")),
        (LIST, LIST.replace("members", "guests")),
        (NESTED, NESTED.replace("Shoes", "Islands")),
        (RECORDS, RECORDS.replace("shoes", "islands")),
        (ANNOUNCED, ANNOUNCED.replace("shoes", "islands")),
        (TWO, TWO.replace("Shoes", "Islands")),
        (TWO, "Coats are not.\n\nReturn within 14 days.\n\nShoes are special."),
        ("Shoes:\n14 days\nCoats:\n20 days", "Islands:\n14 days\nCoats:\n20 days"),
        (f"{LONG}Shoes take 14 days. {LONG}", f"{LONG}Islands take 14 days. {LONG}"),
        ("# Within 14 days\n\nShoes.", "# Within 14 days\n\nIslands."),
        ("鞋类：\n\n14 days 内退货。", "海岛：\n\n14 days 内退货。"),
        # what comes below says what it was about
        ("Within 14 days.\n\n(Shoes only)", "Within 14 days.\n\n(Islands only)"),
        ("Within 14 days.", "Within 14 days.\n\nThis is the rule for islands."),
        ("Within 14 days.\n\n# Coats", "Within 14 days.\n\nHowever, islands have a rule of their own.\n\n# Coats"),
        ("14 days 内退货。", "14 days 内退货。\n\n以上仅适用于海岛。"),
        ("Within 14 days[^1].\n\nEnd.\n\n[^1]: Shoes.", "Within 14 days[^1].\n\nEnd.\n\n[^1]: Islands."),
        (TABLE, f"{TABLE}\n\nThese days count for islands."),
        # what is far above says what it is about
        (APPLIES, APPLIES.replace("to shoes", "to parcels to islands")),
        (APPLIES, APPLIES.replace("to shoes:", "to parcels to islands.")),
        (APPLIES.replace("shoes:", "shoes."), APPLIES.replace("shoes:", "islands.")),
        (APPLIES, APPLIES.replace(FAR, f"{LONG}\n\nThe following applies to parcels to islands:\n\n{FAR}")),
        (APPLIES, APPLIES.replace("Keep the bill.", "This is about parcels to islands.")),
        (f"# Time\n\nShoes only.\n\n{FAR}\n\n14 days.", f"# Time\n\nIslands only.\n\n{FAR}\n\n14 days."),
        (
            f"For shoes:\n\n{FAR_ITEMS}\n- 14 days from the day of the bill on, not the day of the parcel",
            f"For islands:\n\n{FAR_ITEMS}\n- 14 days from the day of the bill on, not the day of the parcel",
        ),
        (
            f"- For shoes:\n{FAR_ITEMS}\n- 14 days from the day of the bill on, not the day of the parcel",
            f"- For islands:\n{FAR_ITEMS}\n- 14 days from the day of the bill on, not the day of the parcel",
        ),
        (f"For shoes:\n\n{FAR}\n\n{TABLE}", f"For islands:\n\n{FAR}\n\n{TABLE}"),
        (
            f"# Shop\n\nThese rules are about shoes.\n\n## Time\n\nAt once.\n\n{FAR}\n\n14 days.",
            f"# Shop\n\nThese rules are about islands.\n\n## Time\n\nAt once.\n\n{FAR}\n\n14 days.",
        ),
        (f"Shoes\n\n{FAR}\n\n14 days.", f"Islands\n\n{FAR}\n\n14 days."),
        (f"How long for shoes?\n\n{FAR}\n\n14 days.", f"How long for islands?\n\n{FAR}\n\n14 days."),
        (f"**For shoes:**\n\n{FAR}\n\n14 days.", f"**For islands:**\n\n{FAR}\n\n14 days."),
        (f"以下规定适用于鞋类。\n\n{FAR}\n\n14 days 内退货。", f"以下规定适用于海岛。\n\n{FAR}\n\n14 days 内退货。"),
        (f"鞋类：\n\n{FAR}\n\n14 days 内退货。", f"海岛：\n\n{FAR}\n\n14 days 内退货。"),
    ],
)
def test_the_same_words_about_something_else_are_not_the_statement(before: str, after: str) -> None:
    assert still_there(before, "14 days", after) is None


def test_the_same_text_under_another_title_is_not_the_statement() -> None:
    assert still_there("Within 14 days.", "14 days", "Within 14 days.", new_title="Islands") is None


@pytest.mark.parametrize("copies", [2, 5])
def test_a_statement_that_a_text_has_several_times_is_distinguished_by_the_text_before_it(copies: int) -> None:
    """Sections with the same heading and the same first paragraphs, in which only one has a paragraph of its own."""
    same = "# Shoes\n\nReturn them.\n\nWithin 14 days."
    text = "\n\n".join(["# Coats\n\nKeep them.", *[same] * copies])
    outline = Outline("Shop", text)
    starts = [at for at in range(len(text)) if text.startswith("14 days", at)]
    assert [outline.find(outline.of(start, start + 7)) for start in starts] == starts


def test_words_over_several_blocks_have_all_of_them_as_their_passage() -> None:
    text = "# Shoes\n\nReturn them.\n\nWithin 14 days.\n\n# Coats\n\nKeep them."
    start, end = text.index("them"), text.index("# Coats") + 3
    around = Outline("Shop", text).of(start, end)
    assert around.passage == "Return them.\n\nWithin 14 days.\n\n# Coats"
    assert (around.path, text[start:end]) == (("Shop", "Shoes"), around.passage[around.start : around.end])


def test_a_text_of_one_repeated_line_is_read_in_reasonable_time() -> None:
    text = "| a | 1 |\n" * 20_000
    assert Outline("Shop", text).find(Outline("Shop", "| a | 1 |\n| a | 1 |").of(2, 3)) is None
