"""How much of its clip the demo has seen, and which findings it can answer for."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgeface.core.clock import Clock

Span = tuple[float, float]
"""From and to, in seconds of the clip."""

WHOLE: Span = (0.0, math.inf)
"""The whole clip."""

AFTERWARDS = 3.0
"""Seconds after a visit in which its end is noticed: `recognition.gap` and a little more."""

_SHARE = 0.8
"""Share of the frames of a span that must be processed for a finding to count."""
_PAUSE = 0.5
"""Seconds without a look, or from a frame to its result, from which on the machine may be the cause."""
_BEAT = 0.05


class Finding(NamedTuple):
    """Something that is not as it should be."""

    text: str
    span: Span | None = None
    """The part of the clip that edgeface must have seen for this to be its fault; None: it is, in any case."""


class Look(NamedTuple):
    """A frame that was processed."""

    seq: int
    """Its number in the clip, from 0."""
    wall: float
    """When it was captured, in wall seconds."""
    ready: float
    """When its result was there, in wall seconds."""


class Judgement(NamedTuple):
    """What the demo has found, one line each."""

    wrong: list[str]
    not_judged: list[str]
    """What may be the fault of a slow or busy machine."""


class Playback:
    """The frames of a clip that were processed; the clip's time is that of its frames, however late they come."""

    def __init__(self, looks: Sequence[Look], rate: float, pauses: Sequence[Span] = ()) -> None:
        """`rate` is the clip's frames per second; in `pauses`, spans of wall time, the machine did not respond."""
        self._looks = sorted(looks, key=lambda look: look.wall)
        self._rate = rate
        self._pauses = pauses
        self._walls = np.array([look.wall for look in self._looks])
        self._seconds = np.array([look.seq / rate for look in self._looks])

    def seconds(self, wall: float) -> float:
        """The clip's time at a wall time; it advances at its rate before the first frame and after the last."""
        if not self._looks:
            return 0.0
        nearest = min(max(wall, float(self._walls[0])), float(self._walls[-1]))
        return float(np.interp(nearest, self._walls, self._seconds)) + wall - nearest

    def judged(self, findings: Iterable[Finding], frames: int) -> Judgement:
        """Separate what is wrong from what may be the machine's fault, on a clip of so many frames."""
        judgement = Judgement([], [])
        for finding in findings:
            if finding.span is None or self._watched(finding.span, frames):
                judgement.wrong.append(finding.text)
            else:
                looked, every = self._count(finding.span, frames)
                judgement.not_judged.append(f"{finding.text} ({looked} of {every} frames were processed)")
        return judgement

    def _watched(self, span: Span, frames: int) -> bool:
        """Whether nearly every frame of a span was processed, at once, and without a pause."""
        looked, every = self._count(span, frames)
        if every == 0 or looked < _SHARE * every:
            return False
        inside = [look for look in self._looks if span[0] <= look.seq / self._rate <= span[1]]
        since, until = inside[0].wall, inside[-1].ready
        paused = any(start < until and end > since for start, end in self._pauses)
        late = any(look.ready - look.wall > _PAUSE for look in inside)
        return not paused and not late and bool(np.all(np.diff([look.wall for look in inside]) <= _PAUSE))

    def _count(self, span: Span, frames: int) -> tuple[int, int]:
        """How many frames of a span were processed, and how many there are."""
        first, last = math.ceil(span[0] * self._rate), math.floor(min(span[1] * self._rate, frames - 1))
        # Frames beyond the end: the clip was opened again, and the time of its frames is not known.
        if any(look.seq >= frames for look in self._looks):
            return 0, max(0, last - first + 1)
        return sum(first <= look.seq <= last for look in self._looks), max(0, last - first + 1)


class Pulse:
    """Notices when this machine does not respond: a thread that wants to run twenty times a second, until `stop`."""

    def __init__(self, clock: Clock) -> None:
        self.pauses: list[Span] = []
        """From and to, in wall seconds."""
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        last = self._clock.wall()
        while not self._stopped.wait(_BEAT):
            now = self._clock.wall()
            if now - last > _PAUSE:
                self.pauses.append((last, now))
            last = now
