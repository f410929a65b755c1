"""edgeface compared with what a user would write instead, on the same clips in one run.

    python -m benchmarks.bench [--faces FOLDER | --clips FOLDER] [--loops ours naive dlib] [--seconds 20] [--write]

Each loop runs in its own process and environment (`make bench` makes them), all pinned to one core. They take turns on
the same decoded frames, 15 at a time, so all see the same conditions on the machine. dlib gets only every sixth block,
because it is slower than the clip. Ratios are taken block by block.

Clips are made by benchmarks.clips in build/bench/clips, or come from a folder of your own: any video, people to enroll
in FOLDER/people/PERSON/PHOTO, and optionally the ground truth in NAME.json. Writes build/bench/bench.json; --write puts
the table into docs/performance.md and the chart into docs/images.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks import chart, clips
from benchmarks.report import markdown
from benchmarks.runner import LOOPS, Runner
from benchmarks.score import Truth, score
from edgeface.imaging.opencv import cv2
from tools.faults import table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.loops.seen import Image, Seen

OUT = Path("build/bench")
DOCUMENT, CHART = Path("docs/performance.md"), Path("docs/images/performance.png")
BLOCK = 15
"""Frames that one loop gets before it is the next one's turn."""
_VIDEOS = frozenset({".avi", ".mp4", ".mkv", ".mov", ".webm"})
_PHOTOS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


class Clip(NamedTuple):
    """A video, and who is in it, if known."""

    file: Path
    truth: Truth | None


@dataclass(slots=True)
class Run:
    """The results of one loop on one clip."""

    start_s: float = 0.0
    """From the start of the process until its first frame is done, including loading models and enrolling people."""
    rss: int = 0
    """Peak memory in bytes."""
    cpu_ms: dict[int, float] = field(default_factory=dict)
    """Per frame, by block; the very first frame is left out."""
    seen: dict[int, list[Seen]] = field(default_factory=dict)
    """By frame."""


def main() -> None:
    """Measure, print the table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--clips", type=Path, help="folder of your own clips")
    where.add_argument("--faces", type=Path, help="folder of PERSON/PHOTO to make clips from")
    parser.add_argument("--seconds", type=float, default=clips.SECONDS, help="maximum length used of each clip")
    parser.add_argument("--loops", nargs="+", choices=list(LOOPS), default=list(LOOPS))
    parser.add_argument("--write", action="store_true", help=f"write the table to {DOCUMENT} and the chart to {CHART}")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    folder = options.clips or OUT / "clips"
    if options.clips is None:
        clips.write_all(folder, options.faces, options.seconds)
    report(measure(folder, options.loops, options.seconds), write=options.write)


def measure(folder: Path, loops: Sequence[str], seconds: float) -> dict[str, Any]:
    """Run every loop over every clip of the folder; SystemExit if there is none or a loop fails."""
    people, found = people_of(folder), clips_of(folder)
    core = max(os.sched_getaffinity(0))
    # This process decodes, and must not compete with the loops.
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {core} or {core})
    rows = []
    for clip in found:
        runs = run_clip(clip, people, loops, seconds, core)
        rows.append({"clip": clip.file.stem, "loops": summed_up(runs, clip.truth, set(people))})
        print(markdown(rows[-1:]), flush=True)
    return {"machine": table.machine(), "date": datetime.now(timezone.utc).date().isoformat(), "clips": rows}


def clips_of(folder: Path) -> list[Clip]:
    """The folder's videos in order of name, with their ground truth."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _VIDEOS)
    truths = [file.with_suffix(".json") for file in files]
    clips_ = [Clip(file, Truth.read(t) if t.exists() else None) for file, t in zip(files, truths, strict=True)]
    return clips_ or sys.exit(f"{folder}: no clips in it")


def people_of(folder: Path) -> dict[str, list[str]]:
    """Photos to enroll from, by name: from cast.json, or from FOLDER/people/PERSON."""
    cast, own = folder / "cast.json", folder / "people"
    if cast.exists():
        people: dict[str, list[str]] = json.loads(cast.read_text(encoding="utf-8"))["people"]
        return people
    folders = sorted(path for path in own.iterdir() if path.is_dir()) if own.is_dir() else []
    return {
        path.name.replace("_", " "): [str(p.resolve()) for p in sorted(path.iterdir()) if p.suffix.lower() in _PHOTOS]
        for path in folders
    }


