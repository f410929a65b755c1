"""The demo's attack: its film, its simulated head, and what counts as wrong."""

from pathlib import Path
from typing import Any

import pytest

from edgeface.cameras.replay import ReplayCamera
from edgeface.core.clock import rfc3339
from edgeface.core.types import ChallengeReport, ChallengeRequest, Frame, FrameResult, SpoofReason, Turn
from edgeface.demo import truth
from edgeface.demo.attack import event_faults
from edgeface.demo.film import APART, FPS, Part, make_film
from edgeface.demo.scenario import CLIP, PEOPLE
from edgeface.demo.simulated_head import FARTHEST, SimulatedHead
from tests.support.scripted import GREY

START = 1_763_800_000.0
PHONE, PORTRAIT = Part("phone", 34.0, 40.0), Part("portrait", 44.0, 50.0)


def test_the_film_is_the_clip_and_then_each_part_in_the_empty_scene(tmp_path: Path) -> None:
    film = tmp_path / "attack.avi"
    end, parts = make_film(film, CLIP, PEOPLE / "Barack_Obama" / "obama2.jpg", [("phone", 1.0), ("portrait", 1.0)])
    assert end == pytest.approx(32.0)
    assert parts == [Part("phone", end + APART, end + APART + 1), Part("portrait", end + 3 * APART + 1, 40.0)]
    pictures = {n: one.image for n, one in enumerate(ReplayCamera(type="replay", path=film, pace="fast").images())}
    assert len(pictures) == (40 + APART) * FPS
    empty, phone, portrait = (
        pictures[round(at * FPS)].astype(float) for at in (end + 1, parts[0].since + 0.5, parts[1].since + 0.2)
    )
    changed = (abs(phone - empty).max(axis=2) > 40).mean()
    assert 0.05 < changed < 0.4
    assert (abs(portrait - empty).max(axis=2) > 40).mean() > 0.6


def turns(head: SimulatedHead, asked: Turn | None, since: float, until: float) -> list[float | None]:
    """The yaw after each frame; the turn is asked for in the first one."""
    request = ChallengeRequest(1, "porch", 1, "alice", ("left", "right"), final=False)
    found: list[float | None] = []
    for number in range(round(since * FPS), round(until * FPS)):
        reports = (ChallengeReport(request, asked, 0.0),) if asked is not None and not found else ()
        head(FrameResult(Frame("porch", number, number / FPS, START, GREY), (), (), challenges=reports))
        found.append(head.yaw)
    return found


def test_the_head_turns_to_its_own_left_when_asked_and_comes_back() -> None:
    head = SimulatedHead(1.0, 9.0)
    assert set(turns(head, None, 0.0, 0.9)) == {None}
    assert set(turns(head, None, 1.1, 2.0)) == {0.0}
    left = [yaw for yaw in turns(head, "left", 2.0, 5.0) if yaw is not None]
    assert max(left) == pytest.approx(FARTHEST)
    assert min(left) == 0.0
    assert left[-1] == 0.0
    right = [yaw for yaw in turns(head, "right", 5.0, 8.0) if yaw is not None]
    assert min(right) == pytest.approx(-FARTHEST)
    assert turns(head, None, 9.1, 9.5)[-1] is None


def event(kind: str, at: float, reason: str | None = None) -> dict[str, Any]:
    return {"event_type": kind, "captured_at": rfc3339(START + at), "reason": reason, "person": None, "unknown": None}


@pytest.mark.parametrize(
    ("reason", "events", "wrong"),
    [
        ("screen_or_print", [("spoof", 35.0, "screen_or_print"), ("left", 42.0, None)], []),
        ("screen_or_print", [], ["the phone from 34 s on: unexpected events (none)"]),
        (
            "screen_or_print",
            [("match", 35.0, None), ("left", 42.0, None)],
            ["the phone from 34 s on: unexpected events (match, left)"],
        ),
        ("challenge", [("match", 35.0, None), ("spoof", 39.0, "challenge"), ("left", 42.0, None)], []),
        (
            "challenge",
            [("match", 35.0, None), ("spoof", 39.0, "screen_or_print"), ("left", 42.0, None)],
            ["the phone from 34 s on: unexpected events (match, spoof screen_or_print, left)"],
        ),
    ],
)
def test_a_part_without_its_events_is_wrong(
    reason: SpoofReason,
    events: list[tuple[str, float, str | None]],
    wrong: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(truth, "findings", lambda *_: [])
    portrait = [event("match", 45.0), event("left", 52.0)]
    wires = [event(*one) for one in events]

    def seconds(wall: float) -> float:
        return wall - START

    found = event_faults(32.0, [PHONE, PORTRAIT], reason, [*wires, *portrait], seconds)
    assert [finding.text for finding in found] == wrong
    assert len(event_faults(32.0, [PHONE, PORTRAIT], reason, wires, seconds)) == len(wrong) + 1
