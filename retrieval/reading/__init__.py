"""Reads a passage for a question: where it says the answer, and whether it says it at all."""
