"""Gives people whom nobody has enrolled an id that stays the same from visit to visit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.gallery.snapshot import unit_mean

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from edgeface.core.types import Embedding

SIGHTINGS = 2
"""Good embeddings that must agree before an id is given: one may be a detector's mistake."""
CAPACITY = 1000
"""Unknowns kept; with all their embeddings 5 MB."""
TEMPLATES = 5
"""Embeddings kept of each, to enroll from: five photos had no false rejection in 15,600 (docs/accuracy.md)."""
_PENDING = 100
_DAY = 86400.0
# Embeddings that a mean counts at most, so that it still follows a face that changes over months.
_WEIGHT = 50
# One photo at two sizes gives 0.99, another photo of the person 0.74 to 0.85: a template more alike than this to
# another adds nothing.
_SAME_SHOT = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """One person whom nobody has enrolled."""

    id: str
    """u- and at least four hex digits."""
    mean: Embedding
    templates: tuple[Embedding, ...]
    """Up to TEMPLATES embeddings, no two nearly the same."""
    weight: int
    """Embeddings behind the mean, up to a limit."""
    sightings: int
    """Visits."""
    first: float
    last: float
    """Wall seconds of the first and the last sighting."""
    camera: str
    """Where they were seen last."""


class Drained(NamedTuple):
    """What the gallery has to store and to delete."""

    kept: tuple[Unknown, ...]
    expired: tuple[str, ...]


class Unknowns:
    """The unknowns in memory; only the vision thread calls it. It reads no clock and no file."""

    def __init__(
        self,
        boot: str,
        threshold: float,
        days: int = 30,
        records: Iterable[Unknown] = (),
        gone: Container[str] = (),
    ) -> None:
        self._boot = boot
        self._days = days
        self._counter = 0
        self._records: dict[str, Unknown] = {}
        self._pending: list[Unknown] = []
        self._changed: set[str] = set()
        self._expired: set[str] = set()
        self.dropped = 0
        """Unknowns given up because there were too many."""
        self.use(threshold, records, gone)

    def use(self, threshold: float, records: Iterable[Unknown], gone: Container[str]) -> None:
        """Go on with what the gallery holds now; what is not stored yet stays, unless it is `gone`.

        `threshold` is the cosine from which on two sightings are the same person; `gone` are the ids that must not
        be given again.
        """
        unsaved = {i: self._records[i] for i in self._changed if i not in gone}
        self._threshold = threshold
        self._gone = gone
        self._records = {r.id: r for r in records if r.id not in gone and r.id not in self._expired} | unsaved
        self._changed = set(unsaved)
        if self._days == 0:
            for unknown in list(self._records):
                self._drop(unknown)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def ids(self) -> frozenset[str]:
        """Ids of those that are remembered."""
        return frozenset(self._records)

    def see(self, embeddings: Sequence[Embedding], wall: float, camera: str) -> str | None:
        """Take in one visit of a person who is not enrolled, and give their id; None until two sightings agree.

        `embeddings` are the good ones of the visit, at least one. With 0 days nothing is kept and nobody has an id.
        """
        if self._days == 0:
            return None
        agreeing = _agreeing(embeddings, self._threshold) or embeddings[:1]
        visit = Unknown("", unit_mean(agreeing), _varied((), agreeing), len(agreeing), 1, wall, wall, camera)
        known = _nearest(list(self._records.values()), visit.mean, self._threshold)
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

    def drain(self, wall: float | None = None) -> Drained:
        """Take what has changed since the last time, for Gallery.keep_unknowns; with `wall`, the expired as well."""
        if wall is not None:
            self._expire(wall)
        drained = Drained(tuple(self._records[i] for i in sorted(self._changed)), tuple(sorted(self._expired)))
        self._changed.clear()
        self._expired.clear()
        return drained

    def _keep(self, unknown: Unknown) -> str:
        self._records[unknown.id] = unknown
        self._changed.add(unknown.id)
        while len(self._records) > CAPACITY:
            self._drop(min(self._records.values(), key=lambda r: (r.last, r.id)).id)
            self.dropped += 1
        return unknown.id

    def _expire(self, wall: float) -> None:
        oldest = wall - self._days * _DAY
        for record in [r for r in self._records.values() if r.last < oldest]:
            self._drop(record.id)
        self._pending = [p for p in self._pending if p.last >= oldest]

    def _drop(self, unknown: str) -> None:
        del self._records[unknown]
        self._changed.discard(unknown)
        self._expired.add(unknown)

    def _new_id(self) -> str:
        """Name the next unknown of this boot, the same on every replay: longer when the short form is taken."""
        digest = hashlib.sha256(f"{self._boot}:{self._counter}".encode()).hexdigest()
        self._counter += 1
        ids = (f"u-{digest[:length]}" for length in range(4, len(digest)))
        return next(i for i in ids if not (i in self._records or i in self._gone or i in self._expired))


def _agreeing(embeddings: Sequence[Embedding], threshold: float) -> list[Embedding]:
    """Those that are the same person as another one of them."""
    rows = np.stack(embeddings)
    alike = rows @ rows.T >= threshold
    np.fill_diagonal(alike, val=False)
    return [embedding for embedding, agrees in zip(embeddings, alike.any(axis=1), strict=True) if agrees]


def _nearest(records: Sequence[Unknown], mean: Embedding, threshold: float) -> Unknown | None:
    """Find the record nearest to `mean`, if its cosine reaches the threshold."""
    if not records:
        return None
    scores = np.stack([r.mean for r in records]) @ mean
    best = int(np.argmax(scores))
    return records[best] if scores[best] >= threshold else None


def _joined(known: Unknown, visit: Unknown) -> Unknown:
    """Add a visit to what is known of the same person."""
    total = known.mean * np.float32(known.weight) + visit.mean * np.float32(visit.weight)
    return replace(
        known,
        mean=unit_mean([total / np.float32(known.weight + visit.weight)]),
        templates=_varied(known.templates, visit.templates),
        weight=min(_WEIGHT, known.weight + visit.weight),
        sightings=known.sightings + 1,
        last=max(known.last, visit.last),
        camera=visit.camera,
    )


def _varied(kept: tuple[Embedding, ...], offered: Sequence[Embedding]) -> tuple[Embedding, ...]:
    """Add those of `offered` that are not nearly one of the kept, up to TEMPLATES."""
    for embedding in offered:
        if len(kept) < TEMPLATES and all(float(embedding @ other) < _SAME_SHOT for other in kept):
            kept = (*kept, embedding)
    return kept
