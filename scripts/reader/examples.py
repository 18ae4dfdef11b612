"""Makes the examples that the reader learns from: questions with passages that answer them, and with passages that
do not.

A passage is as long as one of the product's (``PASSAGE_BYTES``). Questions without an answer come from people
(SQuAD 2), from the answer's own passage without the sentence that says it, from the passage of another document that is
nearest by words, and from questions that were edited by rule.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scripts.reader.edits import Editor, names_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

PASSAGE_BYTES = 900
HELD_OUT = 300  # questions of bench/squad2, by article, that set thresholds and are not trained on
CHECKED = 150  # further ones, by article, by which the training is judged while it runs
ONE_IN = 60  # passages of the training data are kept for the same
_SENTENCE = re.compile(r"[^。！？!?\n]*?(?:[。！？!?]+[”’」』）]*|\.(?=[\s\"”)]|$)|\n|$)")

# How often a question of a source is drawn, with its passage: Chinese is one row in six of the data. Left out:
# squadshifts_reddit and squadshifts_amazon, whose authors' rights are not clear.
SHARES = {
    "cmrc2018": 1.4, "squadshifts_wiki": 0.8, "squad2": 1.0, "squad2_dev": 3.0, "qamr": 0.35, "qed": 1.0, "jaquad": 0.3,
    "covidqa": 1.0,
}  # fmt: skip
DELETED, OTHER, EDITED = 0.3, 0.3, 0.4  # how often a question is drawn again without an answer, by kind
HUMAN = 3.0  # how often a question is drawn that people wrote without an answer


@dataclass(frozen=True, slots=True)
class Example:
    """``start`` and ``end``: the answer's characters in the passage; both -1 if the passage does not answer.
    ``kind``: answer, human, deleted, other or edited."""

    lang: str
    source: str
    kind: str
    title: str
    question: str
    passage: str
    start: int = -1
    end: int = -1


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, packed or not."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    for line in text.splitlines():
        yield json.loads(line)


def squad2(bench: Path) -> dict[str, list[dict[str, Any]]]:
    """The questions of bench/squad2 in the form of the training data, by what they are for: "threshold", "check" and
    "train". Each article is in one of them."""
    passages = {row["id"]: row for row in rows(bench / "squad2" / "corpus.jsonl")}
    articles: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows(bench / "squad2" / "questions.jsonl"):
        passage = passages[(row["doc_ids"] or row["near_doc_ids"])[0]]
        text = passage["text"]
        answers = [{"text": answer, "start": text.find(answer)} for answer in row["answers"] if answer in text]
        if answers or row["kind"] != "answerable":
            articles[passage["title"]].append(
                {
                    "source": "squad2_dev",
                    "lang": "en",
                    "question": row["question"],
                    "context": text,
                    "title": passage["title"],
                    "answers": answers,
                    "answerable": row["kind"] == "answerable",
                }
            )
    parts: dict[str, list[dict[str, Any]]] = {"threshold": [], "check": [], "train": []}
    for title in sorted(articles, key=lambda title: hashlib.sha256(title.encode()).hexdigest()):
        waiting = [name for name, least in (("threshold", HELD_OUT), ("check", CHECKED)) if len(parts[name]) < least]
        parts[waiting[0] if waiting else "train"] += articles[title]
    return parts


def build(train: Path, bench: Path, seed: int) -> tuple[list[Example], list[Example]]:
    """(examples to learn from, examples to stop early by), split by passage; both shuffled."""
    draw = random.Random(seed)  # noqa: S311 - draws examples, no secrets
    data = [row for row in rows(train / "reader.jsonl.gz") if row["source"] in SHARES]
    dev = squad2(bench)
    data += dev["train"] + dev["check"]
    aside = {row["context"] for row in dev["check"]}
    neighbours = _Neighbours(data)
    editor = Editor(_names(data), seed)
    learned: list[Example] = []
    checked: list[Example] = []
    for row in data:
        digest = int(hashlib.sha256(row["context"].encode()).hexdigest(), 16)
        by_chance = row["source"] != "squad2_dev" and digest % ONE_IN == 0
        side = checked if by_chance or row["context"] in aside else learned
        side += _examples(row, neighbours, editor, draw)
    draw.shuffle(learned)
    draw.shuffle(checked)
    return learned, checked


def _examples(row: dict[str, Any], neighbours: _Neighbours, editor: Editor, draw: random.Random) -> Iterator[Example]:
    share = SHARES[row["source"]]
    base = {
        "lang": row["lang"],
        "source": row["source"],
        "title": row.get("title") or "",
        "question": row["question"],
    }
    context = row["context"]
    if not row["answerable"]:
        for _ in range(_times(HUMAN, draw)):
            yield Example(kind="human", passage=_window(context, draw.randrange(len(context)), draw)[0], **base)
        return
    answer = row["answers"][0]
    start, end = answer["start"], answer["start"] + len(answer["text"])
    for _ in range(_times(share, draw)):
        passage, shift = _window(context, start, draw, end)
        yield Example(kind="answer", passage=passage, start=start - shift, end=end - shift, **base)
    for _ in range(_times(share * DELETED, draw)):
        if passage := _without_answer(context, start, end, answer["text"], draw):
            yield Example(kind="deleted", passage=passage, **base)
    for _ in range(_times(share * OTHER, draw)):
        if other := neighbours.nearest(row, answer["text"]):
            passage, _ = _window(other["context"], 0, draw)
            yield Example(kind="other", passage=passage, **{**base, "title": other.get("title") or ""})
    for _ in range(_times(share * EDITED, draw)):
        passage, _ = _window(context, start, draw, end)
        if question := editor.edited(row["question"], passage, row["lang"]):
            yield Example(kind="edited", passage=passage, **{**base, "question": question})


def _times(share: float, draw: random.Random) -> int:
    return int(share) + (draw.random() < share % 1)


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of the sentences, which cover the text."""
    spans = [match.span() for match in _SENTENCE.finditer(text) if match[0]]
    return spans or [(0, len(text))]


