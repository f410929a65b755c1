"""What a loop found, compared with a clip's ground truth."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.types import Box

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.loops.seen import Seen

WHOLE = 0.8
"""Share of a face's box that must be in view for the face to count; with less it is neither missed nor wrong."""
MEETS = 0.3
"""A box with this IoU or more is over a face; so is a box whose centre lies in the face's box."""
SOON = 1.0
"""Seconds within which a face that came into view should have a name; also the gap that starts another visit."""


class Face(NamedTuple):
    """A face that is in a frame."""

    person: str
    box: Box
    seen: float


@dataclass(frozen=True, slots=True)
class Truth:
    """Who is where in each frame of a clip."""

    fps: float
    frames: tuple[tuple[Face, ...], ...]

    @classmethod
    def read(cls, file: Path) -> Truth:
        """Read NAME.json as clips.py writes it; ValueError or KeyError if it is not such a file."""
        data = json.loads(file.read_text(encoding="utf-8"))
        rows = data["frames"]
        faces = (tuple(Face(one["person"], Box(*one["box"]), one["seen"]) for one in row) for row in rows)
        return cls(float(data["fps"]), tuple(faces))

    def cut(self, frames: int) -> Truth:
        """Only the first `frames` frames."""
        return Truth(self.fps, self.frames[:frames])

    def whole(self, frame: int) -> Iterator[Face]:
        """The faces of a frame that count."""
        return (face for face in self.frames[frame] if face.seen >= WHOLE)

    def visits(self) -> list[Visit]:
        """Who comes into view when, in order."""
        visits: list[Visit] = []
        open_: dict[str, int] = {}
        for frame in range(len(self.frames)):
            for face in self.whole(frame):
                last = open_.get(face.person)
                if last is None or frame - visits[last].last > SOON * self.fps:
                    open_[face.person] = last = len(visits)
                    visits.append(Visit(face.person, frame, frame))
                visits[last] = visits[last]._replace(last=frame)
        return visits


class Visit(NamedTuple):
    """One person in view, without a gap of more than SOON."""

    person: str
    first: int
    last: int
    """Frames, both inclusive."""


@dataclass(slots=True)
class Score:
    """The result of one loop on one clip."""

    frames: int = 0
    faces: int = 0
    """Faces to find."""
    found: int = 0
    false: int = 0
    """Boxes over no face."""
    due: int = 0
    """Faces found SOON after their visit began, or later."""
    right: int = 0
    """Of those, the ones with the correct name, or no name for a stranger."""
    wrong: int = 0
    """Wrong names, at any time."""
    visits: int = 0
    to_found: list[float] = field(default_factory=list)
    """Seconds from a visit's first frame to the first in which the face is found; other visits are left out."""
    known_visits: int = 0
    """Visits of enrolled people."""
    to_named: list[float] = field(default_factory=list)
    """Seconds from a visit's first frame to the first correct name."""


def score(truth: Truth, seen: Mapping[int, Sequence[Seen]], enrolled: Container[str]) -> Score:
    """Compare the faces found, by frame, with the ground truth; waits apply only to loops that see every frame."""
    visits, total = truth.visits(), Score(frames=len(seen))
    found: dict[Visit, int] = {}
    named: dict[Visit, int] = {}
    for frame, boxes in sorted(seen.items()):
        pairs = _pairs(truth.frames[frame], boxes)
        met = {id(box) for _, box in pairs}
        strays = [box for box in boxes if id(box) not in met and not _meets_any(truth.frames[frame], box)]
        total.false += len(strays)
        total.wrong += sum(box.name is not None for box in strays)
        total.faces += sum(1 for _ in truth.whole(frame))
        for face, box in pairs:
            total.wrong += box.name is not None and box.name != face.person
            visit = _visit(visits, face.person, frame)
            if face.seen < WHOLE or visit is None:
                continue
            total.found += 1
            found.setdefault(visit, frame)
            if box.name == face.person:
                named.setdefault(visit, frame)
            if frame - visit.first >= SOON * truth.fps:
                total.due += 1
                total.right += box.name == (face.person if face.person in enrolled else None)
    known = [visit for visit in visits if visit.person in enrolled]
    total.visits, total.known_visits = len(visits), len(known)
    total.to_found = [(found[visit] - visit.first) / truth.fps for visit in visits if visit in found]
    total.to_named = [(named[visit] - visit.first) / truth.fps for visit in known if visit in named]
    return total


def _visit(visits: Sequence[Visit], person: str, frame: int) -> Visit | None:
    return next((one for one in visits if one.person == person and one.first <= frame <= one.last), None)


def _pairs(faces: Sequence[Face], boxes: Sequence[Seen]) -> list[tuple[Face, Seen]]:
    """Faces and the boxes over them, the best overlap first, each once."""
    every = [(Box(*box.box).iou(face.box), face, box) for face in faces for box in boxes if _meets(face, box)]
    pairs: list[tuple[Face, Seen]] = []
    for _, face, box in sorted(every, key=lambda one: -one[0]):
        if all(face is not other and box is not taken for other, taken in pairs):
            pairs.append((face, box))
    return pairs


def _meets_any(faces: Sequence[Face], box: Seen) -> bool:
    return any(_meets(face, box) for face in faces)


def _meets(face: Face, box: Seen) -> bool:
    (x, y), place = Box(*box.box).centre, face.box
    inside = place.left <= x < place.right and place.top <= y < place.bottom
    return inside or Box(*box.box).iou(place) >= MEETS
