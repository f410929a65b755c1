"""People: enrolled and changed, forgotten, and numbered again after a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from edgeface.centre.keys.keyring import proposal_subject
from edgeface.centre.records import Entry
from edgeface.centre.tables import events, sites
from edgeface.centre.tables.directory import sealed_facts
from edgeface.centre.tables.faces import Faces
from edgeface.core.errors import ChangedError, FleetError, GalleryError, GoneError, UnknownError
from edgeface.core.text import check_id
from edgeface.fleet import facts as signed_facts
from edgeface.fleet import sealing
from edgeface.fleet.facts import PersonFacts
from edgeface.gallery.snapshot import check_embedding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from edgeface.centre.database import Transaction
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import PersonRecord, Site
    from edgeface.centre.tables.directory import Directory
    from edgeface.core.types import Embedding
    from edgeface.gallery.agreement import Limits

_NO_TEMPLATE = ("none:00000000", bytes(2))
"""Model and mean with which facts are checked where a person has no template."""


class _Plan(NamedTuple):
    """One person before the change."""

    entry: Entry
    person: bytes
    before: int | None


class People:
    """Writes people; each call is one transaction of the caller's."""

    def __init__(self, keyring: Keyring, directory: Directory) -> None:
        self._keyring = keyring
        self._directory = directory

    def put(
        self, transaction: Transaction, site: str, entries: Sequence[Entry], by: str, wall: float
    ) -> tuple[int, ...]:
        """Enroll or change people; raises as `Store.put` does."""
        for entry in entries:
            _require_valid(entry)
        before = sites.locked(transaction, site)
        plans = self._plans(transaction, before, entries)
        new = {plan.person: sealing.new_key() for plan in plans if plan.before is None}
        if new:
            # With the mark of the change, so that `sites.number` need not write the keyring once more.
            self._keyring.add(site, new, sites.mark_of(before, len(plans)))
        return self._write(transaction, before, plans, "put", by, wall)

    def forget(
        self, transaction: Transaction, site: str, people: Sequence[bytes], by: str, wall: float
    ) -> tuple[int, ...]:
        """Destroy the keys of people, then their rows; returns the number of each change, also if it was before."""
        before = sites.locked(transaction, site)
        rows = transaction.execute(
            "SELECT person, seq, gone FROM people WHERE person = ANY(%s) AND site = %s", (list(people), site)
        ).fetchall()
        if len(rows) < len(set(people)):
            raise UnknownError(f"{site}: no such person")
        numbers = {person: int(seq) for person, seq, _ in rows}
        gone = {person for person, _, is_gone in rows if is_gone}
        present = {person: numbers[person] for person in people if person not in gone}
        if present:
            numbers.update(self._forget(transaction, before, present, by, wall))
        return tuple(numbers[person] for person in people)

    def finish_forgetting(self, transaction: Transaction, site: str, wall: float, *, restored: bool = False) -> int:
        """Have those gone whose key was destroyed before a crash; returns how many.

        Raises FleetError if someone has no key though none was destroyed, unless the database was `restored`.
        """
        before = sites.locked(transaction, site)
        rows = transaction.execute("SELECT person, seq FROM people WHERE site = %s AND NOT gone", (site,)).fetchall()
        keys = self._keyring.keys(site)
        lost = {person: seq for person, seq in rows if person not in keys}
        if not lost:
            return 0
        unexplained = len(lost) - len(self._keyring.destroyed(lost))
        if unexplained and not restored:
            raise FleetError(f"{site}: the keyring lacks the keys of {unexplained} people; restore the right keyring")
        return len(self._forget(transaction, before, lost, "", wall))

    def renumber(self, transaction: Transaction, site: Site, records: Iterable[PersonRecord], wall: float) -> None:
        """Give every person of a locked site a new number, with rows that are sealed and signed again."""
        plans = [_Plan(Entry.of(record), record.person, record.seq) for record in records]
        self._write(transaction, site, plans, "restore", "", wall)

    def means(self, transaction: Transaction, site: str, model: str) -> dict[str, Embedding]:
        """The mean template of everyone who has one of a model, by id."""
        keys = self._keyring.keys(site)
        rows = transaction.execute(
            "SELECT person, seq, templates.sealed FROM people JOIN templates USING (person)"
            " WHERE site = %s AND model = %s",
            (site, model),
            binary=True,
        )
        found = (
            _opened_row(keys[person], site, person, seq, model, sealed)
            for person, seq, sealed in rows
            if person in keys
        )
        return {facts.id: facts.embedding for facts in found}

    def faces(self, transaction: Transaction, site: str, model: str, limits: Limits) -> Faces:
        """The faces of everyone of a site by one model, with which a new one is compared."""
        rows = transaction.execute(
            "SELECT DISTINCT person FROM people JOIN templates USING (person) WHERE site = %s", (site,), binary=True
        )
        having = {person for (person,) in rows}
        means = self.means(transaction, site, model)
        ids = {one.id for one in self.records(transaction, site) if one.person in having}
        return Faces(means, frozenset(ids - means.keys()), limits)

    def records(self, transaction: Transaction, site: str) -> tuple[PersonRecord, ...]:
        """Everyone of a site, by id."""
        return self._directory.records(transaction, sites.find(transaction, site))

    def _forget(
        self, transaction: Transaction, site: Site, people: Mapping[bytes, int], by: str, wall: float
    ) -> dict[bytes, int]:
        subjects = [*people, *_proposed(transaction, people)]
        self._keyring.destroy(subjects, sites.mark_of(site, len(people)))
        return dict(zip(people, self._erase(transaction, site, people, by, wall), strict=True))

    def remember_keys(self, transaction: Transaction, site: str, keys: Mapping[bytes, bytes]) -> None:
        """Write new keys to the keyring, and how far it is to the database."""
        self._keyring.add(site, keys)
        sites.note_counter(transaction, self._keyring)

    def destroy_keys(self, transaction: Transaction, subjects: Collection[bytes]) -> None:
        """As `remember_keys`, for keys that are destroyed."""
        self._keyring.destroy(subjects)
        sites.note_counter(transaction, self._keyring)

    def _plans(self, transaction: Transaction, site: Site, entries: Sequence[Entry]) -> list[_Plan]:
        ids = [entry.id for entry in entries]
        known = self._directory.find(transaction, site, ids)
        named = [entry.person for entry in entries if entry.person is not None]
        rows = transaction.execute("SELECT person, site, seq, gone FROM people WHERE person = ANY(%s)", (named,))
        present = {person: (home, seq, gone) for person, home, seq, gone in rows}
        plans = []
        for entry in entries:
            holder = known.get(entry.id)
            if entry.person is None:
                plan = _Plan(entry, sealing.new_person(), None) if holder is None else _plan(entry, holder)
            else:
                plan = self._named(site, entry, entry.person, present.get(entry.person))
            if holder is not None and holder.person != plan.person:
                raise ChangedError(f"{entry.id}: another person has this id")
            if entry.seq is not None and entry.seq != (plan.before or 0):
                raise ChangedError(f"{entry.id}: was changed meanwhile")
            plans.append(plan)
        if min(len(set(ids)), len({plan.person for plan in plans})) < len(plans):
            raise GalleryError("two entries are about one person")
        return plans

    def _named(self, site: Site, entry: Entry, person: bytes, row: tuple[str, int, bool] | None) -> _Plan:
        if row is None:
            if self._keyring.destroyed([person]):
                raise GoneError(f"{entry.id}: was forgotten")
            return _Plan(entry, person, None)
        home, seq, gone = row
        if gone or self._keyring.destroyed([person]):
            raise GoneError(f"{entry.id}: was forgotten")
        if home != site.site:
            raise ChangedError(f"{entry.id}: is a person of another site")
        return _Plan(entry, person, seq)

    def _write(
        self, transaction: Transaction, site: Site, plans: Sequence[_Plan], kind: str, by: str, wall: float
    ) -> tuple[int, ...]:
        name, signer = site.site, self._keyring.enrolling.key(site.site)
        kept = self._kept(transaction, name, {plan.person: plan.before for plan in plans if plan.before is not None})
        keys = self._keyring.keys_of([plan.person for plan in plans])
        changes = [sites.Change(plan.person, plan.before) for plan in plans]
        _, numbers = sites.number(transaction, self._keyring, site, changes, kind, by, wall)
        people, templates = [], []
        for plan, seq in zip(plans, numbers, strict=True):
            if plan.person not in keys:
                raise GoneError(f"{plan.entry.id}: was forgotten")
            key = keys[plan.person]
            given = {model: signed_facts.to_mean(one) for model, one in plan.entry.embeddings.items()}
            means = {**kept.get(plan.person, {}), **given}
            people.append((seq, sealed_facts(key, name, plan.person, seq, _facts(plan.entry, seq)), plan.person, name))
            for model, mean in means.items():
                sealed = _sealed_row(key, signer, name, plan.person, _facts(plan.entry, seq, model, mean))
                templates.append((plan.person, model, sealed))
        new = "INSERT INTO people (seq, sealed, person, site, since) VALUES (%s, %s, %s, %s, %s)"
        known = "UPDATE people SET seq = %s, sealed = %s WHERE person = %s AND site = %s"
        for statement, is_new, more in ((new, True, (wall,)), (known, False, ())):
            rows = [(*row, *more) for row, plan in zip(people, plans, strict=True) if (plan.before is None) is is_new]
            sites.execute_all(transaction, statement, rows)
        sites.execute_all(
            transaction,
            "INSERT INTO templates VALUES (%s, %s, %s)"
            " ON CONFLICT (person, model) DO UPDATE SET sealed = excluded.sealed",
            templates,
        )
        return numbers

    def _kept(self, transaction: Transaction, site: str, people: Mapping[bytes, int]) -> dict[bytes, dict[str, bytes]]:
        """The templates that people have, opened; their rows are sealed and signed again with the new facts."""
        keys = self._keyring.keys_of(people)
        rows = transaction.execute(
            "SELECT person, model, sealed FROM templates WHERE person = ANY(%s)", (list(people),), binary=True
        )
        means: dict[bytes, dict[str, bytes]] = {}
        for person, model, sealed in rows:
            if person in keys:
                facts = _opened_row(keys[person], site, person, people[person], model, sealed)
                means.setdefault(person, {})[model] = facts.mean
        return means

    def _erase(
        self, transaction: Transaction, site: Site, people: Mapping[bytes, int], by: str, wall: float
    ) -> tuple[int, ...]:
        """Delete what is sealed of people whose keys are destroyed, and say in the history that they are gone."""
        changes = [sites.Change(person, seq, gone=True) for person, seq in people.items()]
        _, numbers = sites.number(transaction, self._keyring, site, changes, "forget", by, wall)
        everyone = (list(people),)
        transaction.execute("DELETE FROM templates WHERE person = ANY(%s)", everyone)
        transaction.execute("DELETE FROM crops WHERE person = ANY(%s)", everyone)
        transaction.execute("DELETE FROM proposals WHERE person = ANY(%s)", everyone)
        sites.execute_all(
            transaction,
            "UPDATE people SET seq = %s, sealed = NULL, gone = true WHERE person = %s",
            list(zip(numbers, people, strict=True)),
        )
        events.forget(transaction, list(people))
        return numbers


