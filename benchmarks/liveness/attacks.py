"""Pictures held before a camera: one by one, and turned, moved, bent and shaken as the challenge asks for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING

from benchmarks.liveness.chain import ORDERS, SIDES, attempt
from benchmarks.liveness.pictures import Pose, held
from edgeface.recognition.challenge import FAR

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from benchmarks.liveness.chain import FaceFinder, Seen
    from edgeface.core.types import Image, Turn

HELD = (0.0, 20.0, 40.0, -20.0, -40.0)
"""Bends of a picture that is held in the hands: half the angle that it covers."""
MOVED = (0.0, 40.0, -40.0)
WRAPPED = (60.0, 80.0)
"""Bends of a picture around a can, or around a head."""
YAWS = tuple(yaw for yaw in range(-50, 51, 10) if yaw)
PITCHES = (0.0, 20.0)

FPS, SECONDS = 15.0, 2.0
EVERY = 3
"""Of the frames of FPS, a camera of 5 per second shows each third."""
MIXED = 5
"""Challenges of each order in which every turn is another motion, drawn at random."""


def _waved(depth: float, share: float, rng: random.Random) -> Pose:
    """To and fro three times."""
    swing = math.sin(6 * math.pi * share)
    return Pose(yaw=50 * swing + rng.gauss(0, 1), roll=12 * depth, x=30 * swing)


def _shaken(depth: float, _: float, rng: random.Random) -> Pose:
    yaw, roll, x, y = (rng.gauss(0, spread) for spread in (3, 3, 4, 4))
    return Pose(yaw=45 * depth + yaw, roll=roll, x=x, y=y)


MOTIONS: Mapping[str, Callable[[float, float, random.Random], Pose]] = {
    "turned": lambda depth, _, __: Pose(yaw=50 * depth),
    "turned further": lambda depth, _, __: Pose(yaw=65 * depth),
    "tilted": lambda depth, _, __: Pose(yaw=50 * depth, pitch=25 * depth),
    "rolled": lambda depth, _, __: Pose(yaw=50 * depth, roll=20 * depth),
    "moved": lambda depth, share, _: Pose(yaw=45 * depth, x=60 * depth, y=20 * math.sin(2 * math.pi * share)),
    "zoomed": lambda depth, _, __: Pose(yaw=50 * depth, width=180 + 70 * depth),
    "bent on the way": lambda depth, _, __: Pose(yaw=50 * depth, bend=40 * depth),
    "bent aside": lambda depth, _, __: Pose(yaw=45 * depth, off=0.2 * depth),
    "shaken": _shaken,
    "waved": _waved,
}
"""How a picture is held, by how far the turn has come (left is positive), the share of its time, and chance."""


FURTHER = ("turned further",)
"""Beyond 50 degrees, where a picture is seen nearly from its edge."""
UP_TO_50 = tuple(motion for motion in MOTIONS if motion not in FURTHER)


@dataclass(slots=True)
class Tried:
    """What was tried, and what came of it."""

    tried: int = 0
    passed: int = 0
    unseen: int = 0
    """Presentations without a face."""
    far: int = 0
    """Presentations whose yaw is FAR or more from the front."""
    largest: float = 0.0
    """Degrees from the front."""
    most: float = 0.0
    """Degrees from the front and from the picture's own rest, whichever is less: what a challenge counts."""
    reasons: dict[str, int] = field(default_factory=dict)
    who: dict[str, int] = field(default_factory=dict)
    """Portraits and motions that passed."""


def presentations(finder: FaceFinder, portraits: Mapping[str, Image], bends: Iterable[float]) -> Tried:
    """Each portrait in each bend, turned and tilted, one picture at a time."""
    found = Tried()
    for picture, bend in product(portraits.values(), bends):
        rest = finder.see(held(picture, Pose(bend=bend)))
        for yaw, pitch in product(YAWS, PITCHES):
            face = finder.see(held(picture, Pose(yaw=yaw, pitch=pitch, bend=bend)))
            found.tried += 1
            if face is None or rest is None:
                found.unseen += 1
                continue
            _measure(found, face.quality.yaw, rest.quality.yaw)
    return found


def _measure(found: Tried, yaw: float, rest: float) -> None:
    found.far += abs(yaw) >= FAR
    found.largest = max(found.largest, abs(yaw))
    found.most = max(found.most, min(yaw, yaw - rest), min(-yaw, rest - yaw))


def sequences(
    finder: FaceFinder,
    portraits: Mapping[str, Image],
    bends: Iterable[float],
    motions: Sequence[str],
    rng: random.Random,
) -> Tried:
    """Each portrait in each bend, moved in each of the ways, for the four orders of sides, at FPS and a third of it."""
    found = Tried()
    for (name, picture), bend in product(portraits.items(), bends):
        frames = {
            (motion, side): _seen(finder, picture, motion, side, bend, rng) for motion, side in product(motions, SIDES)
        }
        rest = next((face.quality.yaw for face in frames[motions[0], "left"] if face is not None), 0.0)
        for face in (one for seen in frames.values() for one in seen if one is not None):
            _measure(found, face.quality.yaw, rest)
        for order in ORDERS:
            for motion in motions:
                _try(found, f"{name}, {motion}", order, [{side: frames[motion, side] for side in SIDES}], rng)
            any_of = [{side: frames[motion, side] for side in SIDES} for motion in motions]
            for _ in range(MIXED if len(motions) > 1 else 0):
                _try(found, f"{name}, mixed", order, any_of, rng)
    return found


def _seen(finder: FaceFinder, picture: Image, motion: str, side: Turn, bend: float, rng: random.Random) -> Seen:
    """The face in each frame of one motion to a side and back."""
    count, sign = round(FPS * SECONDS), 1.0 if side == "left" else -1.0
    faces = []
    for number in range(count + 1):
        share = number / count
        pose = MOTIONS[motion](sign * (1 - math.cos(2 * math.pi * share)) / 2, share, rng)
        # The fold on the way is the same to both sides, and a flat picture's only.
        pose = replace(pose, bend=bend or abs(pose.bend))
        faces.append(finder.see(held(picture, pose)))
    return faces


def _try(found: Tried, name: str, order: tuple[Turn, ...], motions: list[dict[Turn, Seen]], rng: random.Random) -> None:
    """A challenge at FPS, and one for each way in which a slower camera shows a third of the frames."""
    for first, every in ((0, 1), *((first, EVERY) for first in range(EVERY))):
        done = attempt(order, lambda side: rng.choice(motions)[side][first::every], FPS / every)  # noqa: B023
        found.tried += 1
        found.passed += done.result == "passed"
        why = done.reason or "passed"
        found.reasons[why] = found.reasons.get(why, 0) + 1
        if done.result == "passed":
            who = f"{name} at {FPS / every:g} fps"
            found.who[who] = found.who.get(who, 0) + 1
