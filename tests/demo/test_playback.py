from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edgeface.core.clock import SystemClock, rfc3339
from edgeface.demo.door import ALLOWED, AcceptedGrant, allowed_visits, door_faults
from edgeface.demo.playback import WHOLE, Finding, Look, Playback, Pulse
from edgeface.demo.scenario import TRUTH
from edgeface.demo.truth import findings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

START, RATE, FRAMES = 1_763_800_000.0, 15.0, 480


def looks(numbers: Iterable[int], late: float = 0.0, delay: float = 0.02) -> list[Look]:
    """Frames of the clip, all of them captured so much later than they should be."""
    return [Look(n, START + late + n / RATE, START + late + n / RATE + delay) for n in numbers]


def event(kind: str, wall: float, person: str | None, unknown: str | None = None) -> dict[str, Any]:
    truth = json.loads(TRUTH.read_text())
    rows = truth["boxes"][person or "stranger"]
    return {"event_type": kind, "captured_at": rfc3339(wall), "person": person, "unknown": unknown, "box": rows[5][1:]}


def test_a_clip_that_starts_late_has_its_own_time() -> None:
    # The first 30 frames were not looked at, and the others came 7 s late.
    playback = Playback(looks(range(30, FRAMES), late=7.0), RATE)
    assert playback.seconds(START + 7.0 + 2.0) == pytest.approx(2.0)
    assert playback.seconds(START + 7.0 + 20.0) == pytest.approx(20.0)
    assert playback.seconds(START + 7.0) == pytest.approx(0.0)
    assert playback.seconds(START + 7.0 + 33.0) == pytest.approx(33.0)


def test_a_clip_that_stands_in_between_has_the_time_of_its_frames() -> None:
    playback = Playback([*looks(range(150)), *looks(range(150, FRAMES), late=5.0)], RATE)
    assert playback.seconds(START + 5.0) == pytest.approx(5.0)
    assert playback.seconds(START + 5.0 + 20.0) == pytest.approx(20.0)


def test_a_match_in_a_clip_that_started_late_is_of_the_person_in_view() -> None:
    playback = Playback(looks(range(5, FRAMES), late=9.0), RATE)
    match = event("match", START + 9.0 + 3.0, "barack_obama")
    found = findings(TRUTH, [match], playback.seconds)
    assert not [one for one in found if one.text.startswith("match")]
    # Against the wall time of the first frame that was looked at, it was of someone who is not there.
    assert [one for one in findings(TRUTH, [match], lambda wall: wall - START) if one.text.startswith("match")]


def test_what_was_not_seen_is_not_judged_and_a_wrong_name_is_wrong_all_the_same() -> None:
    playback = Playback(looks(range(0, FRAMES, 10)), RATE)
    events = [event("match", START + 15.0, "barack_obama")]
    judgement = playback.judged(findings(TRUTH, events, playback.seconds), FRAMES)
    assert judgement.wrong == ["match of Barack Obama at 15.0 s, which fits no visit"]
    assert len(judgement.not_judged) == 12
    assert "expected one match event, got none (11 of 109 frames were looked at)" in judgement.not_judged[0]


def test_what_was_seen_is_judged() -> None:
    # Someone else's visits were not seen.
    playback = Playback(looks([*range(200), *range(200, FRAMES, 10)]), RATE)
    judgement = playback.judged(findings(TRUTH, [], playback.seconds), FRAMES)
    assert [line.split(",")[0] for line in judgement.wrong] == ["Barack Obama"] * 2
    assert len(judgement.not_judged) == 10


FINDING = Finding("something is missing", (5.0, 10.0))


@pytest.mark.parametrize(
    "playback",
    {
        "no frames": Playback([], RATE),
        "few frames": Playback(looks([*range(75), *range(75, 150, 2), *range(150, FRAMES)]), RATE),
        "a gap": Playback(looks([*range(100), *range(112, FRAMES)]), RATE),
        "late results": Playback(looks(range(FRAMES), delay=0.8), RATE),
        "a pause of the clip": Playback([*looks(range(100)), *looks(range(100, FRAMES), late=2.0)], RATE),
        "a pause of the machine": Playback(looks(range(FRAMES)), RATE, [(START + 6.0, START + 7.0)]),
        "the clip was opened again": Playback(looks(range(FRAMES + 20)), RATE),
    }.values(),
)
def test_a_slow_or_busy_machine_may_be_the_cause(playback: Playback) -> None:
    judgement = playback.judged([FINDING, Finding("the wrong name")], FRAMES)
    assert judgement.wrong == ["the wrong name"]
    assert len(judgement.not_judged) == 1


@pytest.mark.parametrize(
    "playback",
    {
        "every frame": Playback(looks(range(FRAMES)), RATE),
        "nearly every frame": Playback(looks(n for n in range(FRAMES) if n % 6), RATE),
        "late, but all of them": Playback(looks(range(FRAMES), late=20.0), RATE),
        "a pause elsewhere": Playback(looks(range(FRAMES)), RATE, [(START + 20.0, START + 21.0)]),
        "frames missing elsewhere": Playback(looks(range(60, 200)), RATE),
    }.values(),
)
def test_a_machine_that_keeps_up_is_no_excuse(playback: Playback) -> None:
    assert playback.judged([FINDING], FRAMES) == ([FINDING.text], [])


def test_the_whole_clip_must_have_been_seen() -> None:
    finding = Finding("the relay was switched on too rarely", WHOLE)
    assert Playback(looks(range(FRAMES)), RATE).judged([finding], FRAMES).wrong
    assert Playback(looks(range(0, FRAMES, 2)), RATE).judged([finding], FRAMES).not_judged


def test_a_door_that_opens_for_someone_else_is_wrong_however_little_was_seen() -> None:
    playback = Playback(looks(range(0, FRAMES, 30)), RATE)
    accepted = [AcceptedGrant("joe_biden", START + 15.0, b""), AcceptedGrant(ALLOWED, START + 3.0, b"")]
    found = door_faults(accepted, 2, {"accepted": True, "reason": None}, allowed_visits(TRUTH), playback.seconds)
    judgement = playback.judged(found, FRAMES)
    assert judgement.wrong == ["the door opened for joe_biden", "the door's answer to a replayed grant: accepted"]
    assert len(judgement.not_judged) == 1


class _Stalling(SystemClock):
    """A clock of a machine that stands still for a while after its first looks."""

    def __init__(self) -> None:
        self.looks = 0

    def wall(self) -> float:
        self.looks += 1
        return START + 0.05 * self.looks + (3.0 if self.looks > 3 else 0.0)


def test_a_machine_that_stands_still_is_noticed() -> None:
    clock = _Stalling()
    pulse = Pulse(clock)
    while clock.looks < 6:
        SystemClock().sleep(0.01)
    pulse.stop()
    ((since, until),) = pulse.pauses
    assert until - since == pytest.approx(3.05)
