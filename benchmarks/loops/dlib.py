"""face_recognition as in its README's webcam example, but on the full-size frame: a quarter would lose far faces.

The HOG detector, dlib's 128-d network on every face, and compare_faces at its default tolerance of 0.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import face_recognition
import numpy as np

from benchmarks.loops.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.loops.seen import Image


class Loop:
    """One encoding for each photo."""

    def __init__(self, people: Mapping[str, Sequence[Path]], size: tuple[int, int]) -> None:  # noqa: ARG002 - as in the others
        self._names: list[str] = []
        self._known: list[Any] = []
        for name, photos in people.items():
            for photo in photos:
                encodings = face_recognition.face_encodings(face_recognition.load_image_file(photo))
                self._names += [name] * len(encodings[:1])
                self._known += encodings[:1]
                if not encodings:
                    print(f"{photo}: no face found")

    def look(self, image: Image, seconds: float) -> list[Seen]:  # noqa: ARG002 - it ignores time
        """Find, encode and compare."""
        places = face_recognition.face_locations(image)
        encodings = face_recognition.face_encodings(image, places)
        return [
            Seen((left, top, right, bottom), self._name(encoding))
            for (top, right, bottom, left), encoding in zip(places, encodings, strict=True)
        ]

    def _name(self, encoding: Any) -> str | None:
        if not self._known:
            return None
        nearest = int(np.argmin(face_recognition.face_distance(self._known, encoding)))
        return self._names[nearest] if face_recognition.compare_faces(self._known, encoding)[nearest] else None
