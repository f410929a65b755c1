"""Assigns people who are not enrolled an id that stays the same from visit to visit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.core.clock import DAY
from edgeface.gallery.snapshot import unit_mean

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from edgeface.core.types import Embedding

SIGHTINGS = 2
"""Good embeddings that must agree before an id is assigned: a single one may be a false detection."""
CAPACITY = 1000
"""Unknowns kept; with all their embeddings they take 5 MB."""
TEMPLATES = 5
"""Embeddings kept of each, for enrollment: five photos had no false rejection in 15,600 (docs/accuracy.md)."""
_PENDING = 100
# Maximum weight of a mean, so that it still follows a face that changes over months.
_MAX_WEIGHT = 50
# One photo at two sizes gives 0.99, another photo of the person 0.74 to 0.85: a template with a higher cosine to
# another one adds nothing.
_SAME_SHOT = 0.95


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


class UnknownChanges(NamedTuple):
    """What the gallery must store and delete."""

    kept: tuple[Unknown, ...]
    expired: tuple[str, ...]


class Unknowns:
    """The unknowns in memory; used by the vision thread only. It reads no clock and no file."""

    def __init__(
        self,
        boot: str,
        threshold: float,
        days: int = 30,
        stored: Iterable[Unknown] = (),
        retired: Container[str] = (),
    ) -> None:
        self._boot = boot
        self._days = days
        self._counter = 0
        self._unknowns: dict[str, Unknown] = {}
        self._pending: list[Unknown] = []
        self._changed: set[str] = set()
        self._expired: set[str] = set()
        self.dropped = 0
        """Unknowns discarded because there were more than CAPACITY."""
        self.use(threshold, stored, retired)

    def use(self, threshold: float, stored: Iterable[Unknown], retired: Container[str]) -> None:
        """Take over what the gallery holds now; what is not stored yet stays, unless its id is `retired`.

        Two sightings with a cosine of at least `threshold` are the same person.
        """
        unsaved = {i: self._unknowns[i] for i in self._changed if i not in retired}
        self._threshold = threshold
        self._retired = retired
        self._unknowns = {r.id: r for r in stored if r.id not in retired and r.id not in self._expired} | unsaved
        self._changed = set(unsaved)
        if self._days == 0:
            for unknown in list(self._unknowns):
                self._drop(unknown)

    def __len__(self) -> int:
        return len(self._unknowns)

    @property
    def ids(self) -> frozenset[str]:
        """Ids of all remembered unknowns."""
        return frozenset(self._unknowns)

    def see(self, embeddings: Sequence[Embedding], wall: float, camera: str) -> str | None:
        """Add one visit of a person who is not enrolled and return their id; None until two sightings agree.

        `embeddings` are the good ones of the visit, at least one. With 0 days nothing is kept and no id is assigned.
        """
        if self._days == 0:
            return None
        agreeing = _agreeing(embeddings, self._threshold) or embeddings[:1]
        visit = Unknown("", unit_mean(agreeing), _varied((), agreeing), len(agreeing), 1, wall, wall, camera)
        known = _nearest(list(self._unknowns.values()), visit.mean, self._threshold)
        if known is not None:
            return self._keep(_joined(known, visit))
        before = _nearest(self._pending, visit.mean, self._threshold)
        if before is not None:
            self._pending.remove(before)
            visit = _joined(before, visit)
        if visit.weight < SIGHTINGS:
            self._pending = [*self._pending, visit][-_PENDING:]
            return None
        return self._keep(replace(visit, id=self._new_id()))

    def take_changes(self, wall: float | None = None) -> UnknownChanges:
        """Return what has changed since the last call, for Gallery.store_unknowns; with `wall`, the expired too."""
        if wall is not None:
            self._expire(wall)
        changes = UnknownChanges(tuple(self._unknowns[i] for i in sorted(self._changed)), tuple(sorted(self._expired)))
        self._changed.clear()
        self._expired.clear()
        return changes

    def _keep(self, unknown: Unknown) -> str:
        self._unknowns[unknown.id] = unknown
        self._changed.add(unknown.id)
        while len(self._unknowns) > CAPACITY:
            self._drop(min(self._unknowns.values(), key=lambda r: (r.last, r.id)).id)
            self.dropped += 1
        return unknown.id

    def _expire(self, wall: float) -> None:
        oldest = wall - self._days * DAY
        for unknown in [u for u in self._unknowns.values() if u.last < oldest]:
            self._drop(unknown.id)
        self._pending = [p for p in self._pending if p.last >= oldest]

    def _drop(self, unknown: str) -> None:
        del self._unknowns[unknown]
        self._changed.discard(unknown)
        self._expired.add(unknown)

    def _new_id(self) -> str:
        """The id of the next unknown of this boot, the same on every replay; longer if the short form is taken."""
        digest = hashlib.sha256(f"{self._boot}:{self._counter}".encode()).hexdigest()
        self._counter += 1
        ids = (f"u-{digest[:length]}" for length in range(4, len(digest)))
        return next(i for i in ids if not (i in self._unknowns or i in self._retired or i in self._expired))


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


def _joined(known: Unknown, visit: Unknown) -> Unknown:
    """The unknown with one more visit of the same person."""
    total = known.mean * np.float32(known.weight) + visit.mean * np.float32(visit.weight)
    return replace(
        known,
        mean=unit_mean([total / np.float32(known.weight + visit.weight)]),
        templates=_varied(known.templates, visit.templates),
        weight=min(_MAX_WEIGHT, known.weight + visit.weight),
        sightings=known.sightings + 1,
        last=max(known.last, visit.last),
        camera=visit.camera,
    )


def _varied(kept: tuple[Embedding, ...], offered: Sequence[Embedding]) -> tuple[Embedding, ...]:
    """`kept` with those of `offered` that differ enough from all others, up to TEMPLATES."""
    for embedding in offered:
        if len(kept) < TEMPLATES and all(float(embedding @ other) < _SAME_SHOT for other in kept):
            kept = (*kept, embedding)
    return kept
