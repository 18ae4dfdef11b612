"""The transformers engine on a real, tiny, untrained model: it always writes the same meaningless text."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from bot.llm.errors import CannotOpen, GenerationFailed, PromptTooLong, Unsupported
from bot.llm.transformers import TransformersChat

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["<unk>", "<end>", "<user>", "<bot>", *(f"word{number}" for number in range(60))]
TEMPLATE = "{% for m in messages %}<user> {{ m['content'] }} {% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
CONTEXT = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of 100 kB."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

    path = tmp_path_factory.mktemp("tiny-mistral")
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="<end>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(path)
    torch.manual_seed(5)
    config = MistralConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        eos_token_id=None,
        bos_token_id=None,
        pad_token_id=None,
    )
    MistralForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def chat(folder: Path) -> TransformersChat:
    return TransformersChat(model="tiny", path=folder, max_tokens=12)


def test_it_streams_its_answer_and_counts_tokens(chat: TransformersChat) -> None:
    chunks = list(chat.stream("word1 word2"))
    whole = chat.invoke("word1 word2")
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert len(whole.text.split()) == 12
    assert len([chunk for chunk in chunks if chunk.text]) > 5
    assert whole.usage_metadata == {"input_tokens": 4, "output_tokens": 12, "total_tokens": 16}
    assert whole.response_metadata["finish_reason"] == "length"


def test_it_repeats_itself_without_temperature_and_with_the_same_seed(chat: TransformersChat) -> None:
    assert chat.invoke("word7").text == chat.invoke("word7").text
    first, second, other = (chat.invoke("word7", temperature=5.0, seed=seed).text for seed in (1, 1, 2))
    assert first == second != other


def test_the_event_stops_it_and_the_next_generation_runs(chat: TransformersChat) -> None:
    stop = threading.Event()
    seen = []
    for chunk in chat.stream("word1", stop_event=stop, max_tokens=CONTEXT):
        seen.append(chunk)
        if chunk.text:
            stop.set()
    assert seen[-1].response_metadata["finish_reason"] == "stopped"
    assert len([chunk for chunk in seen if chunk.text]) == 1
    assert len(chat.invoke("word1").text.split()) == 12


def test_closing_the_stream_frees_the_engine(chat: TransformersChat) -> None:
    stream = chat.stream("word1", max_tokens=CONTEXT)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert chat._busy.acquire(timeout=5)
    chat._busy.release()


def test_the_answer_ends_with_the_context_and_a_longer_prompt_is_refused(chat: TransformersChat) -> None:
    assert chat.invoke("word1 " * 58, max_tokens=50).usage_metadata["output_tokens"] == CONTEXT - 60  # type: ignore[index]
    with pytest.raises(PromptTooLong, match="accepts 64: give it fewer or shorter passages") as raised:
        chat.invoke("word1 " * 62)
    assert (raised.value.tokens, raised.value.limit) == (64, CONTEXT)


def test_unsupported_options_are_refused(chat: TransformersChat) -> None:
    with pytest.raises(Unsupported, match="response_format"):
        chat.invoke("word1", response_format={"type": "json_schema"})
    with pytest.raises(Unsupported, match="stop sequences"):
        chat.invoke("word1", stop=["word2"])


def test_the_error_for_a_folder_without_a_chat_model_states_the_reason(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(CannotOpen, match=r"cannot open .* as a chat model"):
        TransformersChat(model="none", path=tmp_path).load()
    for name in (
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
    ):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(GenerationFailed, match="has no chat template"):
        TransformersChat(model="no-template", path=tmp_path).invoke("word1")
