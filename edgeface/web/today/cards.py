"""Visits as cards: one for each person and day, with what can be done about a stranger."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.core.errors import GalleryError
from edgeface.core.event_kinds import of
from edgeface.people.corrections import correctable_after
from edgeface.people.proposals import Proposal, proposals
from edgeface.web.http.time_zone import day_of
from edgeface.web.texts import today_strings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import GallerySnapshot, Person
    from edgeface.gallery.unknowns import Unknown
    from edgeface.journal.visits import Visit
    from edgeface.web.context import WebContext

CARDS = 60
"""Cards on a page."""
ALIKE = 2
"""People that a card offers to add a stranger to."""


class AlikePerson(NamedTuple):
    """Someone enrolled who a stranger may be."""

    id: str
    name: str
    score: float


class Stranger(NamedTuple):
    """Someone who is not enrolled, and can be."""

    id: str
    alike: list[AlikePerson]
    """The most alike first."""
    pairs: list[tuple[Proposal, str]]
    """The proposals to merge it with another stranger, each with the other's id."""


class Card(NamedTuple):
    """The visits of one person on one day, the latest first."""

    key: str
    """Stays the same while the page is updated."""
    who: str
    """The id of a person or an unknown; empty if there is none."""
    title: str
    person: Person | None
    """None for a stranger, and for someone who is enrolled no longer."""
    known: bool
    """They are or were enrolled."""
    pictures: int
    stranger: Stranger | None
    visits: list[Visit]


class CardDay(NamedTuple):
    """A day with its cards, the latest first."""

    day: str
    cards: list[Card]


class Deck:
    """Makes cards; reads of the gallery what they show."""

    def __init__(self, context: WebContext, gallery: Gallery, zone: tzinfo, *, actions: bool) -> None:
        """With `actions`, for someone who may change something."""
        self._gallery, self._zone, self._actions = gallery, zone, actions
        self._snapshot: GallerySnapshot | None = None
        self._latest = context.latest
        self._proposals = proposals(gallery) if actions else []
        self._wall = context.clock.wall()
        self.correctable = correctable_after(context.configuration(), self._wall) if actions else float("inf")
        """An event after these wall seconds can be corrected."""

    def days(self, visits: Iterable[Visit], first: int = 0) -> tuple[list[CardDay], int | None]:
        """The visits by day and person, from card number `first` on; and the number to continue at, if there is one."""
        groups: dict[tuple[str, str], list[Visit]] = {}
        for visit in visits:
            groups.setdefault((day_of(visit.first_seen, self._zone), visit.who or visit.kind), []).append(visit)
        shown = list(groups.items())[first : first + CARDS]
        days: dict[str, list[Card]] = {}
        for (day, who), own in shown:
            days.setdefault(day, []).append(self._card(f"v-{day}-{who}", own))
        return [CardDay(*pair) for pair in days.items()], first + CARDS if first + CARDS < len(groups) else None

    def _card(self, key: str, visits: list[Visit]) -> Card:
        newest = visits[0]
        if newest.person is not None:
            person = self._person(newest.person)
            name = next((visit.name for visit in visits if visit.name), newest.person)
            title = name if person is None else person.name
            pictures = len(self._gallery.pictures(newest.person))
            return Card(key, newest.person, title, person, known=True, pictures=pictures, stranger=None, visits=visits)
        if newest.unknown is None:
            title = {"unknown": today_strings.VISIT_STRANGER, "uncertain": today_strings.VISIT_UNCERTAIN}.get(
                newest.kind, of(newest.kind).label
            )
            return Card(key, "", title, None, known=False, pictures=0, stranger=None, visits=visits)
        unknown = self._gallery.find_unknown(newest.unknown)
        stranger = self._stranger(unknown) if unknown is not None and self._actions else None
        pictures = len(self._gallery.pictures(newest.unknown))
        title = today_strings.VISIT_STRANGER
        return Card(key, newest.unknown, title, None, known=False, pictures=pictures, stranger=stranger, visits=visits)

    def _person(self, who: str) -> Person | None:
        try:
            return self._gallery.person(who)
        except GalleryError:
            return None

    def _stranger(self, unknown: Unknown) -> Stranger:
        pairs = [(pair, pair.merged.id if pair.kept.id == unknown.id else pair.kept.id) for pair in self._proposals]
        own = [(pair, other) for pair, other in pairs if unknown.id in {pair.kept.id, pair.merged.id}]
        return Stranger(unknown.id, self._alike(unknown), own[:1])

    def _alike(self, unknown: Unknown) -> list[AlikePerson]:
        """The people who are most like an unknown, whatever the cosine: the admin sees both."""
        if self._snapshot is None:
            self._snapshot = self._latest() or self._gallery.snapshot(self._wall)
        view, denied = self._snapshot, self._snapshot.denied(unknown.mean)
        if not view.people:
            return []
        scores = view.matrix @ unknown.mean
        ranked = (view.people[row] for row in np.argsort(-scores).tolist())
        possible = [one for one in ranked if not one.ignored and one.id not in denied][:ALIKE]
        return [AlikePerson(one.id, one.name, float(scores[view.rows[one.id]])) for one in possible]
