"""People as they are matched: templates, their means, and one frozen matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgeface.core.clock import rfc3339
from edgeface.core.errors import GalleryError
from edgeface.core.text import printable
from edgeface.core.types import Match
from edgeface.gallery.search import pairs, searcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding
    from edgeface.gallery.search import Search

MAX_TEMPLATES = 100
"""Templates a person; beyond it a mean hardly moves, and a hostile import would fill the disk."""
MAX_SIZE = 4096
"""Numbers in an embedding."""
MAX_ALIKE = 1000
"""Pairs of people who are too alike that are named; nobody reads more."""

# Of a sum of float32 vectors of length one.
_ROUNDING = 1e-6
# A length of one as float32 keeps it, with room for other programs' rounding.
_UNIT = 1e-3

Source = Literal["photo", "camera", "unknown", "import"]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One reference embedding of a person."""

    embedding: Embedding
    model: str
    source: Source
    wall: float


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the gallery, without the templates."""

    id: str
    name: str
    ignored: bool
    """On the ignore list: known, and not to be announced."""
    enrolled: float
    """Wall seconds of the first enrollment."""
    templates: int
    """Of the gallery's model."""
    foreign: int
    """Of other models; they take no part in matching."""
    consent: str | None = None
    """The day on which they consented, YYYY-MM-DD."""
    expires: str | None = None
    """The day from which on they are not matched, and are erased; None for never."""

    def expired(self, today: str) -> bool:
        """Whether `today`, as `day` writes it, is beyond what they consented to."""
        return self.expires is not None and today >= self.expires


@dataclass(frozen=True, slots=True, eq=False)
class GallerySnapshot:
    """The gallery at one moment: frozen, and safe to give to another thread."""

    people: tuple[Person, ...]
    """Those with a template of the model, in the order of `matrix`'s rows."""
    matrix: NDArray[np.float32]
    """One unit row a person, the mean of their templates; read-only."""
    left_out: int
    """Templates of other models."""
    _names: dict[str, str] = field(init=False)
    _search: Search = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", {person.id: person.name for person in self.people})
        object.__setattr__(self, "_search", searcher(self.matrix))

    @property
    def enrolled(self) -> int:
        """People who can be matched: the ignored are not among them."""
        return sum(not person.ignored for person in self.people)

    def match(self, embedding: Embedding) -> Match | None:
        """Find the nearest person, ignored or not, and the nearest other person; None when nobody is enrolled."""
        if not self.people:
            return None
        found = self._search.nearest(embedding)
        person = self.people[found.row]
        return Match(person.id, found.score, found.runner_up, person.ignored)

    def name(self, person: str) -> str | None:
        """Display name of a person; None when they are not in this view."""
        return self._names.get(person)

    def alike(self, least: float) -> list[tuple[str, str, float]]:
        """Pairs of people whose cosine is `least` or more, the most alike first, and MAX_ALIKE at most.

        Takes the square of the people in time, as `pairs` does.
        """
        found = pairs(self.matrix, least, MAX_ALIKE)
        return [(self.people[one].id, self.people[other].id, score) for one, other, score in found]

    def alike_to(self, who: str, least: float) -> list[tuple[str, float]]:
        """The other people whose cosine to one is `least` or more, the most alike first; none for who is not in it."""
        row = next((row for row, person in enumerate(self.people) if person.id == who), None)
        if row is None:
            return []
        scores = self.matrix @ self.matrix[row]
        others = [n for n in np.flatnonzero(scores >= least).tolist() if n != row]
        return sorted(((self.people[n].id, float(scores[n])) for n in others), key=lambda other: -other[1])


def day(wall: float) -> str:
    """The day of wall seconds in UTC: 2026-11-22."""
    return rfc3339(wall)[:10]


def check_day(text: str) -> str:
    """`text` if it is a day of the calendar as YYYY-MM-DD; GalleryError otherwise."""
    try:
        known = date.fromisoformat(text).isoformat() == text
    except ValueError:
        known = False
    if not known:
        raise GalleryError(f"{printable(text)}: not a day; write it as 2026-11-22")
    return text


def check_embedding(embedding: Embedding) -> None:
    """Raise GalleryError unless it is a finite float32 vector of length one."""
    shaped = embedding.ndim == 1 and 0 < embedding.size <= MAX_SIZE and embedding.dtype == np.float32
    # A NaN or an infinity fails the comparison too.
    if not shaped or not abs(float(np.linalg.norm(embedding.astype(np.float64))) - 1) < _UNIT:
        raise GalleryError("not an embedding: it must be a float32 vector of length one")


def to_blob(embedding: Embedding) -> bytes:
    """Write an embedding as little-endian float32."""
    return embedding.astype("<f4").tobytes()


def from_blob(blob: bytes) -> Embedding:
    """Read what `to_blob` wrote."""
    return np.frombuffer(blob, dtype="<f4").astype(np.float32)


def unit_mean(vectors: Sequence[Embedding] | NDArray[np.float32]) -> Embedding:
    """Mean of unit vectors, scaled to length one; vectors that cancel out are stood for by the first."""
    mean = np.mean(np.asarray(vectors), axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    if length < _ROUNDING:
        return np.asarray(vectors[0], np.float32)
    return np.asarray(mean / length, dtype=np.float32)


def make_snapshot(people: Sequence[Person], rows: Iterable[tuple[str, bytes]]) -> GallerySnapshot:
    """Build the view of `people`, by id, from their templates of the model as (person, blob)."""
    grouped: dict[str, list[Embedding]] = {}
    for person, blob in rows:
        grouped.setdefault(person, []).append(from_blob(blob))
    return snapshot_of(people, {person: np.stack(vectors) for person, vectors in grouped.items()})


def snapshot_of(
    people: Sequence[Person], own: Mapping[str, NDArray[np.float32]], today: str | None = None
) -> GallerySnapshot:
    """Build the view of `people` from the templates of the model by id, one a row.

    Those who have expired by `today` are not in it; without it nobody has.
    """
    shown = tuple(p for p in people if p.id in own and (today is None or not p.expired(today)))
    matrix = np.stack([unit_mean(own[p.id]) for p in shown]) if shown else np.zeros((0, 0), np.float32)
    matrix.setflags(write=False)
    return GallerySnapshot(shown, matrix, sum(person.foreign for person in people))
