"""Whether a camera's pictures are news: none, the same again, or a clock that stands."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edgeface.core.types import CameraImage, Image

SILENT_SECONDS = 2.0
"""No picture for this long is a stall."""

STANDING_SECONDS = 2.0
"""A source whose timestamp stands for this long is frozen."""

SAME_SECONDS = 2.5
"""A source whose pictures are the same byte for byte for this long is frozen: in healthy H.264 up to 23.5 % of
pictures are, in runs of up to 0.6 s."""

DARK_SECONDS = 2.5
"""Pictures that show nothing for this long are told as dark."""

DARK = "dark: the pictures show nothing; is it night, or is the lens covered?"

# Mean and standard deviation of the means of a picture's tiles, 0 to 255. Noise of 0 to 40 has a deviation of 1 at
# 640 x 480, while one tile with a lamp of 100 in it has 8.
_DARK_MEAN = 32.0
_DARK_SPREAD = 4.0
_GLANCE_SECONDS = 0.5
_TILES = 12

_WINDOW = 5.0


class Freshness:
    """Follows one camera's pictures; one thread at a time writes, any may ask."""

    def __init__(self) -> None:
        self.repeats = 0
        """Pictures that were not new."""
        self._picture: CameraImage | None = None
        self._arrived = self._moved = self._changed = 0.0
        self._new: float | None = None
        self._recent: deque[float] = deque(maxlen=1200)
        self._glanced: float | None = None
        self._lit = 0.0

    def opened(self, now: float) -> None:
        """Begin the timers again; the last picture is kept, since a frozen source shows it again."""
        self._arrived = self._moved = self._changed = self._lit = now

    def is_new(self, picture: CameraImage, now: float) -> bool:
        """Take in a picture; False when its bytes or its timestamp are those of the one before."""
        last, self._picture = self._picture, picture
        moved = last is None or picture.timestamp is None or picture.timestamp != last.timestamp
        changed = last is None or not same(picture.image, last.image)
        self._arrived = now
        self._moved = now if moved else self._moved
        self._changed = now if changed else self._changed
        if moved and changed:
            self._new = now
            self._recent.append(now)
            self._glance(picture.image, now)
            return True
        self.repeats += 1
        return False

    def _glance(self, image: Image, now: float) -> None:
        """Look whether there is anything to see, now and then: it takes 0.1 ms."""
        if self._glanced is None or now - self._glanced >= _GLANCE_SECONDS:
            self._glanced = now
            if not is_dark(image):
                self._lit = now

    def dark(self, now: float) -> bool:
        """Whether the pictures have shown nothing for a while: a dark night and a covered lens look the same."""
        return self._new is not None and now - self._lit > DARK_SECONDS

    def trouble(self, now: float) -> str | None:
        """What is wrong at this moment, in words; None when nothing is."""
        if self.silence(now) > SILENT_SECONDS:
            return f"no picture for {SILENT_SECONDS:g} s"
        if now - self._moved > STANDING_SECONDS:
            return f"the source's timestamp has stood for {STANDING_SECONDS:g} s"
        if now - self._changed > SAME_SECONDS:
            return f"the picture has been the same for {SAME_SECONDS:g} s"
        return None

    def silence(self, now: float) -> float:
        """Seconds since the last picture, new or not."""
        return now - self._arrived

    def age(self, now: float) -> float | None:
        """Seconds since the last new picture; None before the first."""
        return None if self._new is None else now - self._new

    def fps(self, now: float) -> float:
        """New pictures a second over the last five seconds."""
        recent = [moment for moment in tuple(self._recent) if moment > now - _WINDOW]
        if len(recent) < 2:  # noqa: PLR2004 - a rate is between two
            return 0.0
        # A camera that has just fallen silent sinks; one that gives pictures is measured between them.
        end = now if now - recent[-1] > 1 else recent[-1]
        return (len(recent) - 1) / (end - recent[0]) if end > recent[0] else 0.0


def is_dark(image: Image) -> bool:
    """Whether a picture is black all over but for noise, by the means of its tiles in green."""
    rows, columns = (min(_TILES, side) for side in image.shape[:2])
    height, width = image.shape[0] // rows, image.shape[1] // columns
    part = image[: rows * height, : columns * width, 1].reshape(rows, height, columns, width)
    # Of a large tile some 64 pixels are enough to average the noise of a sensor at full gain away.
    means = part[:, :: max(1, height // 8), :, :: max(1, width // 8)].mean(axis=(1, 3))
    return bool(means.mean() < _DARK_MEAN and means.std() < _DARK_SPREAD)


def same(a: Image, b: Image) -> bool:
    """Whether two pictures are equal byte for byte; 1 row in 32 settles nearly all that differ."""
    return a.shape == b.shape and np.array_equal(a[::32], b[::32]) and np.array_equal(a, b)
