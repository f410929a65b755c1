"""The daemon for a long time on a looping clip: memory, threads, file descriptors, and every visit published."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tools.faults.listener import DOOR
from tools.faults.part import Options, Row, say
from tools.faults.site import CAMERA, DEMO, Site, until

if TYPE_CHECKING:
    from collections.abc import Sequence

_WARM = 60.0
_STEP = 5.0
# Matches in one round of the clip (edgeface/demo_data/truth.json).
_MATCHES = 4
_DOOR = f"doors: {{{DOOR}: {{camera: {CAMERA}, allow: [{{person: barack_obama}}, {{person: joe_biden}}]}}}}\n"
_TARGET = 3.0
"""MB per hour."""
_JUDGED = 3600.0
"""Seconds that a run needs before its memory is judged."""


@dataclass(slots=True)
class Samples:
    """What the process used, sampled periodically."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)

    def take(self, pid: int, seconds: float) -> None:
        """Add one sample from /proc."""
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        self.seconds.append(seconds)
        self.megabytes.append(_number(status, "VmRSS") * 1024 / 1e6)
        self.threads.append(_number(status, "Threads"))
        self.handles.append(sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))


def slope(seconds: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Least-squares slope in units per hour, and its standard error; NaN for fewer than three values."""
    if len(seconds) < 3:  # noqa: PLR2004 - two points leave no residual
        return math.nan, math.nan
    hours, heights = np.asarray(seconds, dtype=float) / 3600, np.asarray(values, dtype=float)
    centred = hours - hours.mean()
    spread = float(centred @ centred)
    rise = float(centred @ heights) / spread
    residual = heights - heights.mean() - rise * centred
    return rise, math.sqrt(float(residual @ residual) / (len(hours) - 2) / spread)


def run(options: Options) -> Row:
    """Run the daemon and count."""
    length = _length(DEMO / "clip.mp4")
    with Site(options.folder / "soak", more=_DOOR) as site:
        site.enroll_demo()
        made = site.edgeface("keys", "new")
        if made.returncode:
            raise RuntimeError(f"making a key for the door failed: {made.stderr.strip()}")
        site.start()
        samples = _sample(site, options.soak)
        books = site.settle()
        matches = sum(message.kind == "match" and not message.audit for message in site.listener.received)
        rounds = int(options.soak // length)
        rise, error = slope(samples.seconds, samples.megabytes)
        say(f"{rounds} whole rounds of the clip, {matches} matches; memory {samples.megabytes[-1]:.0f} MB")
        faults = [] if site.listener.grants else ["the door never got a grant"]
        faults += [] if matches >= rounds * _MATCHES else [f"{matches} of {rounds * _MATCHES} matches were received"]
        # Caches fill at first, and noise is not a leak: only a long run that is certainly above the target counts.
        judged = options.soak >= _JUDGED
        faults += [f"memory rises by {rise:.1f} MB/h"] if judged and rise - 2 * error > _TARGET else []
        faults += growth("threads", samples.threads) + growth("file descriptors", samples.handles)
        return Row(
            "soak",
            f"{options.soak / 60:.0f} minutes, {rounds} rounds of the clip",
            len(books.lost),
            len(books.late),
            len(books.torn),
            f"memory {rise:+.1f} ± {2 * error:.1f} MB/h at {samples.megabytes[-1]:.0f} MB"
            f"{'' if judged else ' (judged only after an hour)'}; "
            f"threads {span(samples.threads)}, files {span(samples.handles)}; "
            f"{matches} matches, at least {rounds * _MATCHES} expected; {site.listener.grants} grants",
            (*faults, *books.faults),
        )


def _sample(site: Site, seconds: float) -> Samples:
    samples = Samples()
    began = time.monotonic()
    warm = min(_WARM, seconds / 4)
    while (now := time.monotonic() - began) < seconds and site.alive:
        if now >= warm and site.process is not None:
            samples.take(site.process.pid, now)
            if len(samples.seconds) % 12 == 1:
                say(f"{now:.0f} s: {samples.megabytes[-1]:.1f} MB, {len(site.listener.received)} messages received")
        until(lambda: _ended(site), min(_STEP, seconds / 40), 1.0)
    return samples


def _ended(site: Site) -> bool:
    site.listener.challenge()
    return not site.alive


def growth(what: str, counts: Sequence[int]) -> list[str]:
    """One line if the last quarter never comes down to the maximum of the first one."""
    quarter = max(1, len(counts) // 4)
    first, last = max(counts[:quarter]), min(counts[-quarter:])
    return [f"{what} rise from {first} to {last}"] if last > first else []


def span(counts: Sequence[int]) -> str:
    """Minimum and maximum, or the single value if they are equal."""
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _number(status: str, key: str) -> int:
    found = re.search(rf"^{key}:\s+(\d+)", status, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"/proc has no {key}")
    return int(found[1])


def _length(clip: Path) -> float:
    from edgeface.imaging.opencv import cv2

    video = cv2.VideoCapture(str(clip))
    try:
        return float(video.get(cv2.CAP_PROP_FRAME_COUNT) / video.get(cv2.CAP_PROP_FPS))
    finally:
        video.release()
