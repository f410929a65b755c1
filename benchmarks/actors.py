"""People for clips, made from photos: a soft-edged head on a drawn body, painted at any position and size."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.acquisition import colour, head_mask
from edgeface.core.errors import PhotoError
from edgeface.core.types import Box
from edgeface.faces.blazeface import BlazeFace, Region
from edgeface.faces.photo_face import find_face
from edgeface.imaging import photo_files, photos
from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgeface.core.types import Image
    from edgeface.faces.analyzer import FaceAnalyzer

Floats: TypeAlias = NDArray[np.float32]

_LARGEST = 200
"""Maximum height in pixels of the face's box kept from a photo."""
_DEMO = Path(__file__).parents[1] / "tools" / "demo" / "photos"
_OWN = Path(__file__).parent / "photos"
ENROLLED_FROM = 2
"""Maximum number of photos per person from a folder of people."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person who may be in a clip."""

    name: str
    shown: Path
    """The photo that the clips show."""
    enrolled: tuple[Path, ...]
    """Photos to enroll from; empty for a stranger."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a person's face is, and how it is turned."""

    x: float
    y: float
    """Centre of the face's box, pixels."""
    height: float
    """Height of the face's box in pixels."""
    turn: float
    """Degrees; positive to the picture's right."""
    tilt: float
    """Degrees, clockwise."""

    @property
    def box(self) -> Box:
        """The face's box; BlazeFace's boxes are square."""
        half = self.height / 2
        return Box(self.x - half, self.y - half, self.x + half, self.y + half)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Part of a person on a transparent background, in several sizes."""

    levels: tuple[Floats, ...]
    """Height x width x 4, RGB times alpha and alpha (0 to 1), each half as large as the one before."""
    anchor: tuple[float, float]
    """The middle of the face's box in the first level."""

    @classmethod
    def of(cls, image: Floats, alpha: Floats, anchor: tuple[float, float]) -> Layer:
        """A layer and its smaller copies."""
        levels = [np.dstack([image * alpha[..., None], alpha]).astype(np.float32)]
        for _ in range(2):
            levels.append(np.asarray(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)))
        return cls(tuple(levels), anchor)

    def paint(self, canvas: Floats, matrix: Floats, scale: float) -> tuple[Box, Floats] | None:
        """Paint onto `canvas`, with `matrix` from the first level's pixels; gives the place and its alpha."""
        level = 0
        while scale <= 0.5 and level + 1 < len(self.levels):  # noqa: PLR2004 - the levels halve
            scale, level = scale * 2, level + 1
        source = self.levels[level]
        placed = matrix @ np.diag([2.0**level, 2.0**level, 1.0])
        height, width = source.shape[:2]
        corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float32)
        at = cv2.perspectiveTransform(corners, placed)[0]
        left, top = (int(max(0, np.floor(side))) for side in at.min(axis=0))
        right, bottom = (int(min(n, np.ceil(m))) for n, m in zip(canvas.shape[1::-1], at.max(axis=0), strict=True))
        if right <= left or bottom <= top:
            return None
        shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)
        drawn = cv2.warpPerspective(source, shift @ placed, (right - left, bottom - top))
        part = canvas[top:bottom, left:right]
        part *= 1 - drawn[..., 3:]
        part += drawn[..., :3]
        return Box(left, top, right, bottom), np.asarray(drawn[..., 3], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """A person to paint."""

    name: str
    head: Layer
    body: Layer
    unit: float
    """Height of the face's box in the layers' pixels."""

    def paint(self, canvas: Floats, pose: Pose) -> Iterator[tuple[Box, Floats]]:
        """Paint the body and the head in front of it; gives the place and alpha of each."""
        scale = pose.height / self.unit
        for layer, turn, tilt in ((self.body, 0.0, 0.0), (self.head, pose.turn, pose.tilt)):
            painted = layer.paint(canvas, _matrix(layer.anchor, pose, scale, turn, tilt), scale)
            if painted is not None:
                yield painted


def _matrix(anchor: tuple[float, float], pose: Pose, scale: float, turn: float, tilt: float) -> Floats:
    """Map a layer's pixels to the picture's: turn, tilt and scale about the anchor, and move it to the pose."""
    yaw, roll = np.radians(turn), np.radians(tilt)
    back = np.array([[1, 0, -anchor[0]], [0, 1, -anchor[1]], [0, 0, 1]])
    # The side that turns away is smaller: at a door, a head's depth is about a fifth of its distance.
    turned = np.array([[np.cos(yaw), 0, 0], [0, 1, 0], [np.sin(yaw) / (5 * _LARGEST), 0, 1]])
    cos, sin = scale * np.cos(roll), scale * np.sin(roll)
    placed = np.array([[cos, -sin, pose.x], [sin, cos, pose.y], [0, 0, 1]])
    return np.asarray(placed @ turned @ back)


def cut(analyzer: FaceAnalyzer, name: str, photo: Path) -> Actor:
    """Make an actor of the one face of a photo; PhotoError unless there is exactly one usable face."""
    found = find_face(analyzer, photos.load(photo))
    image, box = _close(found.image, found.detection.box)
    mask = head_mask(image, box)
    return Actor(name, Layer.of(image.astype(np.float32), mask, box.centre), _body(name, box.height), box.height)


def _close(image: Image, rough: Box) -> tuple[Image, Box]:
    """The face with a margin, and the box that the short-range model gives it; PhotoError if it finds none."""
    side = round(3 * rough.height)
    x, y = (round(middle - side / 2) for middle in rough.centre)
    border = side
    wide = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    near_by = wide[y + border : y + border + side, x + border : x + border + side]
    scale = min(1.0, _LARGEST / rough.height)
    part = np.asarray(cv2.resize(near_by, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    middle = part.shape[0] / 2
    near = [
        one.box
        for one in BlazeFace.short_range().find(part, Region.whole(part), 0.5)
        if max(abs(one.box.centre[0] - middle), abs(one.box.centre[1] - middle)) < middle / 4
    ]
    if not near:
        raise PhotoError("no face found close up")
    return part, near[0]


def _body(name: str, unit: float) -> Layer:
    """Neck, shoulders and trunk below a face of `unit` pixels, in clothes of the person's own colour."""
    rng = random.Random(name)
    width, height = round(3.6 * unit), round(9 * unit)
    middle, chin = width / 2, 1.1 * unit
    alpha = np.zeros((height, width), np.float32)
    _filled(alpha, (middle, chin), (0.36 * unit, 0.75 * unit))
    _filled(alpha, (middle, chin + 1.35 * unit), (1.55 * unit, 0.85 * unit))
    sides = (round(middle - 1.5 * unit), round(middle + 1.5 * unit))
    cv2.rectangle(alpha, (sides[0], round(chin + 1.5 * unit)), (sides[1], height), 1, -1)
    folds = np.random.default_rng(rng.getrandbits(32)).normal(0, 14, (12, 9)).astype(np.float32)
    shade = cv2.resize(folds, (width, height), interpolation=cv2.INTER_CUBIC)
    cloth = np.clip(np.array(colour(rng), np.float32) * 0.8 + shade[..., None], 0, 255)
    soft = cv2.GaussianBlur(alpha, (0, 0), 0.02 * unit)
    return Layer.of(np.asarray(cloth, np.float32), np.asarray(soft, np.float32), (middle, 0.5 * unit))


def _filled(alpha: Floats, centre: tuple[float, float], radii: tuple[float, float]) -> None:
    points = [(round(a), round(b)) for a, b in (centre, radii)]
    cv2.ellipse(alpha, points[0], points[1], 0, 0, 360, 1, -1)


def default_cast() -> list[Member]:
    """The people of the photos that ship, the last a stranger; two of them have only one photo."""
    return [
        Member("Barack Obama", _DEMO / "obama3.jpg", (_DEMO / "obama.jpg", _DEMO / "obama2.jpg")),
        Member("Joe Biden", _DEMO / "biden.jpg", (_DEMO / "biden.jpg",)),
        Member("Eileen Collins", _DEMO / "astronaut.jpg", (_DEMO / "astronaut.jpg",)),
        Member("Grace Hopper", _OWN / "hopper.jpg", ()),
    ]


def cast_from(analyzer: FaceAnalyzer, folder: Path, count: int, strangers: Sequence[int], seed: str) -> list[Member]:
    """Choose people of PERSON/PHOTO with at least two usable photos; those at positions `strangers` are not enrolled.

    SystemExit if the folder has too few.
    """
    people = sorted(path for path in folder.iterdir() if path.is_dir())
    random.Random(seed).shuffle(people)
    cast: list[Member] = []
    for person in people:
        if len(cast) == count:
            return cast
        usable = _usable(analyzer, photo_files.photos_in(person))
        if len(usable) > 1:
            enrolled = () if len(cast) in strangers else tuple(usable[1:])
            cast.append(Member(person.name.replace("_", " "), usable[0], enrolled))
    if len(cast) < count:
        raise SystemExit(f"{folder}: fewer than {count} people with two usable photos")
    return cast


def _usable(analyzer: FaceAnalyzer, paths: Sequence[Path]) -> list[Path]:
    if len(paths) < 2:  # noqa: PLR2004 - one to show, one to enroll
        return []
    kept: list[Path] = []
    for path in paths[: 2 * (1 + ENROLLED_FROM)]:
        try:
            cut(analyzer, "", path)
        except PhotoError:
            continue
        kept.append(path)
    return kept[: 1 + ENROLLED_FROM]
