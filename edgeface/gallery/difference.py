"""Reads gallery.db into a snapshot by difference: only people who have changed since an earlier one are unsealed."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.sqlite import among
from edgeface.gallery.corrections import find_negatives
from edgeface.gallery.file import Versions, look
from edgeface.gallery.negatives import Denials
from edgeface.gallery.snapshot import GallerySnapshot, Stored, rows_of, unit_mean

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding
    from edgeface.gallery.rows import RowCodec
    from edgeface.gallery.snapshot import Moment, Person

    Floats = NDArray[np.float32]

_ID, _FOREIGN = attrgetter("id"), attrgetter("foreign")
# Of the people, one in so many may have changed for their list to be edited; with more, it is sorted again.
_FEW = 16


def take_up(
    db: sqlite3.Connection, codec: RowCodec, model: str, moment: Moment | None, base: GallerySnapshot | None = None
) -> GallerySnapshot:
    """The snapshot of the file as it is now, without those who are not matched at `moment`; `base` itself if equal.

    `base` may be any snapshot that was read from the file, at any time and by any program: people are compared by
    their version, not by age. Raises VaultError if a row that has changed was altered.
    """
    if base is None or base.stored is None or base.stored.model != model:
        base = GallerySnapshot((), _frozen(np.zeros((0, 0), np.float32)), 0)
    before, fresh = base.stored or _nothing(model), _Fresh(db, codec, model)
    # A clock that is set back brings people back who had expired, and a new lease those of its site.
    away = before.apart.items() if len(base.rows) < len(before.people) else ()
    back = {tag for tag, one in away if one.id not in base.rows and _shown(one, moment)}
    stored, left = _read(db, before, fresh, back)
    hidden = {one.id for one in stored.apart.values() if not _shown(one, moment)}
    shown = tuple([one for one in stored.everyone if one.id not in hidden]) if hidden else stored.everyone
    if stored is base.stored and shown == base.people:
        return base
    return _assembled(base, stored, shown, hidden | left, fresh)


def everyone(
    db: sqlite3.Connection, codec: RowCodec, model: str, base: GallerySnapshot | None = None
) -> tuple[Person, ...]:
    """All people by id, including the expired; only those who have changed since `base` are read."""
    known = base.stored if base is not None and base.stored is not None and base.stored.model == model else None
    return _read(db, known or _nothing(model), _Fresh(db, codec, model), set())[0].everyone


def _nothing(model: str) -> Stored:
    return Stored(model, 0, {}, {}, (), {}, {})


def _read(db: sqlite3.Connection, before: Stored, fresh: _Fresh, also: set[bytes]) -> tuple[Stored, set[str]]:
    """What is stored now, and the ids of those who have gone; the others who have changed, and `also`, become fresh."""
    found = look(db, Versions(before.generation, before.versions))
    gone = found.changed - found.versions.of.keys()
    fresh.read((found.changed | also) - gone)
    left = {before.people[tag].id for tag in gone}
    if not found.changed:
        return before, left
    before = before._replace(generation=found.versions.generation, versions=found.versions.of)
    return _next(before, gone, left, fresh), left


class _Fresh:
    """The people who are read from the file, with their means."""

    def __init__(self, db: sqlite3.Connection, codec: RowCodec, model: str) -> None:
        self._db, self._codec, self._model = db, codec, model
        self.people: dict[bytes, Person] = {}
        self.negatives: dict[str, tuple[Embedding, ...]] = {}
        self.means: dict[str, Embedding] = {}

    def read(self, tags: Collection[bytes]) -> None:
        """Read people."""
        own, counts = dict[bytes, tuple[int, bytes]](), Counter[bytes]()
        query = "SELECT person, model, count, sealed FROM templates WHERE person IN ({})"
        for tag, model, count, sealed in among(self._db, query, tags):
            counts[tag] += count
            if model == self._model:
                own[tag] = count, sealed
        denied: dict[bytes, list[Embedding]] = {}
        for _, tag, negative in find_negatives(self._db, self._codec, self._model, tags):
            denied.setdefault(tag, []).append(negative.embedding)
        for tag, sealed in among(self._db, "SELECT tag, sealed FROM people WHERE tag IN ({})", tags):
            count, row = own.get(tag, (0, b""))
            person = self.people[tag] = self._codec.person(tag, sealed, count, counts[tag] - count)
            if count:
                self.means[person.id] = unit_mean(self._codec.embeddings(tag, self._model, row))
            self.negatives[person.id] = tuple(denied.get(tag, ()))


def _shown(person: Person, moment: Moment | None) -> bool:
    """Whether a person takes part in matching."""
    return person.templates > 0 and (moment is None or moment.shows(person))


def _may_be_hidden(person: Person) -> bool:
    return bool(person.expires or person.site or not person.templates)


def _next(before: Stored, gone: set[bytes], left: set[str], fresh: _Fresh) -> Stored:
    """What is stored now, after the people with these tags and ids have gone, and others were read."""
    people = {**before.people, **fresh.people}
    apart = {**before.apart, **fresh.people}
    for tag in gone:
        del people[tag]
        apart.pop(tag, None)
    for tag, one in fresh.people.items():
        if not _may_be_hidden(one):
            del apart[tag]
    negatives = {**before.negatives, **fresh.negatives}
    negatives = {who: denied for who, denied in negatives.items() if denied and who not in left}
    few = len(left) + len(fresh.people) <= len(people) // _FEW
    everyone = _updated(before.everyone, left, fresh) if few else sorted(people.values(), key=_ID)
    return before._replace(people=people, everyone=tuple(everyone), apart=apart, negatives=negatives)


def _updated(everyone: Sequence[Person], left: set[str], fresh: _Fresh) -> list[Person]:
    """The people by id, without those who have left, and with those who were read."""
    made = list(everyone)
    for who in left:
        del made[bisect_left(made, who, key=_ID)]
    for one in fresh.people.values():
        place = bisect_left(made, one.id, key=_ID)
        known = place < len(made) and made[place].id == one.id
        made[place : place + known] = [one]
    return made


def _assembled(
    base: GallerySnapshot, stored: Stored, shown: tuple[Person, ...], away: set[str], fresh: _Fresh
) -> GallerySnapshot:
    """The snapshot of the people `shown`; who is neither `away` nor fresh has the row of `base`."""
    at = rows_of(shown)
    means = {at[who]: mean for who, mean in fresh.means.items() if who in at}
    places = sorted(means)
    lost = [base.rows[who] for who in away.union(map(_ID, fresh.people.values())) if who in base.rows]
    kept, rows = np.ones(len(shown), np.bool_), np.full(len(shown), -1, np.intp)
    kept[places] = False
    rows[kept] = np.delete(np.arange(len(base.people)), lost)
    matrix = _matrix(base.matrix, rows, [means[place] for place in places])
    denied = [(at[who], each) for who in sorted(stored.negatives.keys() & at.keys()) for each in stored.negatives[who]]
    left_out = sum(map(_FOREIGN, stored.everyone))
    return GallerySnapshot(shown, matrix, left_out, Denials.of(matrix, denied), stored, at, (base, rows))


def _matrix(before: Floats, rows: NDArray[np.intp], means: Sequence[Embedding]) -> Floats:
    """The rows of a matrix in this order; each -1 is replaced by the next of `means`."""
    if not len(rows):
        return _frozen(np.zeros((0, 0), np.float32))
    if len(means) == len(rows):
        return _frozen(np.stack(means))
    matrix = before.take(rows, axis=0, mode="clip")
    if means:
        matrix[rows < 0] = np.stack(means)
    return _frozen(matrix)


def _frozen(matrix: Floats) -> Floats:
    matrix.setflags(write=False)
    return matrix
