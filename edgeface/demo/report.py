"""The pictures that the demo writes: an annotated video, and a contact sheet of the faces with their decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.cameras.replay import ReplayCamera
from edgeface.core.errors import EdgefaceError
from edgeface.demo.playback import Look
from edgeface.imaging.drawing import VideoWriter, cut_out
from edgeface.imaging.resize import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.core.types import Face, FrameResult, Image

TILE = 160
"""Side of a face on the contact sheet, pixels."""

_LINE = 20
_COLUMNS = 4
_PAPER, _INK = 250, (30, 30, 30)


class DecidedFace(NamedTuple):
    """A face at the moment of an event about it."""

    image: Image
    lines: tuple[str, ...]


class Recorder:
    """An observer of the daemon that records the faces of each frame and a picture of each decision."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.looks: list[Look] = []
        """The frames that were looked at."""
        self.faces: dict[int, tuple[Face, ...]] = {}
        """By frame number."""
        self.decided: list[DecidedFace] = []
        self.tracks: set[int] = set()

    def __call__(self, result: FrameResult) -> None:
        """Record one frame; called by the vision thread."""
        self.looks.append(Look(result.frame.seq, result.frame.wall, self._clock.wall()))
        self.faces[result.frame.seq] = result.faces
        self.tracks.update(face.track for face in result.faces)
        for event in result.events:
            if event.type == "left":
                continue
            who = event.name or event.unknown or event.reason or ""
            score = (
                f"score {event.score:.2f}, threshold {event.threshold:.2f}" if event.score and event.threshold else ""
            )
            face = cut_out(result.frame.image, event.box).copy()
            self.decided.append(DecidedFace(face, (f"{event.type}, track {event.track}", who, score)))


def write_sheet(path: Path, decided: Sequence[DecidedFace]) -> None:
    """Write the faces in rows, each with its decision, as a PNG; raises EdgefaceError."""
    from edgeface.imaging.opencv import cv2

    rows = max(1, -(-len(decided) // _COLUMNS))
    row_height = TILE + 4 * _LINE
    sheet = np.full((rows * row_height, _COLUMNS * (TILE + _LINE), 3), _PAPER, np.uint8)
    for n, one in enumerate(decided):
        top, left = n // _COLUMNS * row_height + _LINE // 2, n % _COLUMNS * (TILE + _LINE) + _LINE // 2
        sheet[top : top + TILE, left : left + TILE] = _tile(one.image)
        for row, line in enumerate(one.lines):
            at = (left, top + TILE + _LINE * (row + 1) - 5)
            text = line.encode("ascii", "replace").decode()
            cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    if not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise EdgefaceError(f"{path}: cannot be written")


def write_video(path: Path, clip: Path, faces: Mapping[int, Sequence[Face]], fps: float) -> int:
    """Write the clip with each frame's faces drawn; a dropped frame shows the faces of the previous one.

    Returns the number of frames of the clip.
    """
    shown: Sequence[Face] = ()
    frames = 0
    with VideoWriter(path, fps) as video:
        for seq, picture in enumerate(ReplayCamera(type="replay", path=clip, pace="fast").images()):
            shown = faces.get(seq, shown)
            video.draw(picture.image, shown)
            frames = seq + 1
    return frames


def _tile(image: Image) -> Image:
    """The picture on a square tile, with its proportions kept."""
    tile = np.full((TILE, TILE, 3), _PAPER, np.uint8)
    small = scaled(image, TILE / max(image.shape[:2]))
    height, width = small.shape[:2]
    top, left = (TILE - height) // 2, (TILE - width) // 2
    tile[top : top + height, left : left + width] = small
    return tile
