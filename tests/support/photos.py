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


def phone_photo(name: str, long: int = 4032, size: int = 4_300_000) -> bytes:
    """The photo as a phone takes it: a JPEG of 12 million pixels and about `size` bytes, by noise as of a sensor."""
    small = cv2.cvtColor(photo(name), cv2.COLOR_RGB2BGR)
    scale = long / max(small.shape[:2])
    large = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    wide = round(0.75 * long)
    side = max(0, wide - large.shape[1])
    large = cv2.copyMakeBorder(large, 0, 0, side // 2, side - side // 2, cv2.BORDER_CONSTANT, value=(120, 120, 120))
    noise = np.asarray(np.random.default_rng(1).normal(0, 7, large.shape), np.int16)
    noisy = np.asarray(np.clip(large + noise, 0, 255), np.uint8)
    for quality in range(96, 60, -1):
        done, data = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert done
        if len(data) <= 1.05 * size:
            break
    return data.tobytes()


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
