"""The forms in which a setting can name a model, and their meaning.

Knows nothing about downloads or engines. A *model spec* is one of:

    qwen2.5-coder-1.5b-instruct-q4_k_m       an id of the catalogue
    Qwen/Qwen2.5-7B-Instruct                 a hub repository
    Qwen/Qwen2.5-7B-Instruct-GGUF/x.gguf     one file of a hub repository (chat)
    ./model.gguf   /models/my-embedder       a local file or folder: begins with . / or ~, or exists
    http://127.0.0.1:11434/v1#qwen2.5:7b     an OpenAI-compatible server and, after #, its name of the model
    extractive                               the built-in engine without a model, which quotes the passages

A hub id that is also the name of a folder here means the folder.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from bot.models import catalogue
from bot.models.errors import UnknownModel, WrongKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.models.catalogue import Kind, KnownModel

Engine: TypeAlias = Literal["llamacpp", "transformers", "remote", "extractive", "sentence_transformers"]
EXTRACTIVE: Final = "extractive"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILE = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)/([\w./-]+\.gguf)")


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    entry: KnownModel


@dataclass(frozen=True, slots=True)
class HubModel:
    """A hub repository, or one GGUF file of it."""

    repository: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class LocalModel:
    path: Path


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A server with the OpenAI protocol at `base_url` (which ends in its version, mostly /v1)."""

    base_url: str
    model: str


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """The extractive engine."""


Spec: TypeAlias = CatalogueModel | HubModel | LocalModel | RemoteModel | BuiltIn


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that can be opened by `bot.llm.factory.open_chat_model` or the embedder.

    `name` is recorded with answers; it contains no path of this machine. `path` is a .gguf file or a folder, None for a
    server or the built-in engine. `fingerprint` changes whenever the model's bytes change; for a server it is the
    address and the model's name.
    """

    name: str
    kind: Kind
    engine: Engine
    fingerprint: str
    path: Path | None = None
    base_url: str | None = None


def parse(text: str, kind: Kind, entries: Mapping[str, KnownModel] = catalogue.BY_ID) -> Spec:
    """Parses a model spec, without looking at any store. `entries` is the catalogue by id.

    Raises UnknownModel or WrongKind.
    """
    text = text.strip()
    if not text:
        raise UnknownModel(
            "No {kind} model is named. {choices}", code="model_not_named", kind=kind, choices=_choices(kind, entries)
        )
    if text.lower() == EXTRACTIVE and kind == "chat":
        return BuiltIn()
    if text.startswith(("http://", "https://")):
        return _remote(text, kind, entries)
    entry = entries.get(text)
    if entry is not None:
        if entry.kind != kind:
            raise WrongKind(
                "{text} is a model for {use}, and one for {needed} is needed. {choices}",
                code="model_of_other_kind",
                text=text,
                use=_use(entry.kind),
                needed=_use(kind),
                choices=_choices(kind, entries),
            )
        return CatalogueModel(entry)
    path = Path(os.path.expanduser(text))  # noqa: PTH111 Path's own raises where there is no such user
    if text.startswith((".", "/", "~", "\\")) or path.is_absolute() or path.exists():
        return _local(path, kind)
    if match := _HUB_FILE.fullmatch(text):
        if kind != "chat":
            raise WrongKind(
                "{text} is a GGUF file, which is for chat. {choices}",
                code="gguf_is_chat",
                text=text,
                choices=_choices(kind, entries),
            )
        return HubModel(match[1], match[2])
    if _HUB_NAME.fullmatch(text):
        return HubModel(text)
    raise UnknownModel(
        "No model is called {text!r}. {choices}", code="model_unknown", text=text, choices=_choices(kind, entries)
    )


def _remote(text: str, kind: Kind, entries: Mapping[str, KnownModel]) -> RemoteModel:
    try:
        url = urlsplit(text)
    except ValueError as error:
        raise UnknownModel(
            "{text} is not an address ({problem}): write it as https://host/v1#model-name.",
            code="model_address_invalid",
            text=text,
            problem=error,
        ) from None
    if kind != "chat":
        raise WrongKind(
            "{text} is a server, which is for chat; embedding models run here. {choices}",
            code="model_server_is_chat",
            text=text,
            choices=_choices(kind, entries),
        )
    if not url.hostname or not url.fragment:
        raise UnknownModel(
            "{text} has no model name: write it after a #, as in https://host/v1#model-name.",
            code="model_address_without_name",
            text=text,
        )
    if url.username or url.password:
        raise UnknownModel(
            "A model server's address contains a user name or password: give the key in its own setting.",
            code="model_address_with_password",
        )
    return RemoteModel(text.partition("#")[0].rstrip("/"), url.fragment)


def _local(path: Path, kind: Kind) -> LocalModel:
    if not path.exists():
        raise UnknownModel("There is no model at {path}: check the path.", code="model_path_missing", path=path)
    if path.is_file() and (path.suffix.lower() != ".gguf" or kind != "chat"):
        raise UnknownModel(
            "{path} is a file: only a .gguf chat model is one file, other models are folders.",
            code="model_path_no_gguf",
            path=path,
        )
    return LocalModel(path.resolve())


def _use(kind: Kind) -> str:
    return "chat" if kind == "chat" else "embedding"


def _choices(kind: Kind, entries: Mapping[str, KnownModel]) -> str:
    ids = ", ".join(entry.id for entry in entries.values() if entry.kind == kind)
    server = " or a server (https://host/v1#model-name)" if kind == "chat" else ""
    return f"Known by name: {ids}. A hub id (organisation/name), a path{server} is also possible."
