"""Measures this machine's speed: each stage on one and two threads, within five seconds in total."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.core import board
from edgeface.core.clock import SystemClock
from edgeface.core.errors import EdgefaceError, PhotoError
from edgeface.core.text import counted
from edgeface.core.types import Box, Detection
from edgeface.doctor.finding import Finding
from edgeface.faces.analyzer import round_robin
from edgeface.faces.embedder import open_embedder
from edgeface.faces.landmarks import Onet
from edgeface.faces.protocols import DetectionRequest
from edgeface.faces.tflite import ONET, open_shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Image
    from edgeface.faces.protocols import Detector

SECONDS = 4.5
"""For loading and measuring everything; a stage that is slower than its share runs once."""

WIDTH, HEIGHT = 640, 480

_PHOTO = Path(__file__).parents[1] / "demo_data" / "people" / "Barack_Obama" / "obama.jpg"
_MIN_FPS = 5.0
"""Frames per second below which a passer-by may be missed."""
_THREADS = (1, 2)
_MAX_RUNS = 500


class Cost(NamedTuple):
    """Milliseconds of one stage, by the monotonic clock."""

    median: float
    p95: float
    calls: int


def findings(configuration: Configuration) -> Iterator[Finding]:
    """Costs, the embedder's variant, and the expected frames per second."""
    try:
        shipped_photo()
    except PhotoError as error:
        yield Finding("photos", f"no one can be enrolled from photos: {error}", "bad", "install edgeface again")
    try:
        costs = measure(configuration)
    except EdgefaceError as error:
        yield Finding("speed", str(error), "bad", "edgeface check, and the lines above")
        return
    for threads in _THREADS:
        parts = {part: cost for (part, number), cost in costs.items() if number == threads}
        text = ", ".join(f"{part} {cost.median:.1f} ms (p95 {cost.p95:.1f})" for part, cost in parts.items())
        figures = {f"{part}_median_ms": cost.median for part, cost in parts.items()}
        figures |= {f"{part}_p95_ms": cost.p95 for part, cost in parts.items()}
        yield Finding(counted(threads, "thread"), text, figures=figures)
    yield variant(configuration)
    yield pace(costs, max(1, sum(camera.enabled for camera in configuration.face_cameras.values())))


def measure(configuration: Configuration, seconds: float = SECONDS) -> dict[tuple[str, int], Cost]:
    """Median and p95 of each stage and number of threads; raises EdgefaceError if a model cannot be used."""
    clock, costs = SystemClock(), {}
    end = clock.monotonic() + seconds
    work = dict(_work(configuration))
    for done, (key, call) in enumerate(work.items()):
        share = (end - clock.monotonic()) / (len(work) - done)
        costs[key] = _cost(call, clock, clock.monotonic() + share)
    return costs


def pace(costs: dict[tuple[str, int], Cost], cameras: int) -> Finding:
    """The frames per second of one vision thread in the worst case; most frames need no search at all."""
    one = {part: cost.median for (part, threads), cost in costs.items() if threads == 1}
    empty, busy = 1000 / one["detect"], 1000 / sum(one.values())
    each = busy / cameras
    text = f"about {_round(busy)} fps with a new face in each frame, {_round(empty)} fps if everything moves"
    if cameras > 1:
        text += f": {_round(each)} for each of {cameras} cameras"
    figures = {"fps_with_face": busy, "fps_without_face": empty, "fps_a_camera": each}
    if each >= _MIN_FPS:
        return Finding("pace", text, figures=figures)
    remedy = "fewer cameras, detector.tiles_per_frame: 1, a larger detector.smallest_face, or a faster board"
    return Finding("pace", text, "note", remedy, figures)


def _work(configuration: Configuration) -> Iterator[tuple[tuple[str, int], Callable[[], object]]]:
    settings, image = configuration.detector, scene()
    for threads in _THREADS:
        detector = settings.open(threads) if threads == 1 or settings.takes_threads else None
        face = _face(detector, image) if detector is not None else _middle()
        landmarker, embedder = Onet(open_shipped(ONET, threads)), open_embedder(configuration.embedder.model, threads)
        if detector is not None:
            yield ("detect", threads), _detect_call(detector, image, face.box)
        yield ("landmarks", threads), partial(landmarker.locate, image, face)
        yield ("embed", threads), partial(embedder.embed, image[:112, :112])


def _detect_call(detector: Detector, image: Image, known: Box) -> Callable[[], object]:
    """Each call searches the next parts of the image, as the pipeline does when everything moves."""
    grid, numbers = detector.grid(WIDTH, HEIGHT), count(1)
    return lambda: detector.detect(image, DetectionRequest(round_robin(grid, next(numbers)), (known,)))


def scene() -> Image:
    """A 640 x 480 image with a face from the demo; only noise if photos cannot be read."""
    from edgeface.imaging.opencv import cv2

    image = np.random.default_rng(0).integers(100, 140, (HEIGHT, WIDTH, 3), np.uint8)
    with suppress(PhotoError):
        photo = shipped_photo()
        scale = min(HEIGHT / photo.shape[0], WIDTH / photo.shape[1])
        small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image[: small.shape[0], : small.shape[1]] = small
    return image


def shipped_photo() -> Image:
    """A photo from the package; raises PhotoError if it cannot be read."""
    from edgeface.imaging import photos

    return photos.load(_PHOTO)


def _face(detector: Detector, image: Image) -> Detection:
    found = detector.detect(image, DetectionRequest((detector.grid(WIDTH, HEIGHT).whole,)))
    return max(found, key=lambda one: one.score, default=_middle())


def _middle() -> Detection:
    points = np.full((6, 2), np.nan, np.float32)
    return Detection(Box(WIDTH / 2 - 60, HEIGHT / 2 - 70, WIDTH / 2 + 60, HEIGHT / 2 + 70), 1.0, points)


def _cost(call: Callable[[], object], clock: SystemClock, end: float) -> Cost:
    """Measure until `end`; the first call is the warm-up, unless there is no time for a second."""
    times: list[float] = []
    while not times or (clock.monotonic() < end and len(times) < _MAX_RUNS):
        start = clock.monotonic()
        call()
        times.append(max(1e-6, clock.monotonic() - start) * 1000)
    counted = times[1:] or times
    return Cost(float(np.median(counted)), float(np.percentile(counted, 95)), len(counted))


def variant(configuration: Configuration) -> Finding:
    """The embedder in use, and why."""
    model = configuration.embedder.model
    if model is not None:
        return Finding("embedder", f"{model.name}, from the configuration")
    if board.DOT in board.cpu_features():
        why = "this CPU multiplies int8 four at a time, so it needs about half the work of a float model"
    else:
        why = "without dot products it saves little over a float model, but a float model is no faster here"
    return Finding("embedder", f"int8, the shipped variant: {why}")


def _round(rate: float) -> str:
    return str(math.floor(rate)) if rate >= 10 else f"{rate:.1f}"  # noqa: PLR2004 - two digits are enough
