"""What a refused question costs on disk: the section ``storage`` of bench_load."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.language_models import BaseChatModel

    from scripts.benchmark.sections import Run

ASKED = 20
LONG = 4_000  # characters, as many as a question may have
WORDS = {
    "en": "shelf crate weight label colour door window parcel invoice station garden bridge engine bottle".split(),
    "zh": list("货架重量标签颜色车门窗户包裹发票车站花园桥梁引擎瓶子收据仓库盒图书馆"),
}


def storage(run: Run) -> None:
    """Bytes of the database for each refused question of LONG characters, which a chat model read with its passages;
    each from another visitor, in a conversation of its own."""
    from bot.settings import read_settings
    from bot.wiring import Parts
    from knowledge import put
    from knowledge.versions import Content
    from retrieval.scope import EVERYTHING

    for language, words in WORDS.items():
        chance = random.Random(language)  # noqa: S311 - nothing secret
        space = " " if language == "en" else ""

        def text(length: int, words: list[str] = words, chance: Any = chance, space: str = space) -> str:
            return space.join(chance.choices(words, k=length))[:length]

        settings = read_settings().model_copy(update={"data": run.folder / language})
        parts = Parts(settings, chat=_refusing())
        documents = [put.NewDocument(f"d{n}", Content(f"Part {n}", text(900))) for n in range(30)]
        put.put(parts.database, parts.embedder, documents, actor="bench")
        before = size(parts.database)
        statuses = set()
        for number in range(ASKED):
            asked = parts.turns.ask(
                owner=f"visitor:{number}", scope=EVERYTHING, question=text(LONG), network=f"{number % 3}"
            )
            outcome = asked.outcome.result()
            statuses.add((outcome.status, str(outcome.reason), len(outcome.sources), bool(outcome.prompt)))
        run.note(f"refused question of {LONG:,} characters, {language}", (size(parts.database) - before) / ASKED, "B")
        print(f"  {sorted(statuses)}")
        while parts.worker.step():  # compares the questions, which stores a vector of each
            pass
        run.note("  after it was compared with others", (size(parts.database) - before) / ASKED, "B")
        parts.close()


def _refusing() -> BaseChatModel:
    """A chat model that finds no answer in any passage."""
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

    class Refusing(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "refusing"

        def _generate(self, *_arguments: Any, **_more: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("NO_ANSWER"))])

        def _stream(self, *_arguments: Any, **_more: Any) -> Iterator[ChatGenerationChunk]:
            yield ChatGenerationChunk(message=AIMessageChunk("NO_ANSWER", response_metadata={"finish_reason": "stop"}))

    return Refusing()


def size(database: Any) -> int:
    """Bytes of the database that are in use."""
    with database.engine.connect() as connection:
        pages, free, page = (
            connection.exec_driver_sql(f"pragma {name}").scalar_one()
            for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * page)
