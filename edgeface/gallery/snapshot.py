"""People as they are matched: templates, their means, and one frozen matrix."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from datetime import date
from itertools import compress, count
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from edgeface.core.clock import rfc3339
from edgeface.core.errors import GalleryError
from edgeface.core.text import printable
from edgeface.core.types import Match
from edgeface.gallery.negatives import Denials
from edgeface.gallery.search import pairs, searcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding
    from edgeface.gallery.search import Search

MAX_TEMPLATES = 100
"""Templates per person; more hardly move the mean, and a hostile import could fill the disk."""
MAX_SIZE = 4096
"""Maximum length of an embedding."""
MAX_ALIKE = 1000
"""Pairs of similar people that are listed; no one reads more."""
NEVER = "never"
"""As a day of expiry: consent has no end."""

# Error of a sum of float32 vectors of length one.
_ROUNDING = 1e-6
# Tolerance for a length of one in float32, with room for the rounding of other programs.
_UNIT = 1e-3

Source = Literal["photo", "camera", "unknown", "import", "correction"]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """One reference embedding of a person."""

    embedding: Embedding
    model: str
    source: Source
    wall: float


@dataclass(frozen=True, slots=True)
class Person:
    """A person in the gallery, without the templates."""

    id: str
    name: str
    ignored: bool
    """On the ignore list: known, but not announced."""
    enrolled: float
    """Wall seconds of the first enrollment."""
    templates: int
    """Of the gallery's model."""
    foreign: int
    """Of other models; they take no part in matching."""
    consent: str | None = None
    """The day on which they consented, YYYY-MM-DD."""
    expires: str | None = None
    """The first day on which they are no longer matched, and are erased; None for never."""
    look_alikes: tuple[str, ...] = ()
    """Ids of other people who were enrolled with this face, sorted; a match reaches level normal at most."""
    groups: tuple[str, ...] = ()
    """The groups in which the centre of a fleet has them."""
    site: str | None = None
    """The site of a fleet by whose word they are here: without a lease of it, they are not matched."""

    def expired(self, today: str) -> bool:
        """Whether consent has ended by `today`, written as `day` does."""
        return self.expires is not None and today >= self.expires


class Moment(NamedTuple):
    """What decides at one moment who is matched."""

    today: str
    leased: frozenset[str] = frozenset()
    """The sites whose lease is not over."""

    def shows(self, person: Person) -> bool:
        """Whether a person may be matched."""
        return not person.expired(self.today) and (person.site is None or person.site in self.leased)


class Census(NamedTuple):
    """A gallery counted, where no one is matched."""

    enrolled: int


