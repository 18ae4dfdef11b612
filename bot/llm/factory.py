"""Chooses the engine for a model that the store has resolved.

Knows nothing about settings: options are arguments, and each engine gets those that it can use. The modules of
the engines, and with them LangChain, are loaded only when a model is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.llm.errors import CannotOpen

if TYPE_CHECKING:
    from bot.llm.engine import LocalChatModel
    from bot.models.spec import ResolvedModel


def open_chat_model(
    resolved: ResolvedModel,
    *,
    context: int = 4096,
    slots: int = 2,
    threads: int | None = None,
    max_tokens: int = 512,
    api_key: str | None = None,
    timeout: float = 120.0,
) -> LocalChatModel:
    """Returns the chat model, which is not loaded yet (see its `load`).

    `context` is in tokens per generation; `slots` is the number of generations at once in this process; `timeout` is
    in seconds of silence.
    """
    common = {"model": resolved.name, "max_tokens": max_tokens}
    if resolved.kind != "chat":
        raise CannotOpen(
            "{name} is an embedding model: name a chat model.", code="embedding_model_for_chat", name=resolved.name
        )
    if resolved.engine == "extractive":
        raise CannotOpen(
            "{name} works without a chat model: there is no model to open.",
            code="no_chat_model_to_open",
            name=resolved.name,
        )
    if resolved.engine == "remote":
        from bot.llm.remote import RemoteChat

        assert resolved.base_url is not None
        secret = {"api_key": api_key} if api_key else {}
        return RemoteChat(base_url=resolved.base_url, timeout=timeout, **secret, **common)
    assert resolved.path is not None
    if resolved.engine == "llamacpp":
        from bot.llm.llamacpp import LlamaCppChat

        return LlamaCppChat(path=resolved.path, context=context, slots=slots, threads=threads, **common)
    from bot.llm.transformers import TransformersChat

    return TransformersChat(path=resolved.path, context=context, **common)
