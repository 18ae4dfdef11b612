"""Our own questions over the bundled handbook, as cases of the benchmark of answers.

``tests/corpus/handbook_answers.jsonl`` has a question in each line: answerable ones, numbers, tables, follow-ups with
their ``history``, conflicts (both values have to be named), near misses and unanswerable ones. Some need documents that
are not in the handbook: ``added`` names them, and ``tests/corpus/handbook_added.jsonl`` has them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.scope import HANDBOOK as COLLECTION
from scripts.benchmark.cases import Case, Plan
from scripts.benchmark.data import Document, sample

if TYPE_CHECKING:
    from bot.wiring import Parts

ROOT = Path(__file__).parent.parent.parent
HANDBOOK = ROOT / "knowledge" / "handbook"
CORPUS = ROOT / "tests" / "corpus"
NAME = "handbook"
REFUSED = ("near-miss", "unanswerable")


@dataclass(frozen=True, slots=True)
class HandbookQuestion:
    """A question with its case. ``page``: the page of the handbook that answers it, None for an added document or no
    answer; ``must_contain``: words of the passages that state the answer, each in one of the sources."""

    case: Case
    kind: str
    page: Path | None
    must_contain: tuple[str, ...]


def questions() -> list[HandbookQuestion]:
    return [_question(row) for row in _rows("handbook_answers.jsonl")]


def added() -> dict[str, Document]:
    """The documents that are not in the handbook, by their collections."""
    return {
        row["id"]: Document(row["id"], row["title"], row["text"], row["lang"]) for row in _rows("handbook_added.jsonl")
    }


def plan(*, limit: int | None, seed: int) -> Plan:
    """The cases and their collections; the first one is the handbook itself (``fill``)."""
    cases = sample([question.case for question in questions()], limit, seed)
    documents = {name: (document,) for name, document in added().items()}
    return Plan(cases, {COLLECTION: (), **documents})


def fill(parts: Parts) -> None:
    """Ingests the handbook into its collection, as an installation does."""
    from knowledge.ingest import ingest

    ingest(parts.database, parts.embedder, [HANDBOOK], actor="benchmark", collection=COLLECTION)


def _question(row: dict[str, Any]) -> HandbookQuestion:
    kind = row["kind"]
    page = HANDBOOK / row["lang"] / row["page"] if "page" in row else None
    return HandbookQuestion(
        case=Case(
            key=f"{NAME}|{row['id']}",
            set=f"{NAME}[{kind}]",
            lang=row["lang"],
            question=row["question"],
            answerable=kind not in REFUSED,
            collections=(COLLECTION, *row.get("added", ())),
            groups=tuple(map(tuple, row.get("groups", ()))),
            history=tuple((question, answer) for question, answer in row.get("history", ())),
        ),
        kind=kind,
        page=page,
        must_contain=tuple(row.get("must_contain", ())),
    )


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CORPUS / name).read_text(encoding="utf-8").splitlines()]
