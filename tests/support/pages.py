"""The pages of `tests/support/web.py` in a real Chromium, signed in."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.browsing import ARGUMENTS, CHROMIUM, bounded
from tests.support.web import Stage, make_code

PLAYWRIGHT = find_spec("playwright") is not None
if TYPE_CHECKING or PLAYWRIGHT:
    from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.web.server import Server

    Open = Callable[..., Page]

NEEDED = (
    pytest.mark.needs_browser,
    pytest.mark.skipif(not PLAYWRIGHT, reason="needs playwright"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs {CHROMIUM}"),
)
"""Marks of a module that uses these fixtures."""

PATIENCE = 20_000
"""Milliseconds."""
PHONE = {"width": 360, "height": 780}
DESKTOP = {"width": 1280, "height": 800}


def zone_at_noon() -> str:
    """A time zone where it is about noon now, so that an hour ago is the same day whenever the tests run."""
    # In these names, + is west of Greenwich.
    return f"Etc/GMT{datetime.now(timezone.utc).hour - 12:+d}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        with bounded(started):
            started.close()


@pytest.fixture
def page_of(browser: Browser, stage: Stage, server: Server) -> Iterator[Open]:
    """Opens a page of its own, signed in, in a browser with these settings; nothing may fail on it but `expected`.

    Without other settings it is about noon there.
    """
    contexts: list[Any] = []
    wrong: list[str] = []

    def note(text: str, expected: str) -> None:
        if expected not in text:
            wrong.append(text)

    def make(role: str = "admin", expected: str = "\n", **settings: Any) -> Page:
        contexts.append(browser.new_context(base_url=server.url, **{"timezone_id": zone_at_noon(), **settings}))
        page: Page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda one: note(one.text, expected) if one.type in {"error", "warning"} else None)
        page.on("pageerror", lambda one: wrong.append(str(one)))
        page.goto("/login")
        if settings.get("java_script_enabled", True):
            page.goto("about:blank")
            page.goto(f"/login#{make_code(stage, role)}")
            page.wait_for_url(server.url)
        else:
            page.locator("#secret").fill(make_code(stage, role))
            page.locator("main form button").click()
        return page

    with bounded(browser):
        yield make
        for one in contexts:
            one.close()
    assert wrong == []
