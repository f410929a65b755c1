"""The side-by-side figures as a chart; matplotlib comes with the extra `evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.report import TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INK, _GRID = "#333333", "#dddddd"
_COLOURS = {"ours": "#1f5fa8", "naive": "#c8963e", "dlib": "#8a8a8a"}


def draw(clips: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw CPU time per frame on a logarithmic axis, and the shares of faces found and named correctly, by clip."""
    from matplotlib.figure import Figure

    scored = [clip for clip in clips if any(one.get("score", {}).get("faces") for one in clip["loops"].values())]
    height = 1.6 + 0.5 * len(clips)
    figure = Figure(figsize=(10, height), layout="constrained")
    cost, shares = figure.subplots(1, 2, width_ratios=[3, 2])
    _cost(cost, clips)
    _shares(shares, scored)
    figure.legend(*cost.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Without matplotlib's version in the file, two runs give the same bytes.
    figure.savefig(file, dpi=110, metadata={"Software": None})


def _cost(axes: Any, clips: Sequence[dict[str, Any]]) -> None:
    loops = [loop for loop in TITLES if any(loop in clip["loops"] for clip in clips)]
    for n, loop in enumerate(loops):
        rows = [(at, clip["loops"][loop]["cpu_ms"]) for at, clip in enumerate(clips) if loop in clip["loops"]]
        rows = [(at, quartiles) for at, quartiles in rows if quartiles]
        places = [at + _offset(n, len(loops)) for at, _ in rows]
        middle = [quartiles[1] for _, quartiles in rows]
        spread = [[m - q[0] for m, (_, q) in zip(middle, rows, strict=True)], [q[2] - q[1] for _, q in rows]]
        bars = axes.barh(places, middle, 0.8 / len(loops), xerr=spread, color=_COLOURS[loop], label=TITLES[loop])
        axes.bar_label(bars, [f"{value:.1f}" for value in middle], padding=4, fontsize=7, color=_INK)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.15)
    axes.set_xlabel("CPU ms per frame, median and quartiles", color=_INK)
    _named(axes, clips)


def _shares(axes: Any, clips: Sequence[dict[str, Any]]) -> None:
    """A disc for faces found, a diamond for those named correctly."""
    loops = [loop for loop in TITLES if any(loop in clip["loops"] for clip in clips)]
    for n, loop in enumerate(loops):
        for at, clip in enumerate(clips):
            score = clip["loops"].get(loop, {}).get("score")
            if score is None:
                continue
            place = at + _offset(n, len(loops))
            for part, whole, mark in (("found", "faces", "o"), ("right", "due", "D")):
                if score[whole]:
                    axes.plot(100 * score[part] / score[whole], place, mark, color=_COLOURS[loop], markersize=5)
    axes.set_xlim(-3, 103)
    axes.set_xlabel("% of faces: found (disc), named correctly (diamond)", color=_INK)
    _named(axes, clips)


def _offset(n: int, count: int) -> float:
    return 0.8 * (n - (count - 1) / 2) / count


def _named(axes: Any, clips: Sequence[dict[str, Any]]) -> None:
    axes.set_yticks(range(len(clips)), [clip["clip"] for clip in clips])
    axes.invert_yaxis()
    axes.grid(visible=True, axis="x", which="major", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
