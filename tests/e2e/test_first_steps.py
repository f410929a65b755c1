"""From an empty page to "it knows me" in a real Chromium: a real daemon with a camera, and the clicks are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the page needs edgeface[web]")
from edgeface.demo.mosquitto import Mosquitto
from edgeface.demo.scenario import PEOPLE
from edgeface.web.texts import strings, today_strings
from tests.e2e.test_browser import ROUND, Visit
from tests.e2e.test_enrolling import Person, check
from tests.support.browsing import bounded, running, three_people
from tests.support.pages import NEEDED, PLAYWRIGHT, browser  # noqa: F401 - a fixture

if TYPE_CHECKING or PLAYWRIGHT:
    from playwright.sync_api import Browser, Locator, Page, expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Fixtures of tests/support/pages.py are arguments here.
# ruff: noqa: F811

pytestmark = [
    pytest.mark.broker,
    *NEEDED,
    pytest.mark.slow(seconds=20),
]

CLICKS = 5
"""From the empty page to the name on it; docs/web.md publishes this figure."""
NAME = "Barack Obama"
PHOTO = PEOPLE / "Barack_Obama" / "obama.jpg"


@pytest.fixture
def link(tmp_path: Path) -> Iterator[str]:
    """A device where no one is enrolled and no one has come by: the address that signs in once."""
    (tmp_path / "broker").mkdir()
    clip = three_people(tmp_path / "short.avi")
    with Mosquitto(tmp_path / "broker") as broker, running(tmp_path, broker.port, clip=clip) as daemon:
        found = daemon.sign_in_link()
        assert found is not None
        yield found


def step(page: Page, key: str, state: str) -> Locator:
    return page.locator(f"[data-step={key}][data-state={state}]")


def signed_in(browser: Browser, link: str, **settings: Any) -> Visit:
    visit = Visit(browser, link.partition("/login")[0], **settings)
    visit.page.goto(link)
    visit.page.wait_for_url(f"{visit.base}/")
    return visit


def test_five_clicks_and_one_name_lead_from_the_empty_page_to_the_name_on_it(browser: Browser, link: str) -> None:
    with bounded(browser):
        visit = signed_in(browser, link)
        page = visit.page
        for key, state in (("camera", "done"), ("person", "todo"), ("match", "todo"), ("connect", "done")):
            expect(step(page, key, state)).to_be_visible()
        check(page)
        page.set_viewport_size({"width": 1280, "height": 800})
        watched = visit.context.new_page()
        watched.goto(f"{visit.base}/")
        watched.evaluate("document.body.dataset.first = 'yes'")

        person = Person(page)
        person.click("link", today_strings.STEP_PERSON_DO)
        person.type(strings.PERSON_NAME, NAME)
        person.choose(strings.ENROLL_CHOOSE, PHOTO)
        person.click("button", strings.ENROLL)
        expect(page.get_by_text(strings.DONE["enrolled"], exact=True).first).to_be_visible()
        person.click("link", today_strings.TODAY)
        expect(page.locator("[data-card]", has_text=NAME).first).to_be_visible(timeout=ROUND)
        assert (person.clicks, person.typed) == (CLICKS, [NAME])

        expect(watched.get_by_text(today_strings.STEPS_FINISHED)).to_be_visible(timeout=ROUND)
        expect(watched.locator("#steps")).to_have_count(0)
        assert watched.evaluate("document.body.dataset.first") == "yes"
        expect(visit.go("/").locator("#steps")).to_have_count(0)
        visit.end()


def test_they_are_hidden_without_a_script(browser: Browser, link: str) -> None:
    with bounded(browser):
        visit = signed_in(browser, link)
        state = visit.context.storage_state()
        visit.end()
        plain = Visit(browser, visit.base, storage_state=state, java_script_enabled=False)
        page = plain.go("/")
        expect(page.locator("[data-step]")).to_have_count(4)
        page.get_by_role("button", name=today_strings.STEPS_HIDE).click()
        expect(page.locator("[data-step]")).to_have_count(0)
        expect(plain.go("/").locator("[data-step]")).to_have_count(0)
        plain.end()
