from __future__ import annotations

import hashlib
import json
import logging
import os
from typing import TYPE_CHECKING

import pytest

from retrieval.index import Index
from retrieval.passage import Change, Row
from retrieval.scope import EVERYTHING, Scope
from retrieval.search import Searcher
from retrieval.snapshot import Snapshots
from tests.fakes import HashingEmbedder, MemoryLog, passage

if TYPE_CHECKING:
    from pathlib import Path

EMBEDDER = HashingEmbedder()
FILES = [
    "codes.npy",
    "counts.npy",
    "digests.npy",
    "ids.npy",
    "lengths.npy",
    "manifest.json",
    "ordinals.npy",
    "starts.npy",
    "terms.txt",
    "vectors.npy",
]
QUERIES = ["bake bread", "导入数据", "zebra"]


def row(id_: int, text: str) -> Row:
    return Row(id_, text, EMBEDDER.query(text))


def an_index(seq: int = 3) -> Index:
    rows = [row(1, "how to bake bread"), row(2, "如何导入数据"), row(7, "the oven is hot")]
    index = Index.build(rows, seq=seq - 1, fingerprint=EMBEDDER.fingerprint, dimension=EMBEDDER.dimension)
    return index.apply(Change(seq, (row(-4, "bread and butter"),), frozenset({7})))


def everything(index: Index) -> list[object]:
    from retrieval.text import tokens

    view = index.within(EVERYTHING)
    results = [(view.dense(EMBEDDER.query(query), 5), view.keyword(tokens(query), 5)) for query in QUERIES]
    return [index.seq, index.fingerprint, index.ids().tolist(), index.digests(), results]


def names(folder: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in folder.iterdir())


def damage_flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def damage_truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def damage_empty(file: Path) -> None:
    file.write_bytes(b"")


def damage_delete(file: Path) -> None:
    file.unlink()


def test_snapshot_restores_the_index(tmp_path: Path) -> None:
    Snapshots(tmp_path).save(an_index())
    restored = Snapshots(tmp_path).load_newest(EMBEDDER.fingerprint)
    assert restored is not None
    assert everything(restored) == everything(an_index())
    assert restored.overlay == 0


def test_snapshot_of_an_empty_index_restores_it(tmp_path: Path) -> None:
    empty = Index.build([], seq=0, fingerprint=EMBEDDER.fingerprint, dimension=EMBEDDER.dimension)
    Snapshots(tmp_path).save(empty)
    restored = Snapshots(tmp_path).load_newest(EMBEDDER.fingerprint)
    assert restored is not None
    assert everything(restored) == everything(empty)


def test_snapshot_consists_of_known_files(tmp_path: Path) -> None:
    folder = Snapshots(tmp_path).save(an_index())
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert names(tmp_path) == ["snapshot"]


