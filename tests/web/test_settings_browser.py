"""The settings in a real Chromium: a change is written and undone, a mistake is at its field, a camera is tried."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("starlette")

from edgeface.web.texts import settings_strings, strings
from tests.support.axe import AXE, violations
from tests.support.pages import NEEDED, PLAYWRIGHT, browser, page_of  # noqa: F401 - fixtures
from tests.support.web import CAMERA, STATE, Stage, context, server, stage  # noqa: F401 - fixtures

if TYPE_CHECKING or PLAYWRIGHT:
    from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.support.pages import Open

# Fixtures of tests/support are arguments here.
# ruff: noqa: F811

pytestmark = [*NEEDED, pytest.mark.slow(seconds=10)]

NOTIFY = """notify:
  targets: {house: {type: webhook, url: "http://192.168.1.20/hook", secret_env: HOUSE_SECRET, allow_local: true}}
  rules: [{to: [house], kinds: [unknown]}]
"""
PATH = f"/settings/cameras/{CAMERA}"


def test_a_setting_is_changed_and_undone_by_one_click(page_of: Open, stage: Stage) -> None:
    source = stage.folder / "config.yaml"
    before = source.read_bytes()
    # The live page has no newer picture in this test, which its script reports.
    page = page_of(expected="503", java_script_enabled=False)
    page.goto("/live")
    page.get_by_role("link", name=settings_strings.SETTINGS_OF_CAMERA).first.click()
    expect(page).to_have_url(re.compile(f"{PATH}$"))
    page.get_by_label(settings_strings.FPS).fill("12")
    page.get_by_role("button", name=settings_strings.SETTINGS_SAVE).click()
    expect(page.locator("main > .note.ok")).to_contain_text("Saved.")
    expect(page.locator("main > .note.ok code")).to_have_text("systemctl restart edgeface")
    assert b"    fps: 12.0\n" in source.read_bytes()
    expect(page.get_by_label(settings_strings.FPS)).to_have_value("12")
    page.get_by_role("button", name=settings_strings.UNDO).click()
    expect(page.locator("main > .note.ok")).to_contain_text("undone")
    expect(page.get_by_label(settings_strings.FPS)).to_have_value("")
    assert source.read_bytes() == before


def test_a_mistake_is_at_its_field_and_a_try_shows_the_picture(page_of: Open, stage: Stage) -> None:
    before = (stage.folder / "config.yaml").read_bytes()
    page = page_of(expected="409", reduced_motion="reduce")
    page.goto(PATH)
    region = page.get_by_role("group", name=strings.REGION_EDGES_LABEL)
    region.get_by_label(strings.REGION_EDGES["left"]).fill("80")
    region.get_by_label(strings.REGION_EDGES["right"]).fill("20")
    page.get_by_role("button", name=settings_strings.SETTINGS_SAVE).click()
    expect(page.get_by_role("alert")).to_contain_text(settings_strings.NOTHING_WRITTEN)
    expect(region.get_by_label(strings.REGION_EDGES["left"])).to_have_value("80")
    assert not AXE or violations(page) == []
    # Outside what the field takes, the browser asks before it sends anything.
    page.goto(PATH)
    page.get_by_label(settings_strings.FPS).fill("10")
    page.get_by_role("button", name=settings_strings.TRY, exact=True).click()
    expect(page.locator("img.tried")).to_be_visible()
    assert page.locator("img.tried").evaluate("one => one.naturalWidth") == 640
    expect(page.get_by_label(settings_strings.FPS)).to_have_value("10")
    assert not AXE or violations(page) == []
    page.goto("/settings/cameras/yard")
    page.get_by_role("button", name=settings_strings.TRY, exact=True).click()
    expect(page.locator("[data-reason]")).to_contain_text("/dev/video99 does not exist")
    assert (stage.folder / "config.yaml").read_bytes() == before


def test_a_name_is_given_on_a_phone_and_the_longest_one_fits_every_page(page_of: Open, stage: Stage) -> None:
    longest = "W" * 60
    page = page_of(viewport={"width": 360, "height": 740}, expected="503", java_script_enabled=False)
    page.goto(PATH)
    page.get_by_label(settings_strings.NAME).fill(longest)
    page.get_by_role("button", name=settings_strings.SETTINGS_SAVE).click()
    expect(page.locator("main > .note.ok")).to_contain_text("Saved.")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Settings of camera {longest}")
    assert stage.context.configuration().camera_name(CAMERA) == longest
    # A fault and a rule have the name too.
    source = stage.folder / "config.yaml"
    source.write_text(source.read_text() + NOTIFY)
    stage.context.reload()
    offline = {**STATE["cameras"][CAMERA], "status": "offline", "problem": "no frames"}
    stage.context.hub.state = {**STATE, "cameras": {CAMERA: offline}}
    widths = {}
    for path in (
        PATH,
        "/",
        "/live",
        "/events",
        "/health",
        "/people",
        "/people/barack",
        "/unknowns",
        "/settings",
        "/enroll",
    ):
        page.goto(path)
        # Otherwise the page does not have the name at all.
        assert longest in page.content(), path
        widths[path] = page.evaluate("document.documentElement.scrollWidth")
    assert {path: width for path, width in widths.items() if width > 360} == {}
