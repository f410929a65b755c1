"""People and their templates, the unknowns, and pictures of both: sealed in SQLite, matched in memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core import sqlite
from edgeface.core.errors import GalleryError
from edgeface.core.text import check_id, check_new_id, given_name, is_unknown_id, printable, printable_path
from edgeface.gallery import corrections, rows, thumbnails
from edgeface.gallery.agreement import two_people
from edgeface.gallery.corrections import CorrectionsFile
from edgeface.gallery.difference import everyone, take_up
from edgeface.gallery.factors import FactorsFile
from edgeface.gallery.file import GENERATION, connect, no_one, no_unknown
from edgeface.gallery.rows import Change, RowCodec
from edgeface.gallery.snapshot import NEVER, Census, Person, check_day, check_embedding, unit_mean
from edgeface.gallery.unknowns_file import UnknownsFile
from edgeface.security.content import ContentGuard
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from edgeface.core.types import Embedding
    from edgeface.gallery.agreement import Limits, Split
    from edgeface.gallery.corrections import Trace
    from edgeface.gallery.snapshot import GallerySnapshot, Template
    from edgeface.gallery.thumbnails import Thumbnail
    from edgeface.gallery.unknowns import Unknown

FILE = "gallery.db"
"""Name of the file in the data folder."""


class Gallery(CorrectionsFile, UnknownsFile, FactorsFile):
    """The gallery of one data folder: one connection of one thread; every write is one durable transaction."""

    @classmethod
    def open(cls, folder: Path, model: str, *, copy: bool = False) -> Gallery:
        """Open the gallery of `folder` for the embedder `model`; creates both if needed, reads only if it must.

        With `copy`, it is read into memory, and the file is not touched.

        Raises GalleryError if the file cannot be used, and VaultError if the key is missing or did not seal the file;
        the file is then left as it is.
        """
        path = folder / FILE
        with sqlite.translated(path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        vault = open_vault(folder)
        connection, problem = connect(path, rows.schema(vault), copy=copy)
        try:
            rows.require_same_key(vault, connection, path)
            if isinstance(connection, sqlite.GuardedConnection):
                with sqlite.translated(path):
                    ContentGuard.install(connection, folder, vault, "gallery", old=rows.is_used(connection))
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, model, RowCodec(vault, path), problem)

    @classmethod
    def open_unchanged(cls, folder: Path, model: str) -> Gallery:
        """Open a gallery that exists, in a folder that may be read-only, and never write to it.

        Raises GalleryError if there is none or it cannot be read, and VaultError as `open`.
        """
        path = folder / FILE
        if not path.exists():
            raise GalleryError(f"{printable_path(path)}: no gallery here yet (edgeface enroll creates one)")
        vault = open_vault(folder)
        connection = sqlite.open_unchanged(path, rows.schema(vault), "gallery")
        try:
            rows.require_same_key(vault, connection, path)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, model, RowCodec(vault, path), f"{printable_path(path)}: opened for reading only")

    def changed(self) -> bool:
        """Whether anyone changed people or unknowns since the last snapshot; takes microseconds.

        Calls of `store_unknowns`, `store_pictures` and `store_probes` do not count.
        """
        with sqlite.translated(self.path):
            # data_version does not change with this connection's own commits; those reset _version to -1.
            version = self._number("PRAGMA data_version")
            if version == self._version:
                return False
            changed = self._number(GENERATION) != self._generation
            if not changed:
                self._version = version
            return changed

    def snapshot(self, wall: float | None = None) -> GallerySnapshot:
        """Everyone who has templates of the model and may be matched at `wall`; without it, whoever is enrolled.

        Only those who have changed since `base` are read; the result is the next `base`, and `base` itself if no one
        has changed.
        """
        with sqlite.translated(self.path), sqlite.reading(self._db):
            version, generation = self._number("PRAGMA data_version"), self._number(GENERATION)
            moment = None if wall is None else self.moment(wall)
            self.base = take_up(self._db, self._codec, self.model, moment, self.base)
        self._version, self._generation = version, generation
        return self.base

    def verify(self) -> None:
        """Open every row of people and their templates; raises VaultError if one was altered."""
        with sqlite.translated(self.path), sqlite.reading(self._db):
            take_up(self._db, self._codec, self.model, None)

    def divided(self, limits: Limits, people: Iterable[str] | None = None) -> dict[str, Split]:
        """Those of these people, or of all, whose templates of the model look like two people, by id."""
        if people is not None:
            splits = {one: two_people(self.embeddings(one), limits) for one in people}
            return {one: split for one, split in splits.items() if split is not None}
        found = {}
        with sqlite.translated(self.path):
            query = "SELECT person, model, templates.sealed, people.sealed FROM templates JOIN people ON tag = person"
            for tag, model, templates, sealed in self._db.execute(f"{query} WHERE model = ?", (self.model,)):
                split = two_people(self._codec.embeddings(tag, model, templates), limits)
                if split is not None:
                    found[self._codec.person(tag, sealed).id] = split
        return dict(sorted(found.items()))

    def census(self) -> Census:
        """How many people have templates of the model, counting the ignored and the expired; opens no row."""
        with sqlite.translated(self.path):
            row = self._db.execute("SELECT count(*) FROM templates WHERE model = ?", (self.model,)).fetchone()
        return Census(int(row[0]))

    def people(self) -> list[Person]:
        """Everyone, by id, including the expired until they are erased; with a `base`, only who has changed is read."""
        with sqlite.translated(self.path):
            if self.base is None:
                return self._people()
            with sqlite.reading(self._db):
                return list(everyone(self._db, self._codec, self.model, self.base))

    def person(self, person: str) -> Person:
        """One person; raises GalleryError for an unknown id."""
        found = self.find([person]).get(person)
        if found is None:
            raise no_one(person)
        return found

    def find(self, people: Iterable[str]) -> dict[str, Person]:
        """Those of these people who are enrolled, by id."""
        with sqlite.translated(self.path):
            return {one.id: one for one in self._people(set(map(self.tag, people)))}

    def templates(self, *people: str) -> list[Template]:
        """The templates of people, of every model, oldest first."""
        query = "SELECT seq, person, model, sealed FROM templates WHERE person IN ({})"
        with sqlite.translated(self.path):
            found = sorted(sqlite.among(self._db, query, set(map(self.tag, people))))
        return [template for _, *row in found for template in self._codec.templates(*row)]

    def embeddings(self, person: str) -> list[Embedding]:
        """A person's templates of the gallery's model, oldest first."""
        return [template.embedding for template in self.templates(person) if template.model == self.model]

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
        """Add a person, or more templates to one; with a name of None the old name stays, or the id is used.

        A template is stored only once. `unknown` is the id of the unknown that this person is: it is removed in the
        same transaction, and with `keep_pictures` its pictures become the person's.
        """
        with self.transaction():
            self._put(person, name, templates, wall, ignored=ignored)
            if unknown is not None:
                if keep_pictures:
                    thumbnails.hand_over(self._db, self._codec, unknown, person)
                self._drop_unknowns([unknown])
        return Change("enrolled", person, wall)

    def replace(self, person: str, name: str, templates: Sequence[Template], wall: float, *, ignored: bool) -> Change:
        """Replace whoever has the id by this person; look-alikes, factors, site, groups and negative templates stay."""
        with self.transaction():
            before = self._find(person)
            kept = rows.kept(self._db, self.tag(person))
            self._db.execute("DELETE FROM people WHERE tag = ?", (self.tag(person),))
            self._put(person, name, templates, wall, ignored=ignored)
            rows.put_back(self._db, kept)
            if before is not None:
                self._save(replace(self.person(person), site=before.site, groups=before.groups))
                self.link(person, before.look_alikes)
        return Change("enrolled", person, wall)

    def rename(self, person: str, name: str, wall: float) -> Change:
        """Change the display name."""
        with self.transaction():
            self._save(replace(self.person(person), name=given_name(name, person)))
        return Change("renamed", person, wall)

    def consent(self, person: str, wall: float, given: str | None = None, expires: str | None = None) -> Change:
        """Set the day of consent, the day on which it ends (or NEVER), or both; None leaves a value unchanged."""
        with self.transaction():
            before = self.person(person)
            first = before.consent if given is None else check_day(given)
            last = before.expires if expires is None else None if expires == NEVER else check_day(expires)
            if first is not None and last is not None and last <= first:
                raise GalleryError(f"{person}: consent of {first} cannot end on {last}")
            self._save(replace(before, consent=first, expires=last))
        return Change("consent", person, wall, first, last)

    def link(self, person: str, others: Iterable[str]) -> bool:
        """Store a person and others as look-alikes of each other; False if none of the others is enrolled."""
        with self.transaction():
            found = [one for one in map(self._find, others) if one is not None and one.id != person]
            if found:
                own = self.person(person)
                self._save(_alike(own, {*own.look_alikes, *(one.id for one in found)}))
                for one in found:
                    self._save(_alike(one, {*one.look_alikes, person}))
        return bool(found)

    def remove(self, who: Collection[str], alike: float = 2.0, into: str | None = None) -> None:
        """Remove people and unknowns from the file, all of them or none, with their `traces`; retire the unknowns' ids.

        The unknowns that `unknowns_like` gives go with the people. With `into`, all negative templates stay, and those
        of the people become that person's.

        Raises GalleryError if an id is not in the file, with nothing changed; and after the removal, if another process
        still keeps the bytes in the log: `finish_erasure` repeats only that.
        """
        people = [one for one in who if not is_unknown_id(one)]
        with self.transaction():
            self._db.execute("UPDATE state SET unfinished = 1")
            known = self.find(people)
            for one in people:
                if one not in known:
                    raise no_one(one)
            others = {other for one in known.values() for other in one.look_alikes}.difference(people)
            lost = [one for one in who if is_unknown_id(one)]
            for one in lost:
                if not self.knows(one):
                    raise no_unknown(one)
            corrections.remove(self._db, [row[:2] for row in self.traces(who, alike, into)])
            self._drop_unknowns({*lost, *(unknown.id for unknown in self.unknowns_like(people, alike))})
            if into is not None:
                for one in people:
                    corrections.hand_over(self._db, self._codec, self.tag(one), self.tag(into))
            for other in self.find(others).values():
                self._save(_alike(other, {*other.look_alikes}.difference(people)))
            self._db.executemany("DELETE FROM people WHERE tag = ?", [(self.tag(one),) for one in people])
            if into is None:
                self.retire(self._codec.gone_tag(one) for one in people)
        self.finish_erasure()

    def template_id(self, template: Template) -> str:
        """The id of a template, made from its embedding with the key of the data folder."""
        return self._codec.template_id(template.embedding)

    def remove_template(self, person: str, template: str, wall: float) -> Change:
        """Remove one template of a person, and the picture that it was made from.

        Raises GalleryError if there is none with this id, or if no other of its model would be left; and after the
        removal, if another process still keeps the bytes in the log.
        """
        with self.transaction():
            self.person(person)
            templates = self.templates(person)
            found = next((one for one in templates if self.template_id(one) == template), None)
            if found is None:
                raise GalleryError(f"{printable(template)}: no such template (edgeface templates {person} lists them)")
            alone = sum(one.model == self.model for one in templates) == 1 and found.model == self.model
            if alone or len(templates) == 1:
                raise GalleryError(f"{person}: the last template cannot be removed; edgeface forget erases the person")
            rows.drop_template(self._codec, self._db, person, found)
            pictures = thumbnails.of_templates(self._db, self._codec, person)
            self._db.executemany("DELETE FROM pictures WHERE seq = ?", [(n,) for n, of in pictures if of == template])
        sqlite.erase(self._db, self.path)
        return Change("removed", person, wall, template=template)

    def unknowns_like(self, people: Iterable[str], least: float) -> list[Unknown]:
        """The unknowns whose cosine to one of these people is `least` or more."""
        unknowns = self.unknowns()
        # Without unknowns no one's templates are opened.
        means = [mean for mean in map(self._mean, people if unknowns else ()) if mean is not None]
        faces = np.stack(means) if means else None
        return [] if faces is None else [one for one in unknowns if float((faces @ one.mean).max()) >= least]

    def traces(self, who: Collection[str], least: float, into: str | None = None) -> list[Trace]:
        """The rows of corrections that show these people and unknowns: by id, or by a cosine of `least` or more.

        The unknowns that `unknowns_like` gives count as the people. With `into`, no one is forgotten, and all negative
        templates are left out.
        """
        with sqlite.translated(self.path):
            found = filter(None, map(self.find_unknown, filter(is_unknown_id, who)))
            faces = chain((one.mean for one in found), (mean for mean in map(self._mean, who) if mean is not None))
            ids = {*who, *(one.id for one in self.unknowns_like(who, least))}
            return corrections.traces(self._db, self._codec, self.model, ids, faces, least, negatives=into is None)

    def pictures(self, who: str) -> list[tuple[float, bytes]]:
        """Wall seconds and JPEG of each picture of a person or an unknown, the newest first."""
        with sqlite.translated(self.path):
            return thumbnails.pictures(self._db, self._codec, who)

    def pictures_of_templates(self, person: str) -> dict[str, int]:
        """The number of the picture of each template, 0 for the newest, by the template's id."""
        with sqlite.translated(self.path):
            found = thumbnails.of_templates(self._db, self._codec, person)
        return {template: number for number, (_, template) in enumerate(found) if template}

    def store_pictures(self, taken: Iterable[Thumbnail]) -> None:
        """Store pictures of people and unknowns in the gallery; only the newest few of each are kept."""
        with self.transaction(visible=False):
            for picture in taken:
                thumbnails.put(self._db, self._codec, picture)

    def expire(
        self, unknowns_before: float, pictures_before: float, probes_before: float = 0.0, negatives_before: float = 0.0
    ) -> int:
        """Delete unknowns last seen, and what was kept, before these wall seconds; returns how many."""
        with sqlite.translated(self.path):
            old = [(tag,) for tag in rows.unknowns_before(self._codec, self._db, unknowns_before)]
            seen = [(number,) for number in thumbnails.older(self._db, self._codec, pictures_before)]
            rest = corrections.older(self._db, self._codec, probes_before, negatives_before)
        if old or seen or rest:
            with self.transaction(visible=bool(old) or any(table == "negatives" for table, _ in rest)):
                corrections.remove(self._db, rest)
                self._db.executemany("DELETE FROM unknowns WHERE tag = ?", old)
                self._db.executemany("DELETE FROM pictures WHERE seq = ?", seen)
        return len(old) + len(seen) + len(rest)

    def _mean(self, person: str) -> Embedding | None:
        """The mean of a person's templates of the model; None without any. An erasure asks for it several times."""
        row = self._db.execute("SELECT version FROM people WHERE tag = ?", (self.tag(person),)).fetchone()
        known = self._means.get(person)
        if row is None or known is None or known[0] != row[0]:
            own = self.embeddings(person)
            known = self._means[person] = (-1 if row is None else row[0], unit_mean(own) if own else None)
        return known[1]

    def _find(self, person: str) -> Person | None:
        return next(iter(self._people([self.tag(person)])), None)

    def _people(self, tags: Collection[bytes] | None = None) -> list[Person]:
        query = (
            "SELECT people.tag, people.sealed, total(count), total(count * (model = ?)) FROM people"
            " LEFT JOIN templates ON person = people.tag{} GROUP BY people.tag"
        )
        found: Iterable[tuple[bytes, bytes, float, float]] = (
            self._db.execute(query.format(""), (self.model,)) if tags is None
            else sqlite.among(self._db, query.format(" WHERE people.tag IN ({})"), tags, self.model)
        )  # fmt: skip
        people = [self._codec.person(tag, sealed, int(own), int(every - own)) for tag, sealed, every, own in found]
        return sorted(people, key=lambda person: person.id)

    def _save(self, person: Person) -> None:
        sealed = self._codec.seal_person(person)
        self._db.execute("UPDATE people SET sealed = ? WHERE tag = ?", (sealed, self.tag(person.id)))

    def _put(self, person: str, name: str | None, templates: Sequence[Template], wall: float, *, ignored: bool) -> None:
        check_id(person)
        for template in templates:
            check_embedding(template.embedding)
        tag = self.tag(person)
        before = self._find(person)
        if before is None:
            check_new_id(person)
            made = self._codec.seal_person(Person(person, given_name(name, person), ignored, wall, 0, 0))
            self._db.execute("INSERT INTO people (tag, sealed) VALUES (?, ?)", (tag, made))
        elif before.ignored != ignored:
            state = "on the ignore list" if before.ignored else "enrolled"
            raise GalleryError(f"{person}: already {state}; forget them first")
        elif name is not None:
            self._save(replace(before, name=given_name(name, person)))
        rows.put_templates(self._codec, self._db, person, templates)


def _alike(person: Person, others: set[str]) -> Person:
    return replace(person, look_alikes=tuple(sorted(others)))
