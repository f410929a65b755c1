"""Keeps the templates in memory as the database and the keyring have them: loads all, then follows each change."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from edgeface.centre.search.index import Index, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgeface.centre.records import Site
    from edgeface.centre.tables.templates import Opened, Templates

_SPARE = 4
"""Rows for which there is room, for each that is expected."""
_PAGES = 8
"""Pages of changes that one call takes in, so that the supervisor hears its workers in between."""


class Following:
    """Owns the memory that workers map; one thread uses it."""

    def __init__(self, templates: Templates, model: str, size: int, room: int = 20_000) -> None:
        """`size` is that of the embeddings of `model`; templates of another size are left out. `room` is for rows."""
        self._templates, self._model, self._size = templates, model, size
        self._index, self.handle = Index.make(size, room)
        self.version = 1
        """Another one for each `handle`."""
        self._seen: dict[str, int] = {}
        """By site: the change number up to which it was read."""
        self._keys = -1
        self._destroyed: set[bytes] = set()

    @property
    def people(self) -> int:
        """How many templates there are."""
        return self._index.count

    def load(self) -> None:
        """Read everyone. Raises FleetError."""
        for state, page in self._templates.every(self._model):
            self._seen = {one.site: one.seq for one in state}
            self._put(page, sum(one.count for one in state), new=True)
        self._index.tidy()

    def follow(self) -> bool:
        """Take in what has changed; False if some is left for the next call. Raises FleetError."""
        every, left = self._templates.sites(), _PAGES
        self._forget_destroyed()
        for site in every:
            if self._seen.get(site.site) == site.seq:
                continue
            self._require_history(site)
            while left and self._seen[site.site] < site.seq:
                self._read(site)
                left -= 1
            if self._seen[site.site] < site.seq:
                return False
        self._index.tidy()
        return True

    def close(self) -> None:
        """Give the memory back, once no worker maps it any more."""
        os.close(self.handle)

    def _forget_destroyed(self) -> None:
        """Remove everyone whose key is destroyed: after a crash, their rows may not know yet."""
        version = self._templates.keys_version
        if version == self._keys:
            return
        destroyed = self._templates.destroyed()
        self._index.remove(destroyed - self._destroyed)
        self._keys, self._destroyed = version, destroyed

    def _require_history(self, site: Site) -> None:
        """Begin a site again if its history does not reach back to where we are, and remove who is gone since.

        A lower number than ours: the database was replaced by an older one.
        """
        if site.floor <= self._seen.setdefault(site.site, 0) <= site.seq:
            return
        present = set(self._templates.people(site.site))
        self._index.remove([one for one in self._index.of_site(site.site) if one not in present])
        self._seen[site.site] = 0

    def _read(self, site: Site) -> None:
        page = self._templates.changes(site.site, self._model, self._seen[site.site])
        if page is None:
            self._seen[site.site] = site.seq
            return
        present = {one.person for one in page.templates}
        self._index.remove([one for one in page.people if one not in present])
        self._put(page.templates)
        # Whoever is beyond the number that we asked for is read again, which changes nothing.
        self._seen[site.site] = min(page.seq, site.seq)

    def _put(self, found: Sequence[Opened], expected: int = 0, *, new: bool = False) -> None:
        """Take in templates, and leave out those that are not a vector of the model's size."""
        sized = [one for one in found if len(one.mean) == 2 * self._size and one.person not in self._destroyed]
        matrix, good = _units(b"".join(one.mean for one in sized), self._size)
        usable = [one for one, is_good in zip(sized, good, strict=True) if is_good]
        if not new:
            self._index.remove({one.person for one in found}.difference(one.person for one in usable))
        self._make_room(max(len(usable), expected - self._index.count))
        rows = [one.person for one in usable], [one.site for one in usable], matrix[good], [one.ends for one in usable]
        self._index.put(Rows(*rows), new=new)

    def _make_room(self, rows: int) -> None:
        """Move to memory with more room; workers get it with the next confirmation, and have the old one until then."""
        if rows <= self._index.room:
            return
        capacity = _SPARE * (self._index.count + rows)
        index, handle = self._index.copied(capacity)
        os.close(self.handle)
        self._index, self.handle, self.version = index, handle, self.version + 1


def _units(means: bytes, size: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Templates as unit rows, and which of them are vectors at all."""
    rows = np.frombuffer(means, "<f2").astype(np.float32).reshape(-1, size)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    good = (np.isfinite(lengths) & (lengths > 0)).reshape(-1)
    lengths[~good] = 1
    return np.asarray(rows / lengths, np.float32), good
