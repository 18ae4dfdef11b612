"""Conversations and their answers: their owners, their texts, and the corrections of their answers.

An answer is stored before its first token (status ``running``) and once more when it is finished, stopped or failed, so
that nothing is lost when a person leaves or the machine stops. Knows nothing of models or the web.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.answering.condense import MAX_TURNS, Condensed, EarlierTurn, How
from bot.answering.values import Ask, Outcome, Reason, Source, SourcesFound
from bot.tables import Answer, AnsweredQuestion, AnswerSource, Conversation, Signal
from knowledge import quoting
from knowledge.db import utc_now
from knowledge.errors import Invalid, NotFound
from knowledge.scoping import collections_of
from knowledge.tables import question_sha256

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from retrieval.scope import Scope

MAX_QUESTION = 4_000  # characters
TITLE = 80  # characters of the first question
ROWS_BYTES = 4_000  # that an answer takes beside its texts: rows, indexes, a vector, unused ends of pages
NOT_MINE = "not_my_question"  # the signal that a curated answer was served to the wrong question


def new_id() -> str:
    """128 random bits, so that nobody can guess the id of another person's conversation."""
    return secrets.token_hex(16)


def checked_question(text: str) -> str:
    """The question without white space around it. Raises Invalid for an empty or a far too long one."""
    question = text.strip()
    if not question:
        raise Invalid("The question is empty.", code="question_empty")
    if len(question) > MAX_QUESTION:
        raise Invalid(
            "The question has {length:,} characters; at most {limit:,}.",
            code="question_too_long",
            length=len(question),
            limit=MAX_QUESTION,
        )
    return question


def begin(session: Session, *, owner: str, question: str, conversation_id: str | None, model: str) -> Answer:
    """Stores the question in its conversation, or in a new one without ``conversation_id``. Raises Invalid,
    NotFound."""
    question = checked_question(question)
    if conversation_id is None:
        conversation = Conversation(id=new_id(), owner=owner, title=" ".join(question.split())[:TITLE])
        session.add(conversation)
        session.flush()
    else:
        conversation = get(session, conversation_id, owner)
    conversation.updated_at = utc_now()
    answer = Answer(
        id=new_id(),
        conversation_id=conversation.id,
        question=question,
        condensed_question=question,
        language="",
        status="running",
        model=model,
        knowledge_version=0,
    )
    session.add(answer)
    session.flush()
    count_bytes(session, conversation.id, ROWS_BYTES + 2 * _length(question))  # proofs or curators have it once more
    return answer


def count_bytes(session: Session, conversation_id: str, more: int) -> None:
    """Adds to what a conversation takes on the disk."""
    same = sa.update(Conversation).where(Conversation.id == conversation_id)
    session.execute(
        same.values(stored_bytes=Conversation.stored_bytes + more).execution_options(synchronize_session=False)
    )


def history(session: Session, conversation_id: str, *, before: str) -> tuple[EarlierTurn, ...]:
    """The last turns before an answer, oldest first. A question that failed or is still being answered counts too,
    because the next one may refer to it. Left out are the same question in the same words, which explains nothing about
    itself, and greetings and thanks, which explain nothing."""
    limit = session.get_one(Answer, before)
    same_question = sa.and_(
        Answer.question == limit.question,
        sa.or_(Answer.condensed_question == limit.question, Answer.status == "failed"),
    )
    query = sa.select(Answer.condensed_question, Answer.answer).where(
        Answer.conversation_id == conversation_id,
        Answer.number < limit.number,
        ~same_question,
        sa.or_(Answer.reason.is_(None), Answer.reason != Reason.NO_QUESTION),
    )
    newest = session.execute(query.order_by(Answer.number.desc()).limit(MAX_TURNS)).all()
    return tuple(EarlierTurn(question, answer) for question, answer in reversed(newest))


