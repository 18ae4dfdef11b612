"""What all tests share: no settings from outside, and plain words when a test cannot run here.

``real`` tests need the default models in the store (``errata models pull``), ``browser`` tests an installed Chromium.
Where these are missing such tests are skipped and the end of the run says so; with REQUIRE_MODELS=1 and
REQUIRE_BROWSER=1 in the environment they fail instead.
"""

from __future__ import annotations

import inspect
import os
import shutil
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.asynchronous import complete

# Tests of properties must not depend on how busy the machine is, nor on what is loaded for the first example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_unmet: dict[str, str] = {}  # mark → why its tests did not run


@pytest.fixture(autouse=True)
def only_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of the person who runs the tests must not reach them; the models folder is shared on purpose."""
    for name in list(os.environ):
        if name.startswith("ERRATA_") and name != "ERRATA_MODELS":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser's program. Only for tests marked ``browser``."""
    browser = _browser()
    assert browser is not None, "mark this test with pytest.mark.browser"
    return browser


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs tests that are coroutines: those of LangChain's suites."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    fixtures = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    complete(pyfuncitem.obj(**fixtures))
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    _need(item, "real", "REQUIRE_MODELS", _missing_model())
    _need(
        item,
        "browser",
        "REQUIRE_BROWSER",
        None
        if _browser()
        else "no Chromium is installed (looked for chromium and google-chrome; CHROMIUM names another)",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for mark, why in _unmet.items():
        terminalreporter.write_line(f"The {mark} tests did not run: {why}.")


def _need(item: pytest.Item, mark: str, variable: str, why: str | None) -> None:
    if why is None or item.get_closest_marker(mark) is None:
        return
    if os.environ.get(variable) == "1":
        pytest.fail(f"{why}, and {variable}=1 is set", pytrace=False)
    _unmet[mark] = why
    pytest.skip(why)


@cache
def _browser() -> Path | None:
    named = os.environ.get("CHROMIUM")
    browser = named if named and Path(named).exists() else next(filter(None, map(shutil.which, BROWSERS)), None)
    return Path(browser) if browser else None


@cache
def _missing_model() -> str | None:
    from bot.models.catalogue import DEFAULT_CHAT, DEFAULT_EMBEDDING
    from bot.models.errors import ModelError
    from bot.models.store import ModelStore
    from bot.settings import default_models_folder

    store = ModelStore(Path(os.environ.get("ERRATA_MODELS") or default_models_folder()))
    try:
        for model in (DEFAULT_CHAT, DEFAULT_EMBEDDING):
            store.path(model)
    except ModelError as error:
        return str(error).rstrip(".")
    return None
