"""gallery.db as one connection: the model, the codec of its rows, and durable transactions."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core import sqlite
from edgeface.core.errors import GalleryError
from edgeface.core.text import check_new_id, printable
from edgeface.gallery import rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from edgeface.core.sqlite import Schema
    from edgeface.core.types import Embedding
    from edgeface.gallery.rows import RowCodec
    from edgeface.gallery.snapshot import GallerySnapshot, Person, Template

GENERATION = "SELECT generation FROM state"
"""Selects the number of changes that a running daemon must see."""


class Versions(NamedTuple):
    """Who is in the file, and the number that changes with each of them."""

    generation: int
    """Of the file."""
    of: Mapping[bytes, int]
    """By tag."""


class Look(NamedTuple):
    """What has changed since an earlier look at a file."""

    versions: Versions
    changed: set[bytes]
    """The tags of those who are new, have changed, or have gone."""


def look(db: sqlite3.Connection, before: Versions) -> Look:
    """Who has changed since any earlier look at the file, by whatever program."""
    (generation,) = db.execute("SELECT generation FROM state").fetchone()
    floor = before.generation * (rows.RANDOM_BITS + 1)
    latest = dict(db.execute("SELECT tag, version FROM people WHERE version >= ?", (floor,)))
    versions, asked = {**before.of, **latest}, latest
    # Someone has gone, or a backup was put back: compare everyone.
    if db.execute("SELECT count(*), coalesce(sum(version & 0xffffffff), 0) FROM people").fetchone() != _sum(versions):
        versions = asked = dict(db.execute("SELECT tag, version FROM people"))
    changed = {tag for tag, version in asked.items() if before.of.get(tag) != version}
    return Look(Versions(generation, versions), changed | (before.of.keys() - versions.keys()))


def _sum(versions: Mapping[bytes, int]) -> tuple[int, int]:
    return len(versions), sum([version & 0xFFFFFFFF for version in versions.values()])


def no_one(person: str) -> GalleryError:
    """What is raised for the id of a person who is not enrolled."""
    return GalleryError(f"{printable(person)}: no one is enrolled with this id (edgeface people lists the ids)")


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
        self._db = connection
        self._codec = codec
        self._version = -1
        self._generation = -1
        self._visible = False
        self._means: dict[str, tuple[int, Embedding | None]] = {}

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

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

    def keep_only_model(self) -> None:
        """Erase what other models have made of everyone who has templates of this one."""
        with sqlite.translated(self.path):
            if self._db.execute("SELECT 1 FROM templates WHERE model != ?", (self.model,)).fetchone() is None:
                return
        with self.transaction():
            for table in ("templates", "negatives"):
                self._db.execute(
                    f"DELETE FROM {table} WHERE model != ?1"  # noqa: S608 - a table of this line
                    " AND person IN (SELECT person FROM templates WHERE model = ?1)",
                    (self.model,),
                )
            self._db.execute("UPDATE state SET unfinished = 1")
        self.finish_erasure()

    def written(self) -> tuple[int, int]:
        """What differs if anyone may have written to the file since; takes microseconds."""
        with sqlite.translated(self.path):
            return self._number("PRAGMA data_version"), self._db.total_changes

    def look(self, before: Versions) -> Look:
        """Who has changed since any earlier look at the file, whoever wrote; milliseconds for 10,000 people."""
        with sqlite.translated(self.path), sqlite.reading(self._db):
            return look(self._db, before)

    def versions(self, people: Iterable[str]) -> dict[str, int]:
        """The number that changes with a person, whoever writes, by id; an id that no one has is left out."""
        ids = {self.tag(one): one for one in people}
        with sqlite.translated(self.path):
            found = sqlite.among(self._db, "SELECT tag, version FROM people WHERE tag IN ({})", ids)
            return {ids[tag]: version for tag, version in found}

    def put(self, people: Iterable[Person]) -> None:
        """Store people as given; their templates stay as they are."""
        sealed = []
        for one in people:
            check_new_id(one.id)
            sealed.append((self.tag(one.id), self._codec.seal_person(one)))
        query = "INSERT INTO people (tag, sealed) VALUES (?, ?) ON CONFLICT DO UPDATE SET sealed = excluded.sealed"
        with self.transaction():
            self._db.executemany(query, sealed)

    def set_templates(self, templates: Mapping[str, Template]) -> None:
        """Give people one template in place of those that they have of the model; raises GalleryError as `enroll`."""
        with self.transaction():
            rows.set_templates(self._codec, self._db, self.model, templates)

    def end(self, people: Iterable[str], last: str) -> None:
        """Have people expire on a day; an id that no one has is left out."""
        with self.transaction():
            tags = [*map(self.tag, people)]
            found = sqlite.among(self._db, "SELECT tag, sealed FROM people WHERE tag IN ({})", tags)
            ended = ((replace(self._codec.person(*row), expires=last), row[0]) for row in found)
            sealed = [(self._codec.seal_person(person), tag) for person, tag in ended]
            self._db.executemany("UPDATE people SET sealed = ? WHERE tag = ?", sealed)

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
