"""Sealed rows of second factors: PINs, codes and cards of people, and the attempts that were wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from edgeface.core import sqlite
from edgeface.core.errors import GalleryError
from edgeface.core.text import counted, printable
from edgeface.gallery.file import GalleryFile
from edgeface.gallery.rows import TEMPLATE_ID_LENGTH, Change
from edgeface.security.attempts import AttemptKey
from edgeface.security.pins import Cost, StoredPin, slow_hash

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

Kind = Literal["pin", "code", "card"]

MAX_CARDS = 10
"""Cards of one person."""
_SHOWN_DIGITS = 4


class Factor(NamedTuple):
    """A second factor of a person, without its secret."""

    id: str
    person: str
    kind: Kind
    set_at: float
    """Wall seconds."""
    label: str
    """The number of a PIN, the last digits of a card's UID, the length of a code."""
    duress: bool = False
    """Whether the PIN has a duress PIN."""


class FactorsFile(GalleryFile):
    """The part of Gallery about second factors: a row is found by the tag of its number, code or card."""

    def factors(self, person: str | None = None) -> list[Factor]:
        """The factors of one person, or of everyone, by person; raises GalleryError for an unknown id."""
        with sqlite.translated(self.path):
            if person is not None:
                self._require(person)
            query = "SELECT found, person, sealed FROM factors WHERE ?1 IS NULL OR person = ?1 ORDER BY seq"
            rows = self._db.execute(query, (None if person is None else self.tag(person),)).fetchall()
        return sorted((_factor(found, self._facts(found, *row)) for found, *row in rows), key=lambda one: one.person)

    def pin_of(self, number: str) -> tuple[str, StoredPin] | None:
        """The person with a number, and their PIN; None if no one has it."""
        facts = self._find_factor(self._number_tag(number))
        return None if facts is None else (facts["person"], _pin(facts))

    def person_of_card(self, uid: str) -> str | None:
        """The person with a card; None if no one has it."""
        facts = self._find_factor(self._card_tag(uid))
        return None if facts is None else str(facts["person"])

    def person_of_code(self, code: str) -> str | None:
        """The person with a code; None if no one has it. It takes as long for any code, the time of one slow hash."""
        facts = self._find_factor(self._code_tag(code))
        return None if facts is None else str(facts["person"])

    def is_person(self, person: str) -> bool:
        """Whether someone has this id."""
        with sqlite.translated(self.path):
            return self._db.execute("SELECT 1 FROM people WHERE tag = ?", (self.tag(person),)).fetchone() is not None

    def set_pin(self, person: str, number: str, pin: StoredPin, wall: float) -> Change:
        """Give a person a number and a PIN instead of the ones they had, and forget their wrong PINs.

        Raises GalleryError for a number in use.
        """
        tag = self._number_tag(number)
        facts = {
            "kind": "pin", "number": number, "salt": pin.salt.hex(), "pin": pin.pin.hex(),
            "duress": None if pin.duress is None else pin.duress.hex(), "cost": list(pin.cost),
        }  # fmt: skip
        with self.transaction(visible=False):
            self._drop_factors(person, {one.id for one in self.factors(person) if one.kind == "pin"})
            if self._find_factor(tag) is not None:
                raise GalleryError(f"the number {number} is taken: choose another")
            self._put_factor(tag, person, facts, wall)
            self.unlock(person, wall)
        return Change("factors", person, wall, factor="pin" if pin.duress is None else "duress")

    def set_code(self, person: str, code: str, wall: float) -> Change:
        """Give a person a code instead of the one they had; raises GalleryError for a code in use."""
        tag = self._code_tag(code)
        with self.transaction(visible=False):
            self._drop_factors(person, {one.id for one in self.factors(person) if one.kind == "code"})
            if self._find_factor(tag) is not None:
                raise GalleryError("this code is taken: draw another")
            self._put_factor(tag, person, {"kind": "code", "digits": len(code)}, wall)
        return Change("factors", person, wall, factor="code")

    def add_card(self, person: str, uid: str, wall: float) -> Change:
        """Give a person a card; raises GalleryError if someone has it, or they have MAX_CARDS."""
        tag = self._card_tag(uid)
        with self.transaction(visible=False):
            cards = sum(one.kind == "card" for one in self.factors(person))
            if (owner := self.person_of_card(uid)) is not None:
                raise GalleryError(f"this card is {owner}'s: remove it there first")
            if cards >= MAX_CARDS:
                raise GalleryError(f"{person}: {counted(cards, 'card')}; no more are possible")
            self._put_factor(tag, person, {"kind": "card", "uid": uid}, wall)
        return Change("factors", person, wall, factor="card")

    def remove_factor(self, person: str, factor: str, wall: float) -> Change:
        """Remove a factor by its id; raises GalleryError if the person has none with it."""
        with self.transaction(visible=False):
            found = [one for one in self.factors(person) if one.id == factor]
            if not found:
                raise GalleryError(f"{printable(factor)}: no such factor (edgeface factors list {person})")
            self._drop_factors(person, {factor})
        sqlite.erase(self._db, self.path)
        return Change("factors", person, wall, factor=found[0].kind, removed=True)

    def attempts(self, key: AttemptKey) -> dict[str, Any] | None:
        """What `put_attempts` stored."""
        tag = self._attempts_tag(key)
        with sqlite.translated(self.path):
            row = self._db.execute("SELECT sealed FROM attempts WHERE place = ?", (tag,)).fetchone()
        return None if row is None else self._codec.unseal("attempts", tag, row[0])[0]["facts"]

    def all_attempts(self) -> dict[AttemptKey, dict[str, Any]]:
        """Everything that `put_attempts` stored."""
        with sqlite.translated(self.path):
            rows = self._db.execute("SELECT place, sealed FROM attempts").fetchall()
        found = [self._codec.unseal("attempts", tag, sealed)[0] for tag, sealed in rows]
        return {AttemptKey(one["door"], one["person"]): one["facts"] for one in found}

    def put_attempts(self, attempts: Mapping[AttemptKey, Mapping[str, Any] | None]) -> None:
        """Store facts about wrong factors, in one durable step; None removes what was stored."""
        with self.transaction(visible=False):
            for key, facts in attempts.items():
                tag, person = self._attempts_tag(key), None if key.person is None else self.tag(key.person)
                self._db.execute("DELETE FROM attempts WHERE place = ?", (tag,))
                if facts is not None:
                    sealed = self._codec.seal("attempts", tag, {**key._asdict(), "facts": dict(facts)})
                    self._db.execute("INSERT INTO attempts VALUES (?, ?, ?)", (tag, person, sealed))

    def unlock(self, person: str, wall: float) -> Change:
        """Forget the wrong PINs of a person, at every door."""
        with self.transaction(visible=False):
            self._require(person)
            self._db.execute("DELETE FROM attempts WHERE person = ?", (self.tag(person),))
        return Change("factors", person, wall, factor="unlocked")

    def factor_tags(self, *people: str) -> tuple[bytes, ...]:
        """The tags by which the rows of the factors and attempts of people are found."""
        queries = "SELECT found FROM factors WHERE person IN ({})", "SELECT place FROM attempts WHERE person IN ({})"
        tags = set(map(self.tag, people))
        with sqlite.translated(self.path):
            return tuple(tag for query in queries for (tag,) in sqlite.among(self._db, query, tags))

    def _find_factor(self, found: bytes) -> dict[str, Any] | None:
        with sqlite.translated(self.path):
            row = self._db.execute("SELECT person, sealed FROM factors WHERE found = ?", (found,)).fetchone()
        return None if row is None else self._facts(found, *row)

    def _facts(self, found: bytes, owner: bytes, sealed: bytes) -> dict[str, Any]:
        return self._codec.unseal(f"factor {found.hex()}", owner, sealed)[0]

    def _put_factor(self, found: bytes, person: str, facts: Mapping[str, object], wall: float) -> None:
        owner = self.tag(person)
        sealed = self._codec.seal(f"factor {found.hex()}", owner, {**facts, "person": person, "at": wall})
        self._db.execute("INSERT INTO factors (found, person, sealed) VALUES (?, ?, ?)", (found, owner, sealed))

    def _drop_factors(self, person: str, ids: Container[str]) -> None:
        for (found,) in self._db.execute("SELECT found FROM factors WHERE person = ?", (self.tag(person),)).fetchall():
            if _id(found) in ids:
                self._db.execute("DELETE FROM factors WHERE found = ?", (found,))

    def _number_tag(self, number: str) -> bytes:
        return self.tag(f"factor number {number}")

    def _card_tag(self, uid: str) -> bytes:
        return self.tag(f"factor card {uid}")

    def _code_tag(self, code: str) -> bytes:
        # A plain tag of a code could be computed for all codes in seconds by who has the key. The salt is the same for
        # all codes, so that one hash finds the person.
        return self.tag(f"factor code {slow_hash(code, self.tag('factor code salt')).hex()}")

    def _attempts_tag(self, key: AttemptKey) -> bytes:
        return self.tag(f"attempts {key.door} {key.person or ''}")


def _id(found: bytes) -> str:
    return found.hex()[:TEMPLATE_ID_LENGTH]


def _factor(found: bytes, facts: Mapping[str, Any]) -> Factor:
    labels = {"pin": facts.get("number"), "code": facts.get("digits"), "card": facts.get("uid", "")[-_SHOWN_DIGITS:]}
    kind = facts["kind"]
    return Factor(_id(found), facts["person"], kind, facts["at"], str(labels[kind]), facts.get("duress") is not None)


def _pin(facts: Mapping[str, Any]) -> StoredPin:
    duress = facts["duress"]
    return StoredPin(
        bytes.fromhex(facts["salt"]),
        bytes.fromhex(facts["pin"]),
        None if duress is None else bytes.fromhex(duress),
        Cost(*facts["cost"]),
    )
