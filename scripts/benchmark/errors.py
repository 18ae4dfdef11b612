"""The errors of the benchmarks: messages for the person at the command line."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark cannot run, or its input is broken. The message says what to do."""
