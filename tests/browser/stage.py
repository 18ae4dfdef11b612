"""The real application behind a real server, and people in front of it, each in a browser context of their own.

Everybody is watched: a request to another host, an error or warning in the console, a breach of the page's policy, an
uncaught exception or a dialog box is a fault, and a test that ends with a fault nobody announced fails.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot import texts
from tests.fakes import ScriptedChat
from tests.loop.world import World, put, serving, world

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Dialog,
        Locator,
        Page,
        Request,
        Route,
        ViewportSize,
    )

LANGUAGES = ("en", "zh-CN")
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 360, "height": 740}
TELL = "addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective, e.blockedURI));"


@dataclass(frozen=True, slots=True)
class Case:
    """The same mistake and its correction in one language."""

    document: str
    title: str
    text: str
    question: str
    old: str  # words of the first answer
    comment: str
    suggestion: str
    find: str
    replace: str
    corrected: str  # Markdown
    shown: str  # its words as readers see them
    new: str  # words of the answer that the model writes afterwards


CASES = {
    "en": Case(
        document="returns",
        title="Returns",
        text="Shoes can be returned within 14 days of delivery. Sale items are final.",
        question="Within how many days can shoes be returned?",
        old="within 14 days",
        comment="It is 30 days since May.",
        suggestion="Within 30 days.",
        find="14 days",
        replace="30 days",
        corrected="Within **30 days** of delivery.",
        shown="Within 30 days of delivery.",
        new="within 30 days",
    ),
    "zh-CN": Case(
        document="退货",
        title="退货规定",
        text="鞋子可以在收货后 14 天内退货。特价商品不能退货。",
        question="鞋子几天之内可以退货？",
        old="14 天之内",
        comment="五月起是 30 天。",
        suggestion="30 天之内。",
        find="14 天",
        replace="30 天",
        corrected="收货后 **30 天**之内。",
        shown="收货后 30 天之内。",
        new="30 天之内",
    ),
}


def clerk(prompt: str) -> str:
    """A model that reads: asked about returning, it gives the number of days in the first passage that has one, and
    cites every passage with that number."""
    if match := re.search("(?:Last question|最后一个问题): (.*)", prompt):
        return match[1]  # a follow-up stands alone here
    passages_text, _, question = prompt.rpartition("Question: ")
    passages = re.findall(r"(?ms)^\[(\d+)\] [^\n]*\n(.*?)(?=^\[\d+\] |\Z)", passages_text)
    days = {n: (span[1], span[2]) for n, text in passages if (span := re.search(r"(\d+)(?:\*\*)? (days|天)", text))}
    if days and re.search("return|退", question):
        first, words = next((n, text) for n, text in passages if n in days)
        number, unit = days[first]
        cited = "".join(f"[{n}]" for n, also in days.items() if also == (number, unit))
        if unit == "天":
            sale = f"特价商品除外 [{first}]。" if "特价" in words else ""
            return f"**{number} 天之内**可以退货 {cited}。{sale}"
        sale = " Sale items are final." if "Sale" in words else ""
        return f"Shoes can be returned **within {number} days** {cited}.{sale}"
    return "NO_ANSWER"


class Words:
    """What the pages say in a language."""

    def __init__(self, language: str) -> None:
        self._words = texts.catalogue(language)

    def __call__(self, key: str, **values: object) -> str:
        text = self._words[key]
        for name, value in values.items():
            text = text.replace("{" + name + "}", str(value))
        return text


class Audience:
    """People with their browsers, watched."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._announced: list[str] = []
        self._faults: list[str] = []
        self.requests: list[str] = []

    def enter(
        self, address: str, path: str, *, language: str, phone: bool, cookies: dict[str, str], zone: str = "UTC"
    ) -> Page:
        """Somebody opens a page. ``language`` is what their browser asks for, ``zone`` their time zone."""
        context = self._browser.new_context(
            base_url=address,
            viewport=PHONE if phone else DESK,
            locale="zh-CN" if language == "zh-CN" else "en-GB",
            timezone_id=zone,
            has_touch=phone,
            is_mobile=phone,
        )
        self._contexts.append(context)
        context.set_default_timeout(15_000)
        context.set_default_navigation_timeout(60_000)  # thirty small files, perhaps from a busy machine
        context.add_init_script(TELL)
        context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies.items()])
        context.on("request", lambda request: self._asked(address, request))
        context.on("console", self._said)
        context.on("weberror", lambda error: self._faults.append(f"uncaught: {error.error}"))
        page = context.new_page()
        page.on("dialog", self._interrupted)
        page.goto(path)
        page.locator("#app > *").first.wait_for(state="attached")
        return page

    def announce(self, *patterns: str) -> None:
        """Faults that this test brings about on purpose (regular expressions)."""
        self._announced.extend(patterns)

    def leave(self) -> None:
        while self._contexts:
            self._contexts.pop().close()

    def faults(self) -> list[str]:
        """What nobody announced."""
        return [fault for fault in self._faults if not any(re.search(pattern, fault) for pattern in self._announced)]

    def _asked(self, address: str, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((f"{address}/", "data:")):
            self._faults.append(f"request: {request.url}")

    def _interrupted(self, dialog: Dialog) -> None:
        self._faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._faults.append(f"{message.type}: {message.text} at {message.location.get('url', '')}")


@dataclass
class Stage:
    """A served world, its chat model and its audience."""

    world: World
    address: str
    chat: ScriptedChat
    audience: Audience

    def visitor(
        self,
        language: str = "en",
        path: str = "/",
        *,
        user: str | None = None,
        phone: bool = False,
        address: str | None = None,
        zone: str = "UTC",
    ) -> Page:
        """Somebody new at a page; ``user`` is signed in already."""
        cookies = {"errata_session": str(self.world.client(user).cookies["errata_session"])} if user else {}
        return self.audience.enter(
            address or self.address, path, language=language, phone=phone, cookies=cookies, zone=zone
        )

    def curator(
        self,
        language: str = "en",
        path: str = "/curate",
        *,
        user: str = "carla",
        phone: bool = False,
        zone: str = "UTC",
    ) -> Page:
        return self.visitor(language, path, user=user, phone=phone, zone=zone)

    def report(self, question: str, comment: str, answer: str = "An answer.") -> int:
        """A complaint from another front end; the number of its item."""
        body = {"query": question, "response": answer, "rating": "down", "comment": comment}
        response = self.world.program().post("/api/feedback", json=body)
        assert response.status_code == 201, response.text
        return int(response.json()["correction_id"])


@contextmanager
def staged(
    folder: Path,
    audience: Audience,
    *,
    script: Callable[[str], str] = clerk,
    gate: threading.Semaphore | None = None,
    **settings: Any,
) -> Iterator[Stage]:
    """A shop with the documents of CASES, open until the block ends; then everybody leaves."""
    chat = ScriptedChat(script=script, gate=gate)
    with world(folder, chat, **settings) as made:
        curator = made.client("carla")
        for case in CASES.values():
            put(curator, case.document, case.title, case.text)
        with serving(made.app) as address:
            try:
                yield Stage(made, address, chat, audience)
            finally:
                audience.leave()


def ask(page: Page, question: str, status: str = "answered") -> Locator:
    """Types a question and waits for the end of its turn, which is returned."""
    turns = page.locator("article.turn")
    turn = turns.nth(turns.count())
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    turn.and_(page.locator(f".turn-{status}")).wait_for()
    return turn


def press(where: Page | Locator, name: str) -> None:
    """Clicks the button of this very name."""
    where.get_by_role("button", name=name, exact=True).click()


def hold(page: Page, pattern: str, act: Callable[[], object]) -> Route:
    """Holds the request to ``pattern`` that ``act`` brings about, until the test lets it go on."""
    waiting: list[Route] = []
    page.route(pattern, lambda route: waiting.append(route))  # noqa: PLW0108 - Playwright marks what it is given
    act()
    for _ in range(500):
        if waiting:
            return waiting[0]
        page.wait_for_timeout(20)
    raise AssertionError(f"nothing was asked of {pattern}")


def stand_still(page: Page) -> None:
    """From now on no frame and no timer comes on this page; what the server sends still does."""
    page.clock.install(time=0)
    page.clock.pause_at(1000)


def stored(page: Page, path: str) -> Any:
    """What the server gives this person."""
    return json.loads(page.context.request.get(path).text())
