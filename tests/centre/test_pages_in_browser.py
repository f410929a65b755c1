"""The centre's pages in a real Chromium: without scripts, on a phone, and for people who use a screen reader."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.axe import AXE, MISSING, violations
from tests.support.browsing import ARGUMENTS, CHROMIUM, bounded
from tests.support.centre_pages import PASSWORD, account, fill
from tests.support.centre_server import HOST, SITE, serving
from tests.support.centre_server import centre as centre_of_server

PLAYWRIGHT = find_spec("playwright") is not None
if TYPE_CHECKING or PLAYWRIGHT:
    from playwright.sync_api import Browser, Page, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.centre_server import Running
    from tests.support.postgres import Postgres

    Open = Callable[..., Page]

pytestmark = [
    pytest.mark.needs_browser,
    pytest.mark.skipif(not PLAYWRIGHT, reason="needs playwright"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs {CHROMIUM}"),
]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
VIEWS = (
    "/", "/devices", "/proposals", "/events", "/search", "/journal", "/accounts", f"/sites/{SITE}/people",
    f"/sites/{SITE}/people/alice", f"/sites/{SITE}/changes", f"/sites/{SITE}/duplicates", f"/sites/{SITE}/proof",
    f"/sites/{SITE}/policy", f"/sites/{SITE}/models",
    f"/sites/{SITE}/enroll", f"/sites/{SITE}/forget?id=alice&id=carla", "/devices/garage/lost", "/nowhere",
)  # fmt: skip


@pytest.fixture(scope="module")
def running(postgres: Postgres, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, name = tmp_path_factory.mktemp("pages"), "pages"
    with centre_of_server(postgres.create(name, migrated), folder) as made, serving(made, folder) as running:
        fill(made)
        yield running
    postgres.drop(name)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield started
        with bounded(started):
            started.close()


@pytest.fixture
def page_of(browser: Browser, running: Running) -> Iterator[Open]:
    """Opens a browser with these settings that is signed in; nothing may fail on its pages but `expected`."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def make(role: str = "admin", *sites: str, expected: str = "\n", **settings: Any) -> Page:
        base = f"https://{HOST}:{running.server.admin_port}"
        contexts.append(browser.new_context(base_url=base, ignore_https_errors=True, **settings))
        page: Page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda one: wrong.append(one.text) if one.type in {"error", "warning"} else None)
        page.on("pageerror", lambda one: wrong.append(str(one)))
        name = f"{role}-{len(contexts)}"
        code = account(running.context, name, role, *sites).at(int(running.clock.wall()))
        page.goto("/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code of your authenticator").fill(code)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Sites", exact=True).wait_for()
        wrong[:] = [one for one in wrong if expected not in one]
        return page

    with bounded(browser):
        yield make
        for one in contexts:
            one.close()
    assert [one for one in wrong if "404" not in one] == []


@pytest.mark.skipif(not AXE, reason=MISSING)
def test_every_page_is_accessible_and_fits_a_phone(page_of: Open) -> None:
    page = page_of(viewport=DESKTOP)
    for path in VIEWS:
        page.goto(path)
        page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
        assert violations(page) == [], path
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        assert violations(page) == [], path


def test_the_sign_in_page_is_accessible(browser: Browser, running: Running) -> None:
    with bounded(browser):
        base = f"https://{HOST}:{running.server.admin_port}"
        context = browser.new_context(base_url=base, ignore_https_errors=True, viewport=PHONE)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto("/login?wrong=1")
        assert not AXE or violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        context.close()


def test_everything_works_without_scripts(page_of: Open, running: Running) -> None:
    store = running.context.store
    page = page_of(java_script_enabled=False)
    page.get_by_label("Name", exact=True).fill("workshop")
    page.get_by_role("button", name="Add the site").click()
    page.get_by_text("The site was added.").wait_for()
    page.get_by_role("link", name="Devices").click()
    page.get_by_label("Name of the device").fill("press")
    page.get_by_label("workshop").check()
    page.get_by_role("button", name="Make a code").click()
    assert len(page.locator("[data-code]").inner_text().strip()) == 39
    page.get_by_role("link", name="Sites", exact=True).click()
    page.get_by_role("link", name=SITE, exact=True).click()
    page.get_by_label("Find by name, ID or group").fill("cleaning")
    page.get_by_role("button", name="Find").click()
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("link", name="Dmitri Okafor").click()
    page.get_by_label("Groups").fill("cleaning, night")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The person was changed.").wait_for()
    page.get_by_role("link", name="Forget…").click()
    page.get_by_label("Type dmitri to confirm").fill("dmitri")
    page.get_by_role("button", name="Forget permanently").click()
    page.get_by_text("1 person was forgotten: dmitri").wait_for()
    assert "dmitri" not in {one.id for one in store.people(SITE)}
    page.get_by_role("link", name="Proposals").click()
    page.get_by_role("button", name="Decline proposal").first.click()
    page.get_by_text("The proposal was declined").wait_for()
    page.get_by_role("link", name="Devices").click()
    page.get_by_role("link", name="Lost… front").click()
    page.get_by_label("Type front to confirm").fill("front")
    page.get_by_role("button", name="Declare it lost").click()
    page.get_by_role("heading", name="front is revoked").wait_for()
    page.get_by_role("link", name="Journal").click()
    page.get_by_role("heading", name="Journal").wait_for()
    assert {"lost", "decline", "forget", "change", "code", "site"} <= set(page.locator("td .badge").all_inner_texts())
    page.get_by_role("button", name="Sign out").click()
    page.goto("/devices")
    assert "/login?next=" in page.url


def test_the_policy_and_the_models_of_a_site_are_changed_without_scripts(page_of: Open) -> None:
    page = page_of(java_script_enabled=False, viewport=PHONE)
    page.get_by_role("link", name=SITE, exact=True).click()
    page.get_by_role("link", name="Policy").click()
    page.get_by_label("Policy as YAML").fill("doors:\n  front-door:\n    allow: [{group: staff}]\n")
    page.get_by_role("button", name="Save the policy").click()
    page.get_by_text("The policy was saved.").wait_for()
    page.get_by_label(f"Type {SITE} to confirm").fill(SITE)
    page.get_by_role("button", name="Remove the policy").click()
    page.get_by_text("The policy was removed. Devices follow").wait_for()
    page.get_by_role("link", name="Models").click()
    page.get_by_label("garage").check()
    page.get_by_role("button", name="Have them change over").click()
    page.get_by_text("The devices were told.").wait_for()
    page.get_by_role("link", name="Search", exact=True).click()
    page.get_by_text("systemctl start edgeface-centre-search").wait_for()


def test_times_are_those_of_the_viewer(page_of: Open) -> None:
    page = page_of("viewer", timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto("/events")
    assert "Asia/Tokyo" in page.locator("main").inner_text()
    shown = page.locator("tbody time").first
    assert "GMT+9" in (shown.get_attribute("title") or "")
