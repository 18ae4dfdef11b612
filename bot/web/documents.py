"""Routes of the knowledge: documents in and out, uploads, search."""

from __future__ import annotations

import secrets
import shutil
from pathlib import PurePath
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile

from bot.events import metrics
from bot.web.problems import plain
from bot.web.security import Curator, PartsDep, Program
from bot.wiring import Parts
from knowledge import catalogue, documents, jobs, put
from knowledge.documents import Content
from knowledge.errors import Invalid
from knowledge.put import NewDocument

router = APIRouter(prefix="/api", tags=["knowledge"])
MOST_FILES = 1_000  # in one upload
COPY_BYTES = 1 << 20


class DocumentBody(BaseModel):
    id: str | None = Field(None, max_length=documents.MAX_ID)
    title: str = Field(max_length=documents.MAX_TITLE)
    text: str = Field(max_length=documents.MAX_TEXT)
    language: str | None = Field(None, max_length=16)
    source_url: str | None = Field(None, max_length=2_000)
    metadata: dict[str, str | int | float | bool] = Field(default_factory=dict, max_length=100)


class SearchBody(BaseModel):
    query: str = Field(min_length=1, max_length=4_000)
    k: int = Field(5, ge=1, le=100)
    language: str | None = Field(None, max_length=16)
    filters: dict[str, str] | None = Field(None, max_length=10)


@router.post("/documents", status_code=201, response_model=None)
async def add_documents(request: Request, identity: Curator, parts: PartsDep) -> Any:
    """JSON: one document, searchable when this returns. Multipart ``files``: 202 with a job to poll."""
    from starlette.concurrency import run_in_threadpool

    if request.headers.get("content-type", "").startswith("multipart/"):
        async with request.form(max_files=MOST_FILES, max_fields=10) as form:
            files = [one for one in form.getlist("files") if isinstance(one, UploadFile)]
            job_id = await run_in_threadpool(_keep, parts, files, identity.name)
        parts.worker.wake()
        return JSONResponse({"job": {"id": job_id}}, status_code=202)
    try:
        body = DocumentBody.model_validate_json(await request.body())
    except ValidationError as error:
        said = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()]
        raise Invalid("; ".join(said)[:2000]) from None
    return await run_in_threadpool(_put, parts, body, identity.name)


@router.get("/documents")
def list_documents(
    _identity: Curator, parts: PartsDep, q: str | None = None, limit: int = 50, offset: int = 0
) -> dict[str, Any]:
    with parts.database.read() as session:
        return catalogue.listing(session, q=q, limit=limit, offset=offset)


@router.get("/documents/{document_id:path}")
def get_document(document_id: str, _identity: Curator, parts: PartsDep, version: int | None = None) -> dict[str, Any]:
    with parts.database.read() as session:
        return catalogue.document(session, document_id, version=version)


@router.delete("/documents/{document_id:path}", status_code=204)
def delete_document(document_id: str, identity: Curator, parts: PartsDep) -> None:
    put.remove(parts.database, document_id, actor=identity.name)


@router.get("/jobs/{job_id}")
def get_job(job_id: int, _identity: Curator, parts: PartsDep) -> dict[str, Any]:
    with parts.database.read() as session:
        job = jobs.get(session, job_id)
        return {
            "id": job.id,
            "kind": job.kind,
            "state": job.state,
            "error": job.error,
            "total": job.progress.get("total", 0),
            "done": job.progress.get("done", 0),
            "files": job.progress.get("files", []),
        }


@router.post("/search")
def search(body: SearchBody, _identity: Program, parts: PartsDep) -> dict[str, Any]:
    """The hits for a query with the score of each stage."""
    result = parts.searcher.search(body.query, body.k, language=body.language, filters=body.filters)
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
                "url": hit.passage.url,
                "passage": hit.passage.text,
                "language": hit.passage.language,
                "score": hit.score,
                "stages": dict(hit.stages),
                "curated": hit.passage.erratum,
            }
            for n, hit in enumerate(result.hits, start=1)
        ],
    }


def _put(parts: Parts, body: DocumentBody, actor: str) -> dict[str, Any]:
    document_id = body.id or f"document-{secrets.token_hex(8)}"
    if document_id.startswith("erratum-"):
        raise Invalid("Ids that begin with erratum- belong to corrections.")
    content = Content(
        body.title.strip() or document_id, body.text, body.source_url, {k: str(v) for k, v in body.metadata.items()}
    )
    new = NewDocument(document_id, content, source="api", language=body.language)
    (stored,) = put.put(parts.database, parts.embedder, [new], actor=actor)
    parts.searcher.refresh()
    return {"id": stored.id, "version": stored.version}


def _keep(parts: Parts, files: list[UploadFile], actor: str) -> int:
    """Keeps uploaded files under names of our own until the worker has read them."""
    if not files:
        raise Invalid("The upload has no part named files.")
    folder = parts.settings.uploads / secrets.token_hex(8)
    folder.mkdir(parents=True, mode=0o700)
    try:
        names = []
        for number, upload in enumerate(files):
            name = PurePath((upload.filename or "file").replace("\\", "/")).name or "file"
            stored = f"{number}{PurePath(name).suffix.lower()[:16]}"
            with (folder / stored).open("xb") as target:
                shutil.copyfileobj(upload.file, target, COPY_BYTES)
            names.append((stored, name))
        with parts.database.write() as session:
            payload = {"folder": str(folder), "files": names, "actor": actor}
            return jobs.enqueue(session, "ingest", plain(payload), actor=actor).id
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
