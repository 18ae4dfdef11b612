"""Tiny models for tests: data wheels, catalogue entries for them, and a packed E5 model of a few kilobytes."""

from __future__ import annotations

import hashlib
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from bot.models.catalogue import KnownModel, ModelFile, WheelPart

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁query", ":", "▁hello", "你好", "～", "a", "<mask>"]
HIDDEN, INNER, HEADS, POSITIONS = 32, 64, 2, 16


def write_wheel(folder: Path, distribution: str, version: str, member: str, data: bytes) -> Path:
    """A wheel that pip accepts, with one data file and no code."""
    name = distribution.replace("-", "_")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def chat_entry(content: bytes, *, part_size: int = 1000, sha256: str | None = None) -> KnownModel:
    """A chat model whose file is `content`, in parts of `part_size` bytes in wheels `tiny-chat-part1` …"""
    parts = tuple(
        WheelPart(
            f"tiny-chat-part{number}",
            "1.0",
            f"tiny_chat_part{number}/data/part{number:02d}.bin",
            len(content[start : start + part_size]),
        )
        for number, start in enumerate(range(0, len(content), part_size), start=1)
    )
    return KnownModel(
        id="tiny-chat",
        kind="chat",
        title="Tiny chat model",
        licence="Apache-2.0",
        file=ModelFile("model.gguf", len(content), sha256 or hashlib.sha256(content).hexdigest()),
        memory=1,
        wheels=parts,
    )


def write_chat_wheels(folder: Path, entry: KnownModel, content: bytes) -> list[Path]:
    """Writes the wheels of an entry that `chat_entry` made."""
    paths, start = [], 0
    for part in entry.wheels:
        data = content[start : start + part.size]
        paths.append(write_wheel(folder, part.distribution, part.version, part.member, data))
        start += part.size
    return paths


def packed_e5() -> tuple[bytes, dict[str, NDArray[np.float32]]]:
    """(the bytes of a packed model with one layer, its tensors by the file's names, unpacked)."""
    random = np.random.default_rng(7)
    tensors: list[tuple[str, bool, NDArray[np.float32], bytes]] = []

    def plain(name: str, *shape: int) -> None:
        values = random.normal(size=shape).astype(np.float32)
        tensors.append((name, False, values, values.tobytes()))

    def quantised(name: str, rows: int, columns: int) -> None:
        steps = random.integers(0, 16, size=(rows, columns // 32, 32))
        scales = random.normal(size=(rows, columns // 32)).astype(np.float16)
        raw = bytearray()
        for row in range(rows):
            for block in range(columns // 32):
                raw += scales[row, block].tobytes()
                raw += bytes(int(steps[row, block, i]) | int(steps[row, block, i + 16]) << 4 for i in range(16))
        values = (steps - 8).astype(np.float32) * scales.astype(np.float32)[..., None]
        tensors.append((name, True, values.reshape(rows, columns), bytes(raw)))

    quantised("emb.word", len(PIECES), HIDDEN)
    plain("emb.pos", POSITIONS, HIDDEN)
    plain("emb.type", 2, HIDDEN)
    plain("emb.ln.w", HIDDEN)
    plain("emb.ln.b", HIDDEN)
    for name, rows, columns in (
        ("q", HIDDEN, HIDDEN),
        ("k", HIDDEN, HIDDEN),
        ("v", HIDDEN, HIDDEN),
        ("ao", HIDDEN, HIDDEN),
        ("fi", INNER, HIDDEN),
        ("fo", HIDDEN, INNER),
    ):
        quantised(f"l0.{name}.w", rows, columns)
        plain(f"l0.{name}.b", rows)
    for name in ("aln", "oln"):
        plain(f"l0.{name}.w", HIDDEN)
        plain(f"l0.{name}.b", HIDDEN)

    encoded = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, encoded)]).tolist()
    scores = [0.0, 0.0, 0.0, 0.0, -3.0, -4.0, -2.0, -5.0, -5.0, -6.0, -4.0, 0.0]
    head = struct.pack("<4sI7ifi", b"E5S1", 1, HIDDEN, 1, HEADS, INNER, len(PIECES), POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, offsets[-1])
    head += struct.pack(f"<{len(offsets)}I{len(scores)}f", *offsets, *scores) + b"".join(encoded)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0x3000, 1, 0x20)
    directory_size = 4 + sum(2 + len(name) + 1 + 4 + 8 + 8 for name, *_ in tensors)
    offset = len(head) + directory_size
    directory, body = struct.pack("<i", len(tensors)), b""
    for name, is_packed, values, raw in tensors:
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", is_packed, values.size, offset + len(body), len(raw))
        body += raw
    return head + directory + body, {name: values for name, _, values, _ in tensors}
