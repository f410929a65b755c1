"""Clips with ground truth, made from photos: a still room, one face, four faces, and people who walk in and out.

    python -m benchmarks.clips OUT [--faces FOLDER]

Each is 20 s at 15 fps, in 640x480 and 1280x720, as motion JPEG like that of USB cameras. NAME.json next to it lists the
faces of each frame: whose it is, BlazeFace's box from chin to brow, and the share of the box that is in the picture and
not hidden by another person. cast.json lists the photos to enroll from. The people are those of the photos that ship;
--faces takes them from a folder of PERSON/PHOTO instead, with different people in each clip.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks.acquisition import room
from benchmarks.actors import Pose, cast_from, cut, default_cast
from edgeface.config.configuration import Configuration
from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.actors import Actor, Floats, Member
    from edgeface.core.types import Box, Image
    from edgeface.faces.analyzer import FaceAnalyzer

FPS, SECONDS = 15, 20.0
SIZES = ((640, 480), (1280, 720))
NOISE = 2.5
"""Standard deviation of the camera's noise, in levels of 255."""
_JPEG = 92
"""JPEG quality: a lower one would remove the noise."""
_PEOPLE, _STRANGERS = 9, (4, 8)
"""How many are taken from a folder, and which of them are not enrolled."""
_ROLL = 64
_STOPPING = 0.5
"""Seconds in which a walking person stops or turns: one step."""


class Step(NamedTuple):
    """A point on a person's path."""

    seconds: float
    x: float
    """Middle of the face, as a share of the picture's width."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one person does in a scene."""

    member: int
    """Position in the cast, modulo its size."""
    y: float
    """Middle of the face, as a share of the picture's height."""
    height: float
    """Height of the face's box, chin to brow, as a share of the picture's height."""
    way: tuple[Step, ...]
    """Straight from step to step, slowing at each; away before the first and after the last."""

    def pose(self, seconds: float, size: tuple[int, int]) -> Pose | None:
        """The person's pose at this time; None when away."""
        times = [step.seconds for step in self.way]
        if not times[0] <= seconds <= times[-1]:
            return None
        x, before = self._x(seconds), self._x(seconds - 0.1)
        walks = min(1.0, abs(x - before) / 0.02)
        own = 1.7 * self.member
        height = self.height * size[1]
        sway, nod = math.sin(0.9 * seconds + own), math.sin(1.3 * seconds + 2 * own)
        rise = walks * math.sin(2 * math.pi * 1.9 * seconds + own)
        turn = 12 * math.sin(0.7 * seconds + own) + walks * math.copysign(8, x - before)
        middle = (x * size[0] + 0.10 * height * sway, self.y * size[1] + 0.03 * height * (nod + rise))
        return Pose(*middle, height, turn, 3 * nod)

    def _x(self, seconds: float) -> float:
        moments = seconds + _STOPPING * np.linspace(-0.5, 0.5, 9)
        return float(np.interp(moments, [step.seconds for step in self.way], [step.x for step in self.way]).mean())


def _stands(member: int, x: float, y: float, height: float) -> Part:
    return Part(member, y, height, (Step(0, x), Step(math.inf, x)))


def _walks(member: int, y: float, height: float, *way: tuple[float, float]) -> Part:
    return Part(member, y, height, tuple(Step(*step) for step in way))


# Faces are 70 to 180 pixels from chin to crown at 480 lines: 1.45 times the box.
SCENES: Mapping[str, tuple[Part, ...]] = {
    "empty": (),
    "one": (_stands(0, 0.5, 0.42, 0.18),),
    "four": (
        _stands(1, 0.13, 0.36, 0.105),
        _stands(2, 0.37, 0.42, 0.17),
        _stands(3, 0.63, 0.38, 0.14),
        _stands(4, 0.87, 0.45, 0.21),
    ),
    "walking": (
        _walks(5, 0.40, 0.20, (1, -0.15), (2.4, 0.5), (5, 0.5), (6.4, 1.15)),
        _walks(6, 0.36, 0.15, (6, 1.15), (7.4, 0.55), (9.5, 0.55), (10.9, -0.15)),
        _walks(8, 0.34, 0.14, (12.2, 1.15), (14.8, -0.15)),
        _walks(7, 0.46, 0.24, (12, -0.15), (14.6, 1.15)),
        _walks(5, 0.40, 0.20, (15.4, 1.15), (16.5, 0.5), (18.3, 0.45), (19.6, -0.15)),
    ),
}
"""By name; people nearer to the camera are painted later."""


@dataclass(slots=True)
class Face:
    """A face in one frame, as in the ground truth."""

    person: str
    box: Box
    seen: float
    """Share of the box that is in the picture and not hidden by another person."""


