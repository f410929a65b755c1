"""Whether a camera's pictures are news: none, the same again, or a clock that stands."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edgeface.types import Image, Picture

SILENT_SECONDS = 2.0
"""No picture for this long is a stall."""

STANDING_SECONDS = 2.0
"""A source whose timestamp stands for this long is frozen."""

SAME_SECONDS = 3.0
"""A source whose pictures are the same byte for byte for this long is frozen: in healthy H.264 up to 23.5 % of
pictures are, in runs of up to 0.6 s."""

_WINDOW = 5.0


class Freshness:
    """Follows one camera's pictures; one thread at a time writes, any may ask."""

    def __init__(self) -> None:
        self.repeats = 0
        """Pictures that were not new."""
        self._picture: Picture | None = None
        self._arrived = self._moved = self._changed = 0.0
        self._new: float | None = None
        self._recent: deque[float] = deque(maxlen=1200)

    def opened(self, now: float) -> None:
        """Begin the timers again; the last picture is kept, since a frozen source shows it again."""
        self._arrived = self._moved = self._changed = now

    def is_new(self, picture: Picture, now: float) -> bool:
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
            return True
        self.repeats += 1
        return False

    def trouble(self, now: float) -> str | None:
        """What is wrong at this moment, in words; None when nothing is."""
        if self.silence(now) > SILENT_SECONDS:
            return f"no picture for {SILENT_SECONDS:.0f} s"
        if now - self._moved > STANDING_SECONDS:
            return f"the source's timestamp has stood for {STANDING_SECONDS:.0f} s"
        if now - self._changed > SAME_SECONDS:
            return f"the picture has been the same for {SAME_SECONDS:.0f} s"
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


def same(a: Image, b: Image) -> bool:
    """Whether two pictures are equal byte for byte; 1 row in 32 settles nearly all that differ."""
    return a.shape == b.shape and np.array_equal(a[::32], b[::32]) and np.array_equal(a, b)
