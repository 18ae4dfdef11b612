"""What a file would be stored as, before it is uploaded for good. Nothing of it is kept."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from bot.web import responses
from bot.web.documents import COPY_BYTES, form_of, name_of, suffix_of
from bot.web.problems import Refused, phrase
from bot.web.security import Curator, PartsDep
from knowledge.errors import Invalid
from knowledge.inspection import Inspection, inspect
from knowledge.load import Loader

router = APIRouter(prefix="/api", tags=["knowledge"])
DOCUMENTS = 50  # shown of a file
PASSAGES = 200  # shown of all its documents: nobody reads more before an upload

_reading = threading.Lock()  # one file at a time: reading takes as much memory and time as an ingest
_FORM = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}


@router.post(
    "/preview",
    response_model=responses.Preview,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def preview_file(request: Request, _identity: Curator, parts: PartsDep) -> dict[str, Any]:
    """What an upload of ``file`` would store: its documents and passages, and what is left out. Nothing is stored."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refused("Send the file as multipart/form-data.", status=415, code="preview_media_type")
    async with form_of(request) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid("The upload has no part named file.", code="preview_without_file")
        name = name_of(file.filename or "")
        inspection = await run_in_threadpool(_inspect, file, name, parts.settings.uploads)
    return _shown(name, inspection)


def _inspect(file: UploadFile, name: str, uploads: Path) -> Inspection:
    """Raises Refused while another file is looked at, and LoadError."""
    if not _reading.acquire(blocking=False):
        raise Refused("Another file is being looked at. Try again in a few seconds.", status=503, code="preview_busy")
    try:
        uploads.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=uploads) as folder, Loader() as loader:
            path = Path(folder) / f"0{suffix_of(name)}"
            with path.open("xb") as target:
                shutil.copyfileobj(file.file, target, COPY_BYTES)
            return inspect(loader, path, name)
    finally:
        _reading.release()


def _shown(name: str, inspection: Inspection) -> dict[str, Any]:
    left = PASSAGES
    documents = []
    for document in inspection.documents[:DOCUMENTS]:
        passages = document.passages[:left]
        left -= len(passages)
        documents.append(
            {
                "key": document.key,
                "title": document.title,
                "language": document.language,
                "url": document.url,
                "metadata": dict(document.metadata),
                "passages": [
                    {
                        "headings": list(passage.headings),
                        "text": passage.text,
                        "language": passage.language,
                        "place": passage.place and passage.place.to_json(),
                    }
                    for passage in passages
                ],
                "passage_count": len(document.passages),
            }
        )
    return {
        "name": name,
        "documents": documents,
        "document_count": len(inspection.documents),
        "passage_count": sum(len(document.passages) for document in inspection.documents),
        "remarks": [phrase(remark) for remark in inspection.remarks],
    }
