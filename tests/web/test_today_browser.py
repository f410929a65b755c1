"""Today and the times of all pages in a real Chromium."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("starlette")

from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.events import event_id
from edgeface.web.texts import today_strings
from tests.support.pages import NEEDED, PLAYWRIGHT, browser, page_of  # noqa: F401 - fixtures
from tests.support.visits import announced, left, visit
from tests.support.web import (  # noqa: F401 - fixtures
    CAMERA,
    EVENT,
    UNKNOWN,
    Stage,
    context,
    server,
    stage,
)
from tests.web.test_today import noon  # noqa: F401 - a fixture

if TYPE_CHECKING or PLAYWRIGHT:
    from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.journal.rows import JournalRow

    Open = Callable[..., Page]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

pytestmark = [
    *NEEDED,
    pytest.mark.slow(seconds=40),
]

DAY = 86_400.0


def write(stage: Stage, *rows: JournalRow) -> None:
    assert stage.context.journal.write(rows, ())


def now() -> float:
    return SystemClock().wall()


def test_someone_who_comes_appears_without_a_reload_and_is_then_gone(page_of: Open, stage: Stage) -> None:
    page = page_of()
    expect(page.locator("[data-live]")).to_have_text(today_strings.TODAY_LIVE)
    page.evaluate("document.body.dataset.first = 'yes'")
    event = announced(now(), 7, person="barack")
    write(stage, event)
    stage.context.hub.on_message({"kind": "match", "id": event.id})
    card = page.locator("[data-card]", has_text="Barack")
    expect(card.first).to_contain_text(today_strings.VISIT_NOW)
    write(stage, left(now() + 1, 7, 1.0, person="barack"))
    stage.context.hub.on_message({"kind": "left", "id": event_id(now(), "x", 1)})
    expect(card.first.locator(".push time")).to_have_text("now")
    assert page.evaluate("document.body.dataset.first") == "yes"


def test_what_is_being_used_stays_while_someone_comes(page_of: Open, stage: Stage) -> None:
    write(stage, *[row for n in range(8) for row in visit(now() - 900 + 60 * n, n, person="barack")])
    page = page_of()
    details = page.locator("details").first
    details.locator("summary").click()
    for n, person in enumerate(("eileen", "barack")):
        event = announced(now(), 20 + n, person=person)
        write(stage, event)
        stage.context.hub.on_message({"kind": "match", "id": event.id})
    page.wait_for_timeout(2_500)
    expect(page.locator("[data-card]")).to_have_count(1)
    page.locator("h1").click()
    expect(page.locator("[data-card]")).to_have_count(2)
    expect(page.locator("details[open]")).to_have_count(1)


def test_a_stranger_is_enrolled_from_the_card_without_javascript(page_of: Open, stage: Stage, noon: float) -> None:
    write(stage, *visit(noon, 1, unknown=UNKNOWN))
    page = page_of(java_script_enabled=False)
    card = page.locator("[data-card]")
    expect(card.locator(".log time").first).to_have_text("12:00")
    expect(page.locator("footer")).to_contain_text("All times are UTC.")
    card.get_by_role("link", name=today_strings.VISIT_NEW).click()
    page.locator("#id").fill("joe")
    page.locator("#name").fill("Joe")
    page.locator("main form button.primary").click()
    page.goto("/")
    expect(card.get_by_role("link", name="Joe", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("zone", "language", "near"),
    [
        ("America/New_York", "en-US", "5 min. ago"),
        ("Asia/Kolkata", "de-DE", "vor 5 Min."),
        ("UTC", "en-GB", "5 min ago"),
    ],
)
def test_times_are_in_the_browsers_zone_and_language(
    page_of: Open, stage: Stage, zone: str, language: str, near: str
) -> None:
    at = now()
    stage.context.journal.record("renamed", at - 320, {"person": "barack"})
    stage.context.journal.record("consent", at - 40 * DAY, {"person": "barack"})
    page = page_of(timezone_id=zone, locale=language)
    page.goto("/events?kind=renamed")
    shown = page.locator("tbody time").first
    expect(shown).to_have_text(near)
    hours = datetime.fromtimestamp(at - 320, ZoneInfo(zone))
    assert f"{hours:%M}" in (shown.get_attribute("title") or "")
    of_page = page.locator("html").get_attribute("lang") or ""
    assert (shown.get_attribute("lang") or of_page).startswith(language[:2])
    page.goto("/events?kind=consent")
    day = datetime.fromtimestamp(at - 40 * DAY, ZoneInfo(zone))
    expect(page.locator("tbody time").first).to_contain_text(str(day.year))
    expect(page.locator("tbody time").first).to_contain_text(str(day.day))
    expect(page.locator("footer")).not_to_contain_text("UTC", use_inner_text=True)


def test_today_is_the_day_of_the_browser(page_of: Open, stage: Stage) -> None:
    """Twelve hours before and after: at any time, it is another day for one of the two than in UTC."""
    for zone in ("Pacific/Auckland", "Pacific/Honolulu"):
        page = page_of(timezone_id=zone)
        expect(page.locator("#visits")).to_have_attribute("data-zone", zone)
        there = datetime.now(ZoneInfo(zone))
        midnight = there.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        write(stage, *visit(midnight - 1, 1, person="eileen", boot=zone))
        write(stage, *visit(midnight + 1, 2, person="barack", boot=zone))
        page.reload()
        today = page.locator(f"section[aria-labelledby='day-{there:%Y-%m-%d}']")
        expect(today.locator("[data-card]", has_text="Barack")).to_have_count(1)
        page.goto(f"/?day={there:%Y-%m-%d}")
        expect(page.locator(f".log time[datetime='{rfc3339(midnight + 1)}']")).to_have_count(1)
        expect(page.locator(f".log time[datetime='{rfc3339(midnight - 1)}']")).to_have_count(0)


def test_a_browser_without_cookies_is_not_reloaded_for_ever(page_of: Open) -> None:
    page = page_of(timezone_id="Asia/Tokyo")
    page.add_init_script(
        "Object.defineProperty(document, 'cookie', { get: () => '', set: () => undefined }); "
        "sessionStorage.loads = Number(sessionStorage.loads || 0) + 1"
    )
    page.goto("/")
    page.wait_for_timeout(1_000)
    assert page.evaluate("sessionStorage.loads") == "1"
