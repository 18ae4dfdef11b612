"""The page that a citation links to where a source has no address of its own: one passage as it was when it was cited.

Decision: for an answer that a program got (``/v1``), the link itself is the permission. People read that answer in the
program, and their browsers have neither the program's key nor a cookie of Errata; they could not open a page that needs
the key. The link contains the answer's id, 128 random bits that only the program gets. It opens one passage that the
reader has seen in the answer, if it is inside the scope of the key, and it ends with the conversation and with the key.
The page of any other answer opens only for the person who asked. Costs: a person who passes such a link on also passes
on that passage.
"""

from __future__ import annotations

from html import escape
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from bot import texts
from bot.accounts import Identity
from bot.errors import NotSignedIn
from bot.tables import Answer, ApiKey, Conversation
from bot.web.fields import Id
from bot.web.security import MaybeIdentity, PartsDep, ScopeDep
from knowledge import quoting
from knowledge.errors import NotFound
from knowledge.scoping import outside
from retrieval.place import place_from_json
from retrieval.scope import EVERYTHING, Scope

router = APIRouter(include_in_schema=False)
PROGRAM = "key:"  # the beginning of every owner that is a program

PAGE = """\
<!doctype html>
<html lang="{language}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="robots" content="noindex">
  <title>{title}</title>
  <link rel="icon" href="/static/favicon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/static/css/base.css">
  <link rel="stylesheet" href="/static/css/prose.css">
</head>
<body>
  <main class="fallback">
    <h1>{title}</h1>
    <p>{headings}</p>
    <p>{place}</p>
    <blockquote class="passage-text">{passage}</blockquote>
    <p>{note}</p>
  </main>
</body>
</html>
"""


def path(answer_id: str, n: int) -> str:
    """The address of the page of source ``n`` of an answer, without host."""
    return f"/answers/{answer_id}/sources/{n}"


@router.get("/answers/{answer_id}/sources/{n}")
def cited_page(
    answer_id: str, n: Id, request: Request, identity: MaybeIdentity, scope: ScopeDep, parts: PartsDep
) -> HTMLResponse:
    """The passage that an answer cites as ``[n]``, as it was then."""
    with parts.database.read() as session:
        source = _source(session, answer_id, n, identity, scope)
    language = texts.preferred(request.headers.get("accept-language", ""))
    words = {
        "language": texts.LOCALES[language],
        "title": source["title"],
        "headings": " › ".join(source["headings"]),
        "place": texts.place(place_from_json(source.get("place")), language),
        "passage": source["passage"],
        "note": texts.text(
            "server.cited.note", language, document=source["document_id"], version=source["version"], n=n
        ),
    }
    return HTMLResponse(PAGE.format(**{name: escape(str(value)) for name, value in words.items()}))


def _source(session: Session, answer_id: str, n: int, identity: Identity | None, scope: Scope) -> dict[str, Any]:
    """Source ``n`` of an answer. Raises NotSignedIn, NotFound; both also for answers that do not exist."""
    row = session.execute(
        sa.select(Answer.sources, Conversation.owner)
        .join(Conversation, Conversation.id == Answer.conversation_id)
        .where(Answer.id == answer_id)
    ).one_or_none()
    if row is not None and row.owner.startswith(PROGRAM):
        scope = _scope_of_program(session, row.owner)
    elif identity is None:
        raise NotSignedIn("Nobody is signed in, and there is no visitor cookie.", code="nobody_signed_in")
    elif row is None or row.owner != identity.owner:
        raise NotFound("There is no such answer.", code="answer_not_found")
    source = next((source for source in row.sources if source["n"] == n), None)
    if source is None or outside(session, [source["document_id"]], scope):
        raise NotFound("This answer has no source {n}.", code="no_such_source", n=n)
    ((whole,),) = quoting.whole_sources(session, [source])
    return whole


def _scope_of_program(session: Session, owner: str) -> Scope:
    """The scope of the program now. Raises NotFound for a revoked key: its links end with it."""
    key = session.get(ApiKey, int(owner.removeprefix(PROGRAM)))
    if key is None or key.revoked_at is not None:
        raise NotFound("There is no such answer.", code="answer_not_found")
    return EVERYTHING if key.collection is None else Scope.of(key.collection)