def rejected_entries(session: Session, conversation_id: str) -> frozenset[int]:
    """The entries that the owner of this conversation marked as "not my question"."""
    query = (
        sa.select(Answer.entry_id)
        .join(Signal, Signal.answer_id == Answer.id)
        .where(Answer.conversation_id == conversation_id, Signal.kind == NOT_MINE, Answer.entry_id.is_not(None))
    )
    return frozenset(entry for entry in session.scalars(query) if entry is not None)


def store_sources(session: Session, answer_id: str, event: SourcesFound) -> None:
    """Stores the sources as soon as they are known."""
    answer = session.get_one(Answer, answer_id)
    answer.sources = quoting.short_sources(session, [_source_json(source) for source in event.sources])
    answer.knowledge_version = event.knowledge_version


def finish(session: Session, answer_id: str, outcome: Outcome) -> None:
    answer = session.get_one(Answer, answer_id)
    answer.status = outcome.status
    answer.answer = outcome.answer
    answer.condensed_question = outcome.condensed_question
    answer.condensed_how = outcome.condensed_how
    answer.reason = outcome.reason
    answer.language = outcome.language
    answer.sources = quoting.short_sources(session, [_source_json(source) for source in outcome.sources])
    answer.citations = list(outcome.citations)
    answer.confidence = outcome.confidence
    answer.knowledge_version = outcome.knowledge_version
    messages = [asdict(message) for message in outcome.prompt]
    answer.prompt = quoting.short_prompt(session, messages, answer.sources, answer.condensed_question)
    answer.entry_id = outcome.entry_id
    answer.timings_ms = dict(outcome.timings_ms)
    answer.prompt_tokens = outcome.prompt_tokens
    answer.completion_tokens = outcome.completion_tokens
    answer.profile = outcome.profile or None
    answer.trace = outcome.trace.to_json() if outcome.trace else None
    texts = (answer.condensed, answer.answer, answer.sources, answer.prompt, answer.trace)
    count_bytes(session, answer.conversation_id, sum(map(_length, texts)))


def note_answered(session: Session, answer_id: str) -> None:
    """Stores the question for proofs, with the passages from which it was answered."""
    answer = session.get_one(Answer, answer_id)
    passages: dict[int, bool] = {}  # passage id → cited
    for source in answer.sources:
        cited = source["n"] in answer.citations
        passages[source["passage_id"]] = passages.get(source["passage_id"], False) or cited
    question = answer.condensed_question
    collections = set(collections_of(session, {source["document_id"] for source in answer.sources}).values())
    session.add(
        AnsweredQuestion(
            answer_id=answer.id,
            question=question,
            sha256=question_sha256(question),
            collection=min(collections) if len(collections) == 1 else None,
        )
    )
    session.add_all(AnswerSource(answer_id=answer.id, passage_id=id_, cited=cited) for id_, cited in passages.items())
    session.flush()


def fail(session: Session, answer_id: str, text: str = "") -> None:
    answer = session.get_one(Answer, answer_id)
    answer.status, answer.answer = "failed", text


def fail_interrupted(session: Session) -> int:
    """Called on start: marks answers that were running when the machine stopped as failed. Returns how many."""
    result = session.execute(sa.update(Answer).where(Answer.status == "running").values(status="failed"))
    return int(result.rowcount)  # type: ignore[attr-defined]


def get(session: Session, conversation_id: str, owner: str) -> Conversation:
    """The owner's conversation. Raises NotFound for one of another owner, as for one that does not exist."""
    conversation = session.get(Conversation, conversation_id)
    if conversation is None or conversation.owner != owner:
        raise NotFound("There is no such conversation.", code="conversation_not_found")
    return conversation


def get_answer(session: Session, answer_id: str, owner: str) -> Answer:
    """An answer of the owner's conversations. Raises NotFound."""
    answer = session.get(Answer, answer_id)
    if answer is None:
        raise NotFound("There is no such answer.", code="answer_not_found")
    get(session, answer.conversation_id, owner)
    return answer


def any_answer(session: Session, answer_id: str | None) -> Answer:
    """The answer with this id, or the newest, whoever asked: for the operator. Raises NotFound."""
    answer = (
        session.scalar(sa.select(Answer).order_by(Answer.number.desc()).limit(1))
        if answer_id is None
        else session.get(Answer, answer_id)
    )
    if answer is None:
        raise NotFound("There is no such answer.", code="answer_not_found")
    return answer


