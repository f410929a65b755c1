"""Detects a camera that has stopped delivering new images: silence, repeated images, or a stuck timestamp."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import CameraImage, Image

SILENT_SECONDS = 2.0
"""No image for this long is a stall."""

STUCK_SECONDS = 2.0
"""A source whose timestamp does not change for this long is frozen."""

SAME_SECONDS = 2.5
"""A source whose images are identical byte for byte for this long is frozen: in healthy H.264 up to 23.5 % of the
images are, in runs of up to 0.6 s."""

PART_CHECKS, PART_CHECK_SECONDS = 10, 0.5
"""A source of whose pictures at most 5 % have changed in ten comparisons, half a second apart, is frozen: the rest is a
clock that is drawn over it, a lamp or a faulty pixel. Measured in still scenes with noise: 22 % of each 2.5 s change in
the worst of eleven encoders (docs/liveness.md)."""

DARK_SECONDS = 2.5
"""A camera whose images show nothing for this long is reported as dark."""

DARK = "dark: the pictures show nothing; is it night, or is the lens covered?"

# Limits for the mean and standard deviation of the means of an image's tiles, 0 to 255. Noise of 0 to 40 has a
# deviation of 1 at 640 x 480, while one tile with a lamp of 100 in it has 8.
_DARK_MEAN = 32.0
_DARK_DEVIATION = 4.0
_DARK_CHECK_SECONDS = 0.5
_TILES = 12

# The picture is divided into 24 x 24 parts; a clock that is drawn over it covers up to 4 % of them.
_PARTS = 24
_LIVE_SHARE = 0.05
_PART_ROWS = 480

_RATE_SECONDS = 5.0


class Freshness:
    """Follows one camera's images; one thread at a time writes, any thread may read."""

    def __init__(self, *, parts: bool = True) -> None:
        """`parts` is whether a picture in which only a small part changes is frozen; not so in drawn scenes."""
        self.repeats = 0
        """Images that were not new."""
        self._picture: CameraImage | None = None
        self._arrived = self._moved = self._changed = 0.0
        self._new: float | None = None
        self._recent: deque[float] = deque(maxlen=1200)
        self._dark_checked: float | None = None
        self._lit = 0.0
        self._parts = _Parts() if parts else None

    def opened(self, now: float) -> None:
        """Restart the timers; the last image is kept, since a frozen source repeats it."""
        self._arrived = self._moved = self._changed = self._lit = now

    def is_new(self, picture: CameraImage, now: float) -> bool:
        """Record an image; False if its bytes or its timestamp are those of the one before, or most of it is frozen."""
        last, self._picture = self._picture, picture
        moved = last is None or picture.timestamp is None or picture.timestamp != last.timestamp
        changed = last is None or not same(picture.image, last.image)
        self._arrived = now
        self._moved = now if moved else self._moved
        self._changed = now if changed else self._changed
        if self._parts is not None:
            self._parts.follow(picture, now)
        if moved and changed and not self._partly_frozen:
            self._new = now
            self._recent.append(now)
            self._check_dark(picture.image, now)
            return True
        self.repeats += 1
        return False

    def _check_dark(self, image: Image, now: float) -> None:
        """Check now and then whether the image shows anything; each check takes 0.1 ms."""
        if self._dark_checked is None or now - self._dark_checked >= _DARK_CHECK_SECONDS:
            self._dark_checked = now
            if not is_dark(image):
                self._lit = now

    def dark(self, now: float) -> bool:
        """Whether the images have shown nothing for a while; a dark night and a covered lens look the same."""
        return self._new is not None and now - self._lit > DARK_SECONDS

    def problem(self, now: float) -> str | None:
        """Why the camera counts as stalled at this moment; None if it does not."""
        if self.silence(now) > SILENT_SECONDS:
            return f"no picture for {SILENT_SECONDS:g} s"
        if now - self._moved > STUCK_SECONDS:
            return f"the source's timestamp has not changed for {STUCK_SECONDS:g} s"
        if now - self._changed > SAME_SECONDS:
            return f"the picture has not changed for {SAME_SECONDS:g} s"
        if self._partly_frozen:
            return f"only a small part of the picture has changed for {PART_CHECKS * PART_CHECK_SECONDS:g} s"
        return None

    @property
    def _partly_frozen(self) -> bool:
        return self._parts is not None and self._parts.frozen

    def silence(self, now: float) -> float:
        """Seconds since the last image, new or not."""
        return now - self._arrived

    def age(self, now: float) -> float | None:
        """Seconds since the last new image; None before the first."""
        return None if self._new is None else now - self._new

    def fps(self, now: float) -> float:
        """New images per second over the last five seconds."""
        recent = [moment for moment in tuple(self._recent) if moment > now - _RATE_SECONDS]
        if len(recent) < 2:  # noqa: PLR2004 - a rate needs two
            return 0.0
        # Measured between images; that of a camera that is overdue sinks.
        since, span = now - recent[0], recent[-1] - recent[0]
        return min((len(recent) - 1) / span, len(recent) / since) if span > 0 else 0.0


class _Parts:
    """Which parts of the pictures change; what was seen is kept when the device is opened again."""

    def __init__(self) -> None:
        self.frozen = False
        """At most 5 % have changed in the last PART_CHECKS comparisons."""
        self._last: NDArray[Any] | None = None
        self._checked = 0.0
        self._checks = 0
        # The comparison in which each part has last changed.
        self._changed: NDArray[np.int64] = np.zeros((_PARTS, _PARTS), np.int64)

    def follow(self, picture: CameraImage, now: float) -> None:
        """Compare a picture with the one of half a second ago; takes 0.2 ms at 640 x 480 and 1.5 ms in full HD."""
        if self._last is not None and now - self._checked < PART_CHECK_SECONDS:
            return
        # Values of 16 bits have noise that the picture made of them hides.
        pixels = picture.image[..., 1] if picture.values is None else picture.values
        self._checks += 1
        if self._last is None or self._last.shape != pixels.shape or min(pixels.shape) < _PARTS:
            self._changed[:] = self._checks
        else:
            self._changed[_different(pixels, self._last)] = self._checks
        self._last, self._checked = pixels, now
        self.frozen = float((self._changed > self._checks - PART_CHECKS).mean()) <= _LIVE_SHARE


def _different(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    """The parts in which two pictures differ, of all columns and about _PART_ROWS rows."""
    step = max(1, a.shape[0] // _PART_ROWS)
    difference = a[::step] != b[::step]
    height, width = difference.shape[0] // _PARTS, difference.shape[1] // _PARTS
    rows = difference[: height * _PARTS].reshape(_PARTS, height, -1).any(axis=1)
    return np.asarray(rows[:, : width * _PARTS].reshape(_PARTS, _PARTS, width).any(axis=2))


def is_dark(image: Image) -> bool:
    """Whether an image is black except for noise, by the means of its tiles in the green channel."""
    rows, columns = (min(_TILES, side) for side in image.shape[:2])
    height, width = image.shape[0] // rows, image.shape[1] // columns
    part = image[: rows * height, : columns * width, 1].reshape(rows, height, columns, width)
    # About 64 pixels of a large tile are enough to average out the noise of a sensor at full gain.
    means = part[:, :: max(1, height // 8), :, :: max(1, width // 8)].mean(axis=(1, 3))
    return bool(means.mean() < _DARK_MEAN and means.std() < _DARK_DEVIATION)


def same(a: Image, b: Image) -> bool:
    """Whether two images are equal byte for byte; comparing 1 row in 32 first finds nearly every difference."""
    return a.shape == b.shape and np.array_equal(a[::32], b[::32]) and np.array_equal(a, b)
