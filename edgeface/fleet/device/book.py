"""fleet.db in memory: the people that the device knows, by site and by the id in the gallery; one thread owns it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.fleet.device.lease import CHARGED
from edgeface.fleet.device.records import ERASING, LIST, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgeface.fleet.device.fleet_file import FleetFile
    from edgeface.fleet.device.lease import DeviceLease
    from edgeface.fleet.device.records import EntryState, QueuedProposal, SiteFile


class Book:
    """What fleet.db holds, read once; each change is stored first."""

    def __init__(self, file: FleetFile) -> None:
        self.file = file
        self.read()

    def read(self) -> None:
        """Read everything again, after another program has written."""
        file = self.file
        self.sites = file.sites()
        self.people: dict[tuple[str, bytes], Entry] = {}
        self.states: Counter[tuple[str, EntryState]] = Counter()
        """How many people of a site are in a state."""
        self._of: dict[str, dict[bytes, Entry]] = {}
        self._ids: dict[str, Entry] = {}
        self._erasing: dict[tuple[str, bytes], Entry] = {}
        for one in file.entries():
            self._note(one)
        self.own = file.own()
        """Marks of those who were enrolled before the device joined."""
        self.waiting = {one.number: one for one in file.proposals()}
        """The proposals that the centre has not decided about."""

    def of(self, site: str) -> Mapping[bytes, Entry]:
        """Everyone of a site, by the centre's number; it changes with each `put`."""
        return self._of.get(site, {})

    @property
    def by_id(self) -> Mapping[str, Entry]:
        """Those who are in the gallery, or about to be, by their id there; it changes with each `put`."""
        return self._ids

    def erasing(self) -> list[Entry]:
        """Those whose erasure has begun and is not proved."""
        return list(self._erasing.values())

    def put(self, *entries: Entry) -> None:
        """Store entries."""
        self.file.put_entries(entries)
        for one in entries:
            self._note(one)

    def mark(self, entries: Iterable[Entry], busy: int) -> None:
        """Mark entries that are stored as they are here, while gallery.db is written."""
        marked = [replace(one, busy=busy) for one in entries]
        self.file.mark_entries(marked)
        for one in marked:
            self._note(one)

    def drop(self, *entries: Entry) -> None:
        """Remove entries that no centre has ever seen, or of a site that the device leaves."""
        self.file.drop_entries(entries)
        for one in entries:
            self._drop((one.site, one.person))

    def _note(self, one: Entry) -> None:
        key = one.site, one.person
        self._drop(key)
        self.people[key] = self._of.setdefault(one.site, {})[one.person] = one
        self.states[one.site, one.state] += 1
        if one.facts is not None and one.is_here:
            self._ids[one.facts.id] = one
        if one.busy == ERASING:
            self._erasing[key] = one

    def _drop(self, key: tuple[str, bytes]) -> None:
        one = self.people.pop(key, None)
        if one is None:
            return
        del self._of[one.site][one.person]
        self.states[one.site, one.state] -= 1
        self._erasing.pop(key, None)
        if one.facts is not None and self._ids.get(one.facts.id) is one:
            del self._ids[one.facts.id]

    def put_site(self, site: SiteFile) -> None:
        """Store a site; its lease is charged in advance, so that a loss of power never extends it."""
        self.file.put_site(site.charged(CHARGED))
        self.sites[site.site] = site

    def leases(self) -> dict[str, DeviceLease]:
        """The leases, by site."""
        return {one.site: one.lease for one in self.sites.values() if one.lease is not None}

    def bar(self, site: str) -> None:
        """Note that the centre refuses this device, until it grants a lease again."""
        if not self.sites[site].barred:
            self.put_site(self.sites[site].model_copy(update={"barred": True}))

    def remodel(self, model: str) -> None:
        """Have everyone put again from the whole lists of a model, unless their marks are of it already."""
        others = {one.site: one for one in self.sites.values() if one.model != model}
        with self.file.transaction():
            for one in others.values():
                seq = LIST if one.model else one.seq
                self.put_site(one.model_copy(update={"model": model, "seq": seq}))
            old = [one for one in self.people.values() if one.site in others and others[one.site].model]
            self.put(*(replace(one, state="overruled") for one in old if one.state == "matched"))

    def leave(self, site: str) -> None:
        """Remove a site that the device no longer follows, and of which no one is in the gallery by its word."""
        self.withdraw([one.number for one in self.waiting.values() if one.site == site])
        self.drop(*self.of(site).values())
        self.file.drop_site(site)
        self.sites.pop(site, None)

    def put_own(self, tags: Iterable[bytes]) -> None:
        """Note who was enrolled before the device joined, by their tags in the gallery."""
        tags = list(tags)
        self.file.put_own(tags)
        self.own.update(map(self.file.own_mark, tags))

    def queue(self, proposal: QueuedProposal) -> None:
        """Queue a proposal, in place of an earlier one about the person that was not sent; or store its state."""
        self.file.put_proposal(proposal)
        self.waiting[proposal.number] = proposal
        self.withdraw(
            one.number for one in self.about(proposal.site, proposal.person)
            if one.number != proposal.number and one.state == "waiting"
        )  # fmt: skip

    def about(self, site: str, person: bytes) -> list[QueuedProposal]:
        """The proposals about a person."""
        return [one for one in self.waiting.values() if (one.site, one.person) == (site, person)]

    def withdraw(self, numbers: Iterable[bytes]) -> None:
        """Remove proposals."""
        numbers = list(numbers)
        self.file.drop_proposals(numbers)
        for one in numbers:
            self.waiting.pop(one, None)

    def list_again(self, site: str) -> None:
        """Have the whole list of a site fetched."""
        self.put_site(self.sites[site].model_copy(update={"seq": LIST}))
