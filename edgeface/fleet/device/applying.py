"""Applies what the centre says to gallery.db, and keeps fleet.db in step with it.

They are two files, so the order of writes decides what a crash leaves:

1. fleet.db: who is about to be written is marked PUTTING or ERASING, with the id.
2. gallery.db, one transaction: everyone who comes or changes is written, everyone who goes is expired. A reader sees
   the old people or the new ones.
3. Who goes is erased with all traces, and a search proves it.
4. fleet.db, one transaction: the new entries, the change number and the digest; the marks are gone.

A crash before 2 leaves the old people, a crash after it the new ones. The change number is still the old one, so the
centre is asked for the same changes again, and they are written over what is there. Until then, no one who is marked
counts as changed or forgotten here. `finish` continues with 3 for those marked ERASING, also without the centre.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from edgeface.core.errors import FleetError
from edgeface.core.text import check_new_id, counted, given_name
from edgeface.fleet.device.local_changes import LocalChanges, person_mark
from edgeface.fleet.device.opening import open_rows
from edgeface.fleet.device.planning import plan
from edgeface.fleet.device.policies import SitePolicies, with_policy
from edgeface.fleet.device.records import ERASING, PUTTING, Entry, Removal, emptied
from edgeface.gallery.snapshot import Person, Template
from edgeface.people import trace_search
from edgeface.people.erasure import erase_all, finish
from edgeface.people.rules import level_threshold, limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.fleet.device.book import Book
    from edgeface.fleet.device.opening import OpenedPerson, OpenedRows
    from edgeface.fleet.device.planning import Plan
    from edgeface.fleet.device.records import SiteFile
    from edgeface.fleet.messages import Rows
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import GallerySnapshot

    Step: TypeAlias = Callable[[str], None]

NO_LONGER = "0001-01-01"
"""A day of expiry in the past for every clock: the next snapshot leaves the person out."""
_BLOCK = 512
"""New people who are compared with everyone at once."""


class Applier:
    """Writes gallery.db and fleet.db; one thread owns both."""

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        gallery: Gallery,
        book: Book,
        clock: Clock,
        *,
        latest: Callable[[], GallerySnapshot | None] = lambda: None,
        step: Step = lambda _: None,
        policies: SitePolicies | None = None,
    ) -> None:
        """`latest` is a snapshot from which the gallery is read by difference; `step` is called between the steps."""
        self.policies = policies or SitePolicies()
        """What the doors read."""
        self._configuration, self._gallery, self._book, self._clock = configuration, gallery, book, clock
        self._latest, self._step = latest, step
        self.local = LocalChanges(gallery, book)

    @property
    def gallery(self) -> Gallery:
        """The gallery that is written."""
        return self._gallery

    def apply(self, site: SiteFile, answer: Rows, *, whole: bool) -> bool:
        """Apply an answer, all of it or nothing; returns whether anyone was in it.

        Raises FleetError if the answer does not fit, and GalleryError if it cannot be written.
        """
        before, site = site, with_policy(site, answer, whole=whole)
        known = self._book.of(site.site) if whole else {}
        same = {
            one: entry.seq for one, entry in known.items() if entry.state in {"matched", "forgotten"} and not entry.busy
        }
        opened = open_rows(site, answer, self._gallery.model, same, after=0 if whole else site.seq, whole=whole)
        for person in opened.people:
            _check(person)
        found = self._changed(site, opened, whole=whole)
        if isinstance(found, FleetError):
            raise found
        if found.reused:
            # Someone new gets the id of someone who goes: nothing of the one may stay with the other.
            self._count_removed(site.site, len(found.reused))
            self._leave(found.reused)
            return self.apply(before, answer, whole=whole)
        if found.puts or found.erased:
            self._step("written")
        self._erase(found.erased)
        if found.site != site or found.puts or found.noted:
            self._commit(found)
        return bool(found.puts or found.noted or site.policy != before.policy)

    def _changed(self, site: SiteFile, opened: OpenedRows, *, whole: bool) -> Plan | FleetError:
        """What an answer changes, written as far as steps 1 and 2, or why it is refused."""
        # An error of the fleet is also one of the system, which the gallery's transaction would take for the disk's.
        with self._gallery.transaction(visible=False):
            self.local.collect(self._clock.wall())
            try:
                found = self._planned(site, opened, whole=whole)
            except FleetError as error:
                return error
            if site.signed_policy != self._book.sites[site.site].signed_policy:
                # Before the people that it is about: a crash must not leave them here without it.
                self._book.put_site(site)
                self.policies.show(self._book.sites)
                self._step("policy")
            return found if found.reused else self._write(found)

    def finish(self) -> None:
        """Continue an erasure that was cut off; the people are not matched since it began."""
        left = [one for one in self._book.erasing() if one.facts is not None]
        if left:
            self._erase(left)
            self._book.put(*(emptied(one, "lapsed" if one.state != "gone" else "gone") for one in left))
            self._book.file.wipe()

    def forget(self, entry: Entry) -> None:
        """Erase someone that the centre has forgotten before it has seen a change of them."""
        self._leave([entry])
        self._book.put(emptied(self._book.people[entry.site, entry.person], "gone"))

    def lapse(self, site: str) -> None:
        """Stop matching the people of a site; `finish` erases them. The whole list is needed afterwards."""
        here = [one for one in self._book.of(site).values() if one.needs_lease]
        if here:
            self._hide(here)
        self._book.list_again(site)

    def _planned(self, site: SiteFile, opened: OpenedRows, *, whole: bool) -> Plan:
        by_id = self._book.by_id
        others = self._gallery.versions(one.facts.id for one in opened.people if one.facts.id not in by_id)

        def owner(one: str) -> bytes | None:
            ours = by_id.get(one)
            if ours is not None:
                return ours.person if ours.site == site.site else b""
            return b"" if one in others else None

        def mark(one: OpenedPerson) -> bytes:
            return person_mark(self._book.file, gallery_person(site.site, one, 0.0), [one.embedding])

        return plan(site, opened, self._book.of(site.site), whole=whole, owner=owner, mark=mark)

    def _write(self, found: Plan) -> Plan:
        """Steps 1 and 2; the entries of the result know the rows of the gallery."""
        leaving = {one.person for one in found.erased}
        before = {one.person: self._book.people.get((one.site, one.person)) for one, _ in found.puts}
        coming = [
            replace(before[one.person] or Entry(one.site, one.person, 0, 0, "absent"), facts=one.facts, busy=PUTTING)
            for one, _ in found.puts if one.person not in leaving
        ]  # fmt: skip
        with self._book.file.transaction():
            self._book.put(*coming)
            self._book.mark(found.erased, ERASING)
        if not (coming or found.erased):
            return found
        self._step("marked")
        self._expire(found.erased)
        self._put(found.site.site, [person for _, person in found.puts], found.erased)
        versions = self._gallery.versions(person.facts.id for _, person in found.puts)
        puts = tuple((replace(one, known=versions[person.facts.id]), person) for one, person in found.puts)
        return found._replace(puts=puts)

    def _put(self, site: str, people: Sequence[OpenedPerson], leaving: Iterable[Entry]) -> None:
        """Write people, and link those with one face as look-alikes."""
        if not people:
            return
        self._gallery.base = self._latest() or self._gallery.base
        without = {one.facts.id for one in leaving if one.facts is not None}
        alike = _alike(self._gallery.snapshot(), people, without, limits(self._configuration()).other)
        wall = self._clock.wall()
        made = [gallery_person(site, one, wall) for one in people]
        known = self._gallery.find(one.id for one in made)
        self._gallery.put(_kept(one, known.get(one.id)) for one in made)
        self._gallery.set_templates(
            {one.facts.id: Template(one.embedding, self._gallery.model, "import", wall) for one in people}
        )
        for who, others in alike.items():
            self._gallery.link(who, others)

    def _expire(self, entries: Iterable[Entry]) -> None:
        self._gallery.end([one.facts.id for one in entries if one.facts is not None], NO_LONGER)

    def _hide(self, entries: Sequence[Entry]) -> None:
        self._book.mark(entries, ERASING)
        self._step("marked")
        self._expire(entries)
        self._step("written")

    def _leave(self, entries: Sequence[Entry]) -> None:
        """Erase people before anything else of an answer is written."""
        self._hide(entries)
        self._erase(entries)
        now = (self._book.people[one.site, one.person] for one in entries)
        self._book.put(*(replace(one, facts=None, known=0, busy=0) for one in now))

    def _erase(self, entries: Iterable[Entry]) -> None:
        """Step 3; raises FleetError if a trace is left."""
        ids = [one.facts.id for one in entries if one.facts is not None]
        settings = self._configuration()
        if not ids:
            finish(self._gallery, settings.journal_path)
            return
        alike = level_threshold(settings, self._gallery.census())[0]
        terms = trace_search.terms(self._gallery, ids, alike)
        erase_all(self._gallery, settings.journal_path, ids, self._clock.wall(), alike=alike, why="fleet")
        self._step("erased")
        _, traces = trace_search.search(settings.data, terms)
        # What an administrator has written there is named elsewhere, and must not end the lease of everyone else.
        kept = [one for one in traces if one.suffix not in {".yaml", ".previous"}]
        if kept:
            raise FleetError(f"erased, but {counted(len(kept), 'file')} of the data folder still has a trace")

    def _commit(self, found: Plan) -> None:
        """Step 4."""
        file, gone = self._book.file, [one for one in found.noted if one.state == "gone"]
        over = [each.number for one in gone for each in self._book.about(one.site, one.person)]
        known = (one for one in found.noted if one.state in {"matched", "absent"})
        for one in (*known, *(one for one, _ in found.puts)):
            # Accepted, or overruled: either way the centre has decided.
            over += [each.number for each in self._book.about(one.site, one.person) if each.state == "sent"]
        with file.transaction():
            self._count_removed(found.site.site, len(found.erased))
            self._book.put(*found.noted, *(one for one, _ in found.puts))
            self._book.withdraw(over)
            self._book.put_site(found.site)
        self._step("committed")
        if found.erased or over:
            file.wipe()

    def _count_removed(self, site: str, count: int) -> None:
        """Count people who go by the centre's word; whether there are many is told, and delays nothing."""
        if not count:
            return
        file, wall = self._book.file, self._clock.wall()
        before = file.removals(wall).get(site)
        if before is None:
            before = Removal(site=site, began=wall, people=self._book.states[site, "matched"])
        file.put_removal(before.model_copy(update={"removed": before.removed + count}))


