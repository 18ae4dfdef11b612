"""Builds the examples that the reader is trained on, and trains it."""
