"""Chat models: engines that implement LangChain's `BaseChatModel`.

Knows nothing about retrieval, prompts, citations or the web. `factory.open_chat_model` chooses the engine for a
resolved model: llama.cpp for GGUF files, transformers for hub models and GPUs, any OpenAI-compatible server.
`gate.Gate` decides whose turn it is.

Every engine takes these keyword arguments in `stream` and `invoke` (and no stop sequences):

- `stop_event`, a threading.Event: when it is set, generation stops and the stream ends with finish_reason "stopped"
- `max_tokens`, `seed` and `temperature` (0 = always the likeliest token)
- if the engine's `supports` names them: `logprobs` and `top_logprobs`, which give
  response_metadata["logprobs"]["content"]

An empty chunk shows that the engine is alive; engines send one after each part of a prompt that they have read. Closing
the stream's generator stops the generation too. The last chunk carries `usage_metadata` (prompt and completion tokens)
and response_metadata `finish_reason` ("stop", "length" or "stopped") and `model_name`. All text is read by
`listening.listen`.
"""
