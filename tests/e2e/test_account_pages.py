"""Invitation, sign-in, sessions and tokens in a real Chromium, over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the page needs edgeface[web]")
from edgeface.web.auth import accounts
from edgeface.web.texts import account_strings, strings
from tests.support.browsing import bounded
from tests.support.pages import NEEDED, PLAYWRIGHT, browser  # noqa: F401 - a fixture
from tests.support.web import server, stage  # noqa: F401 - fixtures

if TYPE_CHECKING or PLAYWRIGHT:
    from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.web.server import Server
    from tests.support.web import Stage

pytestmark = [
    *NEEDED,
    pytest.mark.slow(seconds=8),
]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

PASSWORD = "correct horse battery"  # noqa: S105 - of a test


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser context of its own, in which nothing may be blocked or fail."""
    wrong: list[str] = []
    contexts = []

    def open_(path: str, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda one: wrong.append(str(one)))
        page.on("console", lambda one: wrong.append(one.text) if "Content Security Policy" in one.text else None)
        page.goto(f"{server.url}{path}")
        return page

    with bounded(browser):
        yield open_
        for context in contexts:
            context.close()
    assert wrong == []


HTTPS = "https://edgeface.example"
"""Where links lead, as behind a proxy; the tests open them at the server itself."""


def address_known(stage: Stage) -> None:
    """Have config.yaml name the address of the page."""
    path = stage.folder / "config.yaml"
    target = "{type: webhook, url: 'https://w.example', secret_env: W}"
    rules = "[{kinds: [match], to: [w]}]"
    text = f"notify: {{page: '{HTTPS}', targets: {{w: {target}}}, rules: {rules}}}\n"
    path.write_text(path.read_text() + text)
    stage.context.reload()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id"))


def test_someone_is_invited_signs_in_and_is_signed_out_from_elsewhere(
    visit: Callable[..., Page], stage: Stage, server: Server
) -> None:
    accounts.set_password(stage.data, "root", "admin", PASSWORD, 0.0)
    address_known(stage)
    # With one account, the focus is in the password, and it is all that is asked for.
    admin = visit("login")
    assert (focused(admin), admin.locator("#name").count()) == ("secret", 0)
    admin.keyboard.type(PASSWORD)
    admin.keyboard.press("Enter")
    admin.wait_for_url(server.url)
    admin.get_by_role("link", name=account_strings.ROLE_NAMES["admin"]).click()
    admin.get_by_role("link", name=account_strings.ACCOUNTS).click()
    admin.get_by_role("button", name=account_strings.INVITE_MAKE).click()
    link = admin.locator("[data-secret]").inner_text()

    # The receiver, on a phone and without JavaScript.
    phone = visit(link.removeprefix(f"{HTTPS}/"), java_script_enabled=False, viewport={"width": 390, "height": 844})
    phone.get_by_label(strings.LOGIN_NAME).fill("anna")
    phone.get_by_label(account_strings.LOGIN_PASSWORD, exact=True).fill(PASSWORD)
    phone.get_by_label(account_strings.INVITED_REPEAT).fill("something else")
    phone.get_by_role("button", name=account_strings.INVITED_MAKE).click()
    expect(phone.get_by_role("alert")).to_contain_text(account_strings.INVITED_DIFFERENT)
    assert phone.get_by_label(strings.LOGIN_NAME).input_value() == "anna"
    for label in (account_strings.LOGIN_PASSWORD, account_strings.INVITED_REPEAT):
        phone.get_by_label(label, exact=True).fill(PASSWORD)
    phone.get_by_role("button", name=account_strings.INVITED_MAKE).click()
    phone.wait_for_url(server.url)

    # The administrator ends the session; the next page asks for the password, with a name now.
    admin.goto(f"{server.url}sessions")
    row = admin.get_by_role("row").filter(has_text="anna")
    expect(row).to_contain_text("Chrome on Linux")
    row.get_by_role("button").click()
    expect(admin.get_by_role("status")).to_have_text(account_strings.DONE_ACCOUNTS["session_ended"])
    phone.goto(f"{server.url}people")
    assert phone.url == f"{server.url}login?next=/people"
    phone.get_by_label(strings.LOGIN_NAME).fill("anna")
    phone.get_by_label(strings.LOGIN_SECRET).fill("wrong password")
    phone.get_by_role("button", name=strings.LOGIN).click()
    expect(phone.get_by_role("alert")).to_have_text(strings.LOGIN_WRONG)
    assert phone.get_by_label(strings.LOGIN_NAME).input_value() == "anna"
    phone.get_by_label(strings.LOGIN_SECRET).fill(PASSWORD)
    phone.get_by_role("button", name=strings.LOGIN).click()
    phone.wait_for_url(f"{server.url}people")

    # Not for a viewer; the page of the error has the navigation.
    phone.goto(f"{server.url}accounts")
    expect(phone.get_by_role("heading", level=1)).to_have_text(account_strings.PROBLEM_TITLES[403])
    phone.get_by_role("navigation").get_by_role("link", name=strings.PEOPLE).click()
    phone.wait_for_url(f"{server.url}people")

    # The account is removed.
    admin.goto(f"{server.url}accounts")
    row = admin.get_by_role("row").filter(has_text="anna")
    row.get_by_text(account_strings.ACCOUNTS_REMOVE, exact=True).click()
    row.get_by_role("button").click()
    expect(admin.get_by_role("status")).to_have_text(account_strings.DONE_ACCOUNTS["account_removed"])
    phone.goto(f"{server.url}people")
    assert phone.url == f"{server.url}login?next=/people"


def test_the_focus_is_in_the_first_empty_field(visit: Callable[..., Page], stage: Stage) -> None:
    for name in ("anna", "root"):
        accounts.set_password(stage.data, name, "admin", PASSWORD, 0.0)
    page = visit("login")
    assert focused(page) == "name"
    page.keyboard.type("anna")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong password")
    page.keyboard.press("Enter")
    page.wait_for_url("**/login?wrong=1")
    assert (focused(page), page.locator("#name").input_value()) == ("secret", "anna")


@pytest.mark.parametrize("width", [390, 1280])
def test_these_pages_fit_on_a_phone_and_a_desk(
    visit: Callable[..., Page], stage: Stage, server: Server, width: int
) -> None:
    accounts.set_password(stage.data, "root", "admin", PASSWORD, 0.0)
    accounts.make_token(stage.data, "a" * 64, "recognise", 0.0, days=30)
    page = visit("login", viewport={"width": width, "height": 844})
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "login" not in address)
    for path in ("sessions", "accounts", "tokens", "nowhere"):
        page.goto(f"{server.url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
