"""Sets, draws, lists and removes second factors of people, for the command line and the page alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import GalleryError
from edgeface.security.pins import (
    DEFAULT_CODE,
    StoredPin,
    card_uid,
    check_number,
    check_pin,
    draw_code,
    draw_number,
    slow_hash,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.gallery.factors import Factor
    from edgeface.gallery.gallery import Gallery
    from edgeface.people.service import PeopleService


class PersonFactors(NamedTuple):
    """The second factors of a person, and their wrong PINs."""

    factors: tuple[Factor, ...]
    wrong: tuple[tuple[str, int], ...]
    """Door, and the wrong PINs there since the last right one."""


@dataclass(frozen=True, slots=True, eq=False)
class FactorService:
    """The workflows about second factors; each blocks, is durable when it returns, and is recorded in the audit trail.

    What is refused is a GalleryError, which quotes no secret, with nothing changed.
    """

    people: PeopleService

    def set_pin(self, person: str, pin: str, number: str | None = None) -> str:
        """Set a person's PIN, and remove their duress PIN; returns their number: `number`, the old one or a new one."""
        check_pin(pin)
        if number is not None:
            check_number(number)
        stored = StoredPin.of(pin)
        with self.people.gallery() as gallery:
            with gallery.transaction(visible=False):
                chosen = number or next(_numbers(gallery, person), None) or _free_number(gallery)
                change = gallery.set_pin(person, chosen, stored, self.people.clock.wall())
            self.people.record_changes([change])
        return chosen

    def set_duress(self, person: str, pin: str) -> None:
        """Set the duress PIN of a person who has a PIN: a second one that works like the first and raises an alarm."""
        check_pin(pin)
        with self.people.gallery() as gallery:
            number = next(_numbers(gallery, person), None)
            found = None if number is None else gallery.pin_of(number)
            if number is None or found is None:
                raise GalleryError(f"{person}: no PIN yet (edgeface factors set-pin {person})")
            stored = found[1]
            if stored.is_duress(pin) is False:
                raise GalleryError("the duress PIN must differ from the PIN")
            both = replace(stored, duress=slow_hash(pin, stored.salt, stored.cost))
            self.people.record_changes([gallery.set_pin(person, number, both, self.people.clock.wall())])

    def draw_code(self, person: str, digits: int = DEFAULT_CODE) -> str:
        """Draw a new code, which replaces the person's old one; it is returned once and is stored nowhere."""
        with self.people.gallery() as gallery:
            with gallery.transaction(visible=False):
                codes = [int(one.label) for one in gallery.factors() if one.kind == "code" and one.person != person]
                code = draw_code(codes, digits)
                change = gallery.set_code(person, code, self.people.clock.wall())
            self.people.record_changes([change])
        return code

    def add_card(self, person: str, uid: str) -> None:
        """Add a card by its UID, as readers print it."""
        with self.people.gallery() as gallery:
            self.people.record_changes([gallery.add_card(person, card_uid(uid), self.people.clock.wall())])

    def remove(self, person: str, factor: str) -> None:
        """Remove a factor by its id."""
        with self.people.gallery() as gallery:
            self.people.record_changes([gallery.remove_factor(person, factor, self.people.clock.wall())])

    def unlock(self, person: str) -> None:
        """Forget the wrong PINs of a person at every door; a running daemon takes it up with the next factor."""
        with self.people.gallery() as gallery:
            self.people.record_changes([gallery.unlock(person, self.people.clock.wall())])

    def of(self, person: str) -> PersonFactors:
        """The factors of a person."""
        with self.people.gallery() as gallery:
            return factors_of(gallery, person)


def factors_of(gallery: Gallery, person: str) -> PersonFactors:
    """The factors of a person in an open gallery; raises GalleryError for an unknown id."""
    found = tuple(gallery.factors(person))
    wrong = {key.door: facts["wrong"] for key, facts in gallery.all_attempts().items() if key.person == person}
    return PersonFactors(found, tuple(sorted(wrong.items())))


def _numbers(gallery: Gallery, person: str) -> Iterator[str]:
    return (one.label for one in gallery.factors(person) if one.kind == "pin")


def _free_number(gallery: Gallery) -> str:
    taken = {one.label for one in gallery.factors() if one.kind == "pin"}
    while (number := draw_number(len(taken))) in taken:
        pass
    return number
