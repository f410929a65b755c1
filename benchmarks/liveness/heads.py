"""Yaw of living heads over time: recorded ones, and synthetic ones that are marked so."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from edgeface.recognition.challenge import BACK

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

Point = tuple[float, float]
"""Seconds, and degrees."""

AT_REST = 0.8
"""Seconds of rest before the first turn."""
ASKED = 30.0
"""Degrees of the smallest turn of someone who does what is asked; recorded turns that are smaller are left out."""
LOST = 0.5
"""A recorded turn with a longer gap in seconds is left out: the head went beyond what the detector finds."""

REACTION, AGAIN = (0.3, 0.8), (0.8, 1.6)
"""Seconds until a person follows a prompt, and until they repeat a turn that is still asked for."""


@dataclass(frozen=True, slots=True)
class HeadTurn:
    """One turn to the person's left and back: degrees at times from its start, in seconds."""

    name: str
    times: tuple[float, ...]
    yaws: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.times[-1]

    @property
    def largest(self) -> float:
        """Its largest yaw, in degrees."""
        return max(self.yaws)

    @property
    def fastest(self) -> float:
        """Its highest speed, in degrees a second."""
        points = pairwise(zip(self.times, self.yaws, strict=True))
        return max(abs(b - a) / (until - since) for (since, a), (until, b) in points)

    def at(self, seconds: float) -> float:
        """The yaw at a time, on straight lines between the points; before and after, at its ends."""
        if seconds <= 0:
            return self.yaws[0]
        for (since, a), (until, b) in pairwise(zip(self.times, self.yaws, strict=True)):
            if seconds <= until:
                return a + (b - a) * (seconds - since) / (until - since)
        return self.yaws[-1]


@dataclass(frozen=True, slots=True)
class Camera:
    """How a head is seen."""

    fps: float
    noise: float = 0.0
    """Standard deviation of the yaw, degrees."""
    dropped: float = 0.0
    """Share of the frames without the face."""


def recorded(folder: Path) -> list[HeadTurn]:
    """The turns in the traces of a folder, those to the right mirrored: to ASKED and back, without gaps."""
    found = []
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf-8") as rows:
            points = [(float(row["seconds"]), float(row["yaw"])) for row in csv.DictReader(rows) if row["yaw"]]
        for side, sign in (("left", 1.0), ("right", -1.0)):
            turned = [(seconds, sign * yaw) for seconds, yaw in points]
            found += [_cut(f"{file.stem} {side} at {part[0][0]:.1f} s", part) for part in _turns(turned)]
    return found


def _turns(points: list[Point]) -> Iterator[list[Point]]:
    """The turns: frames beyond BACK, with the way there from the front and the way back to it."""
    start, largest = None, 0.0
    for number, (_, yaw) in enumerate(points):
        if abs(yaw) > BACK:
            largest = max(largest, yaw)
            continue
        if start is not None and largest >= ASKED:
            part = [
                *reversed(_to_front(points[start::-1])),
                *points[start + 1 : number],
                *_to_front(points[number:]),
            ]
            if all(until - since <= LOST for (since, _), (until, _) in pairwise(part)):
                yield part
        start, largest = number, 0.0


def _to_front(points: list[Point]) -> list[Point]:
    """The first points, up to where the yaw is 0 on a straight line, or stops to fall."""
    found = points[:1]
    for (since, a), (until, b) in pairwise(points):
        if a <= 0 or b >= a:
            break
        found.append((since + (until - since) * a / (a - b), 0.0) if b < 0 else (until, b))
    return found


def _cut(name: str, part: list[Point]) -> HeadTurn:
    """The turn, whose times start at 0."""
    since = part[0][0]
    return HeadTurn(name, tuple(seconds - since for seconds, _ in part), tuple(yaw for _, yaw in part))


def synthetic(rng: random.Random, *, slow: bool = False) -> HeadTurn:
    """A turn by 30 to 60 degrees that starts and ends smoothly (minimum jerk: Flash and Hogan, J. Neurosci. 5, 1985).

    Out and back at 30 to 100 degrees a second on average, which is up to 190 at its fastest; three in ten hesitate on
    the way. `slow` is at half the speed.
    """
    largest = rng.uniform(ASKED, 60)
    speeds = [rng.uniform(30, 100) * (0.5 if slow else 1.0) for _ in range(2)]
    stops = [0.0, *([largest * rng.uniform(0.2, 0.7)] if rng.random() < 0.3 else []), largest]  # noqa: PLR2004
    points, now = [(0.0, 0.0)], 0.0
    for a, b in pairwise(stops):
        points += _smooth(now, a, b, max(0.25, abs(b - a) / speeds[0]))
        now = points[-1][0] + rng.uniform(0.1, 0.6)
        points.append((now, b))
    points += _smooth(now, largest, rng.uniform(-3, 3), largest / speeds[1])
    return HeadTurn("synthetic", tuple(t for t, _ in points), tuple(yaw for _, yaw in points))


def _smooth(since: float, a: float, b: float, seconds: float) -> list[tuple[float, float]]:
    steps = 24
    shares = [step / steps for step in range(1, steps + 1)]
    return [(since + seconds * s, a + (b - a) * (10 * s**3 - 15 * s**4 + 6 * s**5)) for s in shares]
