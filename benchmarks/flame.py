"""Draws py-spy's samples: the time of a frame, divided among the calls, for one run or for two to compare.

    py-spy record --rate 250 --format raw --output now.raw -- python -m benchmarks.flame --look CLIP PEOPLE
    python -m benchmarks.flame before.raw now.raw --frames 1800 [--out docs/images/profile.png]

With --look it is the process that py-spy samples: edgeface's pipeline runs six times over a clip of
benchmarks/clips.py, decoded in advance. PEOPLE is the cast.json next to the clip. py-spy is not installed with
edgeface: pip install py-spy.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.loops.ours import Loop
from edgeface.core.types import Image
from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE = 250
"""Samples per second, as in the command above."""
PASSES = 6
FPS = 15.0
TOP = "process (edgeface/recognition/pipeline.py"
"""Samples count from this call downwards."""
_LEAST = 0.01
_DEEP = 9
_DARK = 3
_COLOURS = ("#1f5fa8", "#3a78bd", "#5b93cf", "#86b1de", "#b1cdea")


@dataclass(slots=True)
class Call:
    """One call in the stack, and the samples in it."""

    samples: int = 0
    inner: defaultdict[str, Call] = field(default_factory=lambda: defaultdict(Call))


def main() -> None:
    """Process the clip, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--look", action="store_true")
    parser.add_argument("--frames", type=int, default=1800)
    parser.add_argument("--names", nargs="+", default=["before", "now"])
    parser.add_argument("--out", type=Path, default=Path("build/bench/profile.png"))
    wanted = parser.parse_args()
    if wanted.look:
        look(*wanted.files)
    else:
        draw(dict(zip(wanted.names, map(read, wanted.files), strict=False)), wanted.frames, wanted.out)


def look(clip: Path, people: Path) -> None:
    """Run the pipeline over a clip repeatedly."""
    cv2.setNumThreads(1)
    capture, images = cv2.VideoCapture(str(clip)), list[Image]()
    while (given := capture.read())[0]:
        images.append(np.asarray(cv2.cvtColor(given[1], cv2.COLOR_BGR2RGB), np.uint8))
    cast = json.loads(people.read_text(encoding="utf-8"))["people"]
    loop = Loop({name: [Path(photo) for photo in photos] for name, photos in cast.items()}, images[0].shape[1::-1])
    for number in range(PASSES * len(images)):
        loop.look(images[number % len(images)], number / FPS)


def read(file: Path) -> Call:
    """The calls below TOP in py-spy's raw stacks: frames separated by semicolons, then the number of samples."""
    top = Call()
    for line in file.read_text(encoding="utf-8").splitlines():
        stack, samples = line.rsplit(" ", 1)
        frames = stack.split(";")
        start = next((n for n, frame in enumerate(frames) if TOP in frame), None)
        call = top
        for frame in [] if start is None else [None, *frames[start + 1 :]]:
            call = call if frame is None else call.inner[_name(frame)]
            call.samples += int(samples)
    return top


def _name(frame: str) -> str:
    """`BlazeFace.find (edgeface/faces/blazeface.py:75)` as function and file, without the line number."""
    called, _, place = frame.partition(" (")
    return f"{called.split('.')[-1]}\n{Path(place.split(':')[0].rstrip(')')).name}"


def draw(runs: dict[str, Call], frames: int, out: Path) -> None:
    """One icicle chart per run, all on the same scale: milliseconds per frame."""
    from matplotlib import pyplot as plt

    figure, panes = plt.subplots(len(runs), 1, figsize=(11, 3.6 * len(runs)), sharex=True, squeeze=False)
    for pane, (name, top) in zip(panes[:, 0], runs.items(), strict=True):
        scale = 1000 / RATE / frames
        _draw(pane, top, 0.0, 0, scale, least=_LEAST * max(one.samples for one in runs.values()))
        pane.set_ylim(-_DEEP, 0.2)
        pane.set_yticks([])
        pane.set_title(f"{name}: {top.samples * scale:.1f} ms per frame", loc="left", fontsize=11)
        pane.spines[["left", "top", "right"]].set_visible(False)
    panes[-1, 0].set_xlabel("ms per frame, sampled by py-spy")
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100)


def _draw(pane: Any, call: Call, left: float, depth: int, scale: float, *, least: float) -> None:
    inner: Sequence[tuple[str, Call]] = sorted(call.inner.items(), key=lambda one: -one[1].samples)
    for name, one in inner:
        if one.samples >= least and depth < _DEEP:
            width = one.samples * scale
            ink = "white" if depth % len(_COLOURS) < _DARK else "black"
            pane.barh(-depth - 0.5, width, 0.96, left, color=_COLOURS[depth % len(_COLOURS)], edgecolor="white")
            if one.samples >= 4 * least:
                pane.text(left + width / 2, -depth - 0.5, name, ha="center", va="center", fontsize=6.5, color=ink)
            _draw(pane, one, left, depth + 1, scale, least=least)
            left += width


if __name__ == "__main__":
    main()
