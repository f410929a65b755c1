from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeface.cameras.replay import ReplayCamera
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.core.types import Frame
from edgeface.daemon.session import RecognitionSession
from edgeface.faces.detectors.mediapipe import MediapipeDetector
from edgeface.faces.detectors.tiled_blazeface import BlazefaceDetector
from edgeface.recognition.settings import Recognition
from tests.support.photos import scene


def configured(data: Path, detector: Any = None, **camera: Any) -> Configuration:
    replay = ReplayCamera(type="replay", path=Path("clip.mp4"), **camera)
    return Configuration(data=data, cameras={"porch": replay}, detector=detector or BlazefaceDetector())


def test_a_region_and_the_smallest_face_change_at_once(tmp_path: Path) -> None:
    running = configured(tmp_path)
    wanted = configured(tmp_path, BlazefaceDetector(smallest_face=90), region=(0.1, 0.1, 0.9, 0.9))
    assert loader.merge(running, wanted) == (wanted, ())
    assert loader.merge(wanted, running) == (running, ())


def test_a_display_name_changes_at_once(tmp_path: Path) -> None:
    running, wanted = configured(tmp_path, name="Front door"), configured(tmp_path)
    for before, after in ((running, wanted), (wanted, running)):
        assert loader.merge(before, after) == (after, ())


def test_what_else_differs_of_a_camera_or_a_detector_waits_for_a_restart(tmp_path: Path) -> None:
    running = configured(tmp_path)
    wanted = configured(
        tmp_path, BlazefaceDetector(smallest_face=90, tiles_per_frame=0), region=(0.1, 0.1, 0.9, 0.9), fps=5
    )
    merged, kept = loader.merge(running, wanted)
    assert kept == ("cameras", "detector")
    assert merged == configured(tmp_path, BlazefaceDetector(smallest_face=90), region=(0.1, 0.1, 0.9, 0.9))
    assert loader.merge(running, configured(tmp_path, MediapipeDetector(type="mediapipe"))) == (running, ("detector",))


def test_a_camera_that_comes_or_goes_waits_for_a_restart(tmp_path: Path) -> None:
    running = configured(tmp_path)
    more = running.model_copy(update={"cameras": {**running.cameras, "hall": running.cameras["porch"]}})
    assert loader.merge(running, more) == (running, ("cameras",))
    assert loader.merge(more, running) == (more, ("cameras",))


def test_the_rest_is_as_it_was(tmp_path: Path) -> None:
    running = configured(tmp_path)
    wanted = running.model_copy(update={"recognition": Recognition(level="high"), "device": "other"})
    merged, kept = loader.merge(running, wanted)
    assert (merged.recognition.level, merged.device, kept) == ("high", "edgeface", ("device",))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[RecognitionSession]:
    with closing(RecognitionSession(configured(tmp_path), "boot", 1e9, synced=lambda: True)) as opened:
        yield opened


def looked(bench: RecognitionSession, image: Any, count: int, start: int) -> list[tuple[int, int]]:
    """The faces of the last of these frames: track number and left edge."""
    for n in range(start, start + count):
        outcome = bench.pipeline.process(Frame("porch", n, n / 15, 1e9 + n / 15, image))
    return [(face.track, round(face.box.left)) for face in outcome.faces]


def test_a_running_pipeline_looks_at_another_region(bench: RecognitionSession, tmp_path: Path) -> None:
    image = np.ascontiguousarray(scene("obama", 440, 240, 160))
    ((track, left),) = looked(bench, image, 6, 0)
    bench.refresh(configured(tmp_path, region=(0.4, 0.0, 1.0, 1.0)), 1e9)
    ((other, there),) = looked(bench, image, 6, 6)
    assert there == pytest.approx(left, abs=6)
    bench.refresh(configured(tmp_path, region=(0.0, 0.0, 0.4, 1.0)), 1e9)
    assert looked(bench, image, 6, 12) == []
    assert other >= track


def test_a_running_pipeline_takes_another_smallest_face(bench: RecognitionSession, tmp_path: Path) -> None:
    before = bench.pipeline._faces.detector
    bench.refresh(configured(tmp_path, BlazefaceDetector(smallest_face=90)), 1e9)
    assert bench.pipeline._faces.detector is not before
    now = bench.pipeline._faces.detector
    bench.refresh(configured(tmp_path, BlazefaceDetector(smallest_face=90), region=(0.1, 0.1, 0.9, 0.9)), 1e9)
    assert bench.pipeline._faces.detector is now
