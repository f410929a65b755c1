"""Security level and gallery size to threshold, from the calibration table of the embedder that is in use."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError

from edgeface.core.errors import GalleryError, ModelError
from edgeface.core.files import read_at_most
from edgeface.faces.tflite import CALIBRATION_SHA256, EMBEDDER, FOLDER, read_model

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.core.settings import Level

TARGETS: dict[Level, float] = {"low": 1e-2, "normal": 1e-3, "high": 1e-4}
"""False accepts a passer-by that each level puts up with; normal is the limit at which NIST's FRTE reports 1:N."""

FACTOR = 3.5
"""False accepts of one passer-by over N x FMR. FMR is measured with one photo against one photo, where it is 1.0; a
decision is made with means, which are more alike than photos are: up to 2.9 for 3 templates and 5 independent photos
(docs/accuracy.md), and 3.4 with another landmarker. The frames of one visit are more alike, so that less is to be
expected."""

NEAR = 10
"""Below the threshold of this many times the target, nobody who is enrolled is meant."""

RULE_OF_30 = 30
"""Fewest false matches behind a row: with them the true rate is within 30 % of the measured one at 90 % confidence
(Doddington et al., Speech Communication 31, 2000; ISO/IEC 19795-1, annex B)."""

# A hundred times the shipped table.
_LARGEST = 1 << 20


class CalibrationRow(NamedTuple):
    """False match rate at one threshold."""

    cosine: float
    fmr: float
    upper: float
    """Its one-sided 95 % upper bound."""


@dataclass(frozen=True, slots=True)
class CalibrationTable:
    """How often two different people are as alike as a cosine, measured on photos with one embedder."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    embedder: str
    """SHA-256 of the embedder's file."""
    landmarker: str
    """What the faces were aligned by."""
    data: str
    """The photos, in words."""
    people: int
    photos: int
    comparisons: int
    """Pairs of photos of different people."""
    rows: tuple[CalibrationRow, ...]
    """Cosines rise, upper bounds do not."""

    @classmethod
    def load(cls, path: Path, sha256: str) -> CalibrationTable:
        """Read a table; ModelError when it is malformed or belongs to another embedder than that of this hash."""
        try:
            table = _parser().validate_json(_read(path))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise ModelError(f"{path}: not a calibration table ({where}: {first['msg'][:200]})") from error
        if not _is_sound(table):
            raise ModelError(f"{path}: not a calibration table (the rows must rise in cosine and fall in rate)")
        if table.embedder != sha256:
            raise ModelError(
                f"{path}: measured with the embedder {table.embedder[:8]!r}, but {sha256[:8]} is in use; "
                "make its table with `edgeface evaluate --calibrate`"
            )
        return table

    @classmethod
    def shipped(cls) -> CalibrationTable:
        """The table of the embedder that ships; ModelError when it cannot be used."""
        return _shipped()

    def threshold(self, level: Level, people: int) -> float:
        """The smallest cosine that keeps the level's false accepts a passer-by with so many people enrolled.

        GalleryError when the table does not reach so far, with what would help.
        """
        found = self._cosine(TARGETS[level] / self._accepts_per_fmr(people))
        if found is None:
            raise GalleryError(
                f"level {level} cannot be shown for {people} people ({self._reach(level)}); enroll fewer people, "
                "take a lower level with a second factor, or calibrate on more photos"
            )
        return found

    def near(self, level: Level, people: int) -> float:
        """The cosine below which nobody enrolled is meant; GalleryError as for `threshold`."""
        found = self._cosine(NEAR * TARGETS[level] / self._accepts_per_fmr(people))
        return self.threshold(level, people) if found is None else found

    def accepts(self, threshold: float, people: int) -> float:
        """The stated false accepts a passer-by, 0 to 1, as an upper bound; 1 for what stands below the table."""
        below = [row for row in self.rows if row.cosine <= threshold]
        return min(1.0, below[-1].upper * self._accepts_per_fmr(people)) if below else 1.0

    def most(self, level: Level) -> int:
        """The most people for whom the level can be shown; 0 when it never can."""
        return math.floor(TARGETS[level] / (FACTOR * self.rows[-1].upper))

    def _cosine(self, fmr: float) -> float | None:
        return next((row.cosine for row in self.rows if row.upper <= fmr), None)

    def _reach(self, level: Level) -> str:
        most = self.most(level)
        return f"{self.photos:,} photos show it for {most} at most" if most else f"{self.photos:,} photos never show it"

    @staticmethod
    def _accepts_per_fmr(people: int) -> float:
        return FACTOR * max(1, people)


def path_of(embedder: Path) -> Path:
    """Where an embedder's table stands: beside it, with the ending .calibration.json."""
    return embedder.with_suffix(".calibration.json")


def table_of(model: Path | None) -> CalibrationTable:
    """The table of the embedder at `model`, or of the one that ships; ModelError when it is not that model's."""
    if model is None:
        return CalibrationTable.shipped()
    return CalibrationTable.load(path_of(model), hashlib.sha256(read_model(model)).hexdigest())


@lru_cache(maxsize=1)
def _shipped() -> CalibrationTable:
    path = path_of(FOLDER / EMBEDDER.file)
    found = hashlib.sha256(_read(path)).hexdigest()
    if found != CALIBRATION_SHA256:
        raise ModelError(f"{path}: SHA-256 is {found[:16]}..., expected {CALIBRATION_SHA256[:16]}...; install it again")
    return CalibrationTable.load(path, EMBEDDER.sha256)


@lru_cache(maxsize=1)
def _parser() -> TypeAdapter[CalibrationTable]:
    return TypeAdapter(CalibrationTable)


def _read(path: Path) -> bytes:
    try:
        data = read_at_most(path, _LARGEST)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > _LARGEST:
        raise ModelError(f"{path}: not a calibration table (larger than {_LARGEST >> 20} MiB)")
    return data


def _is_sound(table: CalibrationTable) -> bool:
    """Whether every row is a rate with its bound, and the rows are in order; a NaN is in no order."""
    rows = table.rows
    rates = all(-1 <= row.cosine <= 1 and 0 <= row.fmr <= row.upper <= 1 and row.upper > 0 for row in rows)
    ordered = all(a.cosine < b.cosine and a.upper >= b.upper for a, b in pairwise(rows))
    return bool(rows) and min(table.people, table.photos, table.comparisons) > 0 and rates and ordered
