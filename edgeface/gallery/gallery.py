"""People and their templates, the unknowns, and pictures of both: sealed in SQLite, one matrix in memory.

A Gallery is one connection: it belongs to the thread that opened it, and another thread or process opens its own.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.core import sqlite
from edgeface.core.errors import GalleryError
from edgeface.core.text import check_id, display_name, printable
from edgeface.gallery import migration, thumbnails
from edgeface.gallery import rows as gallery_rows
from edgeface.gallery.rows import NEVER, Change, Gone, Records
from edgeface.gallery.snapshot import (
    GallerySnapshot,
    Person,
    Template,
    check_day,
    check_embedding,
    day,
    snapshot_of,
    unit_mean,
)
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container, Iterable, Iterator, Sequence
    from pathlib import Path

    from edgeface.gallery.thumbnails import Thumbnail
    from edgeface.gallery.unknowns import Unknown


__all__ = ["FILE", "NEVER", "Change", "Gallery", "GallerySnapshot", "Person", "Template"]

FILE = "gallery.db"


class Gallery:
    """The gallery of one data folder; every write is one durable transaction."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, model: str, made: Records, problem: str | None = None
    ) -> None:
        self.path = path
        self.model = model
        """Name of the embedder whose templates take part."""
        self.problem = problem
        """Why nothing can be written, in one line: then this is a copy in memory, and every write a GalleryError."""
        self._db = connection
        self._records = made
        self._version = -1
        self._generation = -1

    @classmethod
    def open(cls, folder: Path, model: str) -> Gallery:
        """Open the gallery of `folder`, creating both when missing; a file that cannot be written is only read.

        `model` is the embedder's name. GalleryError when the file cannot be used, VaultError when the key is missing
        or is not the one that sealed it; the file is then left as it is.
        """
        path, problem = folder / FILE, None
        with sqlite.translated(path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Records(open_vault(folder), path)
        try:
            connection = sqlite.open_database(path, migration.schema(made), "gallery")
        except GalleryError as error:
            connection = sqlite.open_copy(path, migration.schema(made), "gallery", error)
            problem = f"gallery: cannot be written: {str(error).replace('cannot be written ', '')}"
        try:
            migration.require_same_key(made, connection)
            if problem is None:
                migration.wipe(made, connection)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, model, made, problem)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def tag(self, who: str) -> bytes:
        """What the rows of a person or an unknown are found by on the disk."""
        return self._records.tag(who)

    def changed(self) -> bool:
        """Whether people or unknowns were changed since the last snapshot, by anybody; costs microseconds.

        What `keep_unknowns` and `keep_pictures` store does not count.
        """
        with sqlite.translated(self.path):
            # data_version stands still for this connection's own commits; those reset _version to -1.
            version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
            if version == self._version:
                return False
            changed = self._read_generation() != self._generation
            if not changed:
                self._version = version
            return changed

    def snapshot(self, wall: float | None = None) -> GallerySnapshot:
        """Read everybody who has templates of the model, and has not expired by the day of `wall`."""
        with sqlite.translated(self.path):
            self._db.execute("BEGIN")
            try:
                version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
                generation = self._read_generation()
                people = self._people()
                query = "SELECT person, model, sealed FROM templates WHERE model = ?"
                rows = self._db.execute(query, (self.model,)).fetchall()
            finally:
                self._db.execute("COMMIT")
        self._version, self._generation = version, generation
        ids = {self.tag(person.id): person.id for person in people}
        own = {ids[row[0]]: self._records.vectors(*row) for row in rows}
        return snapshot_of(people, own, None if wall is None else day(wall))

    def people(self) -> list[Person]:
        """Everybody, by id; the expired too, until they are erased."""
        with sqlite.translated(self.path):
            return self._people()

    def person(self, person: str) -> Person:
        """One of the people; GalleryError when there is no such id."""
        with sqlite.translated(self.path):
            found = next(iter(self._people(self.tag(person))), None)
        if found is None:
            raise GalleryError(f"{printable(person)}: nobody is enrolled by this id (edgeface people lists them)")
        return found

    def templates(self, person: str) -> list[Template]:
        """A person's templates of every model, oldest first."""
        tag = self.tag(person)
        with sqlite.translated(self.path):
            rows = self._db.execute("SELECT model, sealed FROM templates WHERE person = ? ORDER BY seq", (tag,))
            return [template for row in rows.fetchall() for template in self._records.templates(tag, *row)]

    def enroll(
        self,
        person: str,
        name: str | None,
        templates: Sequence[Template],
        wall: float,
        *,
        ignored: bool = False,
        unknown: str | None = None,
        keep_pictures: bool = False,
    ) -> Change:
        """Add a person, or more templates to one; a name of None keeps the old one or takes the id.

        A template that is there already is not stored twice. `unknown` is the id of an unknown that this person is,
        which goes in the same transaction; with `keep_pictures` its pictures become the person's.
        """
        with self._write():
            self._put(person, name, templates, wall, ignored=ignored)
            if unknown is not None:
                if keep_pictures:
                    thumbnails.hand_over(self._db, self._records, unknown, person)
                self._drop_unknowns([unknown])
        return Change("enrolled", person, wall)

    def replace(self, person: str, name: str, templates: Sequence[Template], wall: float, *, ignored: bool) -> Change:
        """Put a person in the place of whoever has the id; nothing of them stays."""
        with self._write():
            self._db.execute("DELETE FROM people WHERE tag = ?", (self.tag(person),))
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
            self._save(replace(self.person(person), name=display_name(name, person)))
        return Change("renamed", person, wall)

    def consent(self, person: str, wall: float, given: str | None = None, expires: str | None = None) -> Change:
        """Note the day of consent, the day from which on it is over (or NEVER), or both; None leaves it as it is."""
        with self._write():
            before = self.person(person)
            first = before.consent if given is None else check_day(given)
            last = before.expires if expires is None else None if expires == NEVER else check_day(expires)
            if first is not None and last is not None and last <= first:
                raise GalleryError(f"{person}: consent of {first} cannot be over on {last}")
            self._save(replace(before, consent=first, expires=last))
        return Change("consent", person, wall, first, last)

    def forget(self, person: str, wall: float, alike: float = 2.0) -> Change:
        """Erase a person from the file: name, templates, pictures, and the unknowns that `alike` gives.

        The text of the error says so when another process keeps the bytes in the log for now.
        """
        with self._write():
            self.person(person)
            self._drop_unknowns([unknown.id for unknown in self.alike(person, alike)])
            self._db.execute("DELETE FROM people WHERE tag = ?", (self.tag(person),))
        sqlite.erase(self._db, self.path)
        return Change("deleted", person, wall)

    def alike(self, person: str, least: float) -> list[Unknown]:
        """The unknowns whose cosine to a person is `least` or more."""
        own = [template.embedding for template in self.templates(person) if template.model == self.model]
        mean = unit_mean(own) if own else None
        return [u for u in self.unknowns() if mean is not None and float(mean @ u.mean) >= least]

    def unknowns(self) -> list[Unknown]:
        """Read the stored unknowns of the gallery's model, the one last seen first."""
        with sqlite.translated(self.path):
            rows = self._db.execute("SELECT tag, sealed FROM unknowns WHERE model = ?", (self.model,)).fetchall()
        found = [self._records.unknown(tag, self.model, sealed) for tag, sealed in rows]
        return sorted(found, key=lambda unknown: (-unknown.last, unknown.id))

    def gone(self) -> Container[str]:
        """Ids of unknowns that were enrolled or deleted: never to be given again."""
        with sqlite.translated(self.path):
            return Gone(self._records, frozenset(row[0] for row in self._db.execute("SELECT tag FROM gone")))

    def keep_unknowns(self, kept: Iterable[Unknown], expired: Iterable[str] = ()) -> None:
        """Store what Unknowns.drain gave; one that was enrolled or deleted meanwhile stays away."""
        with self._write(told=False):
            for unknown in kept:
                gallery_rows.put_unknown(self._records, self._db, unknown, self.model)
            self._db.executemany("DELETE FROM unknowns WHERE tag = ?", [(self.tag(i),) for i in expired])

    def forget_unknown(self, unknown: str) -> None:
        """Erase one unknown for good; it is not given the id again."""
        with self._write():
            if not self._db.execute("SELECT 1 FROM unknowns WHERE tag = ?", (self.tag(unknown),)).fetchone():
                raise GalleryError(f"{printable(unknown)}: no such unknown (edgeface people --unknown lists them)")
            self._drop_unknowns([unknown])
        sqlite.erase(self._db, self.path)

    def pictures(self, who: str) -> list[tuple[float, bytes]]:
        """Wall seconds and JPEG of the pictures of a person or an unknown, the newest first."""
        with sqlite.translated(self.path):
            return thumbnails.pictures(self._db, self._records, who)

    def keep_pictures(self, taken: Iterable[Thumbnail]) -> None:
        """Store pictures of those who are in the gallery; of each the newest few stay."""
        with self._write(told=False):
            for picture in taken:
                thumbnails.put(self._db, self._records, picture)

    def expire(self, unknowns_before: float, pictures_before: float) -> int:
        """Delete unknowns of any model last seen, and pictures taken, before these wall seconds; gives how many."""
        with sqlite.translated(self.path):
            old = [(tag,) for tag in gallery_rows.unknowns_before(self._records, self._db, unknowns_before)]
            seen = [(number,) for number in thumbnails.older(self._db, self._records, pictures_before)]
        if old or seen:
            with self._write(told=bool(old)):
                self._db.executemany("DELETE FROM unknowns WHERE tag = ?", old)
                self._db.executemany("DELETE FROM pictures WHERE seq = ?", seen)
        return len(old) + len(seen)

    @contextmanager
    def _write(self, *, told: bool = True) -> Iterator[None]:
        if self.problem is not None:
            raise GalleryError(self.problem)
        with sqlite.translated(self.path), sqlite.transaction(self._db):
            yield
            if told:
                self._db.execute("UPDATE state SET generation = generation + 1")
                self._version = -1

    def _read_generation(self) -> int:
        return int(self._db.execute("SELECT generation FROM state").fetchone()[0])

    def _people(self, tag: bytes | None = None) -> list[Person]:
        rows = self._db.execute(
            "SELECT people.tag, people.sealed, total(count), total(count * (model = ?1)) FROM people"
            " LEFT JOIN templates ON person = people.tag WHERE people.tag BETWEEN ?2 AND ?3 GROUP BY people.tag",
            (self.model, tag or b"", tag or b"\xff" * 17),  # a tag has 16 bytes; the index finds one person
        )
        found = [self._records.person(tag, sealed, int(own), int(every - own)) for tag, sealed, every, own in rows]
        return sorted(found, key=lambda person: person.id)

    def _save(self, person: Person) -> None:
        sealed = self._records.seal_person(person)
        self._db.execute("UPDATE people SET sealed = ? WHERE tag = ?", (sealed, self.tag(person.id)))

    def _put(self, person: str, name: str | None, templates: Sequence[Template], wall: float, *, ignored: bool) -> None:
        check_id(person)
        for template in templates:
            check_embedding(template.embedding)
        tag = self.tag(person)
        before = next(iter(self._people(tag)), None)
        if before is None:
            made = self._records.seal_person(Person(person, display_name(name, person), ignored, wall, 0, 0))
            self._db.execute("INSERT INTO people (tag, sealed) VALUES (?, ?)", (tag, made))
        elif before.ignored != ignored:
            state = "on the ignore list" if before.ignored else "enrolled"
            raise GalleryError(f"{person}: {state} already; forget them first")
        elif name is not None:
            self._save(replace(before, name=display_name(name, person)))
        gallery_rows.put_templates(self._records, self._db, person, templates)

    def _drop_unknowns(self, ids: Sequence[str]) -> None:
        for unknown in ids:
            self._db.execute("DELETE FROM unknowns WHERE tag = ?", (self.tag(unknown),))
            self._db.execute("INSERT OR IGNORE INTO gone VALUES (?)", (self._records.gone_tag(unknown),))
