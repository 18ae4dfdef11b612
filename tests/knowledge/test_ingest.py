"""Files into documents: incremental, one bad file stops nothing, nothing is retired without a request."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from knowledge import ingest, put
from knowledge.errors import Invalid, NotFound
from knowledge.load import READER
from knowledge.tables import Document
from knowledge.versions import Content
from retrieval.scope import EVERYTHING

if TYPE_CHECKING:
    from pathlib import Path

    from knowledge.ingest import IngestReport
    from tests.knowledge.world import World


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    folder = tmp_path / "manual"
    (folder / "zh").mkdir(parents=True)
    (folder / "returns.md").write_text("# Returns\n\nWithin 14 days.\n", encoding="utf-8")
    (folder / "zh" / "退货.txt").write_text("十四天之内可以退货。", encoding="gb18030")
    (folder / "faq.jsonl").write_text(
        '{"id": "a", "question": "Where?", "answer": "Harbour Street."}\n'
        '{"id": "b", "question": "When?", "answer": "At nine."}\n',
        encoding="utf-8",
    )
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    return folder


def run(world: World, *paths: Path, prune: bool = False, source: str | None = None) -> IngestReport:
    return ingest.ingest(world.database, world.embedder, paths, actor="test", prune=prune, source=source)


def states(report: IngestReport) -> dict[str, str]:
    return {result.name: result.state for result in report.files}


def found(world: World) -> set[str]:
    """The ids of the documents that readers can find."""
    passages = world.source.passages(world.source.ids())
    return {passage.document_id for passage in passages.values()}


ALL = {"manual/returns.md", "manual/zh/退货.txt", "manual/faq.jsonl#a", "manual/faq.jsonl#b"}


def test_ingest_each_file_ends_indexed_or_rejected_with_its_reason(world: World, manual: Path) -> None:
    report = run(world, manual)
    assert states(report) == {
        "broken.pdf": "rejected",
        "faq.jsonl": "indexed",
        "returns.md": "indexed",
        "zh/退货.txt": "indexed",
    }
    assert next(result.reason for result in report.files if result.state == "rejected")
    assert found(world) == ALL


def test_ingest_again_changes_nothing_and_embeds_nothing(world: World, manual: Path) -> None:
    run(world, manual)
    head, embedded = world.source.head(), world.embedder.embedded
    assert set(states(run(world, manual)).values()) == {"unchanged", "rejected"}
    assert (world.source.head(), world.embedder.embedded) == (head, embedded)


def test_ingest_a_changed_file_is_a_new_version(world: World, manual: Path) -> None:
    run(world, manual)
    (manual / "returns.md").write_text("# Returns\n\nWithin 30 days.\n", encoding="utf-8")
    report = run(world, manual)
    changed = next(result for result in report.files if result.name == "returns.md")
    assert (changed.state, changed.document_id, changed.version) == ("indexed", "manual/returns.md", 2)
    (hit, *_) = world.searcher.search("Within how many days?", 1, scope=EVERYTHING).hits
    assert hit.passage.text == "Within 30 days."


def test_ingest_keeps_a_document_whose_file_is_gone_until_it_is_pruned(world: World, manual: Path) -> None:
    run(world, manual)
    (manual / "returns.md").unlink()
    (manual / "faq.jsonl").write_text('{"id": "a", "question": "Where?", "answer": "Harbour Street."}\n')
    run(world, manual)
    assert found(world) == ALL
    report = run(world, manual, prune=True)
    assert {result.document_id for result in report.files if result.state == "retired"} == {
        "manual/returns.md",
        "manual/faq.jsonl#b",
    }
    assert found(world) == ALL - {"manual/returns.md", "manual/faq.jsonl#b"}


def test_ingest_pruning_keeps_documents_whose_file_cannot_be_read(world: World, manual: Path) -> None:
    run(world, manual)
    (manual / "faq.jsonl").write_text("{not json", encoding="utf-8")
    report = run(world, manual, prune=True)
    assert states(report)["faq.jsonl"] == "rejected"
    assert found(world) == ALL


def test_ingest_pruning_a_single_file_retires_nothing_else(world: World, manual: Path) -> None:
    run(world, manual)
    assert states(run(world, manual / "returns.md", prune=True)) == {"returns.md": "unchanged"}
    assert found(world) == ALL


def test_ingest_pruning_one_folder_leaves_the_others(world: World, manual: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "note.txt").write_text("Something else.", encoding="utf-8")
    run(world, manual, other)
    (other / "note.txt").unlink()
    (other / "new.txt").write_text("New.", encoding="utf-8")
    run(world, other, prune=True)
    assert found(world) == {*ALL, "other/new.txt"}


def test_ingest_a_path_that_is_not_there_is_an_error_before_anything_is_read(world: World, manual: Path) -> None:
    with pytest.raises(Invalid, match="no file or folder"):
        run(world, manual, manual / "missing")
    assert found(world) == set()


def test_ingest_a_retired_document_comes_back_with_its_file(world: World, manual: Path) -> None:
    run(world, manual)
    text = (manual / "returns.md").read_text(encoding="utf-8")
    (manual / "returns.md").unlink()
    run(world, manual, prune=True)
    (manual / "returns.md").write_text(text, encoding="utf-8")
    assert states(run(world, manual))["returns.md"] == "indexed"
    assert found(world) == ALL


def test_ingest_a_document_that_a_curator_retired_stays_retired(world: World, manual: Path) -> None:
    run(world, manual)
    world.remove("manual/returns.md")
    for text in (None, "# Returns\n\nWithin 30 days.\n"):
        if text is not None:
            (manual / "returns.md").write_text(text, encoding="utf-8")
        report = run(world, manual, prune=True)
        (file,) = [result for result in report.files if result.name == "returns.md"]
        assert (file.state, file.documents, file.document_id) == ("kept_out", 0, "manual/returns.md")
        assert file.reason is not None
        assert file.reason.startswith("ann retired it: kept out.")
        assert found(world) == ALL - {"manual/returns.md"}


def test_ingest_rows_that_a_curator_retired_stay_retired_and_the_others_are_indexed(world: World, manual: Path) -> None:
    run(world, manual)
    world.remove("manual/faq.jsonl#a")
    (manual / "faq.jsonl").write_text(
        '{"id": "a", "question": "Where?", "answer": "Mill Lane."}\n'
        '{"id": "b", "question": "When?", "answer": "At ten."}\n'
    )
    (changed,) = [result for result in run(world, manual).files if result.name == "faq.jsonl"]
    assert (changed.state, changed.documents) == ("indexed", 1)
    assert changed.reason == "1 of its 2 documents were retired by a curator: kept out."
    assert world.live()["manual/faq.jsonl#b"] == ["At ten."]
    assert found(world) == ALL - {"manual/faq.jsonl#a"}


def test_a_retired_document_is_restored_with_its_text_and_follows_its_file_again(world: World, manual: Path) -> None:
    run(world, manual)
    world.remove("manual/returns.md")
    stored = put.restore(world.database, world.embedder, "manual/returns.md", EVERYTHING, actor="bob")
    assert (stored.changed, stored.version) == (True, 1)
    assert world.live()["manual/returns.md"] == ["Within 14 days."]
    assert not put.restore(world.database, world.embedder, "manual/returns.md", EVERYTHING, actor="bob").changed
    (manual / "returns.md").write_text("# Returns\n\nWithin 30 days.\n", encoding="utf-8")
    assert states(run(world, manual))["returns.md"] == "indexed"
    assert world.live()["manual/returns.md"] == ["Within 30 days."]


def test_a_document_that_does_not_exist_is_not_restored(world: World) -> None:
    with pytest.raises(NotFound):
        put.restore(world.database, world.embedder, "nothing", EVERYTHING, actor="bob")


def test_a_document_that_a_curator_retired_comes_back_when_a_person_puts_it(world: World) -> None:
    world.put("hours", "Open at nine.")
    world.remove("hours")
    assert world.live() == {}
    world.put("hours", "Open at nine.")
    assert world.live() == {"hours": ["Open at nine."]}


def test_ingest_says_which_documents_changed_because_the_reader_did(world: World, manual: Path) -> None:
    run(world, manual)
    file = manual / "returns.md"
    older = put.Reading(hashlib.sha256(file.read_bytes()).hexdigest(), READER - 1)
    content = Content("Returns", "# Returns\n\nWithin 14days.")  # as an older reader read it
    put.put(
        world.database, world.embedder, [put.NewDocument("manual/returns.md", content, reading=older)], actor="test"
    )
    (again,) = [result for result in run(world, manual).files if result.remarks]
    assert (again.name, again.state, again.version) == ("returns.md", "indexed", 3)
    assert [(remark["code"], remark["values"]) for remark in again.remarks] == [("reader_changed", {"count": 1})]
    assert not any(result.remarks for result in run(world, manual).files)
    put.put(
        world.database, world.embedder, [put.NewDocument("manual/returns.md", content, reading=older)], actor="test"
    )
    file.write_text("# Returns\n\nWithin 15 days.\n", encoding="utf-8")  # the file changed, too
    assert not any(result.remarks for result in run(world, manual).files)


def test_ingest_of_an_unchanged_file_notes_the_version_of_the_reader(world: World, manual: Path) -> None:
    run(world, manual)
    with world.database.write() as session:
        session.execute(sa.update(Document).values(reader=READER - 1))
    assert "indexed" not in states(run(world, manual)).values()
    with world.database.read() as session:
        assert {*session.scalars(sa.select(Document.reader))} == {READER}
