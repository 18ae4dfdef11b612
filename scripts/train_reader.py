"""Trains the reader on the installed embedding model's upper layers.

    .venv/bin/python -m scripts.train_reader --train DIR --bench DIR --work DIR --minutes 70

Reads the training data (its README gives sources and licences) and the part of the benchmark data that may be trained
on. Saves its state in --work every few minutes, goes on from there when it is started again, and may be stopped at any
time: --minutes is the length of the whole training, over which the learning rate falls to zero. Writes the weights that
are best on passages held out of the training as --work/reader.safetensors, and the figures as --work/figures.jsonl.

--start FILE begins with the weights of an earlier training instead of the embedding model's own, and writes only what
is better on the held-out passages. These are the same in all trainings; another --seed draws the examples in another
order, and a lower --rate changes less.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from retrieval.embed import SentenceTransformerEmbedder
from retrieval.reading import weights
from retrieval.reading.network import TRAINED_LAYERS, ReaderNetwork
from retrieval.reading.spans import best_span
from scripts.benchmark.metrics import area_under_curve
from scripts.reader.examples import Example, build

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKENS = 288  # of question and passage; longer passages are cut
BATCH = 16
RATE = 2.5e-4  # of the layers; that of the heads is HEADS times as high
HEADS = 4
WARM_UP = 0.04  # of the training
WEIGHT_DECAY = 0.01
SAVE_SECONDS = 600.0
CHECKED = 1_000  # held-out examples for each check


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="folder with reader.jsonl.gz")
    parser.add_argument("--bench", type=Path, required=True, help="folder with squad2/")
    parser.add_argument("--work", type=Path, required=True, help="folder for state and results")
    parser.add_argument("--minutes", type=float, default=70.0)
    parser.add_argument("--start", type=Path, help="weights of an earlier training to begin with")
    parser.add_argument("--rate", type=float, default=RATE, help=f"highest learning rate; default: {RATE}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    Training(options).run()


class Training:
    def __init__(self, options: argparse.Namespace) -> None:
        self._work: Path = options.work
        self._seconds = 60 * options.minutes
        trunk, self._tokenizer, self._fingerprint = _installed()
        self._network = ReaderNetwork(trunk)  # stays in evaluation mode: drawing dropout took half of the time
        for weight in trunk.parameters():
            weight.requires_grad = False
        for layer in trunk.encoder.layer[-TRAINED_LAYERS:]:
            for weight in layer.parameters():
                weight.requires_grad = True
        layers = [weight for weight in trunk.parameters() if weight.requires_grad]
        heads = [*self._network.span.parameters(), *self._network.answerable.parameters()]
        self._optimizer = torch.optim.AdamW(
            [{"params": layers, "top": options.rate}, {"params": heads, "top": HEADS * options.rate}],
            weight_decay=WEIGHT_DECAY,
        )
        self._started = options.start is not None
        if self._started:
            weights.load(self._network, options.start)
        self._learned, self._checked = build(options.train, options.bench, options.seed)
        self._at = self._steps = 0
        self._spent, self._best = 0.0, -1.0
        self._resume()

    def run(self) -> None:
        print(
            f"{len(self._learned):,} examples to learn from, begin at {self._at:,}, {self._spent / 60:.0f} min spent",
            flush=True,
        )
        if self._started and not self._at:
            figures = self.check()
            print(json.dumps({"examples": 0, **figures}), flush=True)
            self._best = figures["score"]
        saved = begun = time.monotonic()
        losses: list[float] = []
        while self._spent < self._seconds:
            losses.append(self._step(self._next_batch()))
            now = time.monotonic()
            self._spent, begun = self._spent + now - begun, now
            if now - saved > SAVE_SECONDS or self._spent >= self._seconds:
                figures = self.check()
                line = {
                    "examples": self._at,
                    "minutes": round(self._spent / 60, 1),
                    "loss": round(float(np.mean(losses)), 4),
                    **figures,
                }
                print(json.dumps(line), flush=True)
                with (self._work / "figures.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                losses.clear()
                if figures["score"] > self._best:
                    self._best = figures["score"]
                    weights.save(self._network, self._work / "reader.safetensors", self._fingerprint)
                self._save()
                saved = begun = time.monotonic()

    def _next_batch(self) -> list[Example]:
        """The next examples, of similar length, so that little is padded."""
        size = BATCH * 32
        block_start = self._at // size * size
        block = [self._learned[at % len(self._learned)] for at in range(block_start, block_start + size)]
        block.sort(key=lambda example: len(example.question.encode()) + len(example.passage.encode()))
        batches = [block[at : at + BATCH] for at in range(0, size, BATCH)]
        order = np.random.default_rng(block_start).permutation(len(batches))
        batch = batches[order[(self._at - block_start) // BATCH]]
        self._at += BATCH
        return batch

    def _step(self, batch: Sequence[Example]) -> float:
        share = self._spent / self._seconds
        factor = min(1.0, (self._steps + 1) / 150) if share < WARM_UP else (1 - share) / (1 - WARM_UP)
        for group in self._optimizer.param_groups:
            group["lr"] = group["top"] * max(0.0, factor)
        inputs, starts, ends = self._encoded(batch)
        with torch.autocast("cpu", torch.bfloat16):
            start, end, answerable = self._network(**inputs)
        answered = torch.tensor([example.start >= 0 for example in batch], dtype=torch.float32)
        loss = (functional.cross_entropy(start, starts) + functional.cross_entropy(end, ends)) / 2
        loss = loss + functional.binary_cross_entropy_with_logits(answerable, answered)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([w for w in self._network.parameters() if w.requires_grad], 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._steps += 1
        return float(loss.detach())

    def _encoded(self, batch: Sequence[Example]) -> tuple[dict[str, Any], torch.Tensor, torch.Tensor]:
        """(ids and mask, first answer tokens, last answer tokens); 0 for no answer, or one that was cut off."""
        encoded, shifts = encode(self._tokenizer, [(e.question, e.title, e.passage) for e in batch])
        starts, ends = [], []
        for at, example in enumerate(batch):
            first = last = 0
            if example.start >= 0:
                low, high = example.start + shifts[at], example.end + shifts[at]
                for token, (a, b) in enumerate(encoded["offset_mapping"][at].tolist()):
                    if encoded.sequence_ids(at)[token] == 1 and b > a and a < high and b > low:
                        first, last = first or token, token
            starts.append(first)
            ends.append(last)
        inputs = {name: encoded[name] for name in ("input_ids", "attention_mask")}
        return inputs, torch.tensor(starts), torch.tensor(ends)

    @torch.inference_mode()
    def check(self) -> dict[str, float]:
        """Figures on held-out examples: F1 by language, areas of answerable against each kind of unanswerable."""
        outputs: list[tuple[Example, float, float]] = []  # (example, answerable, F1)
        examples = sorted(self._checked[:CHECKED], key=lambda example: len(example.passage))
        for at in range(0, len(examples), 32):
            batch = examples[at : at + 32]
            encoded, shifts = encode(self._tokenizer, [(e.question, e.title, e.passage) for e in batch])
            with torch.autocast("cpu", torch.bfloat16):
                start, end, answerable = self._network(encoded["input_ids"], encoded["attention_mask"])
            for row, example in enumerate(batch):
                inside = [token for token, part in enumerate(encoded.sequence_ids(row)) if part == 1]
                low, high = (inside[0], inside[-1] + 1) if inside else (0, 0)
                span = best_span(start[row, low:high].numpy(), end[row, low:high].numpy())
                text = ""
                if span is not None:
                    offsets = encoded["offset_mapping"][row].tolist()
                    first, last = offsets[low + span[0]][0], offsets[low + span[1]][1]
                    text = example.passage[max(0, first - shifts[row]) : max(0, last - shifts[row])]
                gold = example.passage[example.start : example.end] if example.start >= 0 else ""
                outputs.append((example, float(answerable[row]), _f1(text, gold, example.lang) if gold else math.nan))
        figures: dict[str, float] = {}
        for lang in ("en", "zh"):
            scores = [f1 for example, _, f1 in outputs if example.lang == lang and example.kind == "answer"]
            figures[f"f1_{lang}"] = round(float(np.mean(scores)), 3)
            for kind in ("human", "deleted", "other", "edited"):
                bad = [(each.source, score) for each, score, _ in outputs if (each.lang, each.kind) == (lang, kind)]
                sources = {source for source, _ in bad}  # the style of a source tells nothing about the question
                good = [
                    score
                    for each, score, _ in outputs
                    if (each.lang, each.kind) == (lang, "answer") and each.source in sources
                ]
                if min(len(bad), len(good)) >= 10:
                    figures[f"{kind}_{lang}"] = round(area_under_curve(good, [score for _, score in bad]), 3)
        judged = [value for name, value in figures.items() if not name.startswith("edited")]
        figures["score"] = round(float(np.mean(judged)), 4)
        return figures

    def _save(self) -> None:
        state = {
            "weights": self._network.trained(),
            "optimizer": self._optimizer.state_dict(),
            "progress": (self._at, self._steps, self._spent, self._best),
        }
        torch.save(state, self._work / "state.new")
        (self._work / "state.new").replace(self._work / "state.pt")

    def _resume(self) -> None:
        path = self._work / "state.pt"
        if path.exists():
            state = torch.load(path, weights_only=True)
            self._network.load_trained(state["weights"])
            self._optimizer.load_state_dict(state["optimizer"])
            self._at, self._steps, self._spent, self._best = state["progress"]


def encode(tokenizer: Any, triples: Sequence[tuple[str, str, str]]) -> tuple[Any, list[int]]:
    """Questions with titles and passages as tensors, and how far each passage is moved by its title."""
    leads = [f"{title}\n" if title else "" for _, title, _ in triples]
    encoded = tokenizer(
        [question for question, _, _ in triples],
        [lead + passage for lead, (_, _, passage) in zip(leads, triples, strict=True)],
        truncation="only_second",
        max_length=TOKENS,
        padding=True,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    return encoded, [len(lead) for lead in leads]


def _f1(text: str, gold: str, lang: str) -> float:
    def parts(words: str) -> list[str]:
        return (
            [c for c in words if c.isalnum()]
            if lang != "en"
            else "".join(c if c.isalnum() else " " for c in words.lower()).split()
        )

    mine, theirs = parts(text), parts(gold)
    common = sum(min(mine.count(part), theirs.count(part)) for part in set(mine))
    return 2 * common / (len(mine) + len(theirs)) if mine and theirs else 0.0


def _installed() -> tuple[Any, Any, str]:
    """The transformer, the tokeniser and the fingerprint of the embedding model that the settings name."""
    from bot.settings import read_settings
    from bot.wiring import Parts

    embedder = Parts(read_settings()).embedder
    if not isinstance(embedder, SentenceTransformerEmbedder):
        raise SystemExit("train_reader: the embedding model of the settings is no model of sentence-transformers.")
    transformer, tokenizer, _ = embedder.trunk()
    return transformer, tokenizer, embedder.fingerprint


if __name__ == "__main__":
    main()