def main() -> None:
    """Write the clips, their ground truth, and the cast."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--faces", type=Path, help="folder of PERSON/PHOTO; default: the photos that ship")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    write_all(options.out, options.faces, options.seconds, options.scenes, options.seed)


def write_all(
    out: Path,
    faces: Path | None = None,
    seconds: float = SECONDS,
    scenes: Sequence[str] = tuple(SCENES),
    seed: str = "1",
) -> None:
    """Write every scene in both sizes into `out`."""
    cv2.setNumThreads(1)
    out.mkdir(parents=True, exist_ok=True)
    analyzer = Configuration.model_validate({"cameras": {"clip": {"type": "opencv", "source": 0}}}).open_analyzer()
    cast = default_cast() if faces is None else cast_from(analyzer, faces, _PEOPLE, _STRANGERS, seed)
    people = {one.name: [str(photo.resolve()) for photo in one.enrolled] for one in cast if one.enrolled}
    for scene in scenes:
        actors = _actors(analyzer, cast, SCENES[scene])
        for size in SIZES:
            write(out / f"{scene}-{size[1]}.avi", actors, SCENES[scene], size, seconds, f"{seed}-{scene}")
    (out / "cast.json").write_text(json.dumps({"people": people}, indent=1) + "\n", encoding="utf-8")


def _actors(analyzer: FaceAnalyzer, cast: Sequence[Member], parts: Sequence[Part]) -> list[Actor]:
    """The actor of each part."""
    members = [cast[part.member % len(cast)] for part in parts]
    actors = {member.name: cut(analyzer, member.name, member.shown) for member in members}
    return [actors[member.name] for member in members]


def write(
    file: Path, actors: Sequence[Actor], parts: Sequence[Part], size: tuple[int, int], seconds: float, seed: str
) -> None:
    """Write one clip and its ground truth."""
    kind, quality = cv2.VideoWriter.fourcc(*"MJPG"), [cv2.VIDEOWRITER_PROP_QUALITY, _JPEG]
    writer = cv2.VideoWriter(str(file), cv2.CAP_OPENCV_MJPEG, kind, FPS, size, quality)
    if not writer.isOpened():
        raise SystemExit(f"{file}: cannot be written")
    truth: list[list[dict[str, object]]] = []
    for image, faces in tqdm(frames(actors, parts, size, seconds, seed), desc=file.stem, disable=None):
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        truth.append([{"person": one.person, "box": _rounded(one.box), "seen": round(one.seen, 2)} for one in faces])
    writer.release()
    what = {"size": size, "fps": FPS, "frames": truth}
    file.with_suffix(".json").write_text(json.dumps(what, separators=(",", ":")) + "\n", encoding="utf-8")


def _rounded(box: Box) -> list[float]:
    return [round(side, 1) for side in box]


def frames(
    actors: Sequence[Actor], parts: Sequence[Part], size: tuple[int, int], seconds: float, seed: str
) -> Iterator[tuple[Image, list[Face]]]:
    """Yield the pictures of a scene, RGB, and the faces in each."""
    rng = random.Random(seed)
    wall = _wall(rng, size)
    random_ = np.random.default_rng(rng.getrandbits(32))
    noise = random_.normal(0, NOISE, (size[1] + _ROLL, size[0] + _ROLL, 3)).astype(np.float32)
    for n in range(round(seconds * FPS)):
        canvas, faces = wall.copy(), list[Face]()
        for actor, part in zip(actors, parts, strict=True):
            pose = part.pose(n / FPS, size)
            if pose is not None:
                faces = _painted(canvas, actor, pose, faces)
        light = 1 + 0.004 * math.sin(2 * math.pi * 0.9 * n / FPS) + rng.gauss(0, 0.002)
        dy, dx = rng.randrange(_ROLL), rng.randrange(_ROLL)
        picture = canvas * light + noise[dy : dy + size[1], dx : dx + size[0]]
        yield np.clip(picture, 0, 255).astype(np.uint8), faces


def _wall(rng: random.Random, size: tuple[int, int]) -> Floats:
    """A room that fills the picture."""
    drawn = room(rng)
    scale = max(size[0] / drawn.shape[1], size[1] / drawn.shape[0])
    wide = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    # No part of a lit room is black.
    return np.ascontiguousarray(0.7 * wide[: size[1], : size[0]] + 40, np.float32)


def _painted(canvas: Floats, actor: Actor, pose: Pose, before: list[Face]) -> list[Face]:
    """Paint one more person, who may hide earlier ones; returns the faces now in the picture."""
    for place, alpha in actor.paint(canvas, pose):
        for face in before:
            face.seen *= 1 - _covered(face.box, place, alpha)
    inside = _inside(pose.box, canvas.shape[1], canvas.shape[0])
    return [*before, Face(actor.name, pose.box, inside)] if inside > 0 else before


def _inside(box: Box, width: int, height: int) -> float:
    across = max(0.0, min(box.right, width) - max(box.left, 0))
    down = max(0.0, min(box.bottom, height) - max(box.top, 0))
    return across * down / (box.width * box.height)


def _covered(box: Box, place: Box, alpha: Floats) -> float:
    """Share of the box that lies behind what was painted at `place`."""
    left, top = (max(0, round(a - b)) for a, b in ((box.left, place.left), (box.top, place.top)))
    right, bottom = (max(0, round(a - b)) for a, b in ((box.right, place.left), (box.bottom, place.top)))
    return min(1.0, float(alpha[top:bottom, left:right].sum()) / (box.width * box.height))


if __name__ == "__main__":
    main()
