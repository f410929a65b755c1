"""The means of many unknowns in one matrix, by id: which one a face is nearest to, and which can be removed first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding

    Floats = NDArray[np.float32]

# Rows that the matrix has at first; it doubles when it is full.
_FIRST = 64


class Near(NamedTuple):
    """An id and how near it is."""

    id: str
    score: float
    """Cosine, -1 to 1."""


class Means:
    """Unit vectors of one size, each with the time it was last seen and how much it is worth; one thread uses it."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._row: dict[str, int] = {}
        self._matrix: Floats = np.empty((0, 0), np.float32)
        self._times: NDArray[np.float64] = np.empty((2, 0))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, who: str) -> Embedding:
        """A copy of one mean."""
        mean: Embedding = self._matrix[self._row[who]].copy()
        return mean

    def put(self, who: str, mean: Embedding, last: float, worth: float) -> None:
        """Add or replace one."""
        if who not in self._row:
            self._row[who] = len(self._ids)
            self._ids.append(who)
            if len(self._ids) > len(self._matrix):
                self._grow(mean.size)
        row = self._row[who]
        self._matrix[row], self._times[:, row] = mean, (last, worth)

    def drop(self, who: str) -> None:
        """Remove one; the last row takes its place."""
        row, last = self._row.pop(who), self._ids.pop()
        if last != who:
            self._ids[row], self._row[last] = last, row
            self._matrix[row], self._times[:, row] = self._matrix[len(self._ids)], self._times[:, len(self._ids)]

    def nearest(self, mean: Embedding, without: str | None = None) -> Near | None:
        """The one most like `mean`, `without` one of them; None if there is no other."""
        count = len(self)
        if count <= (without is not None):
            return None
        scores = self._matrix[:count] @ mean
        if without is not None:
            scores[self._row[without]] = -np.inf
        best = int(scores.argmax())
        return Near(self._ids[best], float(scores[best]))

    def older(self, last: float) -> list[str]:
        """Those last seen before this time."""
        return [self._ids[row] for row in np.flatnonzero(self._times[0, : len(self)] < last)]

    def least(self, keep: Iterable[str]) -> str | None:
        """The one of the least worth that is not to be kept; None if all are."""
        worth = self._times[1, : len(self)].copy()
        worth[[self._row[who] for who in keep if who in self._row]] = np.inf
        row = int(worth.argmin()) if worth.size else 0
        return self._ids[row] if worth.size and worth[row] < np.inf else None

    def _grow(self, size: int) -> None:
        rows = max(_FIRST, 2 * len(self._matrix))
        matrix, times = np.zeros((rows, size), np.float32), np.zeros((2, rows))
        if self._matrix.size:
            matrix[: len(self._matrix)], times[:, : len(self._matrix)] = self._matrix, self._times
        self._matrix, self._times = matrix, times
