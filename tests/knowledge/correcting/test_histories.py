"""Any history of puts, removals, approvals, rollbacks and expiries ends where the rules say, and a rollback is exact.

The rules are written here a second time, as a model of a few lines: a document's text is its source with the edits of
published corrections applied in the order in which they were approved; what a published correction supersedes is
hidden; a removed document is hidden; an edit whose words the source no longer has is forgotten. A correction that is
approved anew replaces its publication; when the new one ends, the old one is there again, with the edits that fit.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.errors import Conflict
from knowledge.tables import Entry
from retrieval.chunk import chunk
from tests.knowledge.world import World, assert_index_follows

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = (
    "# One\n\nRed apples.\n\n# Two\n\nGreen pears.\n\n# Three\n\nBlue plums.",
    "# One\n\nRed apples.\n\n# Two\n\nGreen pears and grapes.",
    "# One\n\nRed cherries.\n\n# Two\n\nGreen pears.",
    "# Three\n\nBlue plums, red, green.",
)
WORDS = (("Red", "Dark red"), ("Dark", "Very dark"), ("Green", "Yellow"), ("pears", "apricots"), ("Blue", "Purple"))


@dataclass
class Published:
    """A publication: its edits, those that still apply, what it supersedes, and the one that it replaced."""

    written: list[tuple[str, str, str]]
    hidden: list[tuple[str, str | None]]
    order: int
    earlier: Published | None = None
    edits: list[tuple[str, str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.edits = list(self.written)


@dataclass
class Model:
    """The rules, for documents and live corrections."""

    sources: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    published: dict[int, Published] = field(default_factory=dict)
    approvals: int = 0

    def compose(self, document: str, without: int | None = None) -> tuple[str, list[int]]:
        """(text, corrections whose words are not there)"""
        text, broken = self.sources[document], []
        for number, one in sorted(self.published.items(), key=lambda item: item[1].order):
            for edited, find, replace in one.edits if number != without else ():
                if edited == document and text.count(find) == 1:
                    text = text.replace(find, replace)
                elif edited == document:
                    broken.append(number)
        return text, broken

    def forget(self, document: str) -> None:
        """The edits whose words the document does not have."""
        for number in self.compose(document)[1]:
            self.published[number].edits = [one for one in self.published[number].edits if one[0] != document]

    def replaced(self, number: int, by: Published | None) -> tuple[set[str], set[int]]:
        """Puts a publication (or none) in the place of another. Returns the documents that this composes anew and the
        other corrections whose words are gone then."""
        old = self.published.pop(number)
        if by is not None:
            by.edits = list(by.written)
            self.published[number] = by
        edited = {one[0] for one in (*old.edits, *(by.written if by else ()))} - self.removed
        return edited, {one for document in edited for one in self.compose(document)[1]} - {number}

    def passages(self, document: str) -> list[str]:
        return [one.text for one in chunk(self.compose(document)[0])]

    def live(self) -> dict[str, list[str]]:
        hidden = [one for correction in self.published.values() for one in correction.hidden]
        found = {}
        for document in self.sources.keys() - self.removed:
            texts = [text for text in self.passages(document) if (document, text) not in hidden]
            if texts and (document, None) not in hidden:
                found[document] = texts
        return found | {f"erratum-{number}": [f"Answer {one.order}."] for number, one in self.published.items()}


class History:
    """Does each step to the model and to the knowledge base, and compares them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.model = Model()

    def compare(self) -> None:
        assert self.world.live() == self.model.live()
        assert_index_follows(self.world)

    def put(self, document: str, text: str) -> None:
        self.world.put(document, text, title="fruit")
        self.model.sources[document] = text
        self.model.removed.discard(document)
        self.model.forget(document)

    def remove(self, document: str) -> None:
        if document in self.model.sources.keys() - self.model.removed:
            self.world.remove(document)
            self.model.removed.add(document)

    def draft(self, document: str, words: tuple[str, str], hide: int | None, without: int | None) -> Published | None:
        """A publication that edits a document if it can, and hides one of its passages or (``hide`` -1) all of it."""
        if document not in self.model.sources.keys() - self.model.removed:
            return None
        passages = [None, *self.model.passages(document)]
        hidden = [] if hide is None else [(document, passages[(hide + 1) % len(passages)])]
        fits = self.model.compose(document, without=without)[0].count(words[0]) == 1
        self.model.approvals += 1
        return Published([(document, *words)] if fits else [], hidden, self.model.approvals)

    def parts(self, one: Published) -> dict[str, Any]:
        return {
            "answer": f"Answer {one.order}.",
            "edits": [self.world.edit(*edit) for edit in one.written],
            "supersedes": [{"document_id": document, "passage": passage} for document, passage in one.hidden],
        }

    def approve(self, document: str, words: tuple[str, str], hide: int | None) -> None:
        one = self.draft(document, words, hide, None)
        if one is None:
            return
        before = self.world.seen()
        number = self.world.draft(f"Question {one.order}?", **self.parts(one))
        self.world.curation.approve(number, actor="ann")
        after = self.world.seen()
        self.world.curation.rollback(number, actor="ann")
        assert self.world.seen() == before
        self.world.curation.reopen(number, actor="ann")
        # the version that the edit was made on is the newest again under another number, or the same
        self.world.curation.draft(number, self.parts(one), actor="ann")
        self.world.curation.approve(number, actor="ann")
        assert self.world.live() == after[0]
        self.model.published[number] = one

    def again(self, index: int, document: str, words: tuple[str, str], hide: int | None) -> None:
        """A correction is approved anew; taking that back is exact."""
        number = self.number(index)
        one = self.draft(document, words, hide, number) if number is not None else None
        if number is None or one is None:
            return
        if self.world.state(number)[0] != "reopened":
            self.world.curation.reopen(number, actor="ann")
        self.world.curation.draft(number, self.parts(one), actor="ann")
        one.earlier = old = self.model.published[number]
        standing = list(old.edits)
        if self.model.replaced(number, one)[1]:
            self.model.published[number] = old
            with pytest.raises(Conflict, match="Roll it back first"):
                self.world.curation.approve(number, actor="ann")
            return
        before = self.world.seen()
        self.world.curation.approve(number, actor="ann")
        after = self.world.seen()
        if standing == old.written:  # what the source lost before does not come back
            self.world.curation.rollback(number, actor="ann")
            assert (self.world.seen(), self.world.state(number)) == (before, ("reopened", True))
            self.world.curation.approve(number, actor="ann")
            assert self.world.live() == after[0]

    def number(self, index: int) -> int | None:
        return sorted(self.model.published)[index % len(self.model.published)] if self.model.published else None

    def rollback(self, index: int) -> None:
        number = self.number(index)
        if number is None:
            return
        old, edits = self.model.published[number], list(self.model.published[number].edits)
        edited, broken = self.model.replaced(number, old.earlier)
        if broken:
            self.model.published[number], old.edits = old, edits
            with pytest.raises(Conflict, match="Roll it back first"):
                self.world.curation.rollback(number, actor="ann")
            return
        for document in edited:
            self.model.forget(document)
        self.world.curation.rollback(number, actor="ann")

    def expire(self, index: int) -> None:
        """As a rollback; corrections that were built upon its words lose theirs."""
        number = self.number(index)
        if number is None:
            return
        for document in self.model.replaced(number, self.model.published[number].earlier)[0]:
            self.model.forget(document)
        with self.world.database.write() as session:
            (entry,) = session.scalars(sa.select(Entry).where(Entry.correction_id == number, Entry.live))
            entry.valid_until = datetime.now(UTC)
        assert self.world.curation.expire(entry.id)


