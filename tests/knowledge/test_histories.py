"""Any history of puts, removals, approvals and rollbacks ends where the rules say, and a rollback is exact.

The rules are written here a second time, as a model of a few lines: a document's text is its source with the edits of
published corrections applied in the order in which they were approved; what a published correction supersedes is
hidden; a removed document is hidden; an edit whose words the source no longer has is forgotten.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.errors import Conflict
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
    """A correction that is live: its edits that still apply, in order, and what it supersedes."""

    edits: list[tuple[str, str, str]]
    hidden: list[tuple[str, str | None]]
    order: int


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
        for number in self.model.compose(document)[1]:
            kept = [one for one in self.model.published[number].edits if one[0] != document]
            self.model.published[number].edits = kept

    def remove(self, document: str) -> None:
        if document in self.model.sources.keys() - self.model.removed:
            self.world.remove(document)
            self.model.removed.add(document)

    def approve(self, document: str, words: tuple[str, str], hide: int | None) -> None:
        """A correction that edits a document, and hides one of its passages or (``hide`` -1) all of it."""
        if document not in self.model.sources.keys() - self.model.removed:
            return
        passages = [None, *self.model.passages(document)]
        hidden = [] if hide is None else [(document, passages[(hide + 1) % len(passages)])]
        fits = self.model.compose(document)[0].count(words[0]) == 1
        edits = [(document, *words)] if fits else []
        self.model.approvals += 1
        parts: dict[str, Any] = {
            "edits": [self.world.edit(*one) for one in edits],
            "supersedes": [{"document_id": one, "passage": passage} for one, passage in hidden],
        }
        before = self.world.seen()
        question = f"Question {self.model.approvals}?"
        number = self.world.draft(question, f"Answer {self.model.approvals}.", **parts)
        self.world.curation.approve(number, actor="ann")
        after = self.world.seen()
        self.world.curation.rollback(number, actor="ann")
        assert self.world.seen() == before
        self.world.curation.reopen(number, actor="ann")
        if edits:  # the version that the edit was made on is the newest again under another number, or the same
            self.world.curation.draft(number, {"edits": [self.world.edit(*one) for one in edits]}, actor="ann")
        self.world.curation.approve(number, actor="ann")
        assert self.world.live() == after[0]
        self.model.published[number] = Published(edits, hidden, self.model.approvals)

    def rollback(self, index: int) -> None:
        if not self.model.published:
            return
        number = sorted(self.model.published)[index % len(self.model.published)]
        edited = {one[0] for one in self.model.published[number].edits} - self.model.removed
        if any(self.model.compose(document, without=number)[1] for document in edited):
            with pytest.raises(Conflict, match="Roll it back first"):
                self.world.curation.rollback(number, actor="ann")
            return
        self.world.curation.rollback(number, actor="ann")
        del self.model.published[number]


documents = st.sampled_from(["a", "b"])
steps = st.one_of(
    st.tuples(st.just("put"), documents, st.sampled_from(TEXTS)),
    st.tuples(st.just("remove"), documents),
    st.tuples(st.just("approve"), documents, st.sampled_from(WORDS), st.sampled_from([None, None, -1, 0, 1])),
    st.tuples(st.just("approve"), documents, st.sampled_from(WORDS), st.none()),
    st.tuples(st.just("rollback"), st.integers(0, 5)),
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
