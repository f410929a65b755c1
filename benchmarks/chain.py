"""CPU time of the whole chain on one face, compared with what a user would write with the mediapipe package.

    python benchmarks/chain.py PHOTO --embedder MobileFaceNet.tflite

Both run in one process, interleaved, one thread each: detect, landmarks, align and embed one face in a 640 x 480
frame; and MediaPipe's full-range detector with the float MobileFaceNet as its package ships it (batch 2), on the
same frame. Needs an environment of its own with mediapipe 0.10.21, which needs numpy below 2. Prints medians with
quartiles and their ratio, and writes build/chain.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeface.config.configuration import Configuration
from edgeface.faces.embedder import align
from edgeface.faces.protocols import DetectionRequest
from edgeface.faces.tflite import open_model
from edgeface.imaging import photos
from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.types import Box, Image

OUT = Path("build/chain.json")


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path, help="one face")
    parser.add_argument("--embedder", type=Path, required=True, help="the float MobileFaceNet.tflite from npm")
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    frame = _frame(photos.load(arguments.photo))
    parts = {**_ours(frame), "naive": _naive(frame, arguments.embedder)}
    costs: dict[str, list[float]] = {name: [] for name in parts}
    for round_ in range(arguments.rounds + 5):
        for name, work in parts.items():
            start = time.process_time()
            work()
            if round_ >= 5:  # noqa: PLR2004 - the first rounds fill caches
                costs[name].append(1000 * (time.process_time() - start))
    _report(costs)


def _frame(photo: Image) -> Image:
    """The photo in the middle of a 640 x 480 frame, fitted to its height."""
    scale = 480 / photo.shape[0]
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((480, 640, 3), 120, np.uint8)
    left = max(0, (640 - small.shape[1]) // 2)
    frame[:, left : left + small.shape[1]] = small[:, : 640 - left]
    return frame


def _ours(frame: Image) -> dict[str, Callable[[], object]]:
    """The whole chain for a followed face, and its parts."""
    analyzer = Configuration.model_validate({"cameras": {"c": {"type": "opencv", "source": 0}}}).open_analyzer()
    (face,) = analyzer.detector.detect(frame, DetectionRequest(analyzer.round_robin(frame, 0)))
    studied = analyzer.inspect(frame, face)
    if studied is None:
        raise SystemExit("no face found in this photo")
    close, crop = studied[0], align(frame, studied[0].landmarks)
    look = iter(range(10**9))

    def whole(known: tuple[Box, ...]) -> object:
        (found,) = analyzer.detector.detect(frame, DetectionRequest(analyzer.round_robin(frame, next(look)), known))
        again = analyzer.inspect(frame, found)
        return None if again is None else analyzer.embed(frame, again[0])

    return {
        "edgeface: a followed face": lambda: whole((face.box,)),
        "  detect": lambda: analyzer.detector.detect(
            frame, DetectionRequest(analyzer.round_robin(frame, next(look)), (face.box,))
        ),
        "  landmarks": lambda: analyzer.landmarker.locate(frame, face),
        "  align": lambda: align(frame, close.landmarks),
        "  embed": lambda: analyzer.embedder.embed(crop),
    }


def _naive(frame: Image, embedder: Path) -> Callable[[], object]:
    import mediapipe as mp

    detector = mp.solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
    model = open_model(embedder)

    def work() -> object:
        found = detector.process(frame).detections[0].location_data.relative_bounding_box
        left, top = max(0, int(found.xmin * 640)), max(0, int(found.ymin * 480))
        right, bottom = left + int(found.width * 640), top + int(found.height * 480)
        crop = cv2.resize(frame[top:bottom, left:right], (112, 112)).astype(np.float32)
        return model.run(np.repeat(((crop - 127.5) / 128)[np.newaxis], 2, axis=0))

    return work


def _report(costs: dict[str, list[float]]) -> None:
    rows = {name: statistics.quantiles(values, n=4) for name, values in costs.items()}
    for name, (low, median, high) in rows.items():
        print(f"{name:<36}{median:7.2f} ms  ({low:.2f} to {high:.2f})")
    ours, naive = costs["edgeface: a followed face"], costs["naive"]
    ratios = statistics.quantiles([a / b for a, b in zip(ours, naive, strict=True)], n=4)
    print(f"{'ratio to the naive loop':<36}{ratios[1]:7.2f}     ({ratios[0]:.2f} to {ratios[2]:.2f})")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"cpu_ms": rows, "ratio": ratios}, indent=2) + "\n")


if __name__ == "__main__":
    main()
