"""How fast this machine is: each part of the chain on one and two threads, within five seconds in all."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core import board
from edgeface.core.clock import SystemClock
from edgeface.core.errors import EdgefaceError, PhotoError
from edgeface.core.types import Box, Detection, DetectionRequest
from edgeface.doctor.finding import Finding
from edgeface.faces.analyzer import round_robin
from edgeface.faces.detectors.tiled_blazeface import Blazeface
from edgeface.faces.embedder import open_embedder
from edgeface.faces.landmarks import Onet
from edgeface.faces.tflite import ONET, open_shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Detector, Image

SECONDS = 4.5
"""Of loading and measuring, in all; what is slower than its share of it is run once."""

WIDTH, HEIGHT = 640, 480

_PORTRAIT = Path(__file__).parents[1] / "demo_data" / "people" / "Barack_Obama" / "obama.jpg"
_SLOW = 5.0
"""Pictures a second below which somebody who walks by may be missed."""
_THREADS = (1, 2)
_MOST = 500


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one part, by the monotonic clock."""

    median: float
    p95: float
    calls: int


def findings(configuration: Configuration | None) -> Iterator[Finding]:
    """Costs, the embedder's variant, and the pictures a second to expect."""
    try:
        portrait()
    except PhotoError as error:
        yield Finding("photos", f"nobody can be enrolled from photos: {error}", "bad", "install edgeface again")
    try:
        costs = measure(configuration)
    except EdgefaceError as error:
        yield Finding("speed", str(error), "bad", "edgeface check, and the lines above")
        return
    for threads in _THREADS:
        parts = {part: cost for (part, number), cost in costs.items() if number == threads}
        says = ", ".join(f"{part} {cost.median:.1f} ms (p95 {cost.p95:.1f})" for part, cost in parts.items())
        named = {part.replace(" ", "_"): cost for part, cost in parts.items()}
        figures = {f"{part}_median_ms": cost.median for part, cost in named.items()}
        figures |= {f"{part}_p95_ms": cost.p95 for part, cost in named.items()}
        yield Finding(f"{threads} thread{'s' * (threads > 1)}", says, figures=figures)
    yield variant(configuration)
    yield pace(costs, _cameras(configuration))


def measure(configuration: Configuration | None, seconds: float = SECONDS) -> dict[tuple[str, int], Cost]:
    """Median and p95 of each part by number of threads; EdgefaceError when a model cannot be used."""
    clock, costs = SystemClock(), {}
    end = clock.monotonic() + seconds
    work = dict(_work(configuration))
    for done, (key, call) in enumerate(work.items()):
        share = (end - clock.monotonic()) / (len(work) - done)
        costs[key] = _cost(call, clock, clock.monotonic() + share)
    return costs


def pace(costs: dict[tuple[str, int], Cost], cameras: int) -> Finding:
    """The pictures a second that one vision thread can look at in the worst case; most need no look (schedule.py)."""
    one = {part: cost.median for (part, threads), cost in costs.items() if threads == 1}
    empty, busy = 1000 / one["detect"], 1000 / sum(one.values())
    each = busy / cameras
    says = f"about {_round(busy)} pictures a second with a new face in each, {_round(empty)} where everything moves"
    if cameras > 1:
        says += f": {_round(each)} for each of {cameras} cameras"
    figures = {"fps_with_face": busy, "fps_without_face": empty, "fps_a_camera": each}
    if each >= _SLOW:
        return Finding("pace", says, figures=figures)
    remedy = "fewer cameras, detector.tiles_per_frame: 1, a larger detector.smallest_face, or a faster board"
    return Finding("pace", says, "note", remedy, figures)


def _work(configuration: Configuration | None) -> Iterator[tuple[tuple[str, int], Callable[[], object]]]:
    settings = Blazeface() if configuration is None else configuration.detector
    model: Path | None = None if configuration is None else configuration.embedder.model
    image = scene()
    for threads in _THREADS:
        detector: Detector | None = None
        if isinstance(settings, Blazeface):
            detector = settings.open(threads)
        elif threads == 1:
            detector = settings.open()
        face = _face(detector, image) if detector is not None else _middle()
        landmarker, embedder = Onet(open_shipped(ONET, threads)), open_embedder(model, threads)
        if detector is not None:
            yield ("detect", threads), _Looks(detector, image, face)
        yield ("landmarks", threads), partial(landmarker.locate, image, face)
        yield ("embed", threads), partial(embedder.embed, image[:112, :112])


class _Looks:
    """The turns of a detector at a picture with one known face, as they are taken where everything moves."""

    def __init__(self, detector: Detector, image: Image, face: Detection) -> None:
        self._detector = detector
        self._image = image
        self._known = (face.box,)
        self._parts = detector.grid(WIDTH, HEIGHT)
        self._look = 0

    def __call__(self) -> None:
        self._look += 1
        self._detector.detect(self._image, DetectionRequest(round_robin(self._parts, self._look), self._known))


def scene() -> Image:
    """A picture of 640 x 480 with a face of the demo's people in it; of noise alone where photos cannot be read."""
    from edgeface.imaging.opencv import cv2

    image = np.random.default_rng(0).integers(100, 140, (HEIGHT, WIDTH, 3), np.uint8)
    with suppress(PhotoError):
        person = portrait()
        scale = min(HEIGHT / person.shape[0], WIDTH / person.shape[1])
        small = cv2.resize(person, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image[: small.shape[0], : small.shape[1]] = small
    return image


def portrait() -> Image:
    """A photo that ships; PhotoError when it cannot be read."""
    from edgeface.imaging import photos

    return photos.load(_PORTRAIT)


def _face(detector: Detector, image: Image) -> Detection:
    found = detector.detect(image, DetectionRequest((detector.grid(WIDTH, HEIGHT).whole,)))
    return max(found, key=lambda one: one.score, default=_middle())


def _middle() -> Detection:
    points = np.full((6, 2), np.nan, np.float32)
    return Detection(Box(WIDTH / 2 - 60, HEIGHT / 2 - 70, WIDTH / 2 + 60, HEIGHT / 2 + 70), 1.0, points)


def _cost(call: Callable[[], object], clock: SystemClock, end: float) -> Cost:
    """Measure until `end`; the first call warms up, unless there is no time for a second."""
    times = [_timed(call, clock)]
    while clock.monotonic() < end and len(times) < _MOST:
        times.append(_timed(call, clock))
    counted = times[1:] or times
    return Cost(float(np.median(counted)), float(np.percentile(counted, 95)), len(counted))


def _timed(call: Callable[[], object], clock: SystemClock) -> float:
    start = clock.monotonic()
    call()
    return max(1e-6, clock.monotonic() - start) * 1000


def variant(configuration: Configuration | None) -> Finding:
    """The embedder that is used, and why."""
    model = None if configuration is None else configuration.embedder.model
    if model is not None:
        return Finding("embedder", f"{model.name}, the one of the configuration")
    if board.DOT in board.cpu_features():
        why = "this CPU multiplies int8 four at a time, so it does about half the work of a float one"
    else:
        why = "without dot products it saves little beside a float one, and a float one is no faster here"
    return Finding("embedder", f"int8, the variant that ships: {why}")


def _cameras(configuration: Configuration | None) -> int:
    if configuration is None:
        return 1
    return max(1, sum(camera.enabled for camera in configuration.cameras.values()))


def _round(rate: float) -> str:
    return str(math.floor(rate)) if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004 - two digits tell enough