class Stored(NamedTuple):
    """What a snapshot was read from, so that the next one reads only what has changed."""

    model: str
    generation: int
    """Of the file, when someone had changed last."""
    versions: Mapping[bytes, int]
    """The number that changes with a person, by tag."""
    people: Mapping[bytes, Person]
    """Everyone, by tag, including those without templates of the model and the expired."""
    everyone: tuple[Person, ...]
    """The same, by id."""
    apart: Mapping[bytes, Person]
    """Those who have no templates of the model, a day of expiry, or a site."""
    negatives: Mapping[str, tuple[Embedding, ...]]
    """The negative templates of the model, by the id of the person that they deny."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GallerySnapshot:
    """The gallery at one moment: frozen, so any thread may use it."""

    people: tuple[Person, ...]
    """The people with templates of the model, in the order of the rows of `matrix`."""
    matrix: NDArray[np.float32]
    """One unit row per person, the mean of their templates; read-only."""
    left_out: int
    """Number of templates of other models."""
    denials: Denials | None = None
    """What the corrections deny; None without any."""
    stored: Stored | None = None
    """What it was read from; None if that was no file."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """The row of each person, by id; made if it is left out."""
    before: InitVar[tuple[GallerySnapshot, NDArray[np.intp]] | None] = None
    """An earlier snapshot, and its row that each row equals, -1 for none: the search is then not built again."""
    made: InitVar[Search | None] = None
    """The search, if it is made already."""
    matchable: frozenset[str] = field(init=False)
    """Ids of the people who can be matched, that is, without the ignored."""
    search: Search = field(init=False)

    def __post_init__(self, before: tuple[GallerySnapshot, NDArray[np.intp]] | None, made: Search | None) -> None:
        if not self.rows:
            object.__setattr__(self, "rows", rows_of(self.people))
        ignored = compress(self.rows, map(attrgetter("ignored"), self.people))
        object.__setattr__(self, "matchable", frozenset(self.rows).difference(ignored))
        earlier, unchanged = (None, None) if before is None else before
        search = made or searcher(self.matrix, None if earlier is None else earlier.search, unchanged)
        object.__setattr__(self, "search", search)

    @property
    def enrolled(self) -> int:
        """Number of people who can be matched."""
        return len(self.matchable)

    def enrolled_of(self, people: Iterable[str]) -> frozenset[str]:
        """Those of `people` who can be matched, without the ignored."""
        return self.matchable.intersection(people)

    def match(self, embedding: Embedding) -> Match | None:
        """Find the nearest person, ignored or not, and the runner-up, without those that a correction denies.

        None if there is no one else.
        """
        denied = self.denials.rows(embedding) if self.denials is not None else None
        if len(self.people) == (0 if denied is None else denied.size):
            return None
        found = self.search.nearest(embedding, denied)
        person = self.people[found.row]
        return Match(person.id, found.score, found.runner_up, person.ignored, bool(person.look_alikes))

    def name(self, person: str) -> str | None:
        """Display name of a person; None if they are not in this snapshot."""
        row = self.rows.get(person)
        return None if row is None else self.people[row].name

    def entry(self, person: str) -> Person | None:
        """A person, ignored or not; None if they are not in this snapshot."""
        row = self.rows.get(person)
        return None if row is None else self.people[row]

    def score(self, person: str, embedding: Embedding) -> float | None:
        """The cosine of an embedding with one person; None if they are not in this snapshot, or denied for it."""
        row = self.rows.get(person)
        return None if row is None or person in self.denied(embedding) else float(self.matrix[row] @ embedding)

    def denied(self, embedding: Embedding) -> frozenset[str]:
        """The ids of the people that a correction rules out for this face."""
        rows = self.denials.rows(embedding) if self.denials is not None else None
        return frozenset(self.people[row].id for row in (() if rows is None else rows.tolist()))

    def alike(self, least: float) -> list[tuple[str, str, float]]:
        """Pairs of people whose cosine is `least` or more, the most similar first, at most MAX_ALIKE.

        Takes quadratic time, as `pairs` does.
        """
        found = pairs(self.matrix, least, MAX_ALIKE)
        return [(self.people[one].id, self.people[other].id, score) for one, other, score in found]

    def alike_among(self, people: Iterable[str], least: float) -> list[tuple[str, str, float]]:
        """Those of the pairs that `alike` would give that have one of these people in them."""
        found = {(min(w, o), max(w, o)): score for w in people for o, score in self.alike_to(w, least)}
        return sorted(((*pair, score) for pair, score in found.items()), key=lambda pair: -pair[2])[:MAX_ALIKE]

    def alike_to(self, who: str, least: float) -> list[tuple[str, float]]:
        """The people whose cosine to `who` is `least` or more, the most similar first; none if `who` is not in it."""
        row = self.rows.get(who)
        if row is None:
            return []
        scores = self.matrix @ self.matrix[row]
        others = [n for n in np.flatnonzero(scores >= least).tolist() if n != row]
        return sorted(((self.people[n].id, float(scores[n])) for n in others), key=lambda other: -other[1])


def groups_of(people: Iterable[Person]) -> dict[str, tuple[str, ...]]:
    """The ids of people by the groups in which the centre has them."""
    found: dict[str, list[str]] = {}
    for one in people:
        for group in one.groups:
            found.setdefault(group, []).append(one.id)
    return {group: tuple(ids) for group, ids in found.items()}


def sites_of(people: Iterable[Person]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The people of each site of a fleet: their ids, with the groups in which the centre has them."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for one in people:
        if one.site:
            found.setdefault(one.site, {})[one.id] = one.groups
    return found


def rows_of(people: Sequence[Person]) -> dict[str, int]:
    """The place of each person, by id."""
    return dict(zip(map(attrgetter("id"), people), count(), strict=False))


def day(wall: float) -> str:
    """The day of wall seconds in UTC: 2026-11-22."""
    return rfc3339(wall)[:10]


def check_day(text: str) -> str:
    """Return `text` if it is a calendar day as YYYY-MM-DD; raises GalleryError otherwise."""
    try:
        valid = date.fromisoformat(text).isoformat() == text
    except ValueError:
        valid = False
    if not valid:
        raise GalleryError(f"{printable(text)}: not a day; write it as 2026-11-22")
    return text


def check_days(given: str | None, expires: str | None) -> None:
    """Raise GalleryError unless both are None or a day; `expires` may be NEVER."""
    for text in (given, None if expires == NEVER else expires):
        if text is not None:
            check_day(text)


def check_embedding(embedding: Embedding) -> None:
    """Raise GalleryError unless `embedding` is a finite float32 vector of length one."""
    valid = embedding.ndim == 1 and 0 < embedding.size <= MAX_SIZE and embedding.dtype == np.float32
    # NaN and infinity fail the comparison too.
    if not valid or not abs(float(np.linalg.norm(embedding.astype(np.float64))) - 1) < _UNIT:
        raise GalleryError("not an embedding: it must be a float32 vector of length one")


def to_blob(embedding: Embedding) -> bytes:
    """Write an embedding as little-endian float32."""
    return embedding.astype("<f4").tobytes()


def from_blob(blob: bytes) -> Embedding:
    """Read what `to_blob` wrote."""
    return np.frombuffer(blob, dtype="<f4").astype(np.float32)


def unit_mean(vectors: Sequence[Embedding] | NDArray[np.float32]) -> Embedding:
    """Mean of unit vectors, scaled to length one; the first vector if they cancel out."""
    mean = np.mean(np.asarray(vectors), axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    if length < _ROUNDING:
        return np.asarray(vectors[0], np.float32)
    return np.asarray(mean / length, dtype=np.float32)


def make_snapshot(
    people: Sequence[Person],
    own: Mapping[str, Sequence[Embedding] | NDArray[np.float32]],
    today: str | None = None,
    negatives: Iterable[tuple[str, Embedding]] = (),
) -> GallerySnapshot:
    """Build the snapshot of `people` from their templates of the model, by id; leave out the expired by `today`.

    `negatives` are the negative templates, each with the id of the person that it denies.
    """
    shown = tuple(p for p in people if p.id in own and (today is None or not p.expired(today)))
    matrix = np.stack([unit_mean(own[p.id]) for p in shown]) if shown else np.zeros((0, 0), np.float32)
    matrix.setflags(write=False)
    at = {person.id: row for row, person in enumerate(shown)}
    denials = Denials.of(matrix, [(at[person], negative) for person, negative in negatives if person in at])
    return GallerySnapshot(shown, matrix, sum(person.foreign for person in people), denials)
