"""Every page under axe-core, light and dark, on a phone and at a desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

pytest.importorskip("starlette")

from edgeface.core.clock import SystemClock
from edgeface.journal.rows import JournalRow
from edgeface.web.texts import today_strings
from tests.support.axe import AXE, MISSING, violations
from tests.support.pages import DESKTOP, NEEDED, PHONE, PLAYWRIGHT, browser, page_of  # noqa: F401 - fixtures
from tests.support.visits import announced, visit
from tests.support.web import CAMERA, EVENT, UNKNOWN, Stage, context, server, stage  # noqa: F401 - fixtures

if TYPE_CHECKING or PLAYWRIGHT:
    from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from collections.abc import Callable

    Open = Callable[..., Page]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

pytestmark = [*NEEDED, pytest.mark.slow(seconds=60)]


PAGES = (
    "/",
    "/live",
    "/people",
    "/people/barack",
    "/people/barack/forget",
    "/forget?id=barack",
    "/enroll",
    "/enroll/camera",
    "/unknowns",
    f"/unknowns/{UNKNOWN}/enroll",
    f"/unknowns/{UNKNOWN}/delete",
    "/events",
    f"/events/{EVENT}/correct",
    "/doors",
    "/health",
    "/notifications",
    "/settings",
    f"/settings/cameras/{CAMERA}",
    "/settings/cameras/yard",
    "/sessions",
    "/accounts",
    "/tokens",
    "/proposals",
    "/login",
)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NOTIFY = """notify:
  targets: {browsers: {type: web_push, contact: "mailto:me@example.com"}}
  rules: [{to: [browsers], kinds: [unknown]}]
"""


@pytest.mark.skipif(not AXE, reason=MISSING)
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_on_any_page(page_of: Open, stage: Stage, size: dict[str, int]) -> None:
    at = SystemClock().wall()
    rows = [*visit(at - 900, 1, unknown=UNKNOWN), *visit(at - 300, 2, person="barack")]
    rows.append(JournalRow(EVENT, "unknown", at - 100, announced(at - 100, 3, "unknown", unknown=UNKNOWN).payload))
    assert stage.context.journal.write(rows, ())
    source = stage.folder / "config.yaml"
    source.write_text(source.read_text().replace("privacy: {pictures: all}\n", NOTIFY))
    stage.context.reload()
    # A camera without a picture yet has no faces either: 503.
    page = page_of(expected="503 (Service Unavailable)", viewport=size, reduced_motion="reduce")
    found = {}
    for path in PAGES:
        page.goto(path)
        if path == "/":
            expect(page.get_by_text(today_strings.PICTURES_YES)).to_be_visible()
            expect(page.get_by_role("button", name=today_strings.VISIT_IGNORE)).to_be_visible()
            expect(page.locator("[data-step]")).to_have_count(4)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
            found[path, scheme] = violations(page)
    assert {shown: wrong for shown, wrong in found.items() if wrong} == {}