def _plan(entry: Entry, holder: PersonRecord) -> _Plan:
    return _Plan(entry, holder.person, holder.seq)


def _require_valid(entry: Entry) -> None:
    check_id(entry.id)
    for embedding in entry.embeddings.values():
        check_embedding(embedding)
    if entry.person is not None and len(entry.person) != sealing.PERSON_BYTES:
        raise GalleryError(f"{entry.id}: a person's number has {sealing.PERSON_BYTES} bytes")
    for model in entry.embeddings or (_NO_TEMPLATE[0],):
        _facts(entry, 1, model, _NO_TEMPLATE[1])


def _facts(entry: Entry, seq: int, model: str = _NO_TEMPLATE[0], mean: bytes = _NO_TEMPLATE[1]) -> PersonFacts:
    """The facts as devices read them; raises GalleryError, which names the field and quotes no value."""
    try:
        return PersonFacts(
            id=entry.id,
            name=entry.name,
            version=seq,
            model=model,
            mean=mean,
            groups=entry.groups,
            ignored=entry.ignored,
            consent=entry.consent,
            expires=entry.expires,
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise GalleryError(f"{first['loc'][0]}: {first['msg']}") from None


def _sealed_row(key: bytes, signer: Ed25519PrivateKey, site: str, person: bytes, facts: PersonFacts) -> bytes:
    signed = signed_facts.sign(site, person, facts, signer)
    return sealing.seal_row(key, site, person, facts.version, facts.model, signed)


def _opened_row(key: bytes, site: str, person: bytes, seq: int, model: str, sealed: bytes) -> PersonFacts:
    return signed_facts.read_signed(sealing.open_row(key, site, person, seq, model, sealed))


def _proposed(transaction: Transaction, people: Iterable[bytes]) -> list[bytes]:
    """The subjects of the waiting proposals about people."""
    rows = transaction.execute(
        "SELECT number FROM proposals WHERE person = ANY(%s) AND state = 'waiting'", (list(people),)
    )
    return [proposal_subject(number) for (number,) in rows]
