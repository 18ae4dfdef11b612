"""Measures the running system: start, ingest, retrieval of large indexes, the chat path against the bare engine,
write-back.

    .venv/bin/python -m scripts.bench_system [--only start,ingest,retrieval,chat,writeback] [--out results.json]

Uses the real models and the bundled handbook in a temporary data folder. Prints a table; copy the figures with machine
and date into scripts/RESULTS.md by hand. Times on a shared machine are upper bounds: compare the ratios of one run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from retrieval.scope import EVERYTHING
from scripts.benchmark import sections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bot.wiring import Parts
    from scripts.benchmark.sections import Run, Section

ROOT = Path(__file__).parent.parent
HANDBOOK = ROOT / "knowledge" / "handbook"
QUESTIONS = (
    "How do I rate an answer?",
    "What does the proof check before a correction is approved?",
    "Which file formats can be ingested?",
    "怎样回滚一个已经批准的勘误？",
    "如何修改聊天模型？",
    "支持哪些编码？",
)
SIZES = (1_000, 100_000)
WORDS = 20_000  # size of the synthetic vocabulary; its frequencies follow Zipf's law


def main(arguments: Sequence[str] | None = None) -> int:
    return sections.main("system", __doc__, SECTIONS, arguments)


def start(run: Run) -> None:
    """Time from the start of the command until the server answers requests, with an empty knowledge base."""
    environment = os.environ | {"ERRATA_DATA": str(run.folder / "start"), "ERRATA_PORT": "0"}
    for name in ("first", "again"):
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "bot", "serve"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            for line in server.stdout:
                if "is ready" in line:
                    break
            run.note(f"start {name}", time.perf_counter() - started, "s")
            server.terminate()
            server.communicate()


def ingest(run: Run) -> None:
    """Ingests the handbook into an empty knowledge base; then again, unchanged."""
    from knowledge.ingest import ingest as ingest_files

    parts = _parts(run.folder / "ingest")
    parts.embedder.query("warm")
    for name in ("first", "again"):
        started = time.perf_counter()
        ingest_files(parts.database, parts.embedder, [HANDBOOK], actor="bench")
        seconds = time.perf_counter() - started
        count = len(parts.source.ids())
        run.note(f"ingest {name}: passages per second", count / seconds, "1/s", f"{count} passages, {seconds:.2f} s")
    parts.close()


def retrieval(run: Run) -> None:
    """Search without the embedding model, on random unit vectors and synthetic text, against raw faiss."""
    import faiss

    from retrieval.index import Index
    from retrieval.passage import Change, Row

    random = np.random.default_rng(0)
    for size in SIZES:
        vectors = _unit(random.standard_normal((size, 384), dtype=np.float32))
        texts = [" ".join(f"w{word}" for word in random.zipf(1.3, 80) % WORDS) for _ in range(size)]
        started = time.perf_counter()
        before = psutil.Process().memory_info().rss
        rows = (Row(number + 1, text, vector) for number, (text, vector) in enumerate(zip(texts, vectors, strict=True)))
        index = Index.build(rows, seq=1, fingerprint="bench", dimension=384)
        run.note(f"build at {size:,}", time.perf_counter() - started, "s")
        grown = psutil.Process().memory_info().rss - before
        run.note(f"memory at {size:,}", grown / 2**20, "MiB", f"ratio to the bare vectors {grown / vectors.nbytes:.2f}")
        queries = _unit(random.standard_normal((100, 384), dtype=np.float32))
        words = [text.split()[:8] for text in texts[:100]]
        raw = faiss.IndexFlatIP(384)
        raw.add(vectors)
        view = index.within(EVERYTHING)
        dense = _times(lambda q, view=view: view.dense(q, 50), queries)
        bare = _times(lambda q, raw=raw: raw.search(q[None], 50), queries)
        keyword = _times(lambda w, view=view: view.keyword(w, 50), words)
        run.note(f"dense search p50 at {size:,}", dense, "ms", f"ratio to raw faiss {dense / bare:.2f}")
        run.note(f"keyword search p50 at {size:,}", keyword, "ms")
        change = Change(2, (Row(size + 1, "w1 w2", vectors[0]),), frozenset({1}))
        run.note(
            f"apply one change at {size:,}", _times(lambda _q, index=index, c=change: index.apply(c), queries), "ms"
        )


def chat(run: Run) -> None:
    """The whole path, with its constant prefix cached as in normal use, against the bare engine with the same
    prompts."""
    from bot.answering.values import Ask, Token
    from knowledge.ingest import ingest as ingest_files

    parts = _parts(run.folder / "chat")
    ingest_files(parts.database, parts.embedder, [HANDBOOK], actor="bench")
    parts.searcher.refresh()
    started = time.perf_counter()
    parts.load_chat_model()
    run.note("load the chat model", time.perf_counter() - started, "s")
    firsts, bare_firsts, speeds, bare_speeds, tokens = [], [], [], [], []
    for question in QUESTIONS:
        started, first = time.perf_counter(), []
        outcome = parts.answerer.answer(
            Ask(question, EVERYTHING, fresh=True),
            lambda event, first=first: first.append(time.perf_counter()) if isinstance(event, Token) else None,
        )
        if not outcome.prompt or not first:
            continue
        firsts.append(first[0] - started)
        speeds.append((outcome.completion_tokens - 1) / max(1e-9, time.perf_counter() - first[0]))
        tokens.append(outcome.prompt_tokens)
        # A word at the start makes the prompt new for the engine's prefix cache, which has it from the line above.
        (role, content), *rest = [(message.role, message.content) for message in outcome.prompt]
        bare_first, bare_speed = _bare(parts, [(role, f"{len(firsts)}. {content}"), *rest])
        bare_firsts.append(bare_first)
        bare_speeds.append(bare_speed)
    run.note(
        "time to first token p50", statistics.median(firsts), "s", f"{statistics.median(tokens):.0f} prompt tokens"
    )
    ratios = [a / b for a, b in zip(firsts, bare_firsts, strict=True)]
    run.note("ttft_ratio to the bare engine", statistics.median(ratios), "")
    run.note("tokens per second", statistics.median(speeds), "1/s", f"bare engine {statistics.median(bare_speeds):.1f}")
    run.note("resident memory", psutil.Process().memory_info().rss / 2**20, "MiB")
    parts.close()


def writeback(run: Run) -> None:
    """From the curator's approval to the first right answer, through the HTTP interface, at 100 corrections."""
    from starlette.testclient import TestClient

    from bot import accounts
    from bot.web.app import create_app

    unlimited = {"questions_per_minute": 1_000_000, "questions_per_minute_per_asker": 1_000_000}
    parts = _parts(run.folder / "writeback", chat_model="extractive", **unlimited)
    with parts.database.write() as session:
        accounts.add_user(session, "bench", "bench bench bench", "admin")
    client = TestClient(create_app(parts), base_url="http://127.0.0.1:8000")
    client.post("/api/session", json={"username": "bench", "password": "bench bench bench"})
    lags = []
    for number in range(100):
        question = f"What is the code of part number {number}?"
        answer = client.post("/api/chat", json={"question": question, "stream": False}).json()
        rated = client.post(f"/api/answers/{answer['answer_id']}/feedback", json={"rating": "down"}).json()
        correction = f"/api/corrections/{rated['correction_id']}"
        client.put(f"{correction}/draft", json={"answer": f"The code is K-{number}."})
        started = time.perf_counter()
        approved = client.post(f"{correction}/approve", json={})
        assert approved.status_code == 200, approved.text
        again = client.post("/api/chat", json={"question": question, "stream": False}).json()
        assert again["answer"] == f"The code is K-{number}.", again
        lags.append(time.perf_counter() - started)
    run.note("approve (with proof) to right answer p50", statistics.median(lags), "s")
    run.note("approve (with proof) to right answer p95", sorted(lags)[94], "s")
    parts.close()


