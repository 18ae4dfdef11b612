"""Routes of the knowledge: documents in and out, uploads, search."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from bot.events import metrics
from bot.web import responses
from bot.web.fields import (
    MOST,
    SOMETHING,
    WHOLE,
    Body,
    Collection,
    DocumentId,
    Filters,
    Id,
    Limit,
    Name,
    Offset,
    Words,
    declared,
)
from bot.web.problems import Refused, message, phrase, plain
from bot.web.security import Curator, PartsDep, Program, ScopeDep, writable
from bot.wiring import Parts
from knowledge import catalogue, jobs, put, remarks, versions
from knowledge.errors import Invalid, NotFound
from knowledge.put import NewDocument
from knowledge.scoping import checked_name
from knowledge.uploads import INGEST, error_of
from knowledge.versions import Content
from retrieval.scope import MAIN

router = APIRouter(prefix="/api", tags=["knowledge"])
MOST_FILES = 1_000  # in one upload
COPY_BYTES = 1 << 20
TRUE, FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no", "")  # as forms send them


class DocumentBody(Body):
    id: Annotated[str, Field(min_length=1, max_length=versions.MAX_ID), declared(pattern=SOMETHING)] | None = Field(
        None, description="Printable characters, not only spaces; left out: a new one"
    )
    title: str = Field(max_length=versions.MAX_TITLE, description="Left empty: the id")
    text: Annotated[str, Field(max_length=versions.MAX_TEXT), declared(pattern=SOMETHING)]
    language: str | None = Field(None, max_length=16)
    source_url: str | None = Field(None, max_length=2_000)
    collection: Collection | None = None
    metadata: dict[str, str | int | float | bool] = Field(default_factory=dict, max_length=100)


class SearchBody(Body):
    query: str = Field(min_length=1, max_length=4_000)
    k: Annotated[int, Field(ge=1, le=100), WHOLE] = 5
    language: str | None = Field(None, max_length=16)
    collection: str | None = Field(None, max_length=64)
    filters: Filters | None = None


_UPLOAD = {
    "type": "object",
    "properties": {
        "files": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "minItems": 1,
            "maxItems": MOST_FILES,
        },
        "collection": TypeAdapter(Collection).json_schema(),
        "replace": {
            "type": "string",
            "enum": [*TRUE, *FALSE],
            "default": "false",
            "description": "Files take the place of documents of the same name; otherwise such files are rejected.",
        },
    },
    "required": ["files"],
}
_ADDED = {
    "required": True,
    "content": {
        "application/json": {"schema": DocumentBody.model_json_schema()},
        "multipart/form-data": {"schema": _UPLOAD},
    },
}


@router.post(
    "/documents",
    status_code=201,
    response_model=responses.AddedDocument,
    responses={202: {"model": responses.StartedJob, "description": "Files: a job to poll."}, 409: {}},
    openapi_extra={"requestBody": _ADDED},
)
async def add_documents(request: Request, identity: Curator, scope: ScopeDep, parts: PartsDep) -> Any:
    """JSON: one document, searchable when this returns; with the id of another it becomes a new version of that one.
    Multipart ``files``: 202 with a job to poll; a file that would replace a document with another text is rejected,
    unless ``replace`` is true."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        async with form_of(request) as form:
            files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
            replace = _is_true(form.get("replace"))
            named = form.get("collection")
            collection = writable(scope, named if isinstance(named, str) and named else None)
            if collection is not None:
                checked_name(collection)
            job_id = await run_in_threadpool(_keep, parts, files, identity.name, replace=replace, collection=collection)
        parts.worker.wake()
        return JSONResponse({"job": {"id": job_id}}, status_code=202)
    if kind != "application/json":
        raise Refused(
            "Send one document as application/json, or files as multipart/form-data.",
            status=415,
            code="wrong_media_type",
        )
    try:
        body = DocumentBody.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]) from None
    return await run_in_threadpool(_put, parts, body, identity.name, writable(scope, body.collection))


