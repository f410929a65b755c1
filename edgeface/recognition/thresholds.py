"""Thresholds for the gallery of today, from the calibration table."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING

from edgeface.core.errors import GalleryError
from edgeface.core.types import LEVELS
from edgeface.recognition.evidence import Thresholds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.core.settings import Level
    from edgeface.faces.calibration import CalibrationTable
    from edgeface.gallery.snapshot import GallerySnapshot


def thresholds(table: CalibrationTable, level: Level, view: GallerySnapshot) -> Thresholds:
    """The cosines for a gallery of this size; GalleryError when the table cannot show the level for it."""
    people = view.enrolled
    accept, near = table.threshold(level, people), table.near(level, people)
    return Thresholds(accept, near, table.threshold("low", 1), tuple(shown(table, people)))


def shown(table: CalibrationTable, people: int) -> Iterator[tuple[Level, float]]:
    """The levels that the table can show for so many people, the laxest first, and what each accepts."""
    for level in LEVELS:
        with suppress(GalleryError):
            yield level, table.threshold(level, people)


def same_unknown(table: CalibrationTable, count: int) -> float:
    """The cosine from which on two visits of unknowns are one person: level low among as many as there are."""
    try:
        return table.threshold("low", count)
    except GalleryError:
        return math.inf
