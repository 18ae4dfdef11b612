"""What browser tests share: an installed Chromium, the pages' static files behind a small server, and a stage.

Without Chromium these tests say so and are skipped; with ``REQUIRE_BROWSER=1`` (set in CI) they fail instead.
``CHROMIUM`` names the executable when it is not on the path.
"""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import bot
from tests.browser.stage import Audience, Stage, staged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

WEB = Path(bot.__file__).parent / "web"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The policy that the real server sends; a page that needs more breaks here too.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def chromium_executable() -> str | None:
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    executable = chromium_executable()
    if executable is None:
        reason = "no Chromium is installed: browser tests did not run (install one, or set CHROMIUM)"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def audience(chromium: Browser) -> Iterator[Audience]:
    """People in front of pages. Fails the test when something went wrong on a page that the test did not announce."""
    from playwright.sync_api import expect

    expect.set_options(timeout=15_000)
    people = Audience(chromium)
    yield people
    people.leave()
    assert people.faults() == []


@pytest.fixture
def stage(tmp_path: Path, audience: Audience) -> Iterator[Stage]:
    """The application with two documents and a model that reads them."""
    with staged(tmp_path, audience) as made:
        yield made


class _Static(http.server.SimpleHTTPRequestHandler):
    """``/static/…`` as the real server gives it, and ``/blank``, an empty page under the same policy."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, directory=str(WEB), **kwargs)

    def do_GET(self) -> None:
        if self.path != "/blank":
            super().do_GET()
            return
        body = b'<!doctype html><html lang="en"><meta charset="utf-8"><title>blank</title><body><div id="app"></div>'
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass


@pytest.fixture(scope="session")
def static_site() -> Iterator[str]:
    """The address of a server for the static files, without a slash at its end."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Static)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()
