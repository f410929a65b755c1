"""Notices who was enrolled, changed or forgotten at this device, by whatever program, and queues it for the centre."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.core.clock import DAY
from edgeface.fleet import facts as fleet_facts
from edgeface.fleet import sealing
from edgeface.fleet.device.records import Entry, PersonFile, QueuedProposal, emptied
from edgeface.fleet.packing import packed
from edgeface.gallery.file import Versions
from edgeface.gallery.snapshot import day, unit_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgeface.core.types import Embedding
    from edgeface.fleet.device.book import Book
    from edgeface.fleet.device.fleet_file import FleetFile
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import Person

PROVISIONAL = 7 * DAY
"""Seconds for which a change holds here without the centre's word."""


def person_mark(file: FleetFile, person: Person, embeddings: Sequence[Embedding]) -> bytes:
    """What differs if anything of a person differs that the centre gives or gets."""
    mean = fleet_facts.to_mean(unit_mean(embeddings)).hex() if embeddings else ""
    facts = person.id, person.name, person.ignored, person.consent, person.expires, person.groups
    return file.mark(json.dumps([*facts, mean]))


class LocalChanges:
    """Compares gallery.db with what fleet.db knows of it."""

    def __init__(self, gallery: Gallery, book: Book) -> None:
        self._gallery, self._book = gallery, book
        self._written: tuple[int, int] | None = None
        self._seen: Versions | None = None
        self._ids: dict[bytes, str] = {}
        """The id of each tag of those who are in fleet.db."""
        self._later: set[bytes] = set()
        """The tags of those who have changed while they were being written."""

    def collect(self, wall: float) -> None:
        """Queue what has changed here; takes milliseconds if nothing has.

        Everyone who was enrolled before the device joined stays as they are: no one may be erased by joining.
        """
        written = self._gallery.written()
        site = next(iter(self._book.sites.values()), None)
        if site is None or (written == self._written and not self._later):
            return
        seen, changed = self._gallery.look(self._seen or self._noted())
        changed, versions = changed | self._later, seen.of
        here = self._here(changed)
        if not site.began:
            self._book.put_own(versions.keys() - self._here(set(versions)).keys())
            self._book.put_site(site.model_copy(update={"began": True}))
        new = {tag for tag in changed & versions.keys() - here.keys()
               if self._book.file.own_mark(tag) not in self._book.own}  # fmt: skip
        for tag, entry in here.items():
            if entry.busy or versions.get(tag) == entry.known:
                continue
            if tag in versions:
                self._changed(entry, versions[tag])
            else:
                self._forgotten(entry, wall)
        for person in self._of(new):
            self._enrolled(site.site, person, versions[self._gallery.tag(person.id)])
        self._seen, self._written = seen, written
        self._later = {tag for tag, entry in here.items() if entry.busy}
        for tag in changed - versions.keys():
            self._ids.pop(tag, None)

    def _noted(self) -> Versions:
        """What fleet.db knows of the gallery, as if it had just been read."""
        self._ids = {self._gallery.tag(one): one for one in self._book.by_id}
        return Versions(0, {tag: self._book.by_id[one].known for tag, one in self._ids.items()})

    def _here(self, tags: set[bytes]) -> dict[bytes, Entry]:
        """Those with these tags who are in fleet.db, and in the gallery or about to be."""
        known = self._book.by_id
        if not tags <= self._ids.keys():
            self._ids.update((self._gallery.tag(one), one) for one in known.keys() - self._ids.values())
        return {tag: known[one] for tag in tags if (one := self._ids.get(tag)) is not None and one in known}

    def provisional(self, wall: float) -> None:
        """Set, by a clock that is right, until when what waits holds here; what has held for too long is over."""
        for one in list(self._book.waiting.values()):
            if not one.until:
                self._book.queue(one.model_copy(update={"until": wall + PROVISIONAL}))
                self._expire(one, day(wall + PROVISIONAL))
            elif wall >= one.until and not one.forget:
                self._over(one)

    def give_up(self, one: QueuedProposal) -> None:
        """The centre does not take a change: what it says holds again; someone new is still here until the day set."""
        self._over(one)

    def _over(self, one: QueuedProposal) -> None:
        entry = self._book.people.get((one.site, one.person))
        self._book.withdraw([one.number])
        if entry is not None and entry.state == "matched":
            # Put again from the whole list, over what was changed here.
            self._book.put(replace(entry, state="overruled"))
            self._book.list_again(one.site)

    def _expire(self, one: QueuedProposal, last: str) -> None:
        """Have someone who is new here expire on a day, unless their consent ends earlier."""
        entry = self._book.people.get((one.site, one.person))
        if entry is None or entry.state != "proposed" or entry.facts is None or not self._gallery.knows(entry.facts.id):
            return
        with self._gallery.transaction():
            person = self._gallery.person(entry.facts.id)
            if person.expires is None or person.expires > last:
                self._gallery.put([replace(person, expires=last)])
                known = self._gallery.versions([person.id])[person.id]
                mark = person_mark(self._book.file, replace(person, expires=last), self._gallery.embeddings(person.id))
                facts = entry.facts.model_copy(update={"mark": mark, "expires": last})
                self._book.put(replace(entry, known=known, facts=facts))

    def _enrolled(self, site: str, person: Person, version: int) -> None:
        own = self._gallery.embeddings(person.id)
        facts = PersonFile(id=person.id, mark=person_mark(self._book.file, person, own), expires=person.expires)
        entry = Entry(site, sealing.new_person(), 0, 0, "proposed", facts, version)
        with self._book.file.transaction():
            self._book.put(entry)
            self._propose(entry, person, own)

    def _changed(self, entry: Entry, version: int) -> None:
        person, own = self._gallery.person(entry.named.id), self._gallery.embeddings(entry.named.id)
        mark = person_mark(self._book.file, person, own)
        with self._book.file.transaction():
            self._book.put(replace(entry, known=version, facts=entry.named.model_copy(update={"mark": mark})))
            if mark != entry.named.mark:
                self._propose(entry, person, own)

    def _forgotten(self, entry: Entry, wall: float) -> None:
        """Someone is no longer in the gallery: forgotten here, or erased because their consent has ended."""
        expires = entry.named.expires
        expired = expires is not None and day(wall) >= expires
        sent = any(one.state == "sent" for one in self._book.about(entry.site, entry.person))
        with self._book.file.transaction():
            self._book.withdraw(one.number for one in self._book.about(entry.site, entry.person))
            if entry.state == "proposed" and not sent:
                self._book.drop(entry)
            else:
                self._book.put(emptied(entry, "absent" if expired else "forgotten"))
                if not expired:
                    self._book.queue(_proposal(entry, forget=True))
        self._book.file.wipe()

    def _propose(self, entry: Entry, person: Person, own: Sequence[Embedding]) -> None:
        if not own:
            return
        facts = fleet_facts.PersonFacts(
            id=person.id, name=person.name, version=entry.version + 1, model=self._gallery.model,
            mean=fleet_facts.to_mean(unit_mean(own)), groups=() if entry.facts is None else entry.facts.groups,
            ignored=person.ignored, consent=person.consent, expires=person.expires,
        )  # fmt: skip
        self._book.queue(_proposal(entry, body=packed(facts.model_dump(exclude_defaults=True))))

    def _of(self, tags: set[bytes]) -> Iterator[Person]:
        """The people with these tags; only with any is the list of people read."""
        people = self._gallery.people() if tags else ()
        return (one for one in people if self._gallery.tag(one.id) in tags)


def _proposal(entry: Entry, *, forget: bool = False, body: bytes = b"") -> QueuedProposal:
    return QueuedProposal(
        number=secrets.token_bytes(16), site=entry.site, person=entry.person, seq=entry.seq, forget=forget, body=body
    )