def gallery_person(site: str, one: OpenedPerson, wall: float) -> Person:
    """Someone of a site as the gallery has them, enrolled at these wall seconds."""
    facts = one.facts
    return Person(
        facts.id, facts.name, facts.ignored, wall, 0, 0, facts.consent, facts.expires, groups=facts.groups, site=site
    )  # fmt: skip


def _kept(person: Person, before: Person | None) -> Person:
    """The person with what stays of who had the id before."""
    if before is None:
        return person
    return replace(person, enrolled=before.enrolled, look_alikes=before.look_alikes)


def _check(one: OpenedPerson) -> None:
    """Raise GalleryError for an id or a name that no one may have here."""
    check_new_id(one.facts.id)
    given_name(one.facts.name, one.facts.id)


def _alike(
    view: GallerySnapshot, people: Sequence[OpenedPerson], without: set[str], least: float
) -> dict[str, set[str]]:
    """The people who have the face of someone else, before or among these, `without` those who go."""
    ids = [one.facts.id for one in people]
    new = np.stack([one.embedding for one in people])
    # The former face of someone who changes is compared with no one.
    out = [row for row in map(view.rows.get, without.union(ids)) if row is not None]
    found: dict[str, set[str]] = {}
    for start in range(0, len(ids), _BLOCK):
        some = new[start : start + _BLOCK]
        for others, names, skipped in ((view.matrix, [one.id for one in view.people], out), (new, ids, [])):
            if not len(others):
                continue
            scores = some @ others.T
            scores[:, skipped] = -1.0
            for at, other in np.argwhere(scores >= least).tolist():
                who = ids[start + at]
                if names[other] != who:
                    found.setdefault(who, set()).add(names[other])
    return found