@pytest.mark.parametrize("damage", [damage_flip, damage_truncate, damage_empty, damage_delete])
@pytest.mark.parametrize("name", FILES)
def test_damaged_snapshot_is_set_aside_and_the_older_one_taken(
    name: str, damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots = Snapshots(tmp_path)
    snapshots.save(an_index(seq=3))
    newest = snapshots.save(an_index(seq=4))
    damage(newest / name)  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        restored = snapshots.load_newest(EMBEDDER.fingerprint)
    assert restored is not None
    assert everything(restored) == everything(an_index(seq=3))
    assert names(tmp_path) == ["damaged", "snapshot"]
    assert [f"damaged-{newest.name}" in message for message in caplog.messages] == [True]


def test_a_change_of_any_byte_of_a_manifest_is_detected(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    content = (snapshots.save(an_index()) / "manifest.json").read_bytes()
    for place in range(0, len(content), 11):
        changed = bytearray(content)
        changed[place] ^= 1
        newest = next(iter(tmp_path.glob("snapshot-*")))
        (newest / "manifest.json").write_bytes(changed)
        assert snapshots.load_newest(EMBEDDER.fingerprint) is None
        (tmp_path / f"damaged-{newest.name}").rename(newest)


@pytest.mark.parametrize("garbage", [b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_a_snapshot_with_a_garbage_manifest_is_damaged(garbage: bytes, tmp_path: Path) -> None:
    folder = Snapshots(tmp_path).save(an_index())
    (folder / "manifest.json").write_bytes(garbage)
    assert Snapshots(tmp_path).load_newest(EMBEDDER.fingerprint) is None
    assert names(tmp_path) == ["damaged"]


def test_pickled_array_is_never_loaded(tmp_path: Path) -> None:
    """Not even if its manifest has the right checksum."""
    import hashlib

    import numpy as np

    folder = Snapshots(tmp_path).save(an_index())
    np.save(folder / "ids.npy", np.array([print], dtype=object), allow_pickle=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"]
    manifest["files"]["ids.npy"] = {
        "bytes": (folder / "ids.npy").stat().st_size,
        "sha256": hashlib.sha256((folder / "ids.npy").read_bytes()).hexdigest(),
    }
    digest = hashlib.sha256(json.dumps(manifest, indent=1, sort_keys=True).encode()).hexdigest()
    text = json.dumps({**manifest, "sha256": digest}, indent=1, sort_keys=True) + "\n"
    (folder / "manifest.json").write_text(text)
    assert Snapshots(tmp_path).load_newest(EMBEDDER.fingerprint) is None
    assert names(tmp_path) == ["damaged"]


def test_two_newest_snapshots_are_kept_and_damaged_ones_stay(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    damage_flip(snapshots.save(an_index(seq=2)) / "ids.npy")
    snapshots.load_newest(EMBEDDER.fingerprint)
    for seq in (3, 12, 5, 400):
        snapshots.save(an_index(seq=seq))
    numbers = [int(path.name.split("-")[2]) for path in sorted(tmp_path.glob("snapshot-*"))]
    assert (numbers, names(tmp_path)) == ([12, 400], ["damaged", "snapshot", "snapshot"])


def test_snapshots_of_another_model_are_neither_read_nor_removed(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    other = Index.build([], seq=9, fingerprint="other", dimension=4)
    snapshots.save(other)
    for seq in (1, 2, 3):
        snapshots.save(an_index(seq=seq))
    assert everything(snapshots.load_newest(EMBEDDER.fingerprint) or other) == everything(an_index(seq=3))
    restored = snapshots.load_newest("other")
    assert restored is not None
    assert restored.seq == 9


def test_a_snapshot_of_another_format_is_ignored_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = Snapshots(tmp_path)
    with monkeypatch.context() as older:
        older.setattr("retrieval.snapshot._FORMAT", 0)
        snapshots.save(an_index())
    assert snapshots.load_newest(EMBEDDER.fingerprint) is None
    assert names(tmp_path) == ["snapshot"]


def test_a_missing_folder_contains_no_snapshot(tmp_path: Path) -> None:
    assert Snapshots(tmp_path / "none").load_newest("x") is None
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        Snapshots(tmp_path).save(an_index())
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_killed_process_are_removed_after_an_hour(tmp_path: Path) -> None:
    for name, age in (("writing-snapshot-old", 4000), ("removing-snapshot-old", 4000), ("writing-snapshot-new", 10)):
        (tmp_path / name).mkdir()
        stamp = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (stamp, stamp))
    Snapshots(tmp_path).save(an_index())
    assert names(tmp_path) == ["snapshot", "writing"]


@pytest.mark.parametrize("damage", [damage_flip, damage_truncate, damage_delete])
@pytest.mark.parametrize("name", FILES)
def test_searcher_with_damaged_snapshots_rebuilds_from_its_source(name: str, damage: object, tmp_path: Path) -> None:
    source = MemoryLog(EMBEDDER)
    source.add(passage(1, "how to bake bread"), passage(2, "如何导入数据"), passage(3, "the oven"))
    source.hide(3)
    first = Searcher(source, EMBEDDER, snapshots=Snapshots(tmp_path))
    expected = [first.search(query, scope=EVERYTHING).hits for query in QUERIES]
    first.close()
    damage(next(iter(tmp_path.glob("snapshot-*"))) / name)  # type: ignore[operator]
    again = Searcher(source, EMBEDDER, snapshots=Snapshots(tmp_path))
    assert [again.search(query, scope=EVERYTHING).hits for query in QUERIES] == expected
    again.close()
    assert again.check().ok
    assert names(tmp_path) == ["damaged", "snapshot"]


def test_a_snapshot_restores_collections_and_languages(tmp_path: Path) -> None:
    rows = [
        Row(number, "bread", EMBEDDER.query("bread"), collection, language)
        for number, (collection, language) in enumerate(
            [("main", "en"), ("sales", "fr"), ("保密", "zh"), ("main", "en")]
        )
    ]
    index = Index.build(rows, seq=1, fingerprint=EMBEDDER.fingerprint, dimension=EMBEDDER.dimension)
    Snapshots(tmp_path).save(index)
    restored = Snapshots(tmp_path).load_newest(EMBEDDER.fingerprint)
    assert restored is not None
    assert restored.digests() == index.digests()
    for name, expected in (("main", [0, 3]), ("sales", [1]), ("保密", [2]), ("none", [])):
        assert [id_ for id_, _ in restored.within(Scope.of(name)).keyword(["bread"], 9)] == expected


def test_a_snapshot_of_the_format_without_collections_is_ignored(tmp_path: Path) -> None:
    """An older release without collections wrote it: every byte is right, but it cannot be used."""
    snapshots = Snapshots(tmp_path)
    folder = snapshots.save(an_index())
    content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del content["sha256"], content["labels"], content["files"]["codes.npy"]
    content["format"] = content["format"].replace("2/", "1/", 1)
    (folder / "codes.npy").unlink()
    sealed = {**content, "sha256": hashlib.sha256(json.dumps(content, indent=1, sort_keys=True).encode()).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(sealed, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert snapshots.load_newest(EMBEDDER.fingerprint) is None
    assert names(tmp_path) == ["snapshot"]  # it does not count as damaged
