"""The part of Errata that talks: to people (web), to the chat model (llm), and in the background (worker)."""

__version__ = "0.1.0"
