"""Reads passages for a question: which words answer it, in which sentence, how likely the passage answers at all."""

from __future__ import annotations

import copy
import hashlib
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from retrieval import precision
from retrieval.errors import SpanReaderError
from retrieval.reading import weights
from retrieval.reading.spans import MOST_ODDS, NOTHING, SpanReading, best_span, sentences_around

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from retrieval.reading.network import ReaderNetwork
    from retrieval.reading.spans import Text

TOKENS = 288  # of a question with one window of a passage, as in training
OVERLAP = 64  # tokens that a window shares with the one before
QUESTION_TOKENS = 96  # what is longer is cut
MAX_CHARACTERS = 12_000  # of a passage; the rest is not read
BATCH = 16  # windows that are read at once


class Trunk(Protocol):
    """An embedding model whose transformer others may use (``SentenceTransformerEmbedder``)."""

    @property
    def fingerprint(self) -> str: ...

    def trunk(self) -> tuple[Any, Any, threading.Lock]: ...


class SpanReader:
    """A reader on the transformer of an embedding model. The lower layers and the vocabulary are the embedding model's
    own, so that the reader takes memory for its upper layers only; it is loaded at the first question.

    Raises ``SpanReaderError`` if the weights belong to another embedding model. May be used from several threads.
    """

    def __init__(self, embedder: Trunk, path: Path) -> None:
        try:
            trunk = weights.fingerprint_of(path)
        except (OSError, ValueError) as error:
            raise SpanReaderError(
                "The reader's weights in {path} cannot be read. Reinstall Errata.",
                code="span_reader_not_loaded",
                path=path,
            ) from error
        if trunk != embedder.fingerprint:
            raise SpanReaderError(
                "The reader's weights in {path} belong to another embedding model, and are not used.",
                code="span_reader_other_model",
                path=path,
            )
        self._embedder = embedder
        self._path = path
        self._loading = threading.Lock()
        self._network: ReaderNetwork | None = None

    @cached_property
    def fingerprint(self) -> str:
        """The identity of the weights."""
        return hashlib.blake2b(self._path.read_bytes(), digest_size=8).hexdigest()

    def read(self, question: str, passages: Sequence[Text]) -> list[SpanReading]:
        """A reading for each passage, in their order. A passage longer than a window is read in windows that overlap;
        the window that most likely answers counts."""
        if not question.strip() or not passages:
            return [NOTHING] * len(passages)
        readings = [NOTHING] * len(passages)
        texts = [_encodable(passage.text[:MAX_CHARACTERS]) for passage in passages]
        leads = [_encodable(f"{passage.title[:200]}\n") if passage.title else "" for passage in passages]
        windows = self._windows(_encodable(question), [lead + text for lead, text in zip(leads, texts, strict=True)])
        windows.sort(key=lambda window: len(window.ids))  # windows of similar length share a batch
        for at in range(0, len(windows), BATCH):
            batch = windows[at : at + BATCH]
            for window, (start, end, answerable) in zip(batch, self._scores(batch), strict=True):
                shift = len(leads[window.passage])
                reading = _reading(window, start, end, answerable, texts[window.passage], shift)
                if reading.odds > readings[window.passage].odds:
                    readings[window.passage] = reading
        return readings

    def _windows(self, question: str, texts: Sequence[str]) -> list[_Window]:
        _, tokenizer, tokenising = self._embedder.trunk()
        with tokenising:
            offsets = tokenizer(question, truncation=True, max_length=QUESTION_TOKENS, return_offsets_mapping=True)[
                "offset_mapping"
            ]
            question = question[: max(end for _, end in offsets)]
            encoded = tokenizer(
                [question] * len(texts),
                list(texts),
                truncation="only_second",
                max_length=TOKENS,
                stride=OVERLAP,
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
            )
        return [
            _Window(passage, encoded["input_ids"][row], encoded["offset_mapping"][row], encoded.sequence_ids(row))
            for row, passage in enumerate(encoded["overflow_to_sample_mapping"])
        ]

    def _scores(self, windows: Sequence[_Window]) -> list[tuple[Any, Any, float]]:
        """(start (tokens,), end (tokens,), log-odds that it answers) of each window."""
        import torch

        transformer, tokenizer, _ = self._embedder.trunk()
        network = self._loaded()
        longest = max(len(window.ids) for window in windows)
        ids = torch.full((len(windows), longest), tokenizer.pad_token_id)
        mask = torch.zeros((len(windows), longest), dtype=torch.long)
        for row, window in enumerate(windows):
            ids[row, : len(window.ids)] = torch.tensor(window.ids)
            mask[row, : len(window.ids)] = 1
        with torch.inference_mode(), precision.computing(transformer.device):
            start, end, answerable = network(ids.to(transformer.device), mask.to(transformer.device))
        rows = zip(start.cpu().numpy(), end.cpu().numpy(), answerable.tolist(), strict=True)
        return [(first, last, float(odds)) for first, last, odds in rows]

    def _loaded(self) -> ReaderNetwork:
        with self._loading:
            if self._network is None:
                self._network = self._load()
            return self._network

    def _load(self) -> ReaderNetwork:
        from retrieval.reading.network import TRAINED_LAYERS, ReaderNetwork

        transformer, _, _ = self._embedder.trunk()
        lower = list(transformer.encoder.layer)[:-TRAINED_LAYERS]
        shared = {id(module): module for module in (transformer.embeddings, *lower)}  # what deepcopy does not copy
        network = ReaderNetwork(copy.deepcopy(transformer, shared))
        try:
            weights.load(network, self._path)
        except (OSError, ValueError) as error:
            raise SpanReaderError(
                "The reader's weights in {path} cannot be read. Reinstall Errata.",
                code="span_reader_not_loaded",
                path=self._path,
            ) from error
        return network.to(transformer.device).eval()


class _Window(NamedTuple):
    """``passage``: its place among the passages; of each token: its id, its characters, 1 if it is the passage's."""

    passage: int
    ids: list[int]
    offsets: list[tuple[int, int]]
    sequences: list[int | None]


def _reading(window: _Window, start: Any, end: Any, answerable: float, text: str, shift: int) -> SpanReading:
    """``shift``: characters of the title before the text."""
    inside = [
        at
        for at, (sequence, (low, high)) in enumerate(zip(window.sequences, window.offsets, strict=True))
        if sequence == 1 and high > max(low, shift)
    ]
    if not inside:
        return NOTHING
    first_token, last_token = inside[0], inside[-1] + 1
    span = best_span(start[first_token:last_token], end[first_token:last_token])
    if span is None:
        return NOTHING
    first, last, total = span
    low = max(0, window.offsets[first_token + first][0] - shift)
    high = window.offsets[first_token + last][1] - shift
    low += len(text[low:high]) - len(text[low:high].lstrip())  # SentencePiece counts the space before a word
    none = float(start[0] + end[0])
    odds = max(-MOST_ODDS, min(MOST_ODDS, answerable))
    return SpanReading(text[low:high], low, high, sentences_around(text, low, high), total - none, odds)


def _encodable(text: str) -> str:
    """The text with half characters, which tokenisers reject, replaced; as long as before."""
    return text.encode("utf-8", "replace").decode("utf-8")
