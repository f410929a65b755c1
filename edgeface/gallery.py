"""People and their templates, and the unknowns: SQLite on disk, one matrix in memory.

A Gallery is one connection: it belongs to the thread that opened it, and another thread or process opens its own.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from edgeface import store
from edgeface.errors import GalleryError
from edgeface.names import check_id, display_name, printable
from edgeface.unknowns import Unknown
from edgeface.view import MAX_TEMPLATES, Person, Template, View, check_embedding, from_blob, make_view, means, to_blob

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


__all__ = ["FILE", "Change", "Gallery", "Person", "Template", "View"]

FILE = "gallery.db"
# `gone` has the ids of unknowns that were enrolled or deleted: a daemon that still holds one must not bring it back.
# `state.generation` rises with every change that a running daemon must see.
_SCHEMA = (
    """
    CREATE TABLE people (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, ignored INTEGER NOT NULL, enrolled REAL NOT NULL
    );
    CREATE TABLE templates (
        person TEXT NOT NULL REFERENCES people(id) ON DELETE CASCADE,
        embedding BLOB NOT NULL, model TEXT NOT NULL, source TEXT NOT NULL, wall REAL NOT NULL,
        UNIQUE (person, model, embedding)
    );
    CREATE INDEX by_model ON templates (model);
    CREATE TABLE unknowns (
        id TEXT PRIMARY KEY, mean BLOB NOT NULL, templates BLOB NOT NULL, model TEXT NOT NULL,
        weight INTEGER NOT NULL, sightings INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
        camera TEXT NOT NULL
    );
    CREATE TABLE gone (id TEXT PRIMARY KEY);
    CREATE TABLE state (generation INTEGER NOT NULL);
    INSERT INTO state VALUES (1)
    """,
)


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did, for the audit trail; holds no name and no embedding."""

    kind: Literal["enrolled", "renamed", "deleted"]
    person: str
    wall: float


