"""Drafts: what is left out stays, what cannot be used is refused with the name of the field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.correcting.drafts import (
    MAX_ANSWER,
    MAX_LIST,
    MAX_QUESTION,
    Draft,
    DraftEdit,
    DraftSupersession,
    from_json,
    refuse_hidden,
    revise,
)
from knowledge.errors import Invalid

if TYPE_CHECKING:
    from tests.knowledge.world import World

WHOLE = Draft(
    answer="30 days.",
    question="How long?",
    paraphrases=("Until when?", "退货期限？"),
    negatives=("How long is shipping?",),
    edits=(DraftEdit("returns", 1, "14 days", "30 days"),),
    supersedes=(DraftSupersession("shipping"), DraftSupersession("returns", "Old.")),
    kind="outdated",
    valid_until="2030-01-31T12:00:00+00:00",
)


def revised(**changes: Any) -> Draft:
    return revise(WHOLE.to_json(), changes, question="asked")


def test_a_draft_comes_back_from_the_database_as_it_was() -> None:
    assert from_json(json.loads(json.dumps(WHOLE.to_json()))) == WHOLE


def test_an_answer_is_enough_for_a_draft() -> None:
    assert revise(None, {"answer": " 30 days. \r\n"}, question="How long?") == Draft("30 days.", "How long?")


def test_fields_that_changes_leave_out_stay() -> None:
    assert revised() == WHOLE
    assert revised(answer="31 days.").to_json() == WHOLE.to_json() | {"answer": "31 days."}
    assert revised(answer=None, question=None, paraphrases=None, edits=None, supersedes=None) == WHOLE
    assert revised(paraphrases=[], edits=[]).to_json() == WHOLE.to_json() | {"paraphrases": (), "edits": ()}


def test_kind_and_validity_can_be_taken_back() -> None:
    assert revised(kind=None, valid_until=None).to_json() == WHOLE.to_json() | {"kind": None, "valid_until": None}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("2030-01-31", "2030-01-31T23:59:59+00:00"),
        ("2030-01-31T12:00:00+08:00", "2030-01-31T04:00:00+00:00"),
        ("2030-01-31T12:00:00Z", "2030-01-31T12:00:00+00:00"),
    ],
)
def test_validity_is_kept_in_utc(given: str, kept: str) -> None:
    assert revised(valid_until=given).valid_until == kept


def test_questions_that_are_the_same_are_kept_once() -> None:
    assert revised(paraphrases=["Until when?", "until  when", "Since when?"]).paraphrases == (
        "Until when?",
        "Since when?",
    )


def test_line_ends_are_those_of_documents() -> None:
    draft = revised(edits=[{"document_id": "returns", "version": 1, "find": "a\r\nb", "replace": "c\rd"}])
    assert draft.edits == (DraftEdit("returns", 1, "a\nb", "c\nd"),)
    assert revised(supersedes=[{"document_id": "d", "passage": "a\r\nb"}]).supersedes == (
        DraftSupersession("d", "a\nb"),
    )


EDIT = {"document_id": "returns", "version": 1, "find": "a", "replace": "b"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"answer": ""}, "answer must be a text"),
        ({"answer": 5}, "answer must be a text"),
        ({"answer": "x" * (MAX_ANSWER + 1)}, "at most 50,000"),
        ({"answer": "half \ud800"}, "lone surrogate"),
        ({"answer": "nul \x00"}, "NUL"),
        ({"question": "  "}, "question must be a text"),
        ({"question": "?!"}, "must have a word"),
        ({"question": "x" * (MAX_QUESTION + 1)}, "at most 4,000"),
        ({"paraphrases": "one"}, "paraphrases must be a list"),
        ({"paraphrases": ["x"] * (MAX_LIST + 1)}, "at most 200"),
        ({"paraphrases": [5]}, "paraphrases must be a text"),
        ({"negatives": ["how long"]}, "asked for and excluded: 'How long"),
        ({"negatives": ["until when!"]}, "asked for and excluded: 'Until when"),
        ({"kind": "bad"}, "kind is one of wrong, missing"),
        ({"kind": ["wrong"]}, "kind is one of"),
        ({"valid_until": "soon"}, "valid_until is a date"),
        ({"valid_until": "0001-01-01T00:00:00+14:00"}, "valid_until is a date"),
        ({"edits": [5]}, "An edit is"),
        ({"edits": [{**EDIT, "version": "1"}]}, "An edit is"),
        ({"edits": [{**EDIT, "version": 10**30}]}, "An edit is"),
        ({"edits": [{**EDIT, "find": " "}]}, "needs the words to find"),
        ({"edits": [{**EDIT, "replace": None}]}, "needs the words to find"),
        ({"edits": [{**EDIT, "find": "b"}]}, "by itself"),
        ({"edits": [{**EDIT, "find": "\udc00"}]}, "find contains"),
        ({"edits": [{**EDIT, "replace": "\x00"}]}, "replace contains"),
        ({"edits": [{**EDIT, "document_id": ""}]}, "document_id must"),
        ({"supersedes": ["returns"]}, "supersedes is a list"),
        ({"supersedes": [{"document_id": "returns", "passage": ""}]}, "passage is the text"),
        ({"supersedes": [{"passage": "x"}]}, "document_id must"),
    ],
)
def test_unusable_input_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        revised(**changes)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["document_id", "version", "find", "replace", "passage"]), inner, max_size=5)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from([*WHOLE.to_json(), "other"]), anything, max_size=4))
def test_any_input_is_refused_or_accepted_and_accepted_input_comes_back(changes: dict[str, Any]) -> None:
    try:
        draft = revised(**changes)
    except Invalid:
        return
    assert from_json(json.loads(json.dumps(draft.to_json()))) == draft


def test_the_desk_keeps_the_draft_with_its_kind(world: World) -> None:
    correction_id = world.complain("How long?")
    item = world.curation.draft(correction_id, {"answer": "30 days.", "kind": "missing"}, actor="ann")
    assert (item["state"], item["kind"], item["draft"]["answer"], item["draft"]["question"]) == (
        "drafted", "missing", "30 days.", "How long?"
    )  # fmt: skip
    item = world.curation.draft(correction_id, {"kind": None}, actor="ann")
    assert (item["kind"], item["draft"]["answer"]) == (None, "30 days.")


def test_the_desk_refuses_a_draft_without_an_answer(world: World) -> None:
    correction_id = world.complain("How long?")
    before = world.rows()
    with pytest.raises(Invalid, match="answer"):
        world.curation.draft(correction_id, {"question": "How long exactly?"}, actor="ann")
    assert world.rows() == before


def test_a_draft_names_the_hidden_characters_of_every_field_that_readers_or_the_model_get() -> None:
    edit = {"document_id": "d", "version": 1, "find": "old\u200b", "replace": "new\u2066"}
    changes = {
        "answer": "Within \u202e03\u202c days.",
        "paraphrases": ["a?", "b\U000e0041?"],
        "negatives": ["c\x1b?"],
        "edits": [edit],
    }
    draft = revise(None, changes, question="How\u200b long?")
    with pytest.raises(Invalid) as refused:
        refuse_hidden(draft)
    assert refused.value.code == "draft_invisible"
    assert refused.value.values["places"] == (
        "question: U+200B ZERO WIDTH SPACE (1) (“How‹U+200B› long?”); "
        "answer: U+202C POP DIRECTIONAL FORMATTING (1), U+202E RIGHT-TO-LEFT OVERRIDE (1) "
        "(“Within ‹U+202E›03‹U+202C› days.”); "
        "paraphrases 2: U+E0041 TAG LATIN CAPITAL LETTER A (1) (“b‹U+E0041›?”); "
        "negatives 1: U+001B CONTROL (1) (“c‹U+001B›?”); "
        "edits 1: U+2066 LEFT-TO-RIGHT ISOLATE (1) (“new‹U+2066›”)"
    )


def test_a_draft_may_have_what_real_text_needs() -> None:
    refuse_hidden(revise(None, {"answer": "می‌خواهم 👨‍👩‍👧 co\u00adoperate\n\n- ❤️"}, question="葛\U000e0100?"))
