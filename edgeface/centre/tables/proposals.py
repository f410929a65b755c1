"""Proposals of devices: people who were enrolled, changed or forgotten there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.centre.keys.keyring import proposal_subject
from edgeface.centre.records import Entry, WaitingProposal
from edgeface.centre.tables import journal, sites
from edgeface.centre.tables.faces import names_against, require_no_objection
from edgeface.core.errors import ChangedError, FleetError, GoneError, UnknownError
from edgeface.fleet import facts as signed_facts
from edgeface.fleet import sealing
from edgeface.fleet.messages import Proposed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from edgeface.centre.database import Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import Insistence, Objection, PersonRecord, Site
    from edgeface.centre.tables.faces import Faces
    from edgeface.centre.tables.people import People
    from edgeface.fleet.facts import PersonFacts
    from edgeface.fleet.messages import Proposal
    from edgeface.gallery.agreement import Limits

MOST_WAITING = 200
"""Proposals of one device that may wait: a stolen one must not fill the list of the admins."""
_WAITING = "SELECT n, number, site, device, person, seq, forget, sealed, at FROM proposals WHERE state = 'waiting'"


class TooManyError(FleetError):
    """As many proposals of a device wait as may."""


class Proposals:
    """Takes, shows and decides proposals; each call is one transaction of the caller's."""

    def __init__(self, keyring: Keyring, people: People, limits: Limits) -> None:
        self._keyring = keyring
        self._people = people
        self._limits = limits

    def take(self, transaction: Transaction, device: str, site: str, proposal: Proposal, wall: float) -> Proposed:
        """Keep a proposal until an admin decides; raises as `Store.propose` does."""
        state = sites.locked(transaction, site)
        known = transaction.execute(
            "SELECT state, became FROM proposals WHERE number = %s", (proposal.number,)
        ).fetchone()
        if known is not None:
            if known[0] == "declined":
                raise ChangedError("the proposal was declined")
            return Proposed(seq=known[1])
        self._require_current(transaction, site, proposal.person, proposal.seq)
        _require_few(transaction, device)
        sealed = None if proposal.forget else self._kept(transaction, state, proposal)
        transaction.execute(
            "INSERT INTO proposals (number, site, device, person, seq, forget, sealed, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (proposal.number, site, device, proposal.person, proposal.seq, proposal.forget, sealed, wall),
        )
        return Proposed(seq=0)

    def waiting(self, transaction: Transaction) -> tuple[WaitingProposal, ...]:
        """Those that wait, oldest first."""
        rows = transaction.execute(f"{_WAITING} ORDER BY n").fetchall()
        known: dict[tuple[str, str], Faces] = {}
        shown = (self._shown(transaction, row, known) for row in rows)
        return tuple(one for one in shown if one is not None)

    def site_of(self, transaction: Transaction, n: int) -> str:
        """The site of a proposal that waits; raises UnknownError."""
        row = transaction.execute(f"{_WAITING} AND n = %s", (n,)).fetchone()
        if row is None:
            raise _unknown(n)
        return str(row[2])

    def accept(
        self, transaction: Transaction, n: int, by: str, wall: float, insisted: Collection[Insistence]
    ) -> tuple[int, bytes]:
        """Make a proposal a change; returns its number, and the proposal's subject for `People.destroy_keys`.

        Raises ObjectionError if something speaks against it on which no one insisted.
        """
        row = self._locked(transaction, n)
        _, number, site, device, person, seq, forget, sealed, _ = row
        self._require_current(transaction, site, person, seq)
        journal.note(transaction, wall, by, "accept", site, {"proposal": n, "device": device}, person)
        if forget:
            (became,) = self._people.forget(transaction, site, [person], by, wall)
            return became, proposal_subject(number)
        facts = self._opened(site, number, person, seq, sealed)
        before = self._record(transaction, site, person)
        found = self._against(transaction, site, before, facts, {})
        require_no_objection(found, insisted, f"proposal {n}: ")
        groups = before.groups if before is not None else ()
        (became,) = self._people.put(transaction, site, [_entry(facts, person, seq, groups)], by, wall)
        overruled = sorted({one.option for one in found if one.option is not None})
        self._decide(transaction, n, "accepted", by, became, overruled)
        return became, proposal_subject(number)

    def decline(self, transaction: Transaction, n: int, by: str, wall: float) -> bytes:
        """Delete a proposal's facts; returns its subject, as `accept`."""
        _, number, site, device, person, *_ = self._locked(transaction, n)
        journal.note(transaction, wall, by, "decline", site, {"proposal": n, "device": device}, person)
        self._decide(transaction, n, "declined", by, 0)
        return proposal_subject(number)

    def _require_current(self, transaction: Transaction, site: str, person: bytes, seq: int) -> None:
        if self._keyring.destroyed([person]):
            raise GoneError("the person was forgotten")
        row = transaction.execute("SELECT site, seq, gone FROM people WHERE person = %s", (person,)).fetchone()
        if row is None and seq == 0:
            return
        if row is None or row[2]:
            raise GoneError("the person was forgotten")
        if row[:2] != (site, seq):
            raise ChangedError("the person was changed meanwhile")

    def _kept(self, transaction: Transaction, site: Site, proposal: Proposal) -> bytes:
        """Keep the proposal's key in the keyring, never in the database; returns the sealed facts."""
        if proposal.epoch != site.epoch:
            raise ChangedError("the epoch is over: fetch the key of the present one")
        if proposal.key is None or proposal.sealed is None:
            raise FleetError("the proposal has no facts")
        epoch_key = self._keyring.epoch_key(site.site, site.epoch)
        key = sealing.unwrap_key(epoch_key, site.site, site.epoch, proposal.person, proposal.key)
        _read(key, site.site, proposal.person, proposal.seq, proposal.sealed)
        self._people.remember_keys(transaction, site.site, {proposal_subject(proposal.number): key})
        return proposal.sealed

    def _opened(self, site: str, number: bytes, person: bytes, seq: int, sealed: bytes) -> PersonFacts:
        key = self._keyring.keys_of([proposal_subject(number)]).get(proposal_subject(number))
        if key is None:
            raise GoneError("the proposal's facts were destroyed")
        return _read(key, site, person, seq, sealed)

    def _record(self, transaction: Transaction, site: str, person: bytes) -> PersonRecord | None:
        return next((one for one in self._people.records(transaction, site) if one.person == person), None)

    def _against(
        self,
        transaction: Transaction,
        site: str,
        before: PersonRecord | None,
        facts: PersonFacts,
        known: dict[tuple[str, str], Faces],
    ) -> tuple[Objection, ...]:
        """What speaks against facts that a device proposes; `known` keeps the faces of a site for the next call."""
        faces = known.get((site, facts.model))
        if faces is None:
            faces = self._people.faces(transaction, site, facts.model, self._limits)
            known[site, facts.model] = faces
        names = names_against(before, facts.id, facts.name, self._people.records(transaction, site))
        return (*faces.against(None if before is None else before.id, facts.embedding), *names)

    def _shown(
        self, transaction: Transaction, row: Sequence[Any], known: dict[tuple[str, str], Faces]
    ) -> WaitingProposal | None:
        """One proposal; None if its key is destroyed, while its person is being forgotten or after a restore."""
        n, number, site, device, person, seq, forget, sealed, at = row
        try:
            facts = None if forget else self._opened(site, number, person, seq, sealed)
        except GoneError:
            return None
        before = self._record(transaction, site, person)
        return WaitingProposal(
            n=n,
            site=site,
            device=device,
            person=person,
            seq=seq,
            forget=forget,
            at=at,
            id=facts.id if facts else None,
            name=facts.name if facts else None,
            model=facts.model if facts else None,
            objections=self._against(transaction, site, before, facts, known) if facts else (),
        )

    @staticmethod
    def _locked(transaction: Transaction, n: int) -> tuple[Any, ...]:
        """A proposal that waits; its site is locked first, as by every other change."""
        row = transaction.execute("SELECT site FROM proposals WHERE n = %s", (n,)).fetchone()
        if row is not None:
            sites.locked(transaction, row[0])
            row = transaction.execute(f"{_WAITING} AND n = %s", (n,)).fetchone()
        if row is None:
            raise _unknown(n)
        return row

    @staticmethod
    def _decide(
        transaction: Transaction, n: int, state: str, by: str, became: int, overruled: Sequence[str] = ()
    ) -> None:
        transaction.execute(
            "UPDATE proposals SET state = %s, became = %s, by = %s, overruled = %s, sealed = NULL WHERE n = %s",
            (state, became, by, list(overruled), n),
        )


def _unknown(n: int) -> UnknownError:
    return UnknownError(f"{n}: no such proposal waits")


def _require_few(transaction: Transaction, device: str) -> None:
    """Raise TooManyError if a device has as many proposals waiting as any may have."""
    row = transaction.execute(
        "SELECT count(*) FROM proposals WHERE device = %s AND state = 'waiting'", (device,)
    ).fetchone()
    if row is None or row[0] >= MOST_WAITING:
        raise TooManyError(f"{MOST_WAITING} proposals of {device} wait for an admin: no more are taken")


def _read(key: bytes, site: str, person: bytes, seq: int, sealed: bytes) -> PersonFacts:
    return signed_facts.read(sealing.open_proposal(key, site, person, seq, sealed))


def _entry(facts: PersonFacts, person: bytes, seq: int, groups: tuple[str, ...]) -> Entry:
    """What an accepted proposal enters; groups are only the centre's to give."""
    return Entry(
        id=facts.id,
        name=facts.name,
        embeddings={facts.model: facts.embedding},
        groups=groups,
        ignored=facts.ignored,
        consent=facts.consent,
        expires=facts.expires,
        person=person,
        seq=seq,
    )
