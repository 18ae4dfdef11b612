"""The bundled handbook: parallel in both languages, true about settings, and findable."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from bot.settings import PREFIX, Settings, default_models_folder
from bot.wiring import Parts
from knowledge.ingest import ingest
from retrieval.chunk import chunk
from retrieval.scope import EVERYTHING

ROOT = Path(__file__).parent.parent.parent
HANDBOOK = ROOT / "knowledge" / "handbook"
QUESTIONS = [
    json.loads(line)
    for line in (ROOT / "tests/corpus/handbook_questions.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_handbook_has_the_same_pages_in_both_languages() -> None:
    pages = {language: sorted(path.name for path in (HANDBOOK / language).iterdir()) for language in ("en", "zh")}
    assert pages["en"] == pages["zh"]


@pytest.mark.parametrize("page", sorted(HANDBOOK.glob("*/*.md")), ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_handbook_names_only_settings_that_exist(page: Path) -> None:
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(rf"{PREFIX}[A-Z_]*[A-Z]", page.read_text(encoding="utf-8"))) - settings == set()


@pytest.mark.parametrize("page", sorted(HANDBOOK.glob("*/*.md")), ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_handbook_sections_are_one_passage_each(page: Path) -> None:
    body = page.read_text(encoding="utf-8").split("---\n", 2)[2]
    headings = [part.headings for part in chunk(body)]
    assert len(headings) == len(set(headings))


@pytest.mark.real
@pytest.mark.slow
def test_handbook_answers_are_found_by_the_real_embedding_model(tmp_path: Path) -> None:
    models = Path(os.environ.get("ERRATA_MODELS") or default_models_folder())
    parts = Parts(Settings(data=tmp_path, models=models, models_hub=False))
    ingest(parts.database, parts.embedder, [HANDBOOK], actor="test")
    correct = {"en": 0, "zh": 0}
    for entry in QUESTIONS:
        hits = parts.searcher.search(entry["question"], 3, scope=EVERYTHING).hits
        expected = f"handbook/{entry['language']}/{entry['file']}"
        correct[entry["language"]] += any(
            hit.passage.document_id == expected and entry["must_contain"] in hit.passage.text for hit in hits
        )
    parts.close()
    asked = {language: sum(entry["language"] == language for entry in QUESTIONS) for language in correct}
    assert {language: correct[language] / asked[language] >= 0.9 for language in correct} == {"en": True, "zh": True}
