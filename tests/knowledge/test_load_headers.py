from __future__ import annotations

from knowledge.load import headers


def split(*rows: str) -> tuple[list[str], list[str], list[list[str]]]:
    """Rows written as "a|b|c": the lines above the header, the header, the other rows."""
    table = headers.split((number, row.split("|")) for number, row in enumerate(rows, start=1))
    return list(table.above), table.header, [row for _, row in table.rows]


def test_the_first_row_is_the_header() -> None:
    assert split("Item|Price", "Shoe|3", "Book|4") == ([], ["Item", "Price"], [["Shoe", "3"], ["Book", "4"]])


def test_a_title_and_remarks_above_the_header_are_no_header() -> None:
    above, header, rows = split(
        "Prices||||", "from May||||in euros", "Item|Mon|Tue|Wed|Thu", "Shoe|3|4|5|6", "Hat|1|2|3|4"
    )
    assert (above, header) == (["Prices", "from May in euros"], ["Item", "Mon", "Tue", "Wed", "Thu"])
    assert rows == [["Shoe", "3", "4", "5", "6"], ["Hat", "1", "2", "3", "4"]]


def test_a_title_that_is_merged_over_the_table_is_no_header() -> None:
    assert split("Prices|Prices|Prices", "Item|Week|Weekend", "Shoe|3|4")[:2] == (
        ["Prices"],
        ["Item", "Week", "Weekend"],
    )


def test_a_table_of_one_column_has_no_title() -> None:
    assert split("Names", "Ann", "Bo", "Cy") == ([], ["Names"], [["Ann"], ["Bo"], ["Cy"]])


def test_rows_of_equal_values_make_no_header_of_a_title() -> None:
    assert split("Points||", "A|B|C", "0|0|0", "0|0|0", "0|0|0")[:2] == (["Points"], ["A", "B", "C"])


def test_a_header_without_a_name_for_its_first_column_is_one() -> None:
    assert split("|Mon|Tue", "Ann|9|10", "Bo|8|9")[:2] == ([], ["", "Mon", "Tue"])


def test_a_header_of_two_rows_with_merged_cells_becomes_one() -> None:
    above, header, rows = split("Ticket|Price|Price|Deposit", "Ticket|Week|Weekend|Deposit", "Adult|4|6|0")
    assert header == ["Ticket", "Price: Week", "Price: Weekend", "Deposit"]
    assert rows == [["Adult", "4", "6", "0"]]
    assert not above


def test_the_first_row_of_data_is_no_second_row_of_a_header() -> None:
    assert split("Name|Contact|Contact", "Ann|a@b.example|123")[1] == ["Name", "Contact", "Contact"]
    assert split("Name|Score|Score", "|4|4")[1] == ["Name", "Score", "Score"]


def test_no_rows_give_no_table() -> None:
    assert split() == ([], [], [])
    assert split("", "||") == ([], [], [])
