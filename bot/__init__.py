"""Errata talks: to people (web), to the chat model (llm), on its own time (worker)."""

__version__ = "0.1.0"
