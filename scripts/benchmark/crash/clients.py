"""Clients that write through HTTP, each on things of its own, and note in the ledger what they were promised.

A client does one step after another until it is stopped or the server is gone. What it thinks of its things is true as
long as all its writes are answered; after a restart ``forget`` drops those of which it does not know any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from scripts.benchmark.crash.facts import RETIRED, UPLOADS, WAITING
from scripts.benchmark.processes import NO_TLS

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable
    from random import Random

    from scripts.benchmark.crash.ledger import Fact, Ledger, Values

SECONDS = 30.0  # an answer that takes longer is a fault
FULL = 507
EXPECTED = (409, 429, 503, FULL)  # refusals: another was first, too many, the disk is full
STATUSES = ("answered", "curated", "refused", "failed", "stopped", "running")
# How often each step is tried; most need something that an earlier step made.
STEPS = {"put": 4, "ask": 4, "rate": 4, "draft": 4, "approve": 4, "again": 2, "roll_back": 1, "retire": 1}
STEPS |= {"upload": 1, "forget_conversation": 1}


class Refused(Exception):
    """The server refused a write with this status and these words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


@dataclass
class Question:
    """A question that was asked, and how far its correction is. ``edited``: the document that the draft edits."""

    text: str
    answer_id: str
    conversation_id: str
    comment: str = ""
    correction_id: int = 0
    corrected: str = ""
    edited: str = ""
    edited_text: str = ""
    state: str = "asked"


@dataclass
class Text:
    """A document as its writer knows it. ``version``: the one from this writer; ``versions``: how many there are, with
    those that edits made; ``code``: the word that edits replace."""

    text: str
    code: str
    version: int
    versions: int
    edited: bool = False


