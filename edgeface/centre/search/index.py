"""Templates in memory that one process writes and workers map read-only; no file has it.

The rows lie without gaps. The writer makes a number odd before a change and even after it: a search that saw it odd,
or another one at its end, is repeated. So the writer never waits, and who is forgotten is gone at once.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgeface.core.errors import FleetError
from edgeface.gallery.search import LARGE, Bounded, Exact, main_axes, off_axes

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding
    from edgeface.gallery.search import Search

MOST_SITES = 10_000
_PERSON, _NAME = 16, 64
_ALIGNED = 4096
_BLOCK = 1 << 16
_WORTH = 2
"""Axes are used if an embedding has at least so many numbers for each."""
_STALE = 0.25
"""The axes are chosen again when this share of the rows was replaced."""
_FIELDS = 6
_GENERATION, _COUNT, _SITES, _AXES, _CAPACITY, _SIZE = range(_FIELDS)
# memfd_create(2), fcntl(2): no one else can change or resize it. Python has no name for F_SEAL_FUTURE_WRITE.
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | 0x0010


class Rows(NamedTuple):
    """What is put into an index: one of each for each person."""

    people: Sequence[bytes]
    sites: Sequence[str]
    matrix: NDArray[np.float32]
    """Unit rows."""
    ends: Sequence[int]
    """The ordinal of the first day on which they are no longer found."""


class Found(NamedTuple):
    """One candidate."""

    site: str
    person: bytes
    score: float
    """Cosine, -1 to 1."""


class Index:
    """Rows of unit vectors, each with site, person and day of expiry; one thread uses it."""

    def __init__(self, memory: mmap.mmap, capacity: int, size: int) -> None:
        self._memory = memory
        arrays: dict[str, NDArray[Any]] = {}
        at = 0
        for name, (kind, shape) in _layout(capacity, size).items():
            arrays[name] = np.frombuffer(memory, kind, int(np.prod(shape)), at).reshape(shape)
            at = _aligned(at + arrays[name].nbytes)
        self._state: NDArray[np.int64] = arrays["state"]
        self._names, self._person = arrays["names"], arrays["person"]
        self._site, self._ends = arrays["site"], arrays["ends"]
        self._matrix, self._off = arrays["matrix"], arrays["off"]
        self._axes, self._along = arrays["axes"], arrays["along"]
        self._replaced = 0

    @classmethod
    def make(cls, size: int, capacity: int) -> tuple[Index, int]:
        """An empty one for embeddings of this size, with its file descriptor; only rows that are there take memory."""
        handle = os.memfd_create("edgeface-templates", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.truncate(handle, _bytes(capacity, size))
        memory = mmap.mmap(handle, 0)
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, _SEALS)
        np.frombuffer(memory, np.int64, _FIELDS)[[_CAPACITY, _SIZE]] = capacity, size
        return cls(memory, capacity, size), handle

    @classmethod
    def mapped(cls, handle: int) -> Index:
        """What `make` made in another process, read-only."""
        memory = mmap.mmap(handle, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        capacity, size = (int(n) for n in np.frombuffer(memory, np.int64, _FIELDS)[[_CAPACITY, _SIZE]])
        return cls(memory, capacity, size)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return int(self._state[_COUNT])

    @property
    def size(self) -> int:
        """Numbers of an embedding."""
        return int(self._state[_SIZE])

    @property
    def generation(self) -> int:
        """Odd while the rows change, and another number after each change."""
        return int(self._state[_GENERATION])

    # What the writer does

    @property
    def room(self) -> int:
        """How many more rows there is room for."""
        return int(self._state[_CAPACITY]) - self.count

    def put(self, rows: Rows, *, new: bool = False) -> None:
        """Add rows, or replace those of the same people, for which there must be room; `new`: these have none yet.

        Raises FleetError for too many sites.
        """
        if not rows.people:
            return
        numbers = self._numbers(rows.sites)
        self._state[_GENERATION] += 1
        if not new:
            self._drop(rows.people)
        where = slice(self.count, self.count + len(rows.people))
        self._person[where] = _pairs(rows.people)
        self._site[where], self._ends[where], self._matrix[where] = numbers, rows.ends, rows.matrix
        self._project(where)
        self._state[_COUNT] = where.stop
        self._state[_GENERATION] += 1
        self._replaced += len(rows.people)

    def remove(self, people: Collection[bytes]) -> int:
        """Remove the rows of these people, whose numbers are zeros afterwards; returns how many there were."""
        self._state[_GENERATION] += 1
        gone = self._drop(people)
        self._state[_GENERATION] += 1
        self._replaced += gone
        return gone

    def of_site(self, site: str) -> list[bytes]:
        """Everyone of a site."""
        number = self._known().get(site, -1)
        return [row.tobytes() for row in self._person[: self.count][self._site[: self.count] == number]]

    def tidy(self) -> None:
        """Choose the axes of the search again, if enough rows were replaced since; a second for a million rows."""
        if self.count < LARGE or self._replaced <= _STALE * self.count:
            return
        axes = main_axes(self._matrix[: self.count])
        kept = axes.shape[1] if axes.shape[1] * _WORTH <= self.size else 0
        self._state[_GENERATION] += 1
        self._state[_AXES] = kept
        self._axes.reshape(-1)[: self.size * kept] = axes[:, :kept].reshape(-1)
        for start in range(0, self.count, _BLOCK):
            self._project(slice(start, min(start + _BLOCK, self.count)))
        self._state[_GENERATION] += 1
        self._replaced = 0

    def copied(self, capacity: int) -> tuple[Index, int]:
        """The same rows in memory with more room."""
        made, handle = Index.make(self.size, capacity)
        names = list(self._known())
        for start in range(0, self.count, _BLOCK):
            part = slice(start, min(start + _BLOCK, self.count))
            people = [one.tobytes() for one in self._person[part]]
            sites = [names[number] for number in self._site[part]]
            made.put(Rows(people, sites, self._matrix[part], self._ends[part].tolist()), new=True)
        made.tidy()
        return made, handle

    def _drop(self, people: Collection[bytes]) -> int:
        """Move the last rows into the places of these people's, and overwrite what is then free with zeros."""
        if not people or not self.count:
            return 0
        count = self.count
        wanted = _pairs(people)
        # The half of a random number finds nearly all; the other half decides.
        some = np.flatnonzero(np.isin(self._person[:count, 0], wanted[:, 0]))
        known = set(people)
        gone = np.array([row for row in some if self._person[row].tobytes() in known], np.intp)
        left = count - len(gone)
        free = gone[gone < left]
        last = np.setdiff1d(np.arange(left, count), gone, assume_unique=True)
        for array in (self._person, self._site, self._ends, self._matrix, self._off, self._rows_along()):
            array[free] = array[last]
            array[left:count] = 0
        self._state[_COUNT] = left
        return len(gone)

    def _project(self, where: slice) -> None:
        if self._state[_AXES]:
            along, rows = self._rows_along(), self._matrix[where]
            along[where] = rows @ self._used_axes()
            self._off[where] = off_axes(rows, along[where])

    def _numbers(self, sites: Sequence[str]) -> NDArray[np.uint16]:
        known = self._known()
        for site in dict.fromkeys(sites):
            if site not in known:
                number = len(known)
                if number == MOST_SITES:
                    raise FleetError(f"more than {MOST_SITES} sites cannot be searched")
                self._names[number] = site.encode()
                self._state[_SITES] = number + 1
                known[site] = number
        return np.array([known[site] for site in sites], np.uint16)

    # What both do

    def _known(self) -> dict[str, int]:
        return {bytes(name).decode(): n for n, name in enumerate(self._names[: int(self._state[_SITES])])}

    def _used_axes(self) -> NDArray[np.float32]:
        kept = int(self._state[_AXES])
        return self._axes.reshape(-1)[: self.size * kept].reshape(self.size, kept)

    def _rows_along(self) -> NDArray[np.float32]:
        """The rows along the axes, without a gap: the number of axes is known only once there are rows."""
        kept, capacity = int(self._state[_AXES]), int(self._state[_CAPACITY])
        return self._along.reshape(-1)[: capacity * kept].reshape(capacity, kept)

    # What a worker does

    def best(self, probe: Embedding, most: int, sites: Collection[str] | None, today: int) -> list[Found] | None:
        """The best rows of these sites, the best first; None if the rows changed meanwhile: ask again.

        Nothing of another site is compared with, and no one whose day of expiry has come.
        """
        before = self.generation
        if before % 2:
            return None
        count = self.count
        among = self._allowed(count, sites, today)
        if not count or (among is not None and not among.size):
            found = []
        else:
            ranked = self._search(count).best(probe, most, among)
            names = self._names
            found = [
                Found(bytes(names[self._site[row]]).decode(), self._person[row].tobytes(), float(score))
                for row, score in zip(ranked.rows, ranked.scores, strict=True)
            ]
        return found if self.generation == before else None

    def _allowed(self, count: int, sites: Collection[str] | None, today: int) -> NDArray[np.intp] | None:
        """The rows that may be found; None: all."""
        ends = self._ends[:count]
        expired = bool(count) and int(ends.min()) <= today
        if sites is None and not expired:
            return None
        allowed = ends > today
        if sites is not None:
            known = self._known()
            named = np.zeros(MOST_SITES, np.bool_)
            named[[known[site] for site in sites if site in known]] = True
            allowed &= named[self._site[:count]]
        return np.flatnonzero(allowed)

    def _search(self, count: int) -> Search:
        matrix = self._matrix[:count]
        if not self._state[_AXES] or count < LARGE:
            return Exact(matrix)
        return Bounded(matrix, self._used_axes(), self._rows_along()[:count], self._off[:count])


def _pairs(people: Collection[bytes]) -> NDArray[np.uint64]:
    """The random numbers of people, two halves each."""
    return np.frombuffer(b"".join(people), np.uint64).reshape(-1, _PERSON // 8)


def _layout(capacity: int, size: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    most, f4 = size // _WORTH, np.dtype(np.float32)
    return {
        "state": (np.dtype(np.int64), (_FIELDS,)),
        "names": (np.dtype(f"S{_NAME}"), (MOST_SITES,)),
        "axes": (f4, (size, most)),
        "person": (np.dtype(np.uint64), (capacity, _PERSON // 8)),
        "site": (np.dtype(np.uint16), (capacity,)),
        "ends": (np.dtype(np.int32), (capacity,)),
        "off": (f4, (capacity,)),
        "matrix": (f4, (capacity, size)),
        "along": (f4, (capacity, most)),
    }


def _bytes(capacity: int, size: int) -> int:
    return sum(_aligned(int(np.prod(shape)) * kind.itemsize) for kind, shape in _layout(capacity, size).values())


def _aligned(at: int) -> int:
    return -(-at // _ALIGNED) * _ALIGNED
