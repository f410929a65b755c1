"""Finds the nearest row of a gallery's matrix and the runner-up, exactly: over all rows, or those a bound leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgeface.core.types import Embedding

    Floats = NDArray[np.float32]
    Rows = NDArray[np.intp]

LARGE = 5_000
"""Rows at which a bound is worth its memory; fewer are compared in half a millisecond (docs/performance.md)."""

# Share of the squared length of the rows that the axes must hold, and the share of axes above which none are used.
_KEPT = 0.9
_WORTH = 0.5
# Share of the rows that may be replaced before the axes are chosen again.
_STALE = 0.25
# The number of axes is a multiple of the floats in a vector register.
_STEP = 16
# Rows that the axes are computed from, and rows that are projected at a time.
_SAMPLE = 10_000
_BLOCK = 1 << 16
_TURN = 1 << 10
# Pieces of the gallery, for each row that is wanted, whose best rows set the score to beat.
_PIECES = 32
# Share of candidate rows above which it is cheaper to compare all rows in order.
_MANY = 1 / 32
# Scores of pairs that are held in memory at a time.
_SCORES = 1 << 24
# Error of a dot product of float32 vectors of length one; a squared length loses as much.
_ROUNDING = 1e-5


class Nearest(NamedTuple):
    """The best row, and the score of the next best."""

    row: int
    """Any of those that are equal within float32 rounding."""
    score: float
    """Cosine, -1 to 1."""
    runner_up: float | None
    """Cosine of the best other row; None if there is no other."""


class Ranked(NamedTuple):
    """The best rows, the best first."""

    rows: Rows
    scores: Floats
    """Their cosines, -1 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """Compares every row."""

    matrix: Floats
    """One unit row per person; there must be one."""
    replaced: int = 0
    """Rows that were replaced since the axes were examined."""

    def nearest(self, probe: Embedding, without: Rows | None = None) -> Nearest:
        """Find the two best rows, `without` some of them but not without all; both scores are exact."""
        scores = self.matrix @ probe
        if without is not None:
            scores[without] = -np.inf
        return _two_best(scores)

    def best(self, probe: Embedding, most: int, among: Rows | None = None) -> Ranked:
        """Find the `most` best rows, or all if there are fewer, `among` these only; the scores are exact."""
        if among is None or among.size > _MANY * len(self.matrix):
            scores = self.matrix @ probe
            return _ranked(scores if among is None else scores[among], most, among)
        return _ranked(self.matrix[among] @ probe, most, among)