documents = st.sampled_from(["a", "b"])
steps = st.one_of(
    st.tuples(st.just("put"), documents, st.sampled_from(TEXTS)),
    st.tuples(st.just("remove"), documents),
    st.tuples(st.just("approve"), documents, st.sampled_from(WORDS), st.sampled_from([None, None, -1, 0, 1])),
    st.tuples(st.just("approve"), documents, st.sampled_from(WORDS), st.none()),
    st.tuples(st.just("again"), st.integers(0, 5), documents, st.sampled_from(WORDS), st.sampled_from([None, -1, 0])),
    st.tuples(st.just("rollback"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["rollback", "expire"]), st.integers(0, 5)),
)


def replay(empty_database: Path, history: list[tuple[Any, ...]]) -> History:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "errata.db", template=empty_database)
        told = History(world)
        try:
            for name, *how in [("put", "a", TEXTS[0]), ("put", "b", TEXTS[1]), *history]:
                step: Callable[..., None] = getattr(told, name)
                step(*how)
                told.compare()
        finally:
            world.close()
    return told


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(steps, max_size=5))
def test_any_history_ends_where_the_rules_say(empty_database: Path, history: list[tuple[Any, ...]]) -> None:
    replay(empty_database, history)


RED, DARK = WORDS[0], WORDS[1]
PUT = ("put", "a", TEXTS[0])


