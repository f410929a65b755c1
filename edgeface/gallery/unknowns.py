"""Assigns people who are not enrolled an id that stays the same from visit to visit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.core.clock import DAY
from edgeface.gallery.means import Means
from edgeface.gallery.snapshot import unit_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Iterable, Sequence

    from edgeface.core.types import Embedding

SIGHTINGS = 2
"""Good embeddings that must agree before an id is assigned: a single one may be a false detection."""
MOST = 10_000
"""Unknowns kept unless `unknown.most` is another number; they take 28 MB of memory, 44 MB of disk."""
PROPOSED = 100
"""Pairs that are proposed for a merge at a time, the most alike."""
TEMPLATES = 5
"""Embeddings kept of each, for enrollment: five photos had no false rejection in 15,600 (docs/accuracy.md)."""
ID_DIGITS = 8
"""Hex digits of a new id: after 500,000 ids, one in 8,600 new ones is equal to one that was given before."""
_PENDING = 100
# What a further visit is worth, in days that someone was seen later, when there is no room for everyone.
_VISIT_DAYS, _MOST_VISITS = 1, 30
# Maximum weight of a mean, so that it still follows a face that changes over months.
_MAX_WEIGHT = 50
# One photo at two sizes gives 0.99, another photo of the person 0.74 to 0.85: a template with a higher cosine to
# another one adds nothing.
_SAME_SHOT = 0.95
# In place of the mean of an unknown whose mean is in the matrix.
_NONE = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """One person who is not enrolled."""

    id: str
    """u- and at least four hex digits."""
    mean: Embedding
    templates: tuple[Embedding, ...]
    """Up to TEMPLATES embeddings, no two nearly the same."""
    weight: int
    """Number of embeddings behind the mean, up to a limit."""
    sightings: int
    """Visits."""
    first: float
    last: float
    """Wall seconds of the first and the last sighting."""
    camera: str
    """Where they were last seen."""
    merged: tuple[str, ...] = ()
    """Ids that were merged into this one, in order."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id that this person has had, the present one first."""
        return (self.id, *self.merged)

    @property
    def worth(self) -> float:
        """Who has the least goes first when there are too many: seen once, long ago."""
        return self.last + DAY * _VISIT_DAYS * min(self.sightings - 1, _MOST_VISITS)


class Likeness(NamedTuple):
    """Cosines that decide about two means among so many unknowns."""

    same: float
    """At or above: a visit of the same person."""
    alike: float
    """At or above: two ids that are proposed for a merge."""


class Alike(NamedTuple):
    """Two ids that are probably one person."""

    one: str
    other: str
    score: float
    """Cosine of their means."""


class UnknownChanges(NamedTuple):
    """What the gallery must store and delete."""

    seen: tuple[Unknown, ...] = ()
    """By id, what was seen since the last changes: one who is stored has it added."""
    expired: tuple[str, ...] = ()
    alike: tuple[Alike, ...] = ()

    def then(self, later: UnknownChanges) -> UnknownChanges:
        """These changes and later ones as one."""
        seen = {one.id: one for one in self.seen if one.id not in later.expired}
        for one in later.seen:
            seen[one.id] = joined(seen[one.id], one) if one.id in seen else one
        expired = dict.fromkeys((*self.expired, *later.expired))
        return UnknownChanges(tuple(seen.values()), tuple(expired), _best((*self.alike, *later.alike)))


