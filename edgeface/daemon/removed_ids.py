"""Finds who has been removed, for those who must drop what they still hold about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RemovedIds:
    """One thread uses it."""

    def __init__(self, *forget: Callable[[str], None]) -> None:
        """Each of `forget` is called with each id."""
        self._forget = forget
        self._known: tuple[frozenset[str], ...] = ()

    def take(self, *known: frozenset[str]) -> None:
        """Report who was in a set at the last call and is not any more; `known` are the ids of each kind now."""
        before, self._known = self._known, known
        for earlier, now in zip(before, known, strict=False):
            # A set that has not been replaced is not compared: it may have thousands of ids.
            for removed in () if now is earlier else earlier - now:
                for forget in self._forget:
                    forget(removed)
