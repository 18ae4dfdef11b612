"""The methods that an address takes, for the header ``Allow`` of a 405."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount, compile_path

FILES = frozenset({"GET", "HEAD"})  # what a mount of files takes


def allowed(app: FastAPI, path: str) -> str:
    """All methods that some route takes at this path, as ``Allow`` lists them. The framework names those of the first
    route only."""
    methods: set[str] = set()
    files: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, Mount):
            if path.startswith(f"{route.path}/"):
                files |= FILES
        elif route.path and compile_path(route.path)[0].match(path):
            methods |= route.methods or set()
    return ", ".join(sorted(methods or files))