class Unknowns:
    """The unknowns in memory; used by the vision thread only. It reads no clock and no file.

    Means and facts are in memory, templates only until they are stored.
    """

    def __init__(
        self,
        boot: str,
        likeness: Callable[[int], Likeness],
        days: int = 30,
        stored: Iterable[Unknown] = (),
        retired: Container[str] = (),
        most: int = MOST,
    ) -> None:
        """`likeness` gives the cosines for a number of unknowns; `retired` ids are not given again."""
        self._boot = boot
        self._likeness = likeness
        self._counter = 0
        self._retired = retired
        self._facts: dict[str, Unknown] = {}
        self._means = Means()
        self._pending: list[Unknown] = []
        self._seen: dict[str, Unknown] = {}
        self._expired: set[str] = set()
        self._alike: tuple[Alike, ...] = ()
        self.dropped = 0
        """Unknowns removed because there were too many."""
        for unknown in stored:
            self._put(unknown)
        self.limit(days, most)

    def limit(self, days: int, most: int) -> None:
        """Keep unknowns for so many days, and so many of them, from now on."""
        self._days, self._most = days, most
        if days == 0:
            for one in list(self._facts):
                self._drop(one)

    def __len__(self) -> int:
        return len(self._facts)

    @property
    def ids(self) -> frozenset[str]:
        """Ids of all remembered unknowns."""
        return frozenset(self._facts)

    @property
    def waiting(self) -> frozenset[str]:
        """Ids of those with visits that `take_changes` has not given yet."""
        return frozenset(self._seen)

    def update(self, changed: Iterable[Unknown], gone: Iterable[str], retired: Container[str]) -> None:
        """Take over what others have `changed` in the gallery, and drop who is `gone` from it."""
        self._retired = retired
        for unknown in changed:
            if unknown.id not in self._expired and self._days:
                waiting = self._seen.get(unknown.id)
                self._put(unknown if waiting is None else joined(unknown, waiting))
        for one in gone:
            self._seen.pop(one, None)
            if self._facts.pop(one, None) is not None:
                self._means.drop(one)
        self._alike = tuple(pair for pair in self._alike if {pair.one, pair.other} <= self._facts.keys())

    def see(
        self, embeddings: Sequence[Embedding], wall: float, camera: str, in_view: Collection[str] = ()
    ) -> str | None:
        """Add one visit of a person who is not enrolled and return their id; None until two sightings agree.

        `embeddings` are the good ones of the visit, at least one. With 0 days nothing is kept and no id is assigned.
        Where there are too many, those of the least worth are removed, but none who is `in_view`.
        """
        if self._days == 0:
            return None
        likeness = self._likeness(len(self))
        # The frames of one visit are compared with each other only, however many unknowns there are.
        agreeing = _agreeing(embeddings, self._likeness(1).same) or embeddings[:1]
        visit = Unknown("", unit_mean(agreeing), _varied((), agreeing), len(agreeing), 1, wall, wall, camera)
        known = self._means.nearest(visit.mean)
        if known is not None and known.score >= likeness.same:
            visit = replace(visit, id=known.id)
            return self._keep(joined(self._known(known.id), visit), visit, likeness, in_view)
        before = _nearest(self._pending, visit.mean, likeness.same)
        if before is not None:
            self._pending.remove(before)
            visit = joined(before, visit)
        if visit.weight < SIGHTINGS:
            self._pending = [*self._pending, visit][-_PENDING:]
            return None
        visit = replace(visit, id=self._new_id())
        return self._keep(visit, visit, likeness, in_view)

    def take_changes(self, wall: float | None = None) -> UnknownChanges:
        """Return what has changed since the last call, for Gallery.store_unknowns; with `wall`, the expired too."""
        if wall is not None:
            self._expire(wall)
        seen = tuple(self._seen[i] for i in sorted(self._seen))
        changes = UnknownChanges(seen, tuple(sorted(self._expired)), self._alike)
        self._seen.clear()
        self._expired.clear()
        self._alike = ()
        return changes

    def _known(self, who: str) -> Unknown:
        return replace(self._facts[who], mean=self._means[who])

    def _put(self, unknown: Unknown) -> None:
        self._facts[unknown.id] = replace(unknown, mean=_NONE, templates=())
        self._means.put(unknown.id, unknown.mean, unknown.last, unknown.worth)

    def _keep(self, unknown: Unknown, visit: Unknown, likeness: Likeness, in_view: Collection[str]) -> str:
        self._put(unknown)
        waiting = self._seen.get(unknown.id)
        self._seen[unknown.id] = visit if waiting is None else joined(waiting, visit)
        while len(self) > self._most:
            least = self._means.least((unknown.id, *in_view))
            if least is None:
                break
            self._drop(least)
            self.dropped += 1
        other = self._means.nearest(unknown.mean, without=unknown.id)
        if other is not None and other.score >= likeness.alike:
            one, two = sorted((unknown.id, other.id))
            self._alike = _best((*self._alike, Alike(one, two, other.score)))
        return unknown.id

    def _expire(self, wall: float) -> None:
        oldest = wall - self._days * DAY
        for unknown in self._means.older(oldest):
            self._drop(unknown)
        self._pending = [p for p in self._pending if p.last >= oldest]

    def _drop(self, unknown: str) -> None:
        del self._facts[unknown]
        self._means.drop(unknown)
        self._seen.pop(unknown, None)
        self._expired.add(unknown)

    def _new_id(self) -> str:
        """The id of the next unknown of this boot, the same on every replay; longer if the short form is taken."""
        digest = hashlib.sha256(f"{self._boot}:{self._counter}".encode()).hexdigest()
        self._counter += 1
        ids = (f"u-{digest[:length]}" for length in range(ID_DIGITS, len(digest)))
        return next(i for i in ids if not (i in self._facts or i in self._retired or i in self._expired))


def _best(pairs: Iterable[Alike]) -> tuple[Alike, ...]:
    """The PROPOSED most alike, each pair once, with its latest score."""
    latest = {(pair.one, pair.other): pair for pair in pairs}
    return tuple(sorted(latest.values(), key=lambda pair: -pair.score)[:PROPOSED])


def _agreeing(embeddings: Sequence[Embedding], threshold: float) -> list[Embedding]:
    """The embeddings that match at least one of the others."""
    rows = np.stack(embeddings)
    alike = rows @ rows.T >= threshold
    np.fill_diagonal(alike, val=False)
    return [embedding for embedding, agrees in zip(embeddings, alike.any(axis=1), strict=True) if agrees]


def _nearest(unknowns: Sequence[Unknown], mean: Embedding, threshold: float) -> Unknown | None:
    """The unknown nearest to `mean`, if its cosine reaches the threshold."""
    if not unknowns:
        return None
    scores = np.stack([u.mean for u in unknowns]) @ mean
    best = int(np.argmax(scores))
    return unknowns[best] if scores[best] >= threshold else None


def joined(known: Unknown, visit: Unknown) -> Unknown:
    """The unknown with more visits of the same person, who may have had another id."""
    total = known.mean * np.float32(known.weight) + visit.mean * np.float32(visit.weight)
    return replace(
        known,
        mean=unit_mean([total / np.float32(known.weight + visit.weight)]),
        templates=_varied(known.templates, visit.templates),
        weight=min(_MAX_WEIGHT, known.weight + visit.weight),
        sightings=known.sightings + visit.sightings,
        first=min(known.first, visit.first),
        last=max(known.last, visit.last),
        camera=visit.camera if visit.last >= known.last else known.camera,
        merged=tuple(dict.fromkeys((*known.merged, *visit.merged))),
    )


def _varied(kept: tuple[Embedding, ...], offered: Sequence[Embedding]) -> tuple[Embedding, ...]:
    """`kept` with those of `offered` that differ enough from all others, up to TEMPLATES."""
    for embedding in offered:
        if len(kept) < TEMPLATES and all(float(embedding @ other) < _SAME_SHOT for other in kept):
            kept = (*kept, embedding)
    return kept