def run_clip(
    clip: Clip, people: Mapping[str, Sequence[str]], loops: Sequence[str], seconds: float, core: int, logs: Path = OUT
) -> dict[str, Run]:
    """Run one clip through fresh processes, block by block in turn."""
    size, fps, frames = _opened(clip.file, seconds)
    runs, runners = {name: Run() for name in loops}, dict[str, Runner]()
    first = next(frames, None)
    if first is None:
        raise SystemExit(f"{clip.file}: no pictures in it")
    try:
        for name in loops:
            runners[name] = Runner(name, people, size, core, logs / f"{name}.log")
            _keep(runs[name], 0, 0, runners[name].look([first], 0.0, fps))
            runs[name].start_s = runners[name].seconds
            runs[name].cpu_ms.clear()
        for block, images in enumerate(tqdm(_blocks(frames), desc=clip.file.stem, disable=None)):
            for name, runner in runners.items():
                if block % LOOPS[name].every == LOOPS[name].every // 2:
                    frame = 1 + block * BLOCK
                    _keep(runs[name], block, frame, runner.look(images, frame / fps, fps))
    finally:
        for runner in runners.values():
            runner.close()
    return runs


def _opened(file: Path, seconds: float) -> tuple[tuple[int, int], float, Iterator[Image]]:
    video = cv2.VideoCapture(str(file))
    if not video.isOpened():
        raise SystemExit(f"{file}: cannot be read")
    size = (int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    fps = video.get(cv2.CAP_PROP_FPS)
    return size, fps, _decoded(video, round(seconds * fps))


def _decoded(video: cv2.VideoCapture, most: int) -> Iterator[Image]:
    for _ in range(most):
        more, image = video.read()
        if not more:
            return
        yield np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _blocks(frames: Iterator[Image]) -> Iterator[list[Image]]:
    """Whole blocks; a partial block at the end is not used."""
    while len(block := [image for _, image in zip(range(BLOCK), frames, strict=False)]) == BLOCK:
        yield block


def _keep(run: Run, block: int, frame: int, answer: dict[str, Any]) -> None:
    run.cpu_ms[block], run.rss = answer["cpu_ms"], answer["rss"]
    run.seen.update({frame + n: faces for n, faces in enumerate(answer["seen"])})


def summed_up(runs: Mapping[str, Run], truth: Truth | None, enrolled: set[str]) -> dict[str, dict[str, Any]]:
    """The figures of each loop on one clip."""
    found: dict[str, dict[str, Any]] = {}
    shown = 1 + max((frame for run in runs.values() for frame in run.seen), default=0)
    for name, run in runs.items():
        figures: dict[str, Any] = {
            "cpu_ms": quartiles(run.cpu_ms.values()),
            "cpu_ms_mean": mean(run.cpu_ms.values()),
            "blocks": len(run.cpu_ms),
            "every": LOOPS[name].every == 1,
            "start_s": round(run.start_s, 2),
            "rss_mb": round(run.rss / 1e6, 1),
        }
        if truth is not None:
            figures["score"] = asdict(score(truth.cut(shown), run.seen, enrolled))
        ours = runs.get("ours")
        if ours is not None and name != "ours":
            blocks = run.cpu_ms.keys() & ours.cpu_ms.keys()
            figures["ours_over_this"] = quartiles(ours.cpu_ms[block] / run.cpu_ms[block] for block in blocks)
            both = [sum(costs[block] for block in blocks) for costs in (ours.cpu_ms, run.cpu_ms)]
            figures["ours_over_this_mean"] = both[0] / both[1] if blocks else None
        found[name] = figures
    return found


def mean(values: Iterable[float]) -> float | None:
    """The mean; None if there are no values."""
    held = list(values)
    return round(statistics.fmean(held), 4) if held else None


def quartiles(values: Iterable[float]) -> list[float]:
    """Lower quartile, median, upper quartile; a single value is all three, and no values give an empty list."""
    held = list(values)
    if len(held) <= 1:
        return [round(value, 4) for value in held * 3]
    return [round(value, 4) for value in statistics.quantiles(held, n=4, method="inclusive")]


def report(figures: dict[str, Any], *, write: bool) -> None:
    """Print the table, write the figures and the chart, and update the documents if requested."""
    (OUT / "bench.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    run, rows = f"Run on {figures['date']}, {figures['machine']}.", markdown(figures["clips"])
    print(f"{run}\n\n{rows}")
    try:
        chart.draw(figures["clips"], CHART if write else OUT / CHART.name)
    except ModuleNotFoundError as error:
        raise SystemExit("the chart needs matplotlib: pip install edgeface[evaluate]") from error
    if write:
        picture = f"![CPU time per frame, and faces found, by clip and loop](images/{CHART.name})"
        table.write(DOCUMENT, "bench", f"{run}\n\n{picture}\n\n{rows}")


if __name__ == "__main__":
    main()
