"""Draws docs/images/quantisation-*.png from build/models.json: python -m tools.quantize.plots."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_IMAGES = _ROOT / "docs" / "images"
_BLUE, _GREY = "#2b6cb0", "#a0aec0"


def main() -> None:
    """Draw the error by layer and the cost by variant."""
    figures = json.loads((_ROOT / "build" / "models.json").read_text())
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    plt: Any = importlib.import_module("matplotlib.pyplot")
    _IMAGES.mkdir(parents=True, exist_ok=True)
    _layers(plt, figures["layers"])
    _variants(plt, figures["variants"])


def _layers(plt: Any, layers: dict[str, float]) -> None:
    figure, axes = plt.subplots(figsize=(9, 3.2))
    axes.bar(range(len(layers)), [1 - cosine for cosine in layers.values()], color=_BLUE)
    axes.set_xticks(range(len(layers)), [name.removeprefix("pointwise_") for name in layers], fontsize=7)
    axes.set_xlabel("pointwise layer")
    axes.set_ylabel("1 - cosine to float")
    axes.set_title("The error of int8 up to each layer", fontsize=10)
    _save(plt, figure, "quantisation-layers.png")


def _variants(plt: Any, variants: list[dict[str, Any]]) -> None:
    names = [row["variant"] for row in variants]
    figure, (cost, size) = plt.subplots(1, 2, figsize=(9, 2.6), sharey=True)
    colours = [_BLUE if name == "int8" else _GREY for name in names]
    bars = cost.barh(names, [row["ratio"] for row in variants], color=colours)
    cost.bar_label(bars, fmt="%.2f", padding=2, fontsize=8)
    cost.set_xlabel("CPU time, float = 1")
    bars = size.barh(names, [row["bytes"] / 1e6 for row in variants], color=colours)
    size.bar_label(bars, fmt="%.2f", padding=2, fontsize=8)
    size.set_xlabel("size, MB")
    cost.invert_yaxis()
    for axes in (cost, size):
        axes.margins(x=0.12)
    _save(plt, figure, "quantisation-cost.png")


def _save(plt: Any, figure: Any, name: str) -> None:
    figure.tight_layout()
    # Without a date in it, the same figures give the same file.
    figure.savefig(_IMAGES / name, dpi=120, metadata={"Software": None})
    plt.close(figure)
    print(_IMAGES / name)


if __name__ == "__main__":
    main()
