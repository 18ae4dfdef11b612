"""Checks an installation, one thing at a time, and says how to repair each fault.

Every check is a small function from the parts to a ``Finding``. If it raises, the thing that it checks is broken.
Nothing here changes the installation, except that opening an older database brings it to the newest form.
"""

from __future__ import annotations

import contextlib
import locale
import shutil
import socket
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

import sqlalchemy as sa

from bot import folders
from bot.errors import BotError
from knowledge.errors import KnowledgeError
from retrieval.errors import RetrievalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.wiring import Parts

State: TypeAlias = Literal["ok", "warn", "fail"]

FREE_WARN, FREE_FAIL = 2_000_000_000, 200_000_000  # bytes on the disk of the data folder
SAFE_SQLITE = ((3, 51, 3), (3, 50, 7), (3, 44, 6))  # the first releases, per line, with the WAL-reset fix
JOB_WAITS = timedelta(minutes=10)  # a job that waits longer has no worker
HEALTH_SECONDS = 2.0
RESTORE = "Stop the server and restore a backup: errata restore FILE --force"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: ``what`` it saw and, where that is not ok, the ``remedy``."""

    name: str
    state: State
    what: str
    remedy: str = ""


Check: TypeAlias = "Callable[[Parts], Finding]"


def examine(
    parts: Parts, *, deep: bool = False, on_check: Callable[[str], None] = lambda _name: None
) -> Iterator[Finding]:
    """Runs all checks in order; an error in a check becomes a finding. ``on_check`` gets the name of each check before
    it runs; ``deep`` adds those that take more than some seconds."""
    for name, check in (*CHECKS, *(DEEP if deep else ())):
        on_check(name)
        yield _run(name, check, parts)


def _run(name: str, check: Check, parts: Parts) -> Finding:
    try:
        return check(parts)
    except (BotError, KnowledgeError, RetrievalError) as error:
        return Finding(name, "fail", str(error), "See the message.")
    except Exception as error:  # noqa: BLE001 - whatever a check meets is a finding
        return Finding(name, "fail", f"{type(error).__name__}: {error}", "Repair the faults above first.")


def settings(parts: Parts) -> Finding:
    """The settings could be read, or this code would not run. Reports settings that are unsafe."""
    values = parts.settings
    if values.host not in ("127.0.0.1", "localhost", "::1") and values.public_url is None:
        return Finding(
            "settings",
            "warn",
            f"Listens on {values.host} without ERRATA_PUBLIC_URL: passwords may travel over plain http.",
            "Put a reverse proxy with https in front and set ERRATA_PUBLIC_URL, or listen on 127.0.0.1.",
        )
    changed = sorted(name for name in values.model_fields_set if "key" not in name)
    return Finding("settings", "ok", f"set: {', '.join(changed)}" if changed else "all at their defaults")


def python(_parts: Parts) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] != (3, 11):
        return Finding("python", "warn", f"Python {version}; 3.11 is what this was tested on", "Use Python 3.11.")
    return Finding("python", "ok", f"Python {version}")


def data_folder(parts: Parts) -> Finding:
    folder = parts.settings.data
    folders.require(folder, "ERRATA_DATA")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"errata")
    free = shutil.disk_usage(folder).free
    what = f"{folder.resolve()}: {free / 1e9:,.1f} GB free"
    if free < FREE_WARN:
        return Finding(
            "data folder",
            "fail" if free < FREE_FAIL else "warn",
            what,
            "Free some space, or move the folder and set ERRATA_DATA.",
        )
    if folder.stat().st_mode & 0o007:
        return Finding("data folder", "warn", f"{what}; other users may read it", f"chmod o-rwx {folder.resolve()}")
    return Finding("data folder", "ok", what)


def other_folders(parts: Parts) -> Finding:
    """The folders inside the data folder, and the folder of the models."""
    expected = folders.all_folders(parts.settings)
    for folder, variable in expected.items():
        folders.require(folder, variable)
    existing = sum(folder.is_dir() for folder in expected)
    return Finding(
        "folders", "ok", f"{existing} of {len(expected)} are there; the others are made when they are needed"
    )


def database(parts: Parts) -> Finding:
    damage = parts.database.integrity()
    if damage != "ok":
        return Finding("database", "fail", f"It is damaged: {damage}", "Stop the server and restore it from a backup.")
    size = parts.settings.database.stat().st_size
    return Finding("database", "ok", f"opens, newest form, sound, {size / 1e6:,.1f} MB")


def database_library(parts: Parts) -> Finding:
    name, _, text = parts.database.library().partition(" ")
    if name != "SQLite":
        return Finding("database library", "ok", f"{name} {text}")
    version = tuple(int(part) for part in text.split("."))
    if safe_sqlite(version):
        return Finding("database library", "ok", f"SQLite {text}")
    return Finding(
        "database library",
        "fail",
        f"SQLite {text} can lose commits when two programs write at once",
        "Install the dependencies as they are in requirements.lock: pysqlite3 brings a SQLite with the fix.",
    )


def safe_sqlite(version: tuple[int, ...]) -> bool:
    """Whether a release has the fix of the WAL-reset bug: 3.51.3 and later, or the fix in its own line."""
    newest = SAFE_SQLITE[0]
    return version >= newest or any(version[:2] == fixed[:2] and version >= fixed for fixed in SAFE_SQLITE)


def chat_model(parts: Parts) -> Finding:
    resolved = parts.chat_model
    where = resolved.base_url or (str(resolved.path) if resolved.path else "built in")
    return Finding("chat model", "ok", f"{resolved.name}: {where}")


def embedding_model(parts: Parts) -> Finding:
    """Loads the embedding model and embeds a sentence."""
    import numpy as np

    vector = parts.embedder.query("Errata 勘误")
    length = float(np.linalg.norm(vector))
    if vector.shape != (parts.embedder.dimension,) or abs(length - 1) > 1e-3:
        return Finding(
            "embedding model",
            "fail",
            f"It gives vectors of {vector.shape} and length {length:.4f}, not of ({parts.embedder.dimension},) and 1",
            "Run: errata models verify",
        )
    return Finding("embedding model", "ok", f"{parts.settings.embedding_model}: loads, {vector.shape[0]} dimensions")


def reading_profile(parts: Parts) -> Finding:
    """Whether the limits for this pair of models were measured."""
    profile = parts.profile
    if not profile.calibrated and parts.has_chat_model:
        return Finding(
            "reading profile",
            "warn",
            f"{profile.name}: how much {parts.chat_name} may doubt was never measured, so it refuses in words only",
            "Run: errata calibrate",
        )
    return Finding("reading profile", "ok", profile.name)


def span_reader(parts: Parts) -> Finding:
    """Whether the span reader belongs to the embedding model in use. Reads a sentence with it."""
    from retrieval.reading.spans import Text

    if not parts.has_chat_model:
        return Finding("span reader", "ok", "not in use: the extractive reader does without it")
    if parts.span_reader is None:
        return Finding("span reader", "ok", f"not in use: it belongs to another model than {parts.embedding_name}")
    parts.span_reader.read("Errata?", [Text("Errata 勘误")])
    return Finding("span reader", "ok", f"{parts.span_reader.fingerprint}: loads")


def embedded(parts: Parts) -> Finding:
    from knowledge.reindex import count_missing, damaged_passages

    with parts.database.read() as session:
        missing = count_missing(session, parts.embedder.fingerprint)
        damaged = damaged_passages(session, parts.embedder)
    if missing:
        what = f"{missing} passages have no vector of the embedding model in use"
        return Finding("vectors", "fail", what, "Run: errata reindex")
    if damaged:
        what = f"{len(damaged)} passages have a damaged vector, first {damaged[0]}"
        return Finding("vectors", "fail", what, "Run: errata reindex")
    return Finding("vectors", "ok", "every passage has one")


def index(parts: Parts) -> Finding:
    """Compares every id and text of the index with the database."""
    check = parts.searcher.check()
    if not check.ok:
        return Finding(
            "index",
            "fail",
            f"{len(check.missing)} passages missing, {len(check.surplus)} too many, {len(check.different)} different",
            "Run: errata reindex, then start the server again.",
        )
    if not check.passages:
        return Finding("index", "warn", "There are no documents yet", "Take some in: errata ingest PATH")
    return Finding("index", "ok", f"{check.passages} passages, step {check.seq} of the log, all as in the database")


def snapshots(parts: Parts) -> Finding:
    folder = parts.settings.snapshots
    whole = len(list(folder.glob("snapshot-*")))
    damaged = [path.name for path in folder.glob("damaged-*")]
    if damaged:
        return Finding(
            "snapshots",
            "warn",
            f"{len(damaged)} damaged set aside ({', '.join(damaged[:3])}); nothing is lost by them",
            f"Check the disk, then remove them from {folder.resolve()}.",
        )
    return Finding("snapshots", "ok", f"{whole} in {folder}" if whole else "none yet; the first start writes one")


def accounts(parts: Parts) -> Finding:
    from bot.accounts import users

    with parts.database.read() as session:
        active = [user for user in users(session) if not user.disabled]
    if not any(user.role == "admin" for user in active):
        return Finding("accounts", "warn", "Nobody can administer this", "Run: errata user add NAME --role admin")
    return Finding("accounts", "ok", ", ".join(f"{user.username} ({user.role})" for user in active))


def jobs(parts: Parts) -> Finding:
    from knowledge.jobs import CANCELLED
    from knowledge.tables import Job
    from knowledge.uploads import error_of, kept_files

    now = datetime.now(UTC)
    waits = sa.or_(
        sa.and_(Job.state == "queued", Job.run_after < now - JOB_WAITS),
        sa.and_(Job.state == "running", Job.heartbeat_at < now - JOB_WAITS),
    )
    with parts.database.read() as session:
        stuck = session.scalar(sa.select(sa.func.count()).select_from(Job).where(waits)) or 0
        failed = session.scalars(
            sa.select(Job).where(Job.state == "failed", Job.error != CANCELLED.text).limit(5)
        ).all()
    if stuck:
        return Finding("jobs", "warn", f"{stuck} have waited for more than ten minutes", "Start: errata serve")
    if failed:
        first = failed[0]
        what = f"{first.kind} {first.id} failed: {error_of(first, parts.settings.uploads, str)}"
        if more := [sentence for job in failed[1:] if (sentence := kept_files(job, parts.settings.uploads))]:
            what = f"{what} Of {len(more)} more failed uploads: {' '.join(map(str, more))}"
        return Finding("jobs", "warn", what, "Do it again.")
    return Finding("jobs", "ok", "none is stuck")


def port(parts: Parts) -> Finding:
    settings = parts.settings
    where = f"{settings.host}:{settings.port}"
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((settings.host, settings.port))
            return Finding("port", "ok", f"{where} is free")
    if _answers_as_errata(settings.host, settings.port):
        return Finding("port", "ok", f"{where}: Errata is running there")
    return Finding("port", "fail", f"{where} is taken by another program", "Stop it, or set ERRATA_PORT.")


def clock(_parts: Parts) -> Finding:
    """Checks the clock (one that is far behind makes sessions and dates wrong) and the encoding of text."""
    now = datetime.now(UTC)
    if now.year < 2026:  # this program did not exist before
        return Finding("time and text", "fail", f"The clock says {now:%Y-%m-%d %H:%M} UTC", "Set the clock.")
    encoding = locale.getencoding()
    if encoding.lower().replace("-", "") != "utf8":
        return Finding("time and text", "warn", f"Text is read as {encoding}", "Set LC_ALL=C.UTF-8 (or another UTF-8).")
    return Finding("time and text", "ok", f"{now:%Y-%m-%d %H:%M} UTC, {encoding}")


def whole_database(parts: Parts) -> Finding:
    """Every index of the database against its table, and every reference from one row to another."""
    damage = parts.database.integrity(whole=True)
    if damage != "ok":
        return Finding("whole database", "fail", f"It is damaged: {damage}", RESTORE)
    return Finding("whole database", "ok", "indexes and references are sound")


def stored_hashes(parts: Parts) -> Finding:
    """Every text of documents and passages against the hash that was stored with it."""
    from knowledge.hashes import changed_passages, changed_versions

    with parts.database.read() as session:
        versions, changed = changed_versions(session)
        passages, changed_ids = changed_passages(session)
    if not changed and not changed_ids:
        what = f"{versions} versions of documents and {passages} passages are as they were written"
        return Finding("stored hashes", "ok", what)
    named = [*changed[:3], *(f"passage {passage_id}" for passage_id in changed_ids[:3])]
    what = f"{len(changed)} versions and {len(changed_ids)} passages were changed in the file: {', '.join(named)}"
    return Finding("stored hashes", "fail", what, RESTORE)


def model_files(parts: Parts) -> Finding:
    """Checks every byte of the models that are kept in the store."""
    from bot.models.spec import CatalogueModel, HubModel, parse

    settings = parts.settings
    checked = []
    for name, kind in ((settings.embedding_model, "embedding"), (settings.chat_model, "chat")):
        if isinstance(parse(name, "embedding" if kind == "embedding" else "chat"), CatalogueModel | HubModel):
            parts.store.verify(name)
            checked.append(name)
    return Finding("model files", "ok", f"sound: {', '.join(checked)}" if checked else "none is kept in the store")


def chat_engine(parts: Parts) -> Finding:
    """Has the chat model write one token."""
    if not parts.has_chat_model:
        return Finding("chat engine", "ok", f"{parts.chat_name} reads without a chat model")
    written = parts.chat.invoke([("user", "Say: ok")], max_tokens=1)
    return Finding("chat engine", "ok", f"{parts.chat_name} loads and writes: {str(written.content)[:40]!r}")


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", settings),
    ("python", python),
    ("data folder", data_folder),
    ("folders", other_folders),
    ("database", database),
    ("database library", database_library),
    ("chat model", chat_model),
    ("embedding model", embedding_model),
    ("reading profile", reading_profile),
    ("span reader", span_reader),
    ("vectors", embedded),
    ("index", index),
    ("snapshots", snapshots),
    ("accounts", accounts),
    ("jobs", jobs),
    ("port", port),
    ("time and text", clock),
)
DEEP: tuple[tuple[str, Check], ...] = (
    ("whole database", whole_database),
    ("stored hashes", stored_hashes),
    ("model files", model_files),
    ("chat engine", chat_engine),
)


def _answers_as_errata(host: str, number: int) -> bool:
    """Whether the readiness page of Errata answers there, ready or not."""
    import http.client

    reach = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(reach, number, timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/readyz")
        body = connection.getresponse().read(1_000)
    except (OSError, http.client.HTTPException):
        return False
    else:
        return b'"knowledge_version"' in body or b"Not ready: " in body
    finally:
        connection.close()