def _parts(data: Path, **settings: Any) -> Parts:
    from bot.settings import read_settings
    from bot.wiring import Parts

    return Parts(read_settings().model_copy(update={"data": data, **settings}))


def _bare(parts: Parts, messages: list[tuple[str, str]]) -> tuple[float, float]:
    """Measures the engine alone: seconds to the first token, and tokens per second."""
    started, first, count = time.perf_counter(), 0.0, 0
    for chunk in parts.chat.stream(messages, stop_event=threading.Event()):
        if chunk.text and not first:
            first = time.perf_counter()
        count += bool(chunk.text)
    return first - started, (count - 1) / max(1e-9, time.perf_counter() - first)


def _times(work: Callable[[Any], object], inputs: Any) -> float:
    """The median time in milliseconds."""
    return statistics.median(list(_each(work, inputs)))


def _each(work: Callable[[Any], object], inputs: Any) -> Iterator[float]:
    for value in inputs:
        started = time.perf_counter()
        work(value)
        yield (time.perf_counter() - started) * 1000


def _unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


SECTIONS: dict[str, Section] = {
    "start": start,
    "ingest": ingest,
    "retrieval": retrieval,
    "chat": chat,
    "writeback": writeback,
}

if __name__ == "__main__":
    sys.exit(main())
