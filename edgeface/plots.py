"""ROC and DET plots of an evaluation, as PNG files; matplotlib is the extra `evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.errors import GalleryError
from edgeface.metrics import roc

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.metrics import Floats, Pairs

ROC, DET = "accuracy-roc.png", "accuracy-det.png"
"""Names of the files."""

_INK, _GRID, _LINE = "#333333", "#dddddd", "#1f5fa8"


def require_matplotlib() -> None:
    """Raise GalleryError when plots cannot be drawn."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise GalleryError("plots need matplotlib: pip install edgeface[evaluate]") from error
    mpl.use("Agg")


def draw(folder: Path, fmr: Floats, fnmr: Floats, pairs: Pairs | None) -> list[Path]:
    """Draw DET from all-against-all rates, and ROC from the pairs if there are any; the files written."""
    require_matplotlib()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = [_det(folder / DET, fmr, fnmr)]
        return drawn if pairs is None else [*drawn, _roc(folder / ROC, pairs)]
    except OSError as error:
        raise GalleryError(f"{folder}: cannot be written ({error.strerror})") from error


def _det(file: Path, fmr: Floats, fnmr: Floats) -> Path:
    figure, axes = _empty("false match rate (FMR)", "false non-match rate (FNMR)")
    shown = fnmr > 0
    axes.loglog(fmr[shown], fnmr[shown], color=_LINE)
    axes.set_title("DET, all photos against all others", color=_INK)
    axes.set_xlim(max(1e-7, float(fmr.min())), 0.1)
    return _save(figure, file)


def _roc(file: Path, pairs: Pairs) -> Path:
    figure, axes = _empty("false accept rate (FAR)", "true match rate (TMR)")
    far, tmr = roc(pairs.scores, pairs.same)
    axes.step(np.maximum(far, 1 / (2 * max(1, (~pairs.same).sum()))), tmr, where="post", color=_LINE)
    axes.set_xscale("log")
    axes.set_ylim(max(0.0, float(np.min(tmr[far > 0], initial=1.0)) - 0.02), 1.002)
    axes.set_title("ROC, the listed pairs", color=_INK)
    return _save(figure, file)


def _empty(x: str, y: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=_INK)
    axes.set_ylabel(y, color=_INK)
    axes.grid(visible=True, which="both", color=_GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, file: Path) -> Path:
    # Without its version in the file, two runs give the same bytes.
    figure.savefig(file, dpi=120, metadata={"Software": None})
    return file
