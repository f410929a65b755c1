"""The photographs that tests share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from edgeface.faces.analyzer import round_robin
from edgeface.faces.protocols import DetectionRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.core.types import Box, Detection, Image
    from edgeface.faces.protocols import Detector

FOLDER = Path(__file__).parents[1] / "data"
PHOTOS = ("astronaut", "obama", "obama2", "obama3", "biden")


def photo(name: str) -> Image:
    """RGB, at most 512 pixels on the longer side."""
    image = cv2.imread(str(FOLDER / f"{name}.jpg"))
    assert image is not None, name
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def scene(name: str, x: int, y: int, height: int, width: int = 640, tall: int = 480) -> Image:
    """The photo, `height` pixels high, with its upper left at x, y in a grey picture."""
    picture = photo(name)
    scale = height / picture.shape[0]
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((tall, width, 3), 110, np.uint8)
    part = small[: tall - y, : width - x]
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return canvas


def on_a_phone(portrait: Image) -> Image:
    """The whole portrait, small and dark-framed in a grey room, as a phone in a hand is."""
    room = np.full((720, 960, 3), 140, np.uint8)
    height = 420
    width = round(portrait.shape[1] * height / portrait.shape[0])
    small = cv2.resize(portrait, (width, height)).astype(np.uint8)
    top, left = 150, 480 - width // 2
    room[top - 30 : top + height + 30, left - 12 : left + width + 12] = 18
    room[top : top + height, left : left + width] = np.clip(small * 0.85 + 25, 0, 255).astype(np.uint8)
    return room


def at_turn(detector: Detector, image: Image, number: int = 0, known: Sequence[Box] = ()) -> list[Detection]:
    """What a detector finds at the look of this number, where faces are expected in `known`."""
    parts = detector.grid(image.shape[1], image.shape[0])
    return detector.detect(image, DetectionRequest(round_robin(parts, number), tuple(known)))


def peak(process: int | None) -> int:
    """Peak memory of a process in bytes; 0 if there is none."""
    if process is None or not Path(f"/proc/{process}").exists():
        return 0
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
