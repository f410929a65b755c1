"""Head turns: no picture that is turned, bent or moved may pass, and living heads must.

- pictures: portraits, flat and bent, turned before a simulated camera, through the product's own detector and pose:
  one by one, and as a person would hold them who does what is asked, again and again until the time is up. Each face
  counts as the person's, which is the harder case. Bends that a hand does not make are listed by themselves.
- heads: recorded courses of yaw (tests/data/yaw) and synthetic ones, fitted to what is asked, with noise and missing
  frames; and how long it takes them.
- clip: --clip FILE of a head that turns to both sides: how much it resembles its front, by yaw, and the whole challenge
  in a real pipeline.

    python -m benchmarks.liveness [--photos FOLDER] [--people 20] [--clip FILE]

--photos is a folder of PERSON/PHOTO whose first photos are used besides those of the tests.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
import statistics
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.liveness import attacks, clip, heads
from benchmarks.liveness.chain import ORDERS, SIDES, FaceFinder
from benchmarks.liveness.pictures import Pose, held
from edgeface.imaging import photos
from edgeface.recognition.challenge import HeadTurns, PoseSample
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from edgeface.core.types import Image, Turn

ROOT = Path(__file__).parents[2]
PORTRAITS = (*sorted((ROOT / "tests" / "data").glob("*.jpg")), ROOT / "benchmarks" / "photos" / "hopper.jpg")
TRACES = ROOT / "tests" / "data" / "yaw"
CAMERAS = [
    heads.Camera(fps, noise, dropped) for fps in (15.0, 5.0) for noise, dropped in ((0, 0), (2, 0), (3, 0), (3, 0.05))
]
HEADS = 400
"""Challenges of each kind of head and camera."""
WIDTH_NOISE = 0.06
"""Standard deviation of the width of a living face for its yaw, of photos of LFW from 25 to 45 degrees."""
EMBEDDED = 60.0
"""Degrees up to which the pipeline embeds a face."""

Row = tuple[str, str, str, str]
"""What, how many passed, of how many, and a note."""


def load(finder: FaceFinder, folder: Path | None, people: int) -> dict[str, Image]:
    """The portraits in which a face is found."""
    files = list(PORTRAITS)
    if folder is not None:
        everyone = sorted(path for path in folder.iterdir() if path.is_dir())
        chosen = random.Random(1).sample(everyone, min(people, len(everyone)))
        files += [next(one.glob("*.jpg")) for one in sorted(chosen)]
    found = {file.stem: finder.portrait(photos.load(file)) for file in files}
    return {name: picture for name, picture in found.items() if picture is not None}


def pictures(finder: FaceFinder, portraits: Mapping[str, Image]) -> Iterator[Row]:
    """What pictures reach and pass."""
    kinds = (
        ("held, bent by up to 40 degrees", attacks.HELD, attacks.MOVED),
        ("wrapped, 60 degrees", attacks.WRAPPED[:1], attacks.WRAPPED[:1]),
        ("wrapped, 80 degrees", attacks.WRAPPED[1:], attacks.WRAPPED[1:]),
    )
    for name, single, moved in kinds:
        one = attacks.presentations(finder, portraits, single)
        note = f"highest yaw {one.largest:.1f}, from its rest {one.most:.1f}; {one.unseen} without a face"
        yield f"single pictures {name}: from 25 degrees on", str(one.far), f"{one.tried:,}", note
        for turned, motions in (("up to 50 degrees", attacks.UP_TO_50), ("to 65 degrees", attacks.FURTHER)):
            many = attacks.sequences(finder, portraits, moved, motions, random.Random(7))
            reasons = ", ".join(f"{why} {count:,}" for why, count in sorted(many.reasons.items()))
            note = f"{reasons}; highest yaw {many.largest:.1f}, from its rest {many.most:.1f}"
            if many.who:
                most = sorted(many.who.items(), key=lambda pair: -pair[1])
                note += f"; most often {', '.join(f'{who} {count}' for who, count in most[:4])}"
            yield f"challenges, pictures {name}, turned {turned}", str(many.passed), f"{many.tried:,}", note


def living(kind: str, draw: Callable[[random.Random], heads.HeadTurn]) -> Iterator[Row]:
    """How many living heads pass at each camera, and the seconds that they take."""
    for camera in CAMERAS:
        rng = random.Random(11)
        runs = [head(order, partial(draw, rng), camera, rng) for order in ORDERS for _ in range(HEADS // len(ORDERS))]
        seconds = [now for run, now in runs if run.result == "passed"]
        why = [str(run.reason) for run, _ in runs if run.reason is not None]
        reasons = ", ".join(f"{one} {why.count(one)}" for one in sorted(set(why)))
        name = f"{kind}, {camera.fps:g} fps, noise {camera.noise:g} degrees, {camera.dropped:.0%} missing"
        note = f"{100 * len(seconds) / len(runs):.1f} %, median {statistics.median(seconds or [0]):.1f} s"
        yield name, str(len(seconds)), str(len(runs)), f"{note}; {reasons}" if reasons else note


def head(
    turns: tuple[Turn, ...], draw: Callable[[], heads.HeadTurn], camera: heads.Camera, rng: random.Random
) -> tuple[HeadTurns, float]:
    """A person who does what is asked, some time after it is asked, and again while it still is; and when it ended."""
    challenge, now, begun = HeadTurns(turns, 0.0), 0.0, None
    asked, turn = challenge.turn, draw()
    due = heads.AT_REST + rng.uniform(*heads.REACTION)
    while challenge.result is None:
        now += 1 / camera.fps
        if challenge.turn != asked or (begun is not None and now - begun > turn.seconds + rng.uniform(*heads.AGAIN)):
            asked, begun, due, turn = challenge.turn, None, now + rng.uniform(*heads.REACTION), draw()
        if begun is None and now >= due:
            begun = now
        side = 1 if asked == "left" else -1
        yaw = side * (turn.at(now - begun) if begun is not None else turn.yaws[0]) + rng.gauss(0, camera.noise)
        if rng.random() < camera.dropped:
            challenge.missing(now, 1 / camera.fps)
        else:
            same = True if abs(yaw) <= EMBEDDED else None
            width = math.cos(math.radians(yaw)) * (1 + rng.gauss(0, WIDTH_NOISE))
            challenge.add(PoseSample(now, yaw, width, same, alone=True), 1 / camera.fps)
    return challenge, now


def turning_clip(finder: FaceFinder, portraits: Mapping[str, Image], path: Path) -> Iterator[Row]:
    """Print how much turned faces resemble their front, and play the challenge in a real pipeline."""
    found = clip.read(finder, path)
    told = ", ".join("none" if face is None else f"{face.quality.yaw:.0f}" for face in found.faces)
    print(f"\nyaw of the clip at {found.fps:.1f} per second: {told}\n")
    flat = dict[int, list[float]]()
    for picture in portraits.values():
        front = finder.see(picture)
        if front is not None:
            template = finder.faces.embed(picture, front.detection)
            for yaw in attacks.YAWS:
                image = held(picture, Pose(yaw=yaw))
                face = finder.see(image)
                if face is not None:
                    flat.setdefault(abs(yaw), []).append(float(template @ finder.faces.embed(image, face.detection)))
    own = clip.resemblance(finder, zip(found.images, found.faces, strict=True), clip.template(finder, found))
    print(clip.table({"clip, cosine to its front: median, lowest (pictures)": own}))
    print()
    print(clip.table({"flat portraits, by how they are held: the same": flat}))
    print()
    for order in ORDERS:
        run = clip.play(finder, found, order)
        note = f"matched {run.matched}, evidence started afresh {run.restarts} times, claim: passed={run.passed}"
        yield f"clip in the pipeline, {' then '.join(order)}", str(int(run.result == "passed")), "1", note


def main() -> None:
    """Print the tables, and leave the one of what passed in build/liveness.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="more portraits: PERSON/PHOTO")
    parser.add_argument("--people", type=int, default=20, help="how many of them")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="a head that turns to both sides")
    arguments = parser.parse_args()
    finder, recorded = FaceFinder(), heads.recorded(TRACES)
    portraits = load(finder, arguments.photos, arguments.people)
    print(f"{len(portraits)} portraits, {len(recorded)} recorded turns, sides {', '.join(SIDES)}")
    parts = [
        list(turning_clip(finder, portraits, arguments.clip)) if arguments.clip is not None else (),
        living("synthetic heads", heads.synthetic),
        living("synthetic heads, slow", partial(heads.synthetic, slow=True)),
        living("recorded heads", lambda rng: rng.choice(recorded)),
        pictures(finder, portraits),
    ]
    lines = ["| what | passed | of | note |", "|---|---:|---:|---|"]
    print("\n".join(lines))
    for row in itertools.chain.from_iterable(parts):
        lines.append(f"| {' | '.join(row)} |")
        print(lines[-1], flush=True)
    print(figures.save("liveness", "\n".join(lines)))


if __name__ == "__main__":
    main()
