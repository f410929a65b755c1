"""gallery.db as one connection: the model, the codec of its rows, and durable transactions."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeface.core import sqlite
from edgeface.core.errors import GalleryError
from edgeface.core.text import printable
from edgeface.gallery.leases import LeaseReader
from edgeface.gallery.snapshot import Moment, day

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.core.sqlite import Schema
    from edgeface.core.types import Embedding
    from edgeface.gallery.rows import RowCodec
    from edgeface.gallery.snapshot import GallerySnapshot

GENERATION = "SELECT generation FROM state"
"""Selects the number of changes that a running daemon must see."""


def no_one(person: str) -> GalleryError:
    """What is raised for the id of a person who is not enrolled."""
    return GalleryError(f"{printable(person)}: no one is enrolled with this id (edgeface people lists the ids)")


def no_unknown(unknown: str) -> GalleryError:
    """What is raised for an id that no unknown has."""
    return GalleryError(f"{printable(unknown)}: no such unknown (edgeface people --unknown lists them)")


class GalleryFile:
    """The connection of one thread; every write is one durable transaction."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, model: str, codec: RowCodec, problem: str | None = None
    ) -> None:
        self.path = path
        self.model = model
        """Name of the embedder whose templates take part."""
        self.problem = problem
        """Why nothing can be written, in one line: this is then a copy in memory, and every write a GalleryError."""
        self.base: GallerySnapshot | None = None
        """A snapshot that `snapshot` starts from; any of the same file will do."""
        self.leases: Callable[[float], frozenset[str]] = LeaseReader(path.parent, codec.vault)
        """The sites of a fleet whose lease is not over at these wall seconds."""
        self._db = connection
        self._codec = codec
        self._version = -1
        self._generation = -1
        self._visible = False
        self._means: dict[str, tuple[int, Embedding | None]] = {}

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def moment(self, wall: float) -> Moment:
        """What decides at `wall` who is matched; equal unless that changes."""
        return Moment(day(wall), self.leases(wall))

    def tag(self, who: str) -> bytes:
        """The tag by which the rows of a person or an unknown are found."""
        return self._codec.tag(who)

    @contextmanager
    def transaction(self, *, visible: bool = True) -> Iterator[None]:
        """Make the writes inside one transaction, all of them or none; `visible` if running daemons must see them."""
        if self.problem is not None:
            raise GalleryError(self.problem)
        outermost = not self._db.in_transaction
        self._visible = visible or (self._visible and not outermost)
        with sqlite.translated(self.path), sqlite.transaction(self._db):
            yield
            # Once for all transactions inside: each change of the row costs as much as a person's.
            if outermost and self._visible:
                self._db.execute("UPDATE state SET generation = generation + 1")
                self._version = -1

    @property
    def unfinished(self) -> bool:
        """Whether an erasure was cut off, for example by a power cut, before the last byte was overwritten."""
        with sqlite.translated(self.path):
            return bool(self._number("SELECT unfinished FROM state"))

    def begin_erasure(self) -> None:
        """Note that an erasure begins, until `finish_erasure` has overwritten what was deleted."""
        with self.transaction(visible=False):
            self._db.execute("UPDATE state SET unfinished = 1")

    def empty_log(self) -> None:
        """Move the log into the file; raises GalleryError if another process reads it, and would keep deleted rows."""
        sqlite.empty_log(self._db, self.path)

    def finish_erasure(self) -> None:
        """Overwrite deleted rows in the file and its log; raises GalleryError if another process reads the log."""
        self._means.clear()
        sqlite.erase(self._db, self.path)
        with self.transaction(visible=False):
            self._db.execute("UPDATE state SET unfinished = 0 WHERE unfinished")

    def versions(self) -> dict[bytes, int]:
        """The number that changes with a person, whoever writes, by tag."""
        with sqlite.translated(self.path):
            return dict(self._db.execute("SELECT tag, version FROM people"))

    def knows(self, who: str) -> bool:
        """Whether the file has a person or an unknown with this id."""
        query = "SELECT 1 FROM people WHERE tag = ?1 UNION ALL SELECT 1 FROM unknowns WHERE tag = ?1"
        with sqlite.translated(self.path):
            return self._db.execute(query, (self.tag(who),)).fetchone() is not None

    def _require(self, person: str) -> None:
        """Raise GalleryError for an id that no person has."""
        if self._db.execute("SELECT 1 FROM people WHERE tag = ?", (self.tag(person),)).fetchone() is None:
            raise no_one(person)

    @property
    def generation(self) -> int:
        """The generation of the file that `snapshot` has read last."""
        return self._generation

    def adopt(self, snapshot: GallerySnapshot, generation: int) -> None:
        """Take over what another connection to the file has read, as if `snapshot` had read it here."""
        self.base, self._version, self._generation = snapshot, -1, generation

    def _number(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])


def connect(path: Path, schema: Schema, *, copy: bool) -> tuple[sqlite3.Connection, str | None]:
    """A connection to the file and None, or to a copy in memory and why it cannot be written."""
    why = GalleryError(f"{path}: opened for reading only")
    if not copy:
        try:
            return sqlite.open_database(path, schema, "gallery"), None
        except GalleryError as error:
            why = error
    problem = f"gallery: cannot be written: {str(why).replace('cannot be written ', '')}"
    return sqlite.open_copy(path, schema, "gallery", why), problem
