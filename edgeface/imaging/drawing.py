"""Pictures for people: crops of faces, and frames and videos with boxes and names drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edgeface.core.errors import EdgefaceError
from edgeface.core.event_kinds import EVENT_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edgeface.core.types import Box, Face, Image

MARGIN = 0.35
"""Surroundings kept around a face, as a fraction of its height."""

JPEG_QUALITY = 85

_COLOURS = {entry.kind: entry.colour for entry in EVENT_KINDS if entry.face} | {
    "ignored": (140, 140, 140),
    "new": (90, 150, 235),
}
"""RGB, by label of the face."""


def cut_out(image: Image, box: Box) -> Image:
    """Crop the face with some of its surroundings, within the picture; at least one pixel."""
    height, width = image.shape[:2]
    edge = MARGIN * box.height
    left, top = (int(np.clip(v - edge, 0, limit - 1)) for v, limit in ((box.left, width), (box.top, height)))
    right = int(np.clip(box.right + edge, left + 1, width))
    bottom = int(np.clip(box.bottom + edge, top + 1, height))
    return image[top:bottom, left:right]


def jpeg(image: Image) -> bytes:
    """Encode an RGB picture as JPEG."""
    from edgeface.imaging.opencv import cv2

    parameters = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), parameters)
    return data.tobytes()


def draw(image: Image, faces: Iterable[Face]) -> Image:
    """Copy the picture and draw each face's box with its name, its score or the reason why it was rejected."""
    from edgeface.imaging.opencv import cv2

    drawn: Image = image.copy()
    for face in faces:
        colour = _COLOURS[face.label]
        corners = (round(face.box.left), round(face.box.top)), (round(face.box.right), round(face.box.bottom))
        cv2.rectangle(drawn, *corners, colour, 2, cv2.LINE_AA)
        _write_caption(drawn, _caption(face), (corners[0][0], corners[0][1] - 6), colour)
    return drawn


def _caption(face: Face) -> str:
    name = face.name or face.unknown or {"new": "..."}.get(face.label, face.label)
    score = f" {face.score:.2f}" if face.score is not None and face.label == "match" else ""
    return f"{name}{score}" + (f" ({face.reason})" if face.reason else "")


def _write_caption(image: Image, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """Write on a filled strip; OpenCV's fonts have ASCII only."""
    from edgeface.imaging.opencv import cv2

    text = text.encode("ascii", "replace").decode()
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    x, y = max(0, min(at[0], image.shape[1] - width)), max(height + below, at[1])
    cv2.rectangle(image, (x, y - height - below), (x + width + 4, y + below), colour, cv2.FILLED)
    cv2.putText(image, text, (x + 2, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


class VideoWriter:
    """Draws each frame's faces and writes a video; does nothing without a path. A context manager."""

    def __init__(self, path: Path | None, fps: float = 15.0, codec: Literal["mp4v", "MJPG"] = "mp4v") -> None:
        """`codec` is MPEG-4, for .mp4 files, or Motion JPEG, for .avi files, which loses less."""
        self._path = path
        self._fps = fps
        self._codec = codec
        self._writer: Any = None

    def draw(self, image: Image, faces: Iterable[Face]) -> None:
        """Write one frame; all frames must have the size of the first."""
        if self._path is None:
            return
        from edgeface.imaging.opencv import cv2

        if self._writer is None:
            size = (image.shape[1], image.shape[0])
            self._writer = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*self._codec), self._fps, size)
            if not self._writer.isOpened():
                raise EdgefaceError(f"{self._path}: cannot be written")
        self._writer.write(cv2.cvtColor(draw(image, faces), cv2.COLOR_RGB2BGR))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()
