"""The attack: after the clip, a phone with the allowed person's picture is held before the same camera.

With the networks that look for screens and prints, the door refuses the phone by them. Without them it asks for head
turns: a phone and a print cannot follow, and a simulated head does.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from edgeface.access.policy import AllowRule, Door
from edgeface.config.configuration import Configuration
from edgeface.core.clock import rfc3339
from edgeface.core.console import say
from edgeface.demo import truth
from edgeface.demo.door import ALLOWED, NAME, allowed_visits
from edgeface.demo.film import APART, make_film
from edgeface.demo.playback import AFTERWARDS, Finding
from edgeface.demo.scenario import CAMERA, CLIP, PEOPLE, TRUTH, Scenario, configuration
from edgeface.demo.simulated_head import SimulatedHead, TurningConfiguration
from edgeface.demo.subscriber import captured_at
from edgeface.faces.liveness.minifasnet import MinifasnetLiveness
from edgeface.faces.models import store
from edgeface.faces.models.known import MINIFASNET_V1SE, MINIFASNET_V2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgeface.access.liveness import DoorLiveness
    from edgeface.core.types import FrameResult, SpoofReason
    from edgeface.demo.film import Part
    from edgeface.demo.subscriber import Wire

_PHOTO = PEOPLE / "Barack_Obama" / "obama2.jpg"
_ATTEMPTS = 18.0
"""Seconds for two challenges that time out, and a little more."""


def attack(out: Path, port: int, models: Path | None) -> Scenario:
    """The attack on a door that looks for screens and prints if there is a folder with the models' files.

    Raises ModelError if the folder lacks one of the files or one cannot be used.
    """
    return _turned_away_by_looks(out, port, models) if models is not None else _asked_to_turn(out, port)


def _turned_away_by_looks(out: Path, port: int, models: Path) -> Scenario:
    looks = looks_of(models, out / "data")
    film = out / "attack.avi"
    end, parts = make_film(film, CLIP, _PHOTO, [("phone", 6.0)])
    made = configuration(Configuration, out, port, film, door_of("passive")).model_copy(update={"liveness": looks})
    say("the front door requires that the face is found living; the phone is simulated")
    return Scenario(film, made, allowed_visits(TRUTH), partial(event_faults, end, parts, "screen_or_print"))


def _asked_to_turn(out: Path, port: int) -> Scenario:
    film = out / "attack.avi"
    end, parts = make_film(film, CLIP, _PHOTO, [("phone", _ATTEMPTS), ("print", _ATTEMPTS), ("portrait", 12.0)])
    living = parts[-1]
    head = SimulatedHead(living.since - APART, living.until + APART)
    made = configuration(TurningConfiguration, out, port, film, door_of("challenge")).with_head(head)
    say("the front door asks for head turns; phone and print are simulated, and so is the head that turns at the end:")
    say("its picture is a still, and its yaw is that of a living head")
    opens = [(living.since, living.until)]
    return Scenario(film, made, opens, partial(event_faults, end, parts, "challenge"), (head, _say_turns))


def looks_of(models: Path, data: Path) -> MinifasnetLiveness:
    """The looks of the two files in a folder, which are added to a data folder; raises ModelError."""
    near, wide = (store.place(data, store.add(models / one.file, data)) for one in (MINIFASNET_V2, MINIFASNET_V1SE))
    return MinifasnetLiveness(near=near, wide=wide)


def door_of(liveness: DoorLiveness) -> dict[str, Door]:
    """The front door, which opens for ALLOWED if these checks are passed, also in company."""
    allow = (AllowRule(person=ALLOWED),)
    return {NAME: Door(camera=CAMERA, allow=allow, single_face=False, cooldown=1.0, liveness=liveness)}


def _say_turns(result: FrameResult) -> None:
    """Print what a face is asked to do, and whether it did."""
    for report in result.challenges:
        asked = f"please turn your head to your {report.turn}" if report.turn is not None else f"{report.result}"
        say(f"{rfc3339(result.frame.wall)[11:23]}  {CAMERA:<8} head turns  {asked}")


def event_faults(
    end: float, parts: Sequence[Part], reason: SpoofReason, events: Sequence[Wire], seconds: Callable[[float], float]
) -> list[Finding]:
    """List what is wrong with the events; empty if all is right.

    The clip ends after `end` seconds; `reason` is that of the spoofs; `seconds` gives the film's time at a wall time.
    """
    timed = [(seconds(captured_at(event)), event) for event in events]
    # Whoever walks past and does not turn is not named once that has failed.
    asked = reason == "challenge"
    clip = [_named(event) if asked else event for at, event in timed if at <= end]
    kept = [event for event in clip if not asked or event["event_type"] != "spoof"]
    listed: list[Finding] = truth.findings(TRUTH, kept, seconds)
    for part in parts:
        found = [event for at, event in timed if part.since <= at < part.until + 2 * APART]
        kinds = Counter(event["event_type"] for event in found if event["reason"] in {None, reason})
        if any(kinds[kind] != count for kind, count in _expected(part, reason).items()):
            shown = ", ".join(f"{event['event_type']} {event['reason'] or ''}".strip() for event in found)
            text = f"the {part.shown} from {part.since:.0f} s on: unexpected events ({shown or 'none'})"
            listed.append(Finding(text, (part.since, part.until + AFTERWARDS)))
    return listed


def _expected(part: Part, reason: SpoofReason) -> dict[str, int]:
    """The number of events by kind: until the head turns, a picture is matched like the person's face."""
    living = part.shown == "portrait"
    return {"match": int(living or reason == "challenge"), "spoof": int(not living)}


def _named(event: Wire) -> Wire:
    nameless = event["event_type"] == "left" and event["person"] is None and event["unknown"] is None
    return {**event, "person": ALLOWED} if nameless else event
