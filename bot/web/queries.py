"""Limits that the parameters of lists share. Larger numbers do not fit into the queries of the database."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

MOST = (1 << 63) - 1  # the largest number that SQLite knows

Limit = Annotated[int, Query(ge=1, le=MOST)]  # a number above the page size counts as a whole page
Offset = Annotated[int, Query(ge=0, le=MOST)]
Words = Annotated[str | None, Query(max_length=1_000)]  # SQLite refuses patterns above 50,000 bytes
Name = Annotated[str | None, Query(max_length=64)]  # of a collection
Id = Annotated[int, Path(ge=1, le=MOST)]
