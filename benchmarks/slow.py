"""How long a person stands before a camera of few pictures per second until the match, by the rate.

The person arrives at several moments between two pictures, and stands, sways, or walks towards the camera. Two people
also change places from one picture to the next: the second must get neither the name nor a claim.

    python -m benchmarks.slow
"""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import TYPE_CHECKING

from edgeface.core.types import Frame
from tests.recognition.test_pipeline import gallery, pipeline
from tests.support.film import picture
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edgeface.core.types import Image

RATES = (0.5, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 3.0, 5.0, 15.0, 30.0)
ARRIVALS = 6
"""Moments of arrival, spread over one interval and the periods of the sway."""
STAY = 20.0
"""Seconds after which a person counts as not matched."""
FACE, PLACE = 100, (250, 90)
"""Pixels from brow to chin, and where the portrait's corner is."""
WALK = (4.0, 0.55)
"""Seconds of the way to the door, and the size of the face at its start."""


def swaying(faces: float) -> Callable[[float], Image]:
    """A person who sways by so many face sizes to each side, half as much up and down."""

    def at(seconds: float) -> Image:
        x = PLACE[0] + round(faces * FACE * math.sin(2 * math.pi * seconds / 1.7))
        y = PLACE[1] + round(faces / 2 * FACE * math.sin(2 * math.pi * seconds / 2.3))
        return picture(("obama", x, y), face=FACE, seed=round(seconds * 1000))

    return at


def walking(seconds: float) -> Image:
    """A person who comes nearer, sways a little, and then stands."""
    share = min(1.0, WALK[1] + (1 - WALK[1]) * seconds / WALK[0])
    x = PLACE[0] + round(80 * (1 - share) + 0.05 * FACE * math.sin(2 * math.pi * seconds / 1.1))
    return picture(("obama", x, PLACE[1]), face=round(FACE * share), seed=round(seconds * 1000))


GAITS: dict[str, Callable[[float], Image]] = {
    "stands": swaying(0.01),
    "sways by 6 %": swaying(0.06),
    "sways by 20 %": swaying(0.20),
    "walks up": walking,
}

HEAD = [
    f"| pictures per second | {' | '.join(GAITS)} | another face keeps the name | claims of the other |",
    f"|---:|{'---:|' * (len(GAITS) + 2)}",
]


def frames(rate: float, arrival: float, seconds: float, at: Callable[[float], Image]) -> Iterator[Frame]:
    """An empty scene of two intervals and 1 s, then the person, who has arrived `arrival` seconds before a picture."""
    empty = 2 + math.ceil(rate)
    for number in range(empty + math.ceil(seconds * rate)):
        since = (number - empty) / rate + arrival
        image = picture(seed=number) if number < empty else at(since)
        image.flags.writeable = False
        yield Frame("porch", number, number / rate, 1_000.0 + since, image)


def seconds_to_match(rate: float, at: Callable[[float], Image]) -> list[float]:
    """For each moment of arrival, seconds until the match; infinity without one."""
    found = []
    for number in range(ARRIVALS):
        arrival = number / ARRIVALS / rate
        made = pipeline(gallery())
        results = (made.process(frame) for frame in frames(rate, arrival, STAY, at))
        matched = (r.frame.wall - 1_000.0 for r in results if any(event.type == "match" for event in r.events))
        found.append(next(matched, math.inf))
    return sorted(found)


def taken_over(rate: float) -> tuple[float, int]:
    """Seconds for which another person in the same place keeps the name, and that person's claims, at worst."""
    worst, claims = 0.0, 0
    for number in range(ARRIVALS):
        made, change = pipeline(gallery()), 6.0 + number / rate
        for frame in frames(rate, 0.0, change + 8.0, partial(_one_of_two, change)):
            result, since = made.process(frame), frame.wall - 1_000.0
            if since >= change:
                claims += len(result.claims)
                worst = max(worst, *(since - change + 1 / rate for face in result.faces if face.person), 0.0)
    return worst, claims


def _one_of_two(change: float, seconds: float) -> Image:
    other = ("astronaut", PLACE[0] + 5, PLACE[1] - 5)
    return picture(("obama", *PLACE) if seconds < change else other, face=FACE)


def main(rates: Sequence[float]) -> None:
    """Print a table in Markdown, and write it: median and longest time, and how long a name outlives its face."""
    lines = HEAD
    print("\n".join(lines))
    for rate in rates:
        lines = [*lines, row(rate)]
        print(lines[-1], flush=True)
    figures.save("slow", "\n".join(lines))


def row(rate: float) -> str:
    """One row of the table."""
    times = (seconds_to_match(rate, at) for at in GAITS.values())
    cells = [f"{one[len(one) // 2]:.1f}, {one[-1]:.1f}" for one in times]
    name, claims = taken_over(rate)
    return f"| {rate:g} | {' | '.join(cells)} | {name:.1f} | {claims} |"


if __name__ == "__main__":
    main([float(one) for one in sys.argv[1:]] or RATES)
