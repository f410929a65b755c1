"""Figures of one run: what happened to the frames, and when people were announced."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.film import FPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.site import Run
    from benchmarks.trace import Dealt
    from benchmarks.visits import Clip, Visit


@dataclass(frozen=True, slots=True)
class Announced:
    """A match that was received, and the visit it belongs to."""

    camera: str
    round: int
    """Which loop of the clip, from 0."""
    visit: Visit | None
    """Who was in view in the deciding frame."""
    right: bool
    received: float
    """Seconds from the deciding frame's capture."""
    decided: float
    """Of these, the seconds until the frame was processed."""
    usable: float
    """Seconds from the first frame of the visit."""


def summary(run: Run, clips: Mapping[str, Clip]) -> dict[str, Any]:
    """All figures of the given cameras, from the measured part of a run; times in ms, memory in MB."""
    frames = [frame for frame in run.measured if frame.camera in clips]
    told = [one for one in announced(run, clips) if one.visit is not None]
    complete = set(visits(frames, clips))
    received = [one for one in told if (one.camera, one.round, one.visit) in complete]
    seconds = run.until - run.since
    return {
        "seconds": round(seconds, 1),
        "frames": len(frames),
        "handled": len(frames) / max(1, given(frames)),
        "dealt_ms": percentiles(frame.done - frame.captured for frame in frames),
        "events": len(told),
        "received_ms": percentiles(one.received for one in told),
        "decided_ms": percentiles(one.decided for one in told),
        "after_ms": percentiles(one.received - one.decided for one in told),
        "usable_ms": percentiles(one.usable for one in told if one.right),
        "visits": len(complete),
        "right": len({(one.camera, one.round, one.visit) for one in received if one.right}),
        "wrong": sum(not one.right for one in received),
        "cpu_ms": 1000 * run.cpu / max(1, len(run.measured)),
        "cores_used": run.cpu / seconds if seconds else math.nan,
        "rss_peak": run.peak,
        "rss_steady": float(np.median(run.samples.megabytes[len(run.samples.megabytes) // 2 :] or [math.nan])),
    }


def announced(run: Run, clips: Mapping[str, Clip]) -> Iterator[Announced]:
    """The received matches of frames in the measured part of a run."""
    for camera, clip in clips.items():
        frames = [frame for frame in run.dealt if frame.camera == camera]
        for received in run.received:
            if received.kind != "match" or received.camera != camera or received.after is None:
                continue
            frame = nearest(frames, received.at - received.after)
            if run.since <= frame.captured < run.until:
                yield _announced(frame, clip, received.person, received.at)


def visits(frames: Iterable[Dealt], clips: Mapping[str, Clip]) -> Iterator[tuple[str, int, Visit]]:
    """Camera, round and visit of every visit between the first and the last of some frames."""
    numbers: dict[str, list[int]] = {}
    for frame in frames:
        numbers.setdefault(frame.camera, []).append(frame.seq)
    for camera, seen in numbers.items():
        clip = clips[camera]
        for lap in range(min(seen) // clip.frames, max(seen) // clip.frames + 1):
            for visit in clip.visits:
                start = lap * clip.frames
                if min(seen) <= start + visit.since and start + visit.until - 1 <= max(seen):
                    yield camera, lap, visit


def given(frames: Sequence[Dealt]) -> int:
    """How many frames the cameras gave between the first and the last processed one."""
    numbers: dict[str, list[int]] = {}
    for frame in frames:
        numbers.setdefault(frame.camera, []).append(frame.seq)
    return sum(max(seen) - min(seen) + 1 for seen in numbers.values())


def percentiles(seconds: Iterable[float]) -> dict[str, float]:
    """p50, p95 and the maximum, in ms; NaN if there are no values."""
    values = np.array([*seconds]) * 1000
    if not values.size:
        return {"p50": math.nan, "p95": math.nan, "most": math.nan}
    p50, p95 = np.percentile(values, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "most": round(float(values.max()), 1)}


def _announced(frame: Dealt, clip: Clip, person: str | None, at: float) -> Announced:
    visit = clip.at(frame.seq)
    right = visit is not None and visit.person == person
    since = frame.seq % clip.frames - visit.since if visit is not None else 0
    received = at - frame.captured
    usable = received + since / FPS
    lap = frame.seq // clip.frames
    return Announced(frame.camera, lap, visit, right, received, frame.done - frame.captured, usable)


def nearest(frames: Sequence[Dealt], captured: float) -> Dealt:
    """The frame with this capture time, which the message gives only to the millisecond, on the wall clock."""
    place = bisect_left(frames, captured, key=lambda frame: frame.captured)
    return min(frames[max(0, place - 1) : place + 1], key=lambda frame: abs(frame.captured - captured))
