"""Security level and gallery size to threshold, by the calibration table of the embedder in use."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError

from edgeface.core.errors import GalleryError, ModelError
from edgeface.core.text import counted
from edgeface.faces.tflite import CALIBRATION_SHA256, EMBEDDER, FOLDER, read_model

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.core.settings import Level

TARGETS: dict[Level, float] = {"low": 1e-2, "normal": 1e-3, "high": 1e-4}
"""Accepted false accepts for each passing stranger, by level; normal is the limit at which NIST's FRTE reports 1:N."""

NEAR = 10
"""Below the threshold for this many times the target, the face is of no one who is enrolled."""

RULE_OF_30 = 30
"""Fewest pairs of people with a false match behind a row: with these, the true rate is within 30 % of the measured one
at 90 % confidence (Doddington et al., Speech Communication 31, 2000; ISO/IEC 19795-1, annex B)."""

# A hundred times the shipped table.
_MAX_BYTES = 1 << 20


class CalibrationRow(NamedTuple):
    """The rate that no kind of comparison exceeds at a cosine."""

    cosine: float
    fmr: float
    """Chance that a visitor is taken for one person who is enrolled and is someone else."""
    false_matches: float
    """Pairs of people with a false match that were counted, for single photos."""


@dataclass(frozen=True, slots=True)
class CalibrationTable:
    """How often a visitor is taken for another person at a cosine, measured with one embedder (docs/accuracy.md)."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    embedder: str
    """SHA-256 of the embedder's file."""
    landmarker: str
    """What located the landmarks."""
    data: str
    """A description of the photos."""
    people: int
    photos: int
    pairs: int
    """Pairs of different people."""
    rows: tuple[CalibrationRow, ...]
    """By rising cosine and falling rate."""
    estimated: tuple[CalibrationRow, ...] = ()
    """Rows beyond the data, from a tail model; they continue `rows`."""

    @classmethod
    def load(cls, path: Path, sha256: str) -> CalibrationTable:
        """Read a table. Raises ModelError if it is malformed, or not for the embedder of this hash."""
        try:
            table = TypeAdapter(cls).validate_json(_read(path), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            remedy = "`edgeface evaluate --calibrate` creates one"
            raise ModelError(f"{path}: not a calibration table ({where}: {first['msg'][:200]}); {remedy}") from error
        if not _is_sound(table):
            raise ModelError(f"{path}: not a calibration table (the rows must rise in cosine and fall in rate)")
        if table.embedder != sha256:
            raise ModelError(
                f"{path}: measured with the embedder {table.embedder[:8]!r}, but {sha256[:8]} is in use; "
                "create its table with `edgeface evaluate --calibrate`"
            )
        return table

    @classmethod
    @cache
    def shipped(cls) -> CalibrationTable:
        """The table of the shipped embedder. Raises ModelError if it cannot be used."""
        path = path_of(FOLDER / EMBEDDER.file)
        found = hashlib.sha256(_read(path)).hexdigest()
        if found != CALIBRATION_SHA256:
            expected = f"expected {CALIBRATION_SHA256[:16]}...; install it again"
            raise ModelError(f"{path}: SHA-256 is {found[:16]}..., {expected}")
        return cls.load(path, EMBEDDER.sha256)

    def threshold(self, level: Level, people: int, *, estimated: bool = False) -> float:
        """The smallest cosine that guarantees the level with so many people who may be meant.

        `estimated` allows rows beyond the data. Raises GalleryError, with what would help, if no row is enough.
        """
        found = self._cosine(TARGETS[level] / max(1, people), estimated=estimated)
        if found is None:
            who = counted(people, "person", "people")
            raise GalleryError(
                f"level {level!r} cannot be guaranteed with {who}: {self._limit(level)}; "
                "enroll fewer people, use a lower level with a second factor, or calibrate with more photos"
            )
        return found

    def near(self, level: Level, people: int, *, estimated: bool = False) -> float:
        """The cosine below which a face is of no one who is enrolled. Raises GalleryError as `threshold` does."""
        found = self._cosine(NEAR * TARGETS[level] / max(1, people), estimated=estimated)
        return self.threshold(level, people, estimated=estimated) if found is None else found

    @property
    def lowest(self) -> float:
        """The lowest false match rate of the table, estimated or not."""
        return self._rows(estimated=True)[-1].fmr

    def cosine(self, fmr: float) -> float:
        """The smallest cosine with at most this false match rate, estimated or not; the last one if there is none."""
        found = self._cosine(fmr, estimated=True)
        return self._rows(estimated=True)[-1].cosine if found is None else found

    def accepts(self, threshold: float, people: int) -> float:
        """The stated false accepts for each passing stranger, 0 to 1; 1 below the table."""
        below = [row for row in self.rows + self.estimated if row.cosine <= threshold]
        return min(1.0, below[-1].fmr * max(1, people)) if below else 1.0

    def most(self, level: Level, *, estimated: bool = False) -> int:
        """The largest number of people for which the level can be guaranteed; 0 when it never can."""
        return math.floor(TARGETS[level] / self._rows(estimated=estimated)[-1].fmr)

    def _rows(self, *, estimated: bool) -> tuple[CalibrationRow, ...]:
        return self.rows + self.estimated if estimated else self.rows

    def _cosine(self, fmr: float, *, estimated: bool = False) -> float | None:
        return next((row.cosine for row in self._rows(estimated=estimated) if row.fmr <= fmr), None)

    def _limit(self, level: Level) -> str:
        most = self.most(level)
        data = f"the calibration data ({counted(self.photos, 'photo')})"
        return f"{data} supports at most {most:,}" if most else f"{data} does not support this level"


def path_of(embedder: Path) -> Path:
    """Where the table of an embedder is: next to it, with the suffix .calibration.json."""
    return embedder.with_suffix(".calibration.json")


def table_of(model: Path | None) -> CalibrationTable:
    """The table of the embedder at `model`, or of the shipped one. Raises ModelError if it is not that model's."""
    if model is None:
        return CalibrationTable.shipped()
    return CalibrationTable.load(path_of(model), hashlib.sha256(read_model(model)).hexdigest())


def _read(path: Path) -> bytes:
    return read_model(path, _MAX_BYTES, f"not a calibration table (larger than {_MAX_BYTES >> 20} MiB)")


def _is_sound(table: CalibrationTable) -> bool:
    """Whether every row is a rate with its bound, and the rows are in order, which excludes NaN."""
    rows = table.rows + table.estimated
    rates = all(-1 <= row.cosine <= 1 and 0 < row.fmr <= 1 and row.false_matches >= 0 for row in rows)
    ordered = all(a.cosine < b.cosine and a.fmr >= b.fmr for a, b in pairwise(rows))
    return bool(table.rows) and min(table.people, table.photos, table.pairs) > 0 and rates and ordered