@router.get("/documents", response_model=responses.Documents)
def list_documents(
    _identity: Curator,
    scope: ScopeDep,
    parts: PartsDep,
    q: Words = None,
    collection: Name = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> dict[str, Any]:
    """The documents, sorted by id; ``q`` searches in ids and titles."""
    with parts.database.read() as session:
        return catalogue.listing(session, scope.only(collection), q=q, limit=limit, offset=offset)


@router.get("/documents/{document_id:path}", response_model=responses.Document)
def get_document(
    document_id: DocumentId,
    _identity: Curator,
    scope: ScopeDep,
    parts: PartsDep,
    version: Annotated[int | None, Query(ge=1, le=MOST)] = None,
) -> dict[str, Any]:
    """A document with its versions; its present text, or that of ``version``."""
    with parts.database.read() as session:
        document = catalogue.document(session, document_id, scope, version=version)
    return {**document, "remarks": remarks_of(document["remarks"])}


@router.delete("/documents/{document_id:path}", status_code=204)
def delete_document(document_id: DocumentId, identity: Curator, scope: ScopeDep, parts: PartsDep) -> None:
    """Retires a document: readers do not get it any more; its versions stay."""
    put.remove(parts.database, document_id, scope, actor=identity.name)


@router.post("/documents/{document_id:path}/restore", response_model=responses.StoredDocument)
def restore_document(document_id: DocumentId, identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """Brings a retired document back to the readers, with the text that it had."""
    stored = put.restore(parts.database, parts.embedder, document_id, scope, actor=identity.name)
    parts.searcher.refresh()
    return {"id": stored.id, "version": stored.version}


@router.get("/jobs/{job_id:int}", response_model=responses.Job)
def get_job(job_id: Id, _identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """How far an upload is, file by file."""
    with parts.database.read() as session:
        job = jobs.get(session, job_id)
        if (job.payload.get("collection") or MAIN) not in scope:
            raise NotFound("There is no job {job_id}.", code="job_not_found", job_id=job_id)
        files = job.progress.get("files", [])
        return {
            "id": job.id,
            "kind": job.kind,
            "state": job.state,
            "error": error_of(job, parts.settings.uploads, phrase),
            "error_code": job.error_code,
            "error_values": job.error_values,
            "total": job.progress.get("total", 0),
            "done": job.progress.get("done", 0),
            "files": [
                {**file, "reason": file["reason"] and _reason(file), "remarks": remarks_of(file.get("remarks", []))}
                for file in files
            ],
        }


@router.post("/search", response_model=responses.Hits)
def search(body: SearchBody, _identity: Program, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """The hits for a query, with the score of each stage."""
    result = parts.searcher.search(
        body.query, body.k, scope=scope.only(body.collection), language=body.language, filters=body.filters
    )
    metrics.retrieval.observe((result.embed_ms + result.search_ms) / 1000)
    return {
        "knowledge_version": result.seq,
        "timings_ms": {"embed": result.embed_ms, "search": result.search_ms},
        "hits": [
            {
                "n": n,
                "passage_id": hit.passage.id,
                "document_id": hit.passage.document_id,
                "version": hit.passage.version,
                "title": hit.passage.title,
                "headings": list(hit.passage.headings),
                "url": hit.passage.address,
                "passage": hit.passage.text,
                "language": hit.passage.language,
                "score": hit.score,
                "stages": dict(hit.stages),
                "curated": hit.passage.erratum,
                "place": hit.passage.place and hit.passage.place.to_json(),
            }
            for n, hit in enumerate(result.hits, start=1)
        ],
    }


def _put(parts: Parts, body: DocumentBody, actor: str, collection: str | None) -> dict[str, Any]:
    document_id = body.id or f"document-{secrets.token_hex(8)}"
    details = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in body.metadata.items()
    }  # as filters write them: true, not True
    content = Content(body.title.strip() or document_id, body.text, body.source_url, details)
    new = NewDocument(document_id, content, source="api", language=body.language, collection=collection)
    (stored,) = put.put(parts.database, parts.embedder, [new], actor=actor)
    parts.searcher.refresh()
    return {
        "id": stored.id,
        "version": stored.version,
        "remarks": remarks_of([remark.to_json() for remark in remarks.of([content])]),
    }


def remarks_of(made: list[dict[str, Any]]) -> list[str]:
    """What a curator should know about a text, in the reader's language."""
    return [message(remark["code"], remark["values"], remark["text"]) for remark in made]


def _reason(file: dict[str, Any]) -> str:
    """Why a file was not taken in, in the reader's language."""
    return message(file.get("code"), file.get("values"), file["reason"])


def _is_true(value: object) -> bool:
    """The truth value of a part of a form; False where it is empty or left out. Raises Invalid."""
    words = value.strip().lower() if isinstance(value, str) else ""
    if words not in (*TRUE, *FALSE):
        raise Invalid("replace is true or false; not {given!r}.", code="replace_unknown", given=words[:40])
    return words in TRUE


@asynccontextmanager
async def form_of(request: Request) -> AsyncIterator[FormData]:
    """The parts of an upload. Raises Refused when it cannot be read as one."""
    try:
        form = await request.form(max_files=MOST_FILES, max_fields=10)
    except HTTPException as error:
        raise Refused(
            "The upload cannot be read: {problem} (At most {limit:,} files.)",
            status=error.status_code,
            code="upload_unreadable",
            problem=error.detail,
            limit=MOST_FILES,
        ) from None
    try:
        yield form
    finally:
        await form.close()


def _keep(parts: Parts, files: list[UploadFile], actor: str, *, replace: bool, collection: str | None) -> int:
    """Stores uploaded files under safe names until the worker has read them. Returns the id of the job."""
    if not files:
        raise Invalid("The upload has no part named files.", code="upload_without_files")
    names = [name_of(upload.filename or "") for upload in files]
    folder = parts.settings.uploads / secrets.token_hex(8)
    folder.mkdir(parents=True, mode=0o700)
    try:
        stored = [f"{number}{suffix_of(name)}" for number, name in enumerate(names)]
        for own_name, upload in zip(stored, files, strict=True):
            with (folder / own_name).open("xb") as target:
                shutil.copyfileobj(upload.file, target, COPY_BYTES)
        with parts.database.write() as session:
            payload = {
                "folder": folder.name,
                "files": list(zip(stored, names, strict=True)),
                "actor": actor,
                "replace": replace,
                "collection": collection,
            }
            return jobs.enqueue(session, INGEST, plain(payload), actor=actor).id
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def name_of(sent: str) -> str:
    """The last part of the path that a browser may send."""
    name = PurePath(sent.replace("\\", "/")).name
    return name if name not in ("", "..") else "file"


def suffix_of(name: str) -> str:
    """The ending that names the format, if its letters are safe in a file name; else empty."""
    match = re.fullmatch(r".*(\.[a-z0-9]{1,8})", name.lower(), flags=re.DOTALL)
    return match[1] if match else ""
