"""The side-by-side figures as a Markdown table."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

TITLES = {"ours": "edgeface", "naive": "MediaPipe + MobileFaceNet", "dlib": "face_recognition"}
_HEAD = (
    "clip",
    "loop",
    "CPU ms per frame, mean",
    "median of blocks (quartiles)",
    "edgeface / this loop, mean",
    "median of blocks (quartiles)",
    "faces found",
    "false per 1,000 frames",
    "named correctly",
    "wrong names",
    "s to found",
    "s to named",
    "MB",
    "start, s",
)


def markdown(clips: Sequence[dict[str, Any]]) -> str:
    """One row per clip and loop; cells that need ground truth, or a loop that sees every frame, are empty without."""
    rows = [_row(clip["clip"], loop, figures) for clip in clips for loop, figures in clip["loops"].items()]
    lines = [_HEAD, ("---",) * len(_HEAD), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(clip: str, loop: str, figures: dict[str, Any]) -> tuple[str, ...]:
    scored = _scored(figures["score"], every=figures["every"]) if "score" in figures else ("",) * 6
    return (
        clip,
        TITLES[loop],
        *_spread(figures["cpu_ms_mean"], figures["cpu_ms"], 1),
        *_spread(figures.get("ours_over_this_mean"), figures.get("ours_over_this", ()), 3),
        *scored,
        f"{figures['rss_mb']:.0f}",
        f"{figures['start_s']:.1f}",
    )


def _spread(mean: float | None, quartiles: Sequence[float], digits: int) -> tuple[str, str]:
    """The mean, and the median with its quartiles."""
    if mean is None or not quartiles:
        return "", ""
    low, middle, high = (f"{value:.{digits}f}" for value in quartiles)
    return f"{mean:.{digits}f}", f"{middle} ({low} to {high})"


def _scored(score: dict[str, Any], *, every: bool) -> tuple[str, ...]:
    return (
        _share(score["found"], score["faces"]),
        f"{1000 * score['false'] / max(1, score['frames']):.0f}",
        _share(score["right"], score["due"]),
        str(score["wrong"]) if score["faces"] or score["wrong"] else "",
        _waits(score["to_found"], score["visits"]) if every else "",
        _waits(score["to_named"], score["known_visits"]) if every else "",
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def _waits(seconds: Sequence[float], visits: int) -> str:
    """Median and longest wait, and how many visits never got there."""
    if not visits:
        return ""
    told = f"{statistics.median(seconds):.2f}, {max(seconds):.2f} at most" if seconds else "never"
    never = visits - len(seconds)
    return f"{told}; {never} of {visits} never" if never and seconds else told
