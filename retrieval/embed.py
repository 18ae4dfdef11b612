"""Turns text into unit vectors: the protocol, and an implementation with a SentenceTransformer.

Knows nothing about passages, indexes or where models come from. A vector is float32 of length 1, so that an inner
product is a cosine. Questions and passages get different prompts if the model was trained with different prompts.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from retrieval import invisible, precision
from retrieval.errors import EmbedderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer


QUESTIONS = 4096  # how many questions' vectors are remembered: 6 MB at 384 dimensions


class Embedder(Protocol):
    """What retrieval needs from an embedding model. Every method may be called from several threads at once."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever vectors would differ: model, weights, prompts, pooling."""

    @property
    def dimension(self) -> int:
        """Length of a vector. Reading it loads no model."""

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit rows (len(texts), dimension), in the order of the texts."""

    def query(self, text: str) -> NDArray[np.float32]:
        """A unit vector (dimension,)."""


class SentenceTransformerEmbedder:
    """A SentenceTransformer folder on disk, loaded on first use and never fetched from anywhere.

    ``query_prompt`` and ``passage_prompt`` are put before each text (the defaults are those of the E5 family). Text
    beyond the model's own limit, 512 tokens for multilingual-e5-small, is ignored. ``threads`` limits the processor
    threads of torch, for the whole process; None keeps torch's choice, one per core. Raises ``EmbedderError``.

    A question waits only for the tokeniser, never for a running batch of passages: tokenisers are not
    thread-safe, but torch's forward pass is.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        fingerprint: str,
        query_prompt: str = "query: ",
        passage_prompt: str = "passage: ",
        batch_size: int = 32,
        threads: int | None = None,
    ) -> None:
        self.fingerprint = fingerprint
        self._folder = Path(folder)
        self._query_prompt = query_prompt
        self._passage_prompt = passage_prompt
        self._batch_size = batch_size
        self._threads = threads
        self._loading = threading.Lock()
        self._tokenising = threading.Lock()
        self._remembering = threading.Lock()
        self._questions: dict[str, NDArray[np.float32]] = {}  # the least recently asked first
        self._model: SentenceTransformer | None = None
        self._dimension: int | None = None

    @property
    def dimension(self) -> int:
        """The length of a vector, read from the folder's configuration without loading the model."""
        if self._dimension is None:
            self._dimension = _dimension_of(self._folder)
        return self._dimension

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        result = np.empty((len(texts), self.dimension), dtype=np.float32)
        # Texts of similar length share a batch, so that little time is spent on padding.
        by_length = sorted(range(len(texts)), key=lambda position: len(texts[position]))
        for start in range(0, len(by_length), self._batch_size):
            batch = by_length[start : start + self._batch_size]
            result[batch] = self._embed([self._passage_prompt + texts[position] for position in batch])
        return result

    def query(self, text: str) -> NDArray[np.float32]:
        """A unit vector (dimension,). The last questions are remembered, because proofs and people ask the same ones
        again."""
        with self._remembering:
            remembered = self._questions.pop(text, None)
            if remembered is not None:
                self._questions[text] = remembered
                return remembered
        vector: NDArray[np.float32] = self._embed([self._query_prompt + text])[0]
        vector.flags.writeable = False
        with self._remembering:
            self._questions[text] = vector
            while len(self._questions) > QUESTIONS:
                del self._questions[next(iter(self._questions))]
        return vector

    def load(self) -> None:
        """Loads the model now instead of at the first question."""
        self._loaded()

    def trunk(self) -> tuple[Any, Any, threading.Lock]:
        """The transformer and its tokeniser, for other networks on the same weights, and the lock that whoever uses the
        tokeniser must hold. The transformer's weights may be read and never changed."""
        model = self._loaded()
        return model[0].auto_model, model.tokenizer, self._tokenising

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        import torch

        model = self._loaded()
        # Nobody sees what is stripped, and tokenisers reject half characters.
        printable = [invisible.cleaned(text).encode("utf-8", "replace").decode("utf-8") for text in texts]
        with self._tokenising:
            features = model.preprocess(printable)
        features = {name: value.to(model.device) if hasattr(value, "to") else value for name, value in features.items()}
        with torch.inference_mode(), precision.computing(model.device):
            raw = model(features)["sentence_embedding"].to("cpu", torch.float32).numpy()
        return _unit_rows(raw, self.dimension)

    def _loaded(self) -> SentenceTransformer:
        if self._model is None:
            with self._loading:
                if self._model is None:
                    self._model = self._load()
        return self._model

    def _load(self) -> SentenceTransformer:
        if not self._folder.is_dir():
            raise EmbedderError(
                "The embedding model's folder {folder} does not exist. Run: errata models pull",
                code="embedder_folder_missing",
                folder=self._folder,
            )
        import torch
        from sentence_transformers import SentenceTransformer

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        try:
            model = SentenceTransformer(str(self._folder), local_files_only=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise EmbedderError(
                "The embedding model in {folder} cannot be loaded ({problem}). Run: errata models verify",
                code="embedder_not_loaded",
                folder=self._folder,
                problem=error,
            ) from error
        return model.eval()


def _unit_rows(raw: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
    if raw.ndim != 2 or raw.shape[1] != dimension:
        raise EmbedderError(
            "The embedding model returned vectors of shape {shape}, not (n, {dimension}).",
            code="embedder_shape",
            shape=raw.shape,
            dimension=dimension,
        )
    lengths = np.linalg.norm(raw.astype(np.float64), axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
        raise EmbedderError(
            "The embedding model returned a vector that is zero or not a number. Run: errata models verify",
            code="embedder_no_direction",
        )
    return np.asarray(raw / lengths, dtype=np.float32)


def _dimension_of(folder: Path) -> int:
    """The vector length of a SentenceTransformer folder: that of its last dense layer, or else of its pooling, or
    else of the transformer itself."""
    dense, pooling = (sorted(folder.glob(f"*_{layer}/config.json"), reverse=True) for layer in ("Dense", "Pooling"))
    for file in (*dense, *pooling, folder / "config.json"):
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        for key in ("out_features", "word_embedding_dimension", "embedding_dimension", "hidden_size", "dim"):
            if isinstance(values, dict) and isinstance(values.get(key), int):
                return int(values[key])
    raise EmbedderError(
        "The embedding model's folder {folder} does not state a vector length. Run: errata models pull",
        code="embedder_no_dimension",
        folder=folder,
    )