@dataclass
class Client:
    """``name``: of the client; its things have it in their names. ``faults``: what should never happen."""

    name: str
    ledger: Ledger
    random: Random
    headers: dict[str, str]
    faults: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    documents: dict[str, Text] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    _count: int = 0
    _http: httpx.Client | None = None

    def work(self, address: str, over: threading.Event) -> None:
        """Writes until ``over`` is set or the server is gone."""
        names, weights = list(STEPS), list(STEPS.values())
        with httpx.Client(base_url=address, headers=self.headers, timeout=SECONDS, verify=NO_TLS) as self._http:
            while not over.is_set():
                step: Callable[[], None] = getattr(self, self.random.choices(names, weights)[0])
                try:
                    step()
                except Refused as error:
                    self.ledger.refuse(self.name)
                    kept = self.refused if error.status in EXPECTED else self.faults
                    kept.append(f"{error.status} {step.__name__}: {error}")
                except httpx.TimeoutException:
                    self.faults.append(f"{step.__name__}: no answer in {SECONDS:.0f} s")
                    return
                except httpx.TransportError:
                    return  # it was killed

    def forget(self, uncertain: Iterable[Fact]) -> None:
        """Drops the things that these facts are of: nobody told this client whether its write happened."""
        names = {name for _, name in uncertain}
        for name in names & self.documents.keys():
            del self.documents[name]
        for question in list(self.questions.values()):
            if names & {question.text, question.comment, question.edited}:
                del self.questions[question.text]

    def put(self) -> None:
        """A new document, or a new version of one."""
        name = self._pick([name for name, text in self.documents.items() if not text.edited])
        if not name or self.random.random() < 0.5:
            name = self._new("document")
        earlier = self.documents.get(name)
        code = self._new("code")
        versions = earlier.versions + 1 if earlier else 1
        text = f"The code of {name} is {code}."
        self._begin({("document", name): (text,), ("versions", name): (str(versions),)})
        stored = self._send("POST", "/api/documents", {"id": name, "title": name, "text": text})
        self.ledger.acknowledge(self.name)
        self.documents[name] = Text(text, code, stored["version"], versions)

    def retire(self) -> None:
        name = self._pick([name for name, text in self.documents.items() if not text.edited])
        if name:
            self._begin({("document", name): (RETIRED,)})
            self._send("DELETE", f"/api/documents/{name}")
            self.ledger.acknowledge(self.name)
            del self.documents[name]

    def upload(self) -> None:
        """A file. Its document may wait for the worker, also after a restart."""
        name = f"{self._new('upload')}.txt"
        text = f"The code of {name} is {self._new('code')}."
        self._begin({(UPLOADS, f"{UPLOADS}/{name}"): (WAITING, text), ("versions", f"{UPLOADS}/{name}"): (None, "1")})
        self._send("POST", "/api/documents", files={"files": (name, text.encode())})
        self.ledger.acknowledge(self.name)

    def ask(self) -> None:
        """A question that nobody asked before."""
        about = self._pick(list(self.documents)) or self._new("nothing")
        question = f"What is the code of {about} in {self._new('place')}?"
        asked = self._ask(question)
        self.questions[question] = Question(question, asked["answer_id"], asked["conversation_id"])

    def rate(self) -> None:
        """A complaint about an answer, which makes an item of the queue."""
        if question := self._in_state("asked"):
            comment = self._new("comment")
            facts: dict[Fact, Values] = {("rating", comment): ("1",), ("complaint", comment): ("1",)}
            self._begin({**facts, ("correction", question.text): ("queued",)})
            question.comment = comment
            rating = {"rating": "down", "comment": comment}
            rated = self._send("POST", f"/api/answers/{question.answer_id}/feedback", rating)
            self.ledger.acknowledge(self.name)
            question.correction_id, question.state = rated["correction_id"], "queued"

    def draft(self) -> None:
        """The corrected answer, sometimes with an edit of a document."""
        if not (question := self._in_state("queued", "drafted")):
            return
        corrected, edited_text = f"It is {self._new('corrected')}.", ""
        body: dict[str, Any] = {"answer": corrected, "edits": []}
        edited = self._pick([name for name, text in self.documents.items() if not text.edited])
        if edited and self.random.random() < 0.5:
            document = self.documents[edited]
            edit = {"document_id": edited, "version": document.version, "find": document.code}
            body["edits"] = [{**edit, "replace": f"{document.code}-new"}]
            edited_text = document.text.replace(document.code, f"{document.code}-new")
        self._begin({("correction", question.text): (f"drafted {corrected}",)})
        self._send("PUT", f"/api/corrections/{question.correction_id}/draft", body)
        self.ledger.acknowledge(self.name)
        # Only now: after a refusal the former draft is what an approval publishes.
        question.corrected, question.edited_text, question.state = corrected, edited_text, "drafted"
        question.edited = edited if edited_text else ""

    def approve(self) -> None:
        if not (question := self._in_state("drafted")):
            return
        facts: dict[Fact, Values] = {("correction", question.text): (f"live {question.corrected}",)}
        document = self.documents.get(question.edited) if question.edited else None
        if question.edited and (document is None or document.edited):
            return  # the document changed since: the curator would write the draft again
        if document is not None:
            if document.text.replace(document.code, f"{document.code}-new") != question.edited_text:
                return
            facts[("document", question.edited)] = (question.edited_text,)
            facts[("versions", question.edited)] = (str(document.versions + 1),)
        self._begin(facts)
        self._send("POST", f"/api/corrections/{question.correction_id}/approve", {})
        self.ledger.acknowledge(self.name)
        question.state = "live"
        if document is not None:
            document.edited = True
            document.versions += 1

    def again(self) -> None:
        """A correction is found as long as it is live, and not after it was rolled back."""
        if not (question := self._in_state("live", "rolled_back")):
            return
        search = self._send("POST", "/api/search", {"query": question.corrected, "k": 5})
        served = any(question.corrected in hit["passage"] for hit in search["hits"])
        if served != (question.state == "live"):
            self.faults.append(f"{question.text} is {question.state}, but its correction is found: {served}")

    def roll_back(self) -> None:
        if not (question := self._in_state("live")):
            return
        facts: dict[Fact, Values] = {("correction", question.text): ("rolled_back",)}
        document = self.documents.get(question.edited) if question.edited else None
        if document is not None:
            facts[("document", question.edited)] = (document.text,)
        self._begin(facts)
        self._send("POST", f"/api/corrections/{question.correction_id}/rollback", {})
        self.ledger.acknowledge(self.name)
        question.state = "rolled_back"
        if document is not None:
            document.edited = False

    def forget_conversation(self) -> None:
        """Deletes a conversation. A complaint about it stays."""
        if question := self._pick(list(self.questions)):
            gone = self.questions[question]
            facts: dict[Fact, Values] = {("answer", question): (None,)}
            if gone.comment:
                facts[("rating", gone.comment)] = (None,)
            self._begin(facts)
            self._send("DELETE", f"/api/conversations/{gone.conversation_id}")
            self.ledger.acknowledge(self.name)
            del self.questions[question]

    def _ask(self, question: str) -> dict[str, Any]:
        self._begin({("answer", question): STATUSES})
        try:
            done = self._send("POST", "/api/chat", {"question": question, "stream": False})
        except Refused as error:
            if error.status == FULL:  # the question was stored, and then its answer was not, or nothing was
                self.ledger.doubt(self.name)
            raise
        self.ledger.acknowledge(self.name, {("answer", question): (done["status"],)})
        return done

    def _begin(self, values: dict[Fact, Values]) -> None:
        self.ledger.begin(self.name, values)

    def _send(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        assert self._http is not None
        response = self._http.request(method, path, json=body, **more)
        if response.status_code >= 400:
            raise Refused(response.status_code, response.text)
        return response.json() if response.content else None

    def _in_state(self, *states: str) -> Question | None:
        return self._pick([question for question in self.questions.values() if question.state in states])

    def _pick(self, things: list[Any]) -> Any:
        return self.random.choice(things) if things else None

    def _new(self, what: str) -> str:
        self._count += 1
        return f"{what}{self.name}x{self._count}"
