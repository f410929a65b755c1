"""Writes clips with faces drawn, for people to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.annotate import draw
from edgeface.errors import EdgefaceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.types import Face, Image

FPS = 15.0


class VideoWriter:
    """Draws each frame's faces and writes an MPEG-4 file; does nothing without a path. A context manager."""

    def __init__(self, path: Path | None, fps: float = FPS) -> None:
        self._path = path
        self._fps = fps
        self._writer: Any = None

    def draw(self, image: Image, faces: Sequence[Face]) -> None:
        """Write one frame; all have the size of the first."""
        if self._path is None:
            return
        from edgeface.opencv import cv2

        if self._writer is None:
            size = (image.shape[1], image.shape[0])
            self._writer = cv2.VideoWriter(str(self._path), cv2.VideoWriter.fourcc(*"mp4v"), self._fps, size)
            if not self._writer.isOpened():
                raise EdgefaceError(f"{self._path}: cannot be written")
        self._writer.write(cv2.cvtColor(draw(image, faces), cv2.COLOR_RGB2BGR))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()
