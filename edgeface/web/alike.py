"""Pairs of people who look too alike, kept up to date by difference: all pairs of 10,000 people take a second."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from edgeface.gallery.search import pairs
from edgeface.gallery.snapshot import MAX_ALIKE

if TYPE_CHECKING:
    from edgeface.gallery.snapshot import GallerySnapshot

    Pairs = list[tuple[str, str, float]]

# The limit depends on the number of people, so that pairs a little below it are kept, too.
_BELOW = 0.03
# With more people who have changed, all pairs are compared again.
_FEW = 200


class _Known(NamedTuple):
    snapshot: GallerySnapshot
    least: float
    pairs: Pairs


class AlikePairs:
    """The pairs of the newest snapshot; any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def of(self, snapshot: GallerySnapshot, least: float) -> Pairs:
        """The pairs that `snapshot.alike(least)` gives; fast if few people have changed since the last call."""
        with self._lock:
            known = self._known
            if known is None or not known.least <= least <= known.least + 2 * _BELOW or len(known.pairs) >= MAX_ALIKE:
                known = _whole(snapshot, least - _BELOW)
            elif known.snapshot is not snapshot:
                known = _updated(known, snapshot)
            self._known = known
        return [pair for pair in known.pairs if pair[2] >= least]


def _whole(snapshot: GallerySnapshot, least: float) -> _Known:
    found = pairs(snapshot.matrix, least, MAX_ALIKE)
    ids = [person.id for person in snapshot.people]
    return _Known(snapshot, least, [(ids[one], ids[other], score) for one, other, score in found])


def _updated(known: _Known, snapshot: GallerySnapshot) -> _Known:
    """The pairs of a later snapshot: those of people who have changed are compared again."""
    before = {person.id: person for person in known.snapshot.people}
    changed = {person.id for person in snapshot.people if before.get(person.id) is not person}
    if len(changed) > _FEW:
        return _whole(snapshot, known.least)
    kept = [pair for pair in known.pairs if all(who in snapshot.rows and who not in changed for who in pair[:2])]
    kept += snapshot.alike_among(changed, known.least)
    return _Known(snapshot, known.least, sorted(kept, key=lambda pair: -pair[2])[:MAX_ALIKE])