@pytest.mark.parametrize(
    "history",
    [
        [("approve", "a", RED, None), ("approve", "a", DARK, None), ("rollback", 0), ("rollback", 1), ("rollback", 0)],
        [("approve", "a", RED, None), ("put", "a", TEXTS[1]), ("rollback", 0), ("put", "a", TEXTS[0])],
        [("approve", "a", RED, None), ("put", "a", TEXTS[3]), ("rollback", 0)],
        [("approve", "a", RED, None), ("remove", "a"), ("rollback", 0), ("put", "a", TEXTS[0])],
        [("approve", "a", RED, None), ("remove", "a"), ("put", "a", TEXTS[2]), ("rollback", 0)],
        [("approve", "a", RED, 0), ("put", "a", TEXTS[2]), ("rollback", 0)],
        [("approve", "a", RED, 1), ("put", "a", TEXTS[3]), ("rollback", 0)],
        [("approve", "a", RED, -1), ("approve", "a", WORDS[2], 1), ("rollback", 0), ("rollback", 0)],
        [("approve", "a", RED, None), ("again", 0, "a", WORDS[2], 0), ("rollback", 0), ("rollback", 0)],
        [("approve", "a", RED, 0), ("again", 0, "b", RED, -1), ("again", 0, "a", RED, None), *[("rollback", 0)] * 3],
        [("approve", "a", RED, None), ("again", 0, "b", RED, None), ("put", "a", TEXTS[2]), ("rollback", 0)],
        [("approve", "a", RED, None), ("again", 0, "b", RED, None), ("approve", "a", RED, None), ("rollback", 0)],
        [("approve", "a", RED, None), ("again", 0, "a", RED, None), ("remove", "a"), ("rollback", 0), PUT],
        [("approve", "a", RED, None), ("approve", "a", DARK, None), ("again", 0, "a", WORDS[2], None)],
        [("approve", "a", RED, None), ("approve", "a", DARK, None), ("expire", 0), ("rollback", 0)],
        [("approve", "a", RED, -1), ("again", 0, "a", WORDS[2], None), ("expire", 0), ("expire", 0)],
    ],
    ids=[
        "stacked",
        "kept-edit",
        "lost-edit",
        "removed",
        "removed-and-changed",
        "lost-passage",
        "lost-both",
        "hidden-twice",
        "anew",
        "anew-twice",
        "anew-and-changed",
        "anew-under-another",
        "anew-and-removed",
        "anew-built-upon",
        "expired-built-upon",
        "expired-anew",
    ],
)
def test_these_histories_end_where_the_rules_say(empty_database: Path, history: list[tuple[Any, ...]]) -> None:
    replay(empty_database, history)


ORDERS = [
    order
    for order in permutations(("A", "-A", "B", "-B", "put"))
    if order.index("A") < order.index("-A") and order.index("A") < order.index("B") < order.index("-B")
]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_approvals_rollbacks_and_a_new_source_in_any_order(empty_database: Path, order: tuple[str, ...]) -> None:
    """Two corrections edit one document; its source changes once."""
    step = {"A": ("approve", "a", RED, None), "B": ("approve", "a", WORDS[3], None), "put": ("put", "a", TEXTS[1])}
    history: list[tuple[Any, ...]] = []
    standing: list[str] = []
    for name in order:
        if name in step:
            history.append(step[name])
            standing += [name] if name != "put" else []
        else:
            history.append(("rollback", standing.index(name[1:])))
            standing.remove(name[1:])
    told = replay(empty_database, history)
    assert told.model.live() == {one: ["Red apples.", "Green pears and grapes."] for one in ("a", "b")}
