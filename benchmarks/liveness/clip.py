"""A clip of a head that turns to both sides: its yaw, how much it resembles its own front, and the whole challenge."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from edgeface.cameras.video_file import read_frames
from edgeface.core.types import ChallengeRequest, Frame
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.snapshot import Person, make_snapshot
from edgeface.gallery.unknowns import Unknowns
from edgeface.recognition.decision import thresholds
from edgeface.recognition.limits import CameraLimits, DoorNeeds
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from tests.support.unknowns import fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.liveness.chain import FaceFinder
    from edgeface.core.types import Embedding, FrameResult, Image, PassedChecks, Turn
    from edgeface.faces.analyzer import InspectedFace

BIN = 5
"""Degrees of yaw."""
REST = 0.6
"""Seconds of the front before each turn."""
_FRONT = 6.0


@dataclass(frozen=True, slots=True)
class Clip:
    """Its pictures, the face in each of them, and the first picture that shows the front."""

    fps: float
    images: list[Image]
    faces: list[InspectedFace | None]
    front: int


@dataclass(slots=True)
class Played:
    """What the pipeline made of one challenge."""

    matched: bool = False
    result: str | None = None
    restarts: int = 0
    """Frames of the challenge in which the evidence has started afresh."""
    passed: PassedChecks | None = None
    """What the last claim says; None without one."""
    claims: int = 0
    """After the challenge."""


def read(finder: FaceFinder, path: Path) -> Clip:
    """Read a clip and look for the face in each picture."""
    frames = list(read_frames(path, 15.0))
    images = [np.ascontiguousarray(frame.bgr[..., ::-1]) for frame in frames]
    faces = [finder.see(image) for image in images]
    front = next(n for n, face in enumerate(faces) if face is not None and abs(face.quality.yaw) <= _FRONT)
    return Clip((len(frames) - 1) / (frames[-1].seconds - frames[0].seconds), images, faces, front)


def resemblance(
    finder: FaceFinder, shown: Iterable[tuple[Image, InspectedFace | None]], front: Embedding
) -> dict[int, list[float]]:
    """Cosines to the front, by the lower end of each BIN degrees of yaw to either side."""
    found: dict[int, list[float]] = {}
    for image, face in shown:
        if face is not None and abs(face.quality.yaw) < 90:  # noqa: PLR2004 - what `pose` gives for no face
            cosine = float(front @ finder.faces.embed(image, face.detection))
            found.setdefault(BIN * math.floor(abs(face.quality.yaw) / BIN), []).append(cosine)
    return dict(sorted(found.items()))


def table(columns: Mapping[str, dict[int, list[float]]]) -> str:
    """Median, lowest and number of cosines by yaw."""
    rows = [f"| yaw | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for low in sorted({low for column in columns.values() for low in column}):
        cells = [column.get(low, []) for column in columns.values()]
        told = (f"{statistics.median(one):.2f}, {min(one):.2f} ({len(one)})" if one else "" for one in cells)
        rows.append(f"| {low} to {low + BIN} | {' | '.join(told)} |")
    return "\n".join(rows)


def template(finder: FaceFinder, clip: Clip) -> Embedding:
    """The front's."""
    face = clip.faces[clip.front]
    if face is None:
        raise ValueError("the front shows no face")
    return finder.faces.embed(clip.images[clip.front], face.detection)


def play(finder: FaceFinder, clip: Clip, order: Sequence[Turn]) -> Played:
    """Show the front to a real pipeline that has it enrolled, then the turns that it asks for, then the front."""
    pipeline, told, frames = _pipeline(finder, template(finder, clip)), Played(), count()
    still = [clip.front] * round(REST * clip.fps)
    for result in _shown(pipeline, clip, frames, still * 3):
        told.matched = told.matched or any(event.type == "match" for event in result.events)
    (visit,) = pipeline._scenes["porch"].visits.values()  # noqa: SLF001 - nothing else tells of the evidence
    pipeline.challenge(ChallengeRequest(1, "porch", visit.number, "someone", tuple(order), final=True))
    since, asked = visit.evidence.since, order[0]
    while told.result is None:
        for result in _shown(pipeline, clip, frames, [*still, *_turn(clip, asked)]):
            told.restarts += told.result is None and visit.evidence.since != since
            since = visit.evidence.since
            for report in result.challenges:
                told.result, asked = report.result, report.turn or asked
    for result in _shown(pipeline, clip, frames, still * 2):
        told.claims += len(result.claims)
        told.passed = result.claims[-1].passed if result.claims else told.passed
    return told


def _turn(clip: Clip, turn: Turn) -> list[int]:
    """The pictures from the front to a side and back, forwards or backwards as the clip has them."""
    sign = 1 if turn == "left" else -1
    yaws = [0.0 if face is None else sign * face.quality.yaw for face in clip.faces]
    far = max(range(len(yaws)), key=lambda n: yaws[n])
    step = 1 if far > clip.front else -1
    way = list(range(clip.front, far + step, step))
    return [*way, *reversed(way)]


def _shown(pipeline: Pipeline, clip: Clip, frames: Iterator[int], pictures: Iterable[int]) -> Iterator[FrameResult]:
    for picture, number in zip(pictures, frames, strict=False):
        now = number / clip.fps
        # A camera's noise: no two pictures of it are the same.
        noise = np.random.default_rng(number).integers(-2, 3, clip.images[picture].shape)
        image = np.clip(clip.images[picture] + noise, 0, 255).astype(np.uint8)
        yield pipeline.process(Frame("porch", number, now, 1_000.0 + now, image))


def _pipeline(finder: FaceFinder, front: Embedding) -> Pipeline:
    """One person, and a door for them."""
    view = make_snapshot([Person("someone", "Someone", False, 0.0, 1, 0)], {"someone": [front]})
    shipped = CalibrationTable.shipped()
    accept = thresholds(shipped, "normal", view)
    needs = DoorNeeds(*[shipped.threshold("normal", 1)] * 2)
    rules = PipelineRules("front", "boot", Recognition(), UnknownSettings())
    limits = {"porch": CameraLimits(accept, doors=needs)}
    return Pipeline(rules, finder.faces, Unknowns("boot", fixed(accept.accept)), view, accept, limits)