def _window(context: str, start: int, draw: random.Random, end: int | None = None) -> tuple[str, int]:
    """(whole sentences around a place, of at most PASSAGE_BYTES; where they begin in the context)."""
    spans = sentences(context)
    end = start if end is None else end
    first = next((at for at, (_, stop) in enumerate(spans) if stop > start), len(spans) - 1)
    last = next((at for at, (_, stop) in enumerate(spans) if stop >= end and at >= first), len(spans) - 1)

    def size(low: int, high: int) -> int:
        return len(context[spans[low][0] : spans[high][1]].encode())

    while True:
        wider = [(first - 1, last)] if first > 0 else []
        wider += [(first, last + 1)] if last + 1 < len(spans) else []
        wider = [pair for pair in wider if size(*pair) <= PASSAGE_BYTES]
        if not wider:
            break
        first, last = draw.choice(wider)
    low, high = spans[first][0], spans[last][1]
    while len(context[low:high].encode()) > PASSAGE_BYTES and (low < start or high > end):  # one very long sentence
        low, high = min(start, low + 50), max(end, high - 50)
    lead = len(context[low:high]) - len(context[low:high].lstrip())
    return context[low + lead : high].rstrip(), low + lead


def _without_answer(context: str, start: int, end: int, answer: str, draw: random.Random) -> str | None:
    passage, shift = _window(context, start, draw, end)
    kept = [passage[a:b] for a, b in sentences(passage) if b <= start - shift or a >= end - shift]
    text = "".join(kept).strip()
    return text if len(text.encode()) > 80 and answer not in text else None


def _names(data: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    counts: dict[str, Counter[str]] = {"en": Counter(), "zh": Counter()}
    for row in data:
        if row["lang"] in counts:
            counts[row["lang"]].update(names_in(row["question"], row["lang"]))
    return {lang: [name for name, _ in names.most_common(6_000)] for lang, names in counts.items()}


class _Neighbours:
    """Finds the passage of another document that shares the rarest words with a question."""

    def __init__(self, data: Sequence[dict[str, Any]]) -> None:
        self._rows: dict[str, dict[str, Any]] = {row["context"]: row for row in data if len(row["context"]) > 100}
        self._postings: dict[str, list[str]] = defaultdict(list)
        for context in self._rows:
            for term in set(_terms(context)):
                self._postings[term].append(context)

    def nearest(self, row: dict[str, Any], answer: str) -> dict[str, Any] | None:
        counts: Counter[str] = Counter()
        terms = sorted(set(_terms(row["question"])), key=lambda term: len(self._postings.get(term, ())))
        for term in [term for term in terms if term in self._postings][:4]:
            contexts = self._postings[term]
            for context in contexts[:200]:
                counts[context] += 1 / len(contexts) ** 0.5
        for context, _ in counts.most_common(8):
            other = self._rows[context]
            if context != row["context"] and answer not in context and other["lang"] == row["lang"]:
                return other
        return None


def _terms(text: str) -> Iterable[str]:
    text = text.lower()
    yield from re.findall(r"[a-z0-9]{3,}", text)
    for run in re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]{2,}", text):
        yield from (run[at : at + 2] for at in range(len(run) - 1))
