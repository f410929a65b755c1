"""Live and guided enrollment in a real Chromium: the picture, why there is none, and what is drawn on it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("starlette")

from edgeface.core.types import Box, Face, Frame, FrameResult
from edgeface.web.pages.guided import Progress
from edgeface.web.texts import camera_strings, strings
from tests.support.axe import AXE, violations
from tests.support.pages import NEEDED, PLAYWRIGHT, browser, page_of  # noqa: F401 - fixtures
from tests.support.web import CAMERA, STATE, Stage, context, server, stage  # noqa: F401 - fixtures

if TYPE_CHECKING or PLAYWRIGHT:
    from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.pages import Open

# Fixtures of tests/support are arguments here.
# ruff: noqa: F811

pytestmark = [*NEEDED, pytest.mark.slow(seconds=10)]

OTHER = "yard"
PROBLEM = "rtsp://10.0.0.9 refuses the user name or the password"


@pytest.fixture
def seen(stage: Stage) -> Iterator[list[Face]]:
    """The faces at the other camera, which delivers a picture now."""
    faces: list[Face] = []
    done = threading.Event()

    def play() -> None:
        clock, seq = stage.context.clock, 0
        while not done.wait(0.05):
            seq += 1
            image = np.full((480, 640, 3), seq % 200, np.uint8)
            frame = Frame(OTHER, seq, clock.monotonic(), clock.wall(), image)
            stage.context.hub(FrameResult(frame, tuple(faces), ()))

    player = threading.Thread(target=play)
    player.start()
    yield faces
    done.set()
    player.join()


def face(track: int, label: str, reason: str | None, name: str | None = None) -> Face:
    box = Box(40 + 150 * track, 120, 130 + 150 * track, 240)
    score = 0.71 if name else None
    return Face(track, box, label, name and name.lower(), name, None, score, reason)  # type: ignore[arg-type]


def away(stage: Stage, status: str, problem: str | None) -> None:
    cameras = {CAMERA: {**STATE["cameras"][CAMERA], "status": status, "problem": problem}}
    stage.context.hub.state = {**STATE, "cameras": cameras}


def test_a_frame_has_the_reason_why_its_face_is_not_judged(page_of: Open, stage: Stage, seen: list[Face]) -> None:
    away(stage, "offline", PROBLEM)
    seen += [face(0, "new", "small"), face(1, "new", "turned"), face(2, "match", None, "Barack")]
    page = page_of("viewer", expected="503", viewport={"width": 1280, "height": 1600})
    page.goto("/live")
    card = page.locator(f"section[data-camera={OTHER}]")
    expect(card.locator("svg .tag text")).to_have_text(["too far away", "turned away", "Barack 0.71"])
    expect(card.locator(".seen")).to_contain_text("not judged: too far away")
    seen[:] = [face(0, "new", None), face(1, "uncertain", "dark")]
    expect(card.locator("svg .tag text")).to_have_text(
        [strings.LABELS["new"], f"{strings.LABELS['uncertain']}: too dark"]
    )
    expect(page.locator(".legend li")).to_have_count(len(camera_strings.LEGEND_FRAMES))

    lost = page.locator(f"section[data-camera={CAMERA}]")
    expect(lost.locator("[data-problem]")).to_have_text(PROBLEM)
    expect(lost.locator("[data-advice]")).to_contain_text("Check the user name")
    expect(lost.locator("[data-badge]")).to_have_text("offline")
    # The reason changes while the page is open.
    away(stage, "offline", "rtsp://10.0.0.9 hangs in its driver")
    expect(lost.locator("[data-advice]")).to_contain_text("Unplug the camera")


def test_the_guide_shows_the_picture_with_an_oval_and_the_progress(
    page_of: Open, stage: Stage, seen: list[Face]
) -> None:
    guidance = stage.app.state.guidance
    guidance._progress = Progress("joe", "Joe", OTHER, None, None, lines=("come closer",))
    page = page_of(viewport={"width": 1280, "height": 1200}, reduced_motion="reduce")
    page.goto("/enroll/camera")
    oval = page.locator(".stage ellipse.oval")
    expect(oval).to_have_count(1)
    expect(page.locator(".stage img").first).to_be_visible()
    # The middle of a picture of 640 x 480, and so large that a head fills it.
    assert [round(float(oval.get_attribute(name) or 0)) for name in ("cx", "cy", "ry")] == [320, 240, 144]
    expect(page.locator(".oval.fits")).to_have_count(0)
    seen.append(Face(1, Box(250, 150, 390, 330), "new", None, None, None, None, None))
    expect(page.locator(".oval.fits")).to_have_count(1)
    seen[0] = Face(1, Box(20, 150, 160, 330), "new", None, None, None, None, None)
    expect(page.locator(".oval.fits")).to_have_count(0)

    expect(page.locator("[data-advice]")).to_have_text("come closer")
    expect(page.locator("[aria-live=polite]")).to_have_text("0 of 5 pictures. Next: look straight at the camera.")
    guidance._progress = replace(
        guidance._progress, taken=1, missing=("turned left", "turned right"), pose="turned left", lines=("hold still",)
    )
    expect(page.locator("[aria-live=polite]")).to_have_text(
        "1 of 5 pictures. Next: turn your head a little to your left."
    )
    expect(page.locator("[aria-live=assertive]")).to_have_text("hold still")
    expect(page.locator(".poses li").first).to_have_text("Straight ahead: taken")
    assert page.locator("progress").evaluate("one => one.value") == 1
    assert not AXE or violations(page) == []
