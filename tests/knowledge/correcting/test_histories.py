"""Any history of puts, removals, approvals, rollbacks and expiries leaves every statement with its own value.

Documents are written from statements, and what readers get is read back into statements (tests/.../statements): so
the test knows what each correction was about, wherever its words come to be. What must be true at every step:

- a statement has the value of its source, or of corrections of this very statement that were made on this very value;
- a correction that counts as approved is in the text, and what it hides is hidden;
- a correction whose statement the source changed or lost, or made for another audience far above, is back in the
  queue; one whose statement is alone in its section and unchanged keeps its value;
- readers of a correction that counts as approved find no other value of its statement, wherever the source repeats it;
- who made a correction on the words of another comes to nothing without it: that one cannot be rolled back alone;
- a rollback brings back what readers saw before, to the passage.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.errors import Conflict
from knowledge.tables import DocumentVersion, Edit, Entry, PassageRow
from tests.knowledge.correcting.statements import AUDIENCES, FIELDS, GOODS, LAYOUTS, Source, Statement, read_passages
from tests.knowledge.world import World, assert_index_follows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VALUES = {"days": ("14", "30", "45"), "box": ("original", "closed", "any")}
FIRST = (Statement("Shoes", "14", "original"), Statement("Coats", "30", "closed"))
WHOLE = "all of it"


@dataclass(frozen=True, eq=False)
class Change:
    """A correction's change of a value. ``upon``: the change whose value it replaced; None: the source's value."""

    document: str
    audience: str
    goods: str
    field: str
    source: str
    upon: Change | None
    new: str
    find: str
    order: int


@dataclass(eq=False)
class Published:
    change: Change | None
    hidden: tuple[str, Statement | str] | None  # (document, statement as it read, or WHOLE)
    order: int
    earlier: Published | None = None
    applies: bool = True  # the change is in the text


class History:
    """Does each step to a knowledge base and to statements, and compares them."""

    def __init__(self, world: World, layout: str) -> None:
        self.world = world
        self.layout = LAYOUTS[layout]
        self.alone = layout == "sections"  # each statement in a section of its own: nothing else is about it
        self.sources: dict[str, Source] = {}
        self.removed: set[str] = set()
        self.published: dict[int, Published] = {}
        self.states: dict[int, str] = {}
        self.approvals = 0

    # What should be

    def applied(self, document: str, changes: Iterable[Change]) -> tuple[list[Statement], set[Change]]:
        """(the statements with these changes, in the order of their approval; the changes that came to something)"""
        source = self.sources[document]
        statements = {statement.goods: statement for statement in source.statements}
        top: dict[tuple[str, str], Change | None] = {}
        done: set[Change] = set()
        for change in sorted(changes, key=lambda one: one.order):
            key = (change.goods, change.field)
            statement = source.about(change.goods)
            made_on_this = (
                statement is not None
                and statement.value(change.field) == change.source
                and source.audience == change.audience
            )
            if change.document == document and made_on_this and top.get(key) is change.upon:
                top[key] = change
                done.add(change)
                statements[change.goods] = statements[change.goods].with_value(change.field, change.new)
        return list(statements.values()), done

    def changes(self, *, without: int | None = None) -> list[Change]:
        return [
            publication.change
            for number, publication in self.published.items()
            if publication.change is not None and publication.applies and number != without
        ]

    def present(self, document: str, *, without: int | None = None) -> list[Statement]:
        return self.applied(document, self.changes(without=without))[0]

    def read(self, document: str) -> str:
        """The whole text of the document as it should be."""
        return self.layout.source(replace(self.sources[document], statements=tuple(self.present(document))))

    def visible(self, document: str) -> list[Statement]:
        hidden = [publication.hidden for publication in self.published.values()]
        if document in self.removed or (document, WHOLE) in hidden:
            return []
        everything = [*self.present(document), *self.sources[document].repeated]
        return [statement for statement in everything if (document, statement) not in hidden]

    # What is

    def text(self, document: str) -> str:
        with self.world.database.read() as session:
            current = sa.text("select current_version from documents where id = :id")
            version = session.scalar(current, {"id": document})
            return session.get_one(DocumentVersion, (document, version)).text

    def found(self, document: str) -> list[Statement]:
        with self.world.database.read() as session:
            rows = session.execute(
                sa.select(PassageRow.headings, PassageRow.text)
                .where(PassageRow.document_id == document, PassageRow.live)
                .order_by(PassageRow.id)
            )
            return read_passages([(row.headings, row.text) for row in rows])

    def active(self, number: int) -> bool:
        """Whether the edit of a published correction counts as being in the text."""
        with self.world.database.read() as session:
            query = sa.select(Edit.active).join(Entry, Entry.id == Edit.entry_id)
            return bool(session.scalar(query.where(Entry.correction_id == number, Entry.live)))

    def compare(self) -> None:
        before = {number: publication.applies for number, publication in self.published.items()}
        for document in self.sources.keys() - self.removed:
            possible = self.applied(document, self.changes())[1]
            for number, publication in self.published.items():
                if publication.change is None or publication.change.document != document or not publication.applies:
                    continue
                publication.applies = self.active(number)
                assert (
                    not publication.applies or publication.change in possible
                )  # made on another statement: must be dropped
                repeated = [statement.goods for statement in self.sources[document].repeated]
                clear = self.alone and publication.change.goods not in repeated
                assert publication.applies or not clear or publication.change not in possible
        for document in self.sources.keys() - self.removed:
            assert self.text(document) == self.read(document)
            assert sorted(self.found(document), key=str) == sorted(self.visible(document), key=str)
        for document in self.removed:
            assert self.found(document) == []
        for number, publication in self.published.items():
            state, live = self.world.state(number)
            self.states[number] = state
            assert live
            if before[number] and not publication.applies:
                assert state == "reopened"
            if state == "approved" and publication.change is not None:
                assert publication.applies
                goods, field = publication.change.goods, publication.change.field
                assert len({statement.value(field) for statement in self.visible(publication.change.document)
                            if statement.goods == goods}) <= 1  # fmt: skip
            if state == "approved" and publication.hidden is not None and publication.hidden[1] != WHOLE:
                document, statement = publication.hidden
                own = self.present(document, without=number)  # as it was before its own change of the passage
                assert document in self.removed or statement in (*self.present(document), *own)
        assert_index_follows(self.world)

    # Steps

    def put(self, document: str, statements: Iterable[Statement], **more: Any) -> None:
        known = self.sources.get(document)
        audience = known.audience if known else AUDIENCES[0]
        self.sources[document] = Source(tuple(statements), **{"audience": audience, **more})
        self.removed.discard(document)
        self.world.put(document, self.layout.source(self.sources[document]), title="goods")

    def address(self, document: str, audience: str) -> None:
        """The source is for others: only its introduction says so."""
        self.put(document, self.sources[document].statements, audience=audience)

    def repeat(self, document: str, goods: str) -> None:
        """The source makes a statement a second time."""
        source = self.sources[document]
        statement = source.about(goods)
        if statement is not None:
            self.put(document, source.statements, repeated=(statement,))

    def restate(self, document: str, goods: str, field: str, value: str) -> None:
        """The source has another value."""
        self.put(document, [statement.with_value(field, value) if statement.goods == goods else statement
                            for statement in self.sources[document].statements])  # fmt: skip

    def rename(self, document: str, goods: str, other: str) -> None:
        """The source has its statement about other goods now."""
        source = self.sources[document]
        if source.about(other) is None:
            self.put(document, [statement.with_value("goods", other) if statement.goods == goods else statement
                                for statement in source.statements])  # fmt: skip

    def insert(self, document: str, statement: Statement, at: int) -> None:
        """The source has one more statement, perhaps in exactly the words of another one."""
        rest = [other for other in self.sources[document].statements if other.goods != statement.goods]
        self.put(document, [*rest[:at], statement, *rest[at:]])

    def drop(self, document: str, goods: str) -> None:
        rest = [statement for statement in self.sources[document].statements if statement.goods != goods]
        if rest:
            self.put(document, rest)

    def remove(self, document: str) -> None:
        if document not in self.removed:
            self.world.remove(document)
            self.removed.add(document)

    def publication(
        self, document: str, goods: str, field: str, value: str, hide: str | None, without: int | None = None
    ) -> Published | None:
        """A publication that changes a value where it can, and hides a statement (``hide``: goods) or the document."""
        if document in self.removed:
            return None
        self.approvals += 1
        statements = self.present(document, without=without)
        now = next((statement for statement in statements if statement.goods == goods), None)
        source = self.sources[document].about(goods)
        change = None
        if now is not None and source is not None and now.value(field) != value:
            find = self.layout.words(
                now, field, self.layout.source(replace(self.sources[document], statements=tuple(statements)))
            )
            upon = [
                earlier
                for earlier in self.applied(document, self.changes(without=without))[1]
                if (earlier.goods, earlier.field) == (goods, field)
            ]
            if find is not None:
                last = max(upon, key=lambda earlier: earlier.order, default=None)
                audience = self.sources[document].audience
                change = Change(
                    document, audience, goods, field, source.value(field), last, value, find, self.approvals
                )
        hidden: tuple[str, Statement | str] | None = None
        if hide == WHOLE:
            hidden = (document, WHOLE)
        elif hide is not None and self.alone:
            shown = next((candidate for candidate in self.present(document) if candidate.goods == hide), None)
            hidden = (document, shown) if shown is not None else None
        return Published(change, hidden, self.approvals)

    def parts(self, one: Published) -> dict[str, Any]:
        edits, supersedes = [], []
        if one.change is not None:
            change, old = one.change, one.change.upon.new if one.change.upon else one.change.source
            edits = [self.world.edit(change.document, change.find, change.find.replace(old, change.new))]
        if one.hidden is not None:
            document, what = one.hidden
            passage = isinstance(what, Statement) and f"Within {what.days} days, {what.box} box."
            supersedes = [{"document_id": document, "passage": passage or None}]
        return {"answer": f"Answer {one.order}.", "edits": edits, "supersedes": supersedes}

    def approve(self, document: str, goods: str, field: str, value: str, hide: str | None = None) -> None:
        publication = self.publication(document, goods, field, value, hide)
        if publication is None:
            return
        before = self.world.seen()
        number = self.world.draft(f"Question {publication.order}?", **self.parts(publication))
        self.world.curation.approve(number, actor="ann")
        after = self.world.seen()
        self.world.curation.rollback(number, actor="ann")
        assert self.world.seen() == before
        self.world.curation.reopen(number, actor="ann")
        self.world.curation.approve(number, actor="ann")
        assert self.world.live() == after[0]
        self.published[number] = publication

    def again(self, index: int, document: str, goods: str, field: str, value: str, hide: str | None = None) -> None:
        """A correction is approved anew; taking that back brings the earlier publication back."""
        number = self.number(index)
        publication = (
            self.publication(document, goods, field, value, hide, without=number) if number is not None else None
        )
        if number is None or publication is None:
            return
        if self.world.state(number)[0] != "reopened":
            self.world.curation.reopen(number, actor="ann")
        self.world.curation.draft(number, self.parts(publication), actor="ann")
        old = self.published[number]
        publication.earlier = old
        if self.others_that_lose(number, None):
            with pytest.raises(Conflict, match="Roll it back first"):
                self.world.curation.approve(number, actor="ann")
            return
        before = self.world.seen()
        self.world.curation.approve(number, actor="ann")
        after = self.world.seen()
        if old.applies or old.change is None:  # what the source lost before does not come back
            self.world.curation.rollback(number, actor="ann")
            assert (self.world.seen(), self.world.state(number)) == (before, ("reopened", True))
            self.world.curation.approve(number, actor="ann")
            assert self.world.live() == after[0]
        self.published[number] = publication

    def others_that_lose(self, number: int, instead: Published | None) -> bool:
        """Whether other corrections come to nothing when this one ends and its earlier publication is there again."""
        ending = self.published[number]
        revived = [instead.change] if instead is not None and instead.change is not None else []
        touched = {
            change.document for change in (ending.change if ending.applies else None, *revived) if change is not None
        }
        others = self.changes(without=number)
        kept = {change for document in touched - self.removed
                for change in self.applied(document, [*others, *revived])[1]}  # fmt: skip
        return any(change.document in touched - self.removed and change not in kept for change in others)

    def number(self, index: int) -> int | None:
        return sorted(self.published)[index % len(self.published)] if self.published else None

    def rollback(self, index: int) -> None:
        number = self.number(index)
        if number is None:
            return
        old = self.published[number]
        lose = self.others_that_lose(number, old.earlier)
        try:
            self.world.curation.rollback(number, actor="ann")
        except Conflict:
            assert lose
        else:
            assert not lose or not self.alone  # elsewhere what is revived may have lost its surroundings
            self.end(number)

    def expire(self, index: int) -> None:
        """Like a rollback, but corrections that edited its words lose their edits."""
        number = self.number(index)
        if number is None:
            return
        with self.world.database.write() as session:
            (entry,) = session.scalars(sa.select(Entry).where(Entry.correction_id == number, Entry.live))
            entry.valid_until = datetime.now(UTC)
        assert self.world.curation.expire(entry.id)
        self.end(number)

    def end(self, number: int) -> None:
        earlier = self.published.pop(number).earlier
        if earlier is not None:
            self.published[number] = earlier
            earlier.applies = earlier.change is not None and self.active(number)
            assert earlier.change is None or not earlier.applies or earlier.change.document in self.removed or (
                earlier.change in self.applied(earlier.change.document, self.changes())[1]
            )  # fmt: skip


documents = st.sampled_from(["a", "b"])
goods = st.sampled_from(GOODS)
aims = st.sampled_from([(field, value) for field in FIELDS for value in VALUES[field]])
statements = st.builds(Statement, goods, st.sampled_from(VALUES["days"]), st.sampled_from(VALUES["box"]))
hides = st.sampled_from([None, None, WHOLE, *GOODS])
approvals = st.builds(lambda *how: ("approve", *how[:2], *how[2], how[3]), documents, goods, aims, hides)
steps = st.one_of(
    approvals,
    approvals,
    st.builds(lambda *how: ("restate", *how[:2], *how[2]), documents, goods, aims),
    st.tuples(st.just("rename"), documents, goods, goods),
    st.tuples(st.just("insert"), documents, statements, st.integers(0, 3)),
    st.tuples(st.just("drop"), documents, goods),
    st.tuples(st.just("address"), documents, st.sampled_from(AUDIENCES)),
    st.tuples(st.just("repeat"), documents, goods),
    st.tuples(st.just("remove"), documents),
    st.builds(lambda *how: ("again", *how[:3], *how[3], how[4]), st.integers(0, 5), documents, goods, aims, hides),
    st.tuples(st.sampled_from(["rollback", "rollback", "expire"]), st.integers(0, 5)),
)


def replay(empty_database: Path, layout: str, history: list[tuple[Any, ...]]) -> History:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "errata.db", template=empty_database)
        replayed = History(world, layout)
        try:
            for name, *how in [("put", "a", FIRST), ("put", "b", FIRST[::-1]), *history]:
                step: Callable[..., None] = getattr(replayed, name)
                step(*how)
                replayed.compare()
        finally:
            world.close()
    return replayed


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layout=st.sampled_from(sorted(LAYOUTS)), history=st.lists(steps, max_size=6))
def test_any_history_leaves_every_statement_its_own_value(
    empty_database: Path, layout: str, history: list[tuple[Any, ...]]
) -> None:
    replay(empty_database, layout, history)


SHOES = ("approve", "a", "Shoes", "days", "30")
ONCE_MORE = ("approve", "a", "Shoes", "days", "45")
BOX = ("approve", "a", "Shoes", "box", "any")
ISLANDS = ("insert", "a", Statement("Islands", "14", "original"), 2)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize(
    "history",
    [
        [SHOES, ("restate", "a", "Shoes", "days", "30"), ISLANDS],
        [("restate", "a", "Coats", "days", "45"), SHOES, ("rename", "a", "Shoes", "Islands")],
        [SHOES, ("put", "a", [Statement("Shoes", "30", "original"), Statement("Islands", "14", "original")])],
        [SHOES, ("address", "a", "guests")],
    ],
    ids=["new-statement-in-old-words", "other-goods", "both-at-once", "other-audience-far-above"],
)
def test_words_that_later_are_about_something_else_keep_their_value(
    empty_database: Path, layout: str, history: list[tuple[Any, ...]]
) -> None:
    replayed = replay(empty_database, layout, history)
    assert replayed.visible("a") == list(replayed.sources["a"].statements)  # which is what readers found: ``compare``
    assert [publication.applies for publication in replayed.published.values()] == [False]


@pytest.mark.parametrize("layout", sorted(LAYOUTS.keys() - {"lines"}))  # its lines are one paragraph
def test_a_correction_stays_where_only_later_statements_change(empty_database: Path, layout: str) -> None:
    replayed = replay(empty_database, layout, [SHOES, ISLANDS, ("drop", "a", "Coats")])
    assert replayed.visible("a") == [Statement("Shoes", "30", "original"), Statement("Islands", "14", "original")]


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_statement_that_the_source_repeats_elsewhere_is_back_in_the_queue(empty_database: Path, layout: str) -> None:
    replayed = replay(empty_database, layout, [SHOES, ("repeat", "a", "Shoes")])
    old = Statement("Shoes", "14", "original")
    assert [statement for statement in replayed.visible("a") if statement.goods == "Shoes"][1:] == [old]
    assert list(replayed.states.values()) == ["reopened"]


PUT = ("put", "a", FIRST)
HIDE = ("approve", "a", "Hats", "days", "45", "Shoes")


@pytest.mark.parametrize(
    "history",
    [
        [SHOES, ONCE_MORE, ("rollback", 0), ("rollback", 1), ("rollback", 0)],
        [SHOES, ("restate", "a", "Coats", "days", "45"), ("rollback", 0), PUT],
        [SHOES, ("restate", "a", "Shoes", "days", "45"), ("rollback", 0)],
        [SHOES, ("remove", "a"), ("rollback", 0), PUT],
        [SHOES, ("remove", "a"), ISLANDS, ("rollback", 0)],
        [SHOES, ("remove", "a"), ("rename", "a", "Shoes", "Islands"), PUT],
        [(*SHOES, "Shoes"), ("restate", "a", "Coats", "box", "any"), ("rollback", 0)],
        [(*SHOES, "Coats"), ("restate", "a", "Coats", "box", "any"), ("rollback", 0)],
        [HIDE, ISLANDS, ("drop", "a", "Shoes"), PUT],
        [HIDE, ("rename", "a", "Shoes", "Islands"), ("rollback", 0)],
        [(*SHOES, WHOLE), (*BOX, "Coats"), ("rollback", 0), ("rollback", 0)],
        [SHOES, ("again", 0, "a", "Shoes", "box", "any", "Coats"), ("rollback", 0), ("rollback", 0)],
        [SHOES, ("again", 0, "b", "Shoes", "days", "30", WHOLE), ("again", 0, *SHOES[1:]), *[("rollback", 0)] * 3],
        [SHOES, ("again", 0, "b", "Shoes", "days", "30"), ISLANDS, ("rollback", 0)],
        [SHOES, ("again", 0, "b", "Shoes", "days", "30"), ("rename", "a", "Shoes", "Hats"), ("rollback", 0)],
        [SHOES, ("again", 0, "b", "Shoes", "days", "30"), SHOES, ("rollback", 0)],
        [SHOES, ("again", 0, *ONCE_MORE[1:]), ("remove", "a"), ("rollback", 0), PUT],
        [SHOES, ONCE_MORE, ("again", 0, "a", "Shoes", "box", "any")],
        [SHOES, ONCE_MORE, ("expire", 0), ("rollback", 0)],
        [(*SHOES, WHOLE), ("again", 0, "a", "Shoes", "box", "any"), ("expire", 0), ("expire", 0)],
    ],
    ids=[
        "built-upon",
        "kept-edit",
        "lost-edit",
        "removed",
        "removed-and-changed",
        "removed-and-renamed",
        "hidden-and-edited",
        "lost-passage",
        "hidden-words-elsewhere",
        "hidden-renamed",
        "hidden-twice",
        "anew",
        "anew-twice",
        "anew-and-changed",
        "anew-and-renamed",
        "anew-under-another",
        "anew-and-removed",
        "anew-built-upon",
        "expired-built-upon",
        "expired-anew",
    ],
)
def test_these_histories_leave_every_statement_its_own_value(
    empty_database: Path, history: list[tuple[Any, ...]]
) -> None:
    replay(empty_database, "sections", history)


ORDERS = [
    order
    for order in permutations(("A", "-A", "B", "-B", "put"))
    if order.index("A") < order.index("-A") and order.index("A") < order.index("B") < order.index("-B")
]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_two_corrections_of_one_passage_do_not_need_each_other(empty_database: Path, order: tuple[str, ...]) -> None:
    """One changes the days, one the box; the source changes once, elsewhere."""
    step = {"A": SHOES, "B": BOX, "put": ("restate", "a", "Coats", "days", "45")}
    history: list[tuple[Any, ...]] = []
    published: list[str] = []
    for name in order:
        if name in step:
            history.append(step[name])
            published += [name] if name != "put" else []
        else:
            history.append(("rollback", published.index(name[1:])))
            published.remove(name[1:])
    replayed = replay(empty_database, "sections", history)
    assert (replayed.published, replayed.visible("a")) == ({}, [FIRST[0], Statement("Coats", "45", "closed")])
