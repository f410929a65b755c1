"""Whether a mask, dark glasses, a hand or hair hides a part of a face that a template needs.

A linear model over the gradients and colours of the aligned crop (docs/decisions/0018-covered.md). Its weights are
fitted on LFW with painted covers by tools/covered.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import ModelError
from edgeface.faces.embedder import SIZE
from edgeface.faces.tflite import FOLDER, check_hash, read_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import HiddenPart, Image

    Floats = NDArray[np.float32]

PARTS: tuple[HiddenPart, ...] = ("eyes", "mouth", "side")
"""The classes of the model after the first, which is a plain face."""

FILE = "covered.f32"
"""In models/: little-endian 32-bit floats, one row for each class, the last number of a row is its bias."""

SHA256 = "155b4c9bf05ef2423f630d3f790d01d133b30a1101170cba6363a3c681361d6f"

THRESHOLD = 2.562
"""Log-odds from which a face counts as covered."""

# Sides of the cells in pixels: of the whole crop, and of the rows around the eyes.
_COARSE, _FINE = 14, 7
_EYES = slice(35, 70)
_COARSE_BINS, _FINE_BINS = 8, 4
# Gradient energy of three by three cells below which it is mostly noise.
_COARSE_NOISE, _FINE_NOISE = 20_000.0, 2_000.0
# Levels of L*a*b* per unit, so that colours weigh about as much as gradients.
_LEVELS = 64
_MAX_BYTES = 1 << 20


def hidden_part(crop: Image) -> HiddenPart | None:
    """The part of an aligned 112 x 112 RGB face that is hidden, or None. Raises ModelError for a wrong model file."""
    scores = class_scores(load(), features(crop))
    return None if log_odds(scores) < THRESHOLD else PARTS[int(scores[1:].argmax())]


def log_odds(scores: Floats) -> Floats:
    """How much more likely faces are covered than plain, as the logarithm of the odds; scores are ... x classes."""
    odds: Floats = np.logaddexp.reduce(scores[..., 1:], axis=-1) - scores[..., 0]
    return odds


def class_scores(weights: Floats, found: Floats) -> Floats:
    """The score of each class for the features of crops, ... x features; the result is ... x classes."""
    if weights.shape[1] != found.shape[-1] + 1:
        raise ModelError(f"{FILE}: has {weights.shape[1]} numbers a class, expected {found.shape[-1] + 1}")
    scores: Floats = found @ weights[:, :-1].T + weights[:, -1]
    return scores


@cache
def load() -> Floats:
    """The weights, a row for each class. Raises ModelError if the file is not the one that ships."""
    path = FOLDER / FILE
    data = read_model(path, _MAX_BYTES, f"not the cover model (larger than {_MAX_BYTES >> 20} MiB)")
    check_hash(path, data, SHA256)
    return np.frombuffer(data, "<f4").reshape(1 + len(PARTS), -1).astype(np.float32)


def features(crop: Image) -> Floats:
    """1,872 numbers of an aligned 112 x 112 RGB face; those of its mirror image are other ones.

    Histograms of gradients (Dalal and Triggs, CVPR 2005), colours against the median of the face, and the difference
    between its halves; finer around the eyes.
    """
    from edgeface.imaging.opencv import cv2

    colours = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB).astype(np.float32)
    grey = np.ascontiguousarray(colours[..., 0])
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=1)
    strength, angle = (np.asarray(one, np.float32) for one in cv2.cartToPolar(across, down))
    means = _cell_means(colours, _COARSE) / _LEVELS
    middle = np.median(means[1:-1, 1:-1].reshape(-1, 3), axis=0)
    means -= middle
    fine, eyes = _cell_means(colours[_EYES], _FINE) / _LEVELS - middle, grey[_EYES]
    spread = np.sqrt(np.maximum(0, _cell_means(eyes**2, _FINE) - _cell_means(eyes, _FINE) ** 2))
    parts = (
        _gradients(strength, angle, _COARSE, _COARSE_BINS, _COARSE_NOISE),
        means,
        np.abs(means),
        np.abs(means - means[:, ::-1])[:, : means.shape[1] // 2],
        _gradients(strength[_EYES], angle[_EYES], _FINE, _FINE_BINS, _FINE_NOISE),
        fine,
        np.abs(fine),
        np.log1p(spread),
    )
    return np.concatenate([part.ravel() for part in parts]).astype(np.float32)


def _cell_means(pixels: Floats, cell: int) -> Floats:
    """The mean of each square cell."""
    from edgeface.imaging.opencv import cv2

    size = (pixels.shape[1] // cell, pixels.shape[0] // cell)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)


def _gradients(strength: Floats, angle: Floats, cell: int, bins: int, noise: float) -> Floats:
    """For each cell the gradients by direction, over the energy around it."""
    from edgeface.imaging.opencv import cv2

    rows, columns = strength.shape[0] // cell, strength.shape[1] // cell
    place = ((np.arange(SIZE)[: strength.shape[0], np.newaxis] // cell) * columns + np.arange(SIZE) // cell) * bins
    turned = angle * np.float32(bins / np.pi) % bins
    lower = turned.astype(np.int32)
    upper_share = turned - lower
    size = rows * columns * bins
    found = np.bincount((place + lower % bins).ravel(), (strength * (1 - upper_share)).ravel(), size)
    found += np.bincount((place + (lower + 1) % bins).ravel(), (strength * upper_share).ravel(), size)
    histogram = found.reshape(rows, columns, bins).astype(np.float32)
    energy = cv2.blur((histogram**2).sum(axis=-1), (3, 3), borderType=cv2.BORDER_REPLICATE) * 9
    shares: Floats = np.sqrt(histogram / np.sqrt(energy + noise)[..., np.newaxis])
    return shares
