"""How much later a grant comes where the face must be found living: the demo's clip, with and without looks in turn.

    python -m benchmarks.liveness.grants MODELS [--rounds 5]

MODELS is a folder with the two files of docs/liveness.md. Each round plays the clip once with a door without liveness
and once with a door that requires looks, with the real daemon, broker and door controller.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.figures import percentiles
from edgeface.config.configuration import Configuration
from edgeface.core.clock import SystemClock
from edgeface.core.log import Log, set_up
from edgeface.daemon.daemon import Daemon
from edgeface.demo.attack import door_of, looks_of
from edgeface.demo.door import NAME, WatchedDoor, allowed_visits, make_key
from edgeface.demo.mosquitto import Mosquitto
from edgeface.demo.scenario import CLIP, PEOPLE, TRUTH, configuration
from edgeface.people.service import PeopleService
from edgeface.security.signing_keys import SIGNING
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.access.liveness import DoorLiveness
    from edgeface.core.types import FrameResult


class Waited(NamedTuple):
    """One grant."""

    frame: float
    """Seconds from the capture of its frame to the signature."""
    face: float
    """Seconds from the first usable face of the visit to the door's answer."""


class Usable:
    """An observer that keeps the wall times of frames with a face that is good enough to be embedded."""

    def __init__(self) -> None:
        self.start: float | None = None
        self.times: list[float] = []

    def __call__(self, result: FrameResult) -> None:
        """Take note of one frame."""
        self.start = result.frame.wall if self.start is None else self.start
        if any(face.reason is None for face in result.faces):
            self.times.append(result.frame.wall)


def played(models: Path, liveness: DoorLiveness) -> Iterator[Waited]:
    """Play the clip once; gives the grants of the allowed person's visits."""
    clock, usable = SystemClock(), Usable()
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        data = Path(folder) / "data"
        data.mkdir()
        made = configuration(Configuration, Path(folder), broker.port, CLIP, door_of(liveness))
        if liveness != "off":
            made = made.model_copy(update={"liveness": looks_of(models, data)})
        PeopleService(made).enroll_folder(PEOPLE)
        key = make_key(data, clock.wall(), SIGNING)
        door = WatchedDoor(Path(folder), broker.port, key, clock, lambda _: None, NAME)
        door.start()
        Daemon(made, clock, [usable]).run()
        door.stop()
    for since, until in allowed_visits(TRUTH):
        seen = [at for at in usable.times if since <= at - (usable.start or 0) <= until]
        grants = [one for one in door.accepted if since <= one.at - (usable.start or 0) <= until + 1]
        for one in grants[:1] if seen else ():
            age = json.loads(json.loads(one.envelope)["payload"])["age_ms"]
            yield Waited(age / 1000, one.at - seen[0])


def main() -> None:
    """Print the table, and leave it in build/liveness-grants.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    set_up(Log(level="error"))
    found: dict[DoorLiveness, list[Waited]] = {"off": [], "passive": []}
    for _ in range(arguments.rounds):
        for liveness, grants in found.items():
            grants.extend(played(arguments.models, liveness))
    lines = ["| door | grants | frame to grant, ms: median | p95 | first usable face to grant, ms: median | p95 |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for liveness, waited in found.items():
        each = [percentiles(values) for values in zip(*waited, strict=True)]
        cells = [f"{of[rank]:.0f}" for of in each for rank in ("p50", "p95")]
        lines.append(f"| {liveness} | {len(waited)} | {' | '.join(cells)} |")
    print("\n".join(lines))
    print(figures.save("liveness-grants", "\n".join(lines)))


if __name__ == "__main__":
    main()