class Gallery:
    """The gallery of one data folder; every write is one durable transaction."""

    def __init__(self, path: Path, connection: sqlite3.Connection, model: str) -> None:
        self.path = path
        self.model = model
        """Name of the embedder whose templates take part."""
        self._db = connection
        self._version = -1
        self._generation = -1

    @classmethod
    def open(cls, folder: Path, model: str) -> Gallery:
        """Open the gallery of `folder`, creating both when missing; GalleryError when the file cannot be used.

        `model` is the embedder's name. A file that cannot be used is left as it is.
        """
        path = folder / FILE
        return cls(path, store.open_database(path, _SCHEMA, "gallery"), model)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def changed(self) -> bool:
        """Whether people or unknowns were changed since the last snapshot, by anybody; costs microseconds.

        What `keep_unknowns` stores does not count.
        """
        with store.translated(self.path):
            # data_version stands still for this connection's own commits; those reset _version to -1.
            version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
            if version == self._version:
                return False
            changed = self._read_generation() != self._generation
            if not changed:
                self._version = version
            return changed

    def snapshot(self) -> View:
        """Read everybody who has templates of the model."""
        with store.translated(self.path):
            self._db.execute("BEGIN")
            try:
                version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
                generation = self._read_generation()
                people = self._people()
                rows = self._db.execute(
                    "SELECT person, embedding FROM templates WHERE model = ? ORDER BY person, rowid", (self.model,)
                ).fetchall()
            finally:
                self._db.execute("COMMIT")
        self._version, self._generation = version, generation
        return make_view(people, rows)

    def people(self) -> list[Person]:
        """Everybody, by id."""
        with store.translated(self.path):
            return self._people()

    def person(self, person: str) -> Person:
        """One of the people; GalleryError when there is no such id."""
        found = next((p for p in self.people() if p.id == person), None)
        if found is None:
            raise GalleryError(f"{printable(person)}: nobody is enrolled by this id (edgeface people lists them)")
        return found

    def templates(self, person: str) -> list[Template]:
        """A person's templates of every model, oldest first."""
        with store.translated(self.path):
            rows = self._db.execute(
                "SELECT embedding, model, source, wall FROM templates WHERE person = ? ORDER BY rowid", (person,)
            ).fetchall()
        return [Template(from_blob(blob), model, source, wall) for blob, model, source, wall in rows]

    def enroll(
        self,
        person: str,
        name: str | None,
        templates: Sequence[Template],
        wall: float,
        *,
        ignored: bool = False,
        unknown: str | None = None,
    ) -> Change:
        """Add a person, or more templates to one; a name of None keeps the old one or takes the id.

        A template that is there already is not stored twice. `unknown` is the id of an unknown that this person is,
        which goes in the same transaction.
        """
        check_id(person)
        for template in templates:
            check_embedding(template.embedding)
        with self._write():
            self._put(person, name, templates, wall, ignored=ignored)
            if unknown is not None:
                self._drop_unknowns([unknown])
        return Change("enrolled", person, wall)

    def replace(self, person: str, name: str, templates: Sequence[Template], wall: float, *, ignored: bool) -> Change:
        """Put a person in the place of whoever has the id."""
        check_id(person)
        for template in templates:
            check_embedding(template.embedding)
        with self._write():
            self._db.execute("DELETE FROM people WHERE id = ?", (person,))
            self._put(person, name, templates, wall, ignored=ignored)
        return Change("enrolled", person, wall)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make the enrollments inside one transaction: all of them or none."""
        with self._write():
            yield

    def rename(self, person: str, name: str, wall: float) -> Change:
        """Change the display name."""
        with self._write():
            self._require(person)
            self._db.execute("UPDATE people SET name = ? WHERE id = ?", (display_name(name, person), person))
        return Change("renamed", person, wall)

    def forget(self, person: str, wall: float, alike: float = 2.0) -> Change:
        """Erase a person from the file: name, templates, and the unknowns whose cosine to them is `alike` or more.

        The text of the error says so when another process keeps the bytes in the log for now.
        """
        with self._write():
            self._require(person)
            mean = means([(person, t.embedding.tobytes()) for t in self.templates(person) if t.model == self.model])
            same = [u.id for u in self.unknowns() if person in mean and float(mean[person] @ u.mean) >= alike]
            self._drop_unknowns(same)
            self._db.execute("DELETE FROM people WHERE id = ?", (person,))
        store.erase(self._db, self.path)
        return Change("deleted", person, wall)

    def unknowns(self) -> list[Unknown]:
        """Read the stored unknowns of the gallery's model, the one last seen first."""
        with store.translated(self.path):
            rows = self._db.execute(
                "SELECT id, mean, templates, weight, sightings, first, last, camera FROM unknowns"
                " WHERE model = ? ORDER BY last DESC, id",
                (self.model,),
            ).fetchall()
        return [_unknown(row) for row in rows]

    def gone(self) -> frozenset[str]:
        """Ids of unknowns that were enrolled or deleted: never to be given again."""
        with store.translated(self.path):
            return frozenset(row[0] for row in self._db.execute("SELECT id FROM gone"))

    def keep_unknowns(self, kept: Iterable[Unknown], expired: Iterable[str] = ()) -> None:
        """Store what Unknowns.drain gave; one that was enrolled or deleted meanwhile stays away."""
        with self._write(told=False):
            for unknown in kept:
                self._db.execute(
                    "INSERT OR REPLACE INTO unknowns (id, mean, templates, model, weight, sightings, first, last,"
                    " camera) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE ? NOT IN (SELECT id FROM gone)",
                    (*_columns(unknown, self.model), unknown.id),
                )
            self._db.executemany("DELETE FROM unknowns WHERE id = ?", [(i,) for i in expired])

    def forget_unknown(self, unknown: str) -> None:
        """Erase one unknown from the file."""
        with self._write():
            if not self._db.execute("SELECT 1 FROM unknowns WHERE id = ?", (unknown,)).fetchone():
                raise GalleryError(f"{printable(unknown)}: no such unknown (edgeface people --unknown lists them)")
            self._drop_unknowns([unknown])
        store.erase(self._db, self.path)

    @contextmanager
    def _write(self, *, told: bool = True) -> Iterator[None]:
        with store.translated(self.path), store.transaction(self._db):
            yield
            if told:
                self._db.execute("UPDATE state SET generation = generation + 1")
                self._version = -1

    def _read_generation(self) -> int:
        return int(self._db.execute("SELECT generation FROM state").fetchone()[0])

    def _people(self) -> list[Person]:
        rows = self._db.execute(
            "SELECT id, name, ignored, enrolled, count(model), coalesce(sum(model = ?), 0) FROM people"
            " LEFT JOIN templates ON person = id GROUP BY id ORDER BY id",
            (self.model,),
        )
        return [Person(i, name, bool(ignored), wall, own, every - own) for i, name, ignored, wall, every, own in rows]

    def _require(self, person: str) -> None:
        if not self._db.execute("SELECT 1 FROM people WHERE id = ?", (person,)).fetchone():
            raise GalleryError(f"{printable(person)}: nobody is enrolled by this id (edgeface people lists them)")

    def _put(self, person: str, name: str | None, templates: Sequence[Template], wall: float, *, ignored: bool) -> None:
        row = self._db.execute("SELECT ignored FROM people WHERE id = ?", (person,)).fetchone()
        if row is None:
            values = (person, display_name(name, person), ignored, wall)
            self._db.execute("INSERT INTO people (id, name, ignored, enrolled) VALUES (?, ?, ?, ?)", values)
        elif bool(row[0]) != ignored:
            raise GalleryError(f"{person}: {'on the ignore list' if row[0] else 'enrolled'} already; forget them first")
        elif name is not None:
            self._db.execute("UPDATE people SET name = ? WHERE id = ?", (display_name(name, person), person))
        self._require_sizes(templates)
        rows = [(person, to_blob(t.embedding), t.model, t.source, t.wall) for t in templates]
        self._db.executemany("INSERT OR IGNORE INTO templates VALUES (?, ?, ?, ?, ?)", rows)
        count = self._db.execute("SELECT count(*) FROM templates WHERE person = ?", (person,)).fetchone()[0]
        if count > MAX_TEMPLATES:
            raise GalleryError(f"{person}: {count} templates; {MAX_TEMPLATES} are the most, and 5 to 10 are enough")

    def _require_sizes(self, templates: Sequence[Template]) -> None:
        for model in {template.model for template in templates}:
            query = "SELECT length(embedding) / 4 FROM templates WHERE model = ? LIMIT 1"
            sizes = {int(row[0]) for row in self._db.execute(query, (model,))}
            sizes |= {template.embedding.size for template in templates if template.model == model}
            if len(sizes) > 1:
                raise GalleryError(f"{model}: embeddings of {sorted(sizes)} numbers in one gallery")

    def _drop_unknowns(self, ids: Sequence[str]) -> None:
        for unknown in ids:
            self._db.execute("DELETE FROM unknowns WHERE id = ?", (unknown,))
            self._db.execute("INSERT OR IGNORE INTO gone VALUES (?)", (unknown,))


def _columns(unknown: Unknown, model: str) -> tuple[object, ...]:
    templates = b"".join(to_blob(template) for template in unknown.templates)
    return (
        unknown.id, to_blob(unknown.mean), templates, model, unknown.weight, unknown.sightings,
        unknown.first, unknown.last, unknown.camera,
    )  # fmt: skip


def _unknown(row: tuple[Any, ...]) -> Unknown:
    identity, mean, templates, weight, sightings, first, last, camera = row
    vector = from_blob(mean)
    rows = from_blob(templates).reshape(-1, vector.size)
    return Unknown(identity, vector, tuple(rows), weight, sightings, first, last, camera)