@dataclass(frozen=True, slots=True, eq=False)
class Bounded:
    """Compares every row along a few axes, and in full only the rows that may be among the best two.

    A cosine is its part along the axes plus a rest of at most the product of the lengths that probe and row have off
    the axes (Cauchy-Schwarz). So no row is missed: a bad choice of axes only costs time.
    """

    matrix: Floats
    axes: Floats
    """One orthonormal axis per column."""
    along: Floats
    """The rows of the matrix along the axes."""
    off: Floats
    """Length of each row off the axes, rounded up."""
    replaced: int = 0
    """Rows that were replaced since the axes were chosen."""

    def nearest(self, probe: Embedding, without: Rows | None = None) -> Nearest:
        """Find the two best rows, `without` some of them but not without all; both scores are exact."""
        rows = self.candidates(probe, without)
        # A probe that is not finite has no candidates.
        if not 1 < rows.size <= _MANY * len(self.matrix):
            return Exact(self.matrix).nearest(probe, without)
        best = _two_best(self.matrix[rows] @ probe)
        return best._replace(row=int(rows[best.row]))

    def best(self, probe: Embedding, most: int, among: Rows | None = None) -> Ranked:
        """Find the `most` best rows, or all if there are fewer, `among` these only; the scores are exact."""
        count = len(self.matrix) if among is None else among.size
        if count <= max(_MANY * len(self.matrix), 2 * _PIECES * most):
            return Exact(self.matrix).best(probe, most, among)
        turned = probe @ self.axes
        scores = self.along @ turned
        if among is not None:
            scores = scores[among]
        mark = self._mark(scores, probe, most, among)
        scores += off_axes(probe[None], turned[None])[0] * (self.off if among is None else self.off[among])
        rows = np.flatnonzero(scores >= mark - _ROUNDING)
        rows = rows if among is None else among[rows]
        # A probe that is not finite has no candidates.
        return Exact(self.matrix).best(probe, most, rows if rows.size >= most else among)

    def candidates(self, probe: Embedding, without: Rows | None = None) -> Rows:
        """The rows that the bound does not rule out, in order; the best two of those not left out are among them."""
        turned = probe @ self.axes
        scores = self.along @ turned
        if without is not None:
            scores[without] = -np.inf
        mark = self._mark(scores, probe, 2)
        scores += off_axes(probe[None], turned[None])[0] * self.off
        return np.flatnonzero((scores >= mark - _ROUNDING) & (scores > -np.inf))

    def _mark(self, scores: Floats, probe: Embedding, most: int, among: Rows | None = None) -> float:
        """A score that at least `most` rows reach: the last of the best rows of as many pieces of the gallery.

        `scores` are those of the rows `among`. Minus infinity if fewer pieces have a row that is not left out.
        """
        count = _PIECES * most
        pieces = scores[: len(scores) // count * count].reshape(count, -1)
        leaders = pieces.argmax(axis=1) + np.arange(count) * pieces.shape[1]
        leaders = leaders[scores[leaders] != -np.inf]
        rows = leaders if among is None else among[leaders]
        return float(np.sort(self.matrix[rows] @ probe)[-most]) if leaders.size >= most else -np.inf


Search: TypeAlias = Exact | Bounded
"""Finds the nearest row; frozen, so any thread may use it."""


def searcher(matrix: Floats, before: Search | None = None, rows: Rows | None = None) -> Search:
    """The search for these unit rows: Bounded for a large gallery whose embeddings lie close to a few axes.

    With the search `before`, and the row of its matrix that each row equals (-1 for none), the axes are chosen again
    only after a quarter of the rows has been replaced.
    """
    if len(matrix) < LARGE:
        return Exact(matrix)
    if before is not None and rows is not None and len(before.matrix) >= LARGE:
        new = np.flatnonzero(rows < 0)
        replaced = before.replaced + max(new.size, len(before.matrix) + new.size - len(matrix))
        if replaced <= _STALE * len(matrix):
            return Exact(matrix, replaced) if isinstance(before, Exact) else _moved(matrix, before, rows, replaced)
    axes = main_axes(matrix)
    return Exact(matrix) if axes.shape[1] > _WORTH * matrix.shape[1] else bounded(matrix, axes)


def _moved(matrix: Floats, before: Bounded, rows: Rows, replaced: int) -> Bounded:
    """The same axes for another matrix; only the rows that are new are projected."""
    new = np.flatnonzero(rows < 0)
    along = before.along.take(rows, axis=0, mode="clip")
    off = before.off.take(rows, mode="clip")
    along[new] = matrix[new] @ before.axes
    off[new] = off_axes(matrix[new], along[new])
    for array in (along, off):
        array.setflags(write=False)
    return Bounded(matrix, before.axes, along, off, replaced)


def pairs(matrix: Floats, least: float, most: int) -> list[tuple[int, int, float]]:
    """The pairs of rows whose cosine is `least` or more, the most similar first, at most `most` of them.

    Takes quadratic time, a few seconds for 20,000 rows (docs/performance.md), and 64 MiB of memory.
    """
    found: list[tuple[int, int, float]] = []
    tile = max(1, _SCORES // max(1, len(matrix)))
    for start in range(0, len(matrix), tile):
        scores = matrix[start : start + tile] @ matrix[start:].T
        alike = scores >= least
        size = len(scores)
        alike[:, :size] = np.triu(alike[:, :size], k=1)
        rows, columns = np.nonzero(alike)
        if rows.size:
            values = scores[rows, columns]
            top = np.argsort(-values, kind="stable")[:most]
            fresh = zip(
                (rows[top] + start).tolist(), (columns[top] + start).tolist(), values[top].tolist(), strict=True
            )
            found = sorted([*found, *fresh], key=lambda pair: -pair[2])[:most]
    return found


def main_axes(matrix: Floats) -> Floats:
    """The axes that hold most of the length of the rows: principal axes about zero, from a sample of the rows."""
    sample = matrix[:: max(1, len(matrix) // _SAMPLE)]
    squares = np.zeros((matrix.shape[1], matrix.shape[1]))
    for start in range(0, len(sample), _TURN):
        # A part at a time: the whole sample would take 16 MB for a moment.
        some = sample[start : start + _TURN].astype(np.float64)
        squares += some.T @ some
    lengths, axes = np.linalg.eigh(squares)
    kept = np.cumsum(lengths[::-1]) / lengths.sum()
    count = -(-(int(np.searchsorted(kept, _KEPT)) + 1) // _STEP) * _STEP
    return np.ascontiguousarray(axes[:, ::-1][:, :count], np.float32)


def bounded(matrix: Floats, axes: Floats) -> Bounded:
    """Project the rows of a matrix onto these axes."""
    along = np.empty((len(matrix), axes.shape[1]), np.float32)
    off = np.empty(len(matrix), np.float32)
    for start in range(0, len(matrix), _BLOCK):
        rows = slice(start, start + _BLOCK)
        np.matmul(matrix[rows], axes, out=along[rows])
        off[rows] = off_axes(matrix[rows], along[rows])
    for array in (axes, along, off):
        array.setflags(write=False)
    return Bounded(matrix, axes, along, off)


def off_axes(rows: Floats, along: Floats) -> Floats:
    """Upper bound of the length of rows off the axes."""
    squares = np.einsum("ij,ij->i", rows, rows) - np.einsum("ij,ij->i", along, along)
    lengths: Floats = np.sqrt(np.maximum(squares, 0) + np.float32(_ROUNDING))
    return lengths


def _ranked(scores: Floats, most: int, among: Rows | None) -> Ranked:
    """The best of these scores; those of equal scores are in the order of their rows."""
    best = np.arange(scores.size)
    if scores.size > most:
        best = np.flatnonzero(scores >= np.partition(scores, -most)[-most])
    best = best[np.argsort(-scores[best], kind="stable")][:most]
    return Ranked(best if among is None else among[best], scores[best])


def _two_best(scores: Floats) -> Nearest:
    best = int(scores.argmax())
    others = [float(part.max()) for part in (scores[:best], scores[best + 1 :]) if part.size]
    # Rows that are left out have no score.
    return Nearest(best, float(scores[best]), max((one for one in others if one != -np.inf), default=None))
