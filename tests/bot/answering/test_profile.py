"""The profile of a pair of models: measured for the default pair, without limits for others, fitted to settings."""

from __future__ import annotations

import pytest

from bot.answering.evidence import Evidence
from bot.answering.profile import Profile, shipped
from bot.answering.prompt import Selection, build, choose
from bot.models.catalogue import DEFAULT_CHAT, DEFAULT_EMBEDDING
from retrieval.passage import Hit
from tests.fakes import passage


def test_the_default_pair_is_calibrated_and_named() -> None:
    profile = shipped(DEFAULT_CHAT, DEFAULT_EMBEDDING)
    assert profile.calibrated
    assert profile.name == f"{DEFAULT_CHAT}+{DEFAULT_EMBEDDING}/shipped-2026-11-27"


@pytest.mark.parametrize(("chat", "embedding"), [("other", "other"), ("other", DEFAULT_EMBEDDING)])
def test_another_chat_model_is_not_calibrated(chat: str, embedding: str) -> None:
    profile = shipped(chat, embedding)
    assert not profile.calibrated
    assert profile.name.endswith("/uncalibrated")


def test_another_embedding_model_has_no_floors() -> None:
    assert shipped(DEFAULT_CHAT, "other").evidence == Evidence()


def test_the_default_settings_do_not_change_the_measured_selection() -> None:
    profile = shipped(DEFAULT_CHAT, DEFAULT_EMBEDDING)
    assert profile.fitted(passages=None, context=4096, answer=512).selection == Selection()


@pytest.mark.parametrize("passages", [1, 2, 3, 5, 12, 20])
def test_the_number_of_passages_that_somebody_set_is_used(passages: int) -> None:
    hits = [Hit(passage(n, "x" * 800), 1 / n, {"fused": 1 / n}) for n in range(1, 25)]
    fitted = shipped(DEFAULT_CHAT, DEFAULT_EMBEDDING).fitted(passages=passages, context=8192, answer=512)
    expected = 1 if passages <= 3 else passages  # the second is at half of the best: too far by default
    assert len(choose(hits, fitted.selection)) == expected


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("context", [1024, 2048, 4096])
def test_the_prompt_fits_the_context(context: int, language: str) -> None:
    hits = [Hit(passage(n, "x" * 900), 1.0, {"fused": 1.0}) for n in range(1, 25)]
    fitted = shipped("other", "other").fitted(passages=20, context=context, answer=256)
    chosen = choose(hits, fitted.selection)
    messages = build("Why?", chosen[1:], language)  # the first is taken whatever its length
    size = sum(len(message.content.encode()) for message in messages)
    assert size / fitted.selection.bytes_per_token <= context - 256


def test_profiles_cannot_be_changed() -> None:
    assert Profile("a") == Profile("a")
    assert Profile("a") != Profile("a", Selection(most=4))
