"""What a user would write with the mediapipe package: find, crop, embed and compare every face of every frame.

MediaPipe 0.10.21's full-range detector at its default confidence, and the float MobileFaceNet from its npm package,
with its batch size of 2. Nothing is kept from one frame to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from benchmarks.loops.seen import Seen
from tools.quantize.sources import MOBILEFACENET, fetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.loops.seen import Image

THRESHOLD = 0.5
"""Two faces with this cosine or more are the same person."""
_SIDE = 112


class Loop:
    """Detector, embedder, and one embedding for each photo."""

    def __init__(self, people: Mapping[str, Sequence[Path]], size: tuple[int, int]) -> None:  # noqa: ARG002 - as in the others
        import mediapipe as mp

        self._detector = mp.solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
        self._model = Interpreter(model_content=fetch(MOBILEFACENET))
        self._model.allocate_tensors()
        self._known = [(name, row) for name, photos in people.items() for row in self._enroll(photos)]

    def look(self, image: Image, seconds: float) -> list[Seen]:  # noqa: ARG002 - it ignores time
        """Find, embed and compare."""
        return [Seen(box, self._nearest(self._embed(image, box))) for box in self._find(image)]

    def _enroll(self, photos: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
        for photo in photos:
            stored = cv2.imread(str(photo))
            if stored is None:
                raise SystemExit(f"{photo}: cannot be read")
            image = np.asarray(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), np.uint8)
            found = self._find(image)
            if found:
                yield self._embed(image, max(found, key=lambda box: box[2] - box[0]))
            else:
                print(f"{photo}: no face found")

    def _find(self, image: Image) -> list[tuple[float, float, float, float]]:
        height, width = image.shape[:2]
        detections: Any = self._detector.process(image).detections or ()
        boxes = [one.location_data.relative_bounding_box for one in detections]
        return [
            (box.xmin * width, box.ymin * height, (box.xmin + box.width) * width, (box.ymin + box.height) * height)
            for box in boxes
        ]

    def _embed(self, image: Image, box: tuple[float, float, float, float]) -> NDArray[np.float32]:
        left, top, right, bottom = (max(0, int(side)) for side in box)
        # A box may extend beyond the picture's edge.
        part = image[
            min(top, image.shape[0] - 1) : max(top + 1, bottom), min(left, image.shape[1] - 1) : max(left + 1, right)
        ]
        crop = cv2.resize(part, (_SIDE, _SIDE)).astype(np.float32)
        pair = np.repeat(((crop - 127.5) / 128)[np.newaxis], 2, axis=0)
        self._model.set_tensor(self._model.get_input_details()[0]["index"], pair)
        self._model.invoke()
        row = self._model.get_tensor(self._model.get_output_details()[0]["index"])[0]
        return np.asarray(row / np.linalg.norm(row), np.float32)

    def _nearest(self, row: NDArray[np.float32]) -> str | None:
        scores = [(float(known @ row), name) for name, known in self._known]
        score, name = max(scores, default=(0.0, None))
        return name if score >= THRESHOLD else None