def rename(session: Session, conversation: Conversation, title: str) -> None:
    title = " ".join(title.split())[:200]
    if not title:
        raise Invalid("The title is empty.", code="title_empty")
    conversation.title = title
    session.flush()


def delete(session: Session, conversation: Conversation) -> None:
    """Deletes the conversation alone; bot.forgetting also deletes what was noted of it."""
    session.delete(conversation)
    session.flush()


def snapshot(session: Session, answer: Answer) -> dict[str, Any]:
    """The frozen copy that a complaint keeps: with the texts of its sources, and the prompt as it is stored."""
    (sources,) = quoting.whole_sources(session, answer.sources)
    return {**record(answer), "sources": sources, "prompt": answer.prompt}


def record(answer: Answer) -> dict[str, Any]:
    """Everything about an answer but its prompt and the texts of its sources."""
    return {
        "answer_id": answer.id,
        "conversation_id": answer.conversation_id,
        "question": answer.question,
        "condensed_question": answer.condensed_question,
        "condensed_how": answer.condensed_how,
        "language": answer.language,
        "answer": answer.answer,
        "status": answer.status,
        "reason": answer.reason,
        "confidence": answer.confidence,
        "sources": answer.sources,
        "citations": answer.citations,
        "model": answer.model,
        "profile": answer.profile,
        "knowledge_version": answer.knowledge_version,
        "timings_ms": answer.timings_ms,
        "trace": answer.trace,
        "answered_at": answer.created_at.isoformat(),
    }


def _length(value: Any) -> int:
    """Bytes of a text, or of a value that is stored as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return len(text.encode("utf-8", "surrogatepass"))


def _source_json(source: Source) -> dict[str, Any]:
    return {**asdict(source), "headings": list(source.headings)}


def make_ask(
    session: Session,
    answer: Answer,
    scope: Scope,
    *,
    language: str | None,
    filters: dict[str, str] | None,
    again: Answer | None = None,
) -> Ask:
    """The question with its conversation: the history, and the curated answers that do not apply to it.

    ``again``: the answer that is to be written anew. Its question was condensed at that time; later turns must not
    change its meaning.
    """
    question = answer.question
    earlier_turns: tuple[EarlierTurn, ...] = ()
    condensed: Condensed | None = None
    if again is None:
        earlier_turns = history(session, answer.conversation_id, before=answer.id)
    elif again.status == "failed":  # its question was never condensed
        question = again.question
        earlier_turns = history(session, answer.conversation_id, before=again.id)
    else:
        question, condensed = again.condensed_question, _condensed(session, again)
    return Ask(
        question=question,
        scope=scope,
        history=earlier_turns,
        condensed=condensed,
        spoken=_language_before(session, answer),
        language=language or (again.language if again else None) or None,
        filters=filters or {},
        exclude_entries=rejected_entries(session, answer.conversation_id),
        fresh=again is not None,
    )


def _language_before(session: Session, answer: Answer) -> str | None:
    """The language of the conversation before an answer; read only where the question has no letter."""
    if any(character.isalnum() for character in answer.question):
        return None
    query = sa.select(Answer.language).where(
        Answer.conversation_id == answer.conversation_id, Answer.number < answer.number, Answer.language != ""
    )
    return session.scalar(query.order_by(Answer.number.desc()).limit(1))


def _condensed(session: Session, answer: Answer) -> Condensed:
    """The condensed question of an answer. Older answers do not store how it was made: then the first question of a
    conversation counts as asked alone, and any other one as a question that may point back."""
    how = How(answer.condensed_how) if answer.condensed_how else None
    if how is None:
        how = How.UNCHANGED if history(session, answer.conversation_id, before=answer.id) else How.ALONE
    if how is How.JOINED:
        return Condensed.joined(answer.condensed_question, answer.question)
    return Condensed(answer.condensed_question, how)
