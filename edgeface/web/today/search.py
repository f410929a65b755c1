"""Which visits someone asks for, and how they are found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timezone
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.text import is_id, is_unknown_id
from edgeface.journal.visit_reader import announced_after, announced_before
from edgeface.web.http.time_zone import Span, day_of, span_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from starlette.datastructures import QueryParams

    from edgeface.gallery.gallery import Gallery
    from edgeface.journal.visits import Visit
    from edgeface.web.context import WebContext

MOST_FOUND = 10
"""People and unknowns whose visits are shown for a name."""
_MAX_TEXT = 100


@dataclass(frozen=True, slots=True)
class VisitFilter:
    """Selects visits; an empty part selects all."""

    day: str = ""
    q: str = ""
    """A part of a name, or of an id."""
    who: tuple[str, ...] = ()
    """Ids of people and unknowns."""
    camera: str = ""
    zone: tzinfo = field(default=timezone.utc, compare=False)
    """In which a day is one."""

    @classmethod
    def of(cls, query: QueryParams, zone: tzinfo) -> VisitFilter:
        """The filter in a page's query; invalid parts are left out."""
        day = query.get("day", "").strip()
        given = dict.fromkeys(one.strip() for one in query.getlist("who"))
        who = [one for one in given if is_id(one) or is_unknown_id(one)]
        return cls(
            day if span_of(day, zone) else "",
            query.get("q", "").strip()[:_MAX_TEXT],
            tuple(who[:MOST_FOUND]),
            query.get("camera", "").strip()[:64],
            zone,
        )

    @property
    def parts(self) -> list[tuple[str, str]]:
        """The parts that are not empty, as in a page's query."""
        single = [("day", self.day), ("q", self.q), ("camera", self.camera)]
        return [pair for pair in single if pair[1]] + [("who", one) for one in self.who]

    @property
    def someone(self) -> bool:
        """Whether visits of certain people are asked for, of whatever day."""
        return bool(self.q or self.who)

    def takes(self, visit: Visit) -> bool:
        """Whether the camera and the day of a visit match."""
        span = span_of(self.day, self.zone) if self.day else None
        in_time = span is None or span.since <= visit.first_seen < span.until
        return in_time and self.camera in {"", visit.camera}


class FoundVisits(NamedTuple):
    """The visits that match, the latest first, and where others are."""

    visits: list[Visit]
    day: str = ""
    """The day that they are of; empty if they are of several."""
    today: bool = False
    """Whether that day is the present one."""
    earlier: str = ""
    later: str = ""
    """The next days with a visit; empty if there is none."""
    older: int | None = None
    """The number to continue at, if the visits are of certain people."""
    erased: int = 0
    altered: int = 0


def find(context: WebContext, wanted: VisitFilter, gallery: Gallery, before: int | None = None) -> FoundVisits:
    """The visits that match: those of one day, or of certain people.

    Without a day, it is today, or the last day on which someone came.
    """
    wall = context.clock.wall()
    if wanted.someone:
        page = context.visits.about(context.journal, asked(gallery, wanted), wall, cameras_of(context), before)
        return FoundVisits([visit for visit in page.visits if wanted.takes(visit)], older=page.older)
    today = day_of(wall, wanted.zone)
    found = _of_day(context, wanted, wanted.day or today, wall)
    return found._replace(today=found.day == today)


def every(context: WebContext, wanted: VisitFilter, who: Sequence[str] = ()) -> Iterator[Visit]:
    """All visits that match, for a file, read as they are taken; those of `who` if people are asked for."""
    wall, before = context.clock.wall(), None
    if wanted.someone:
        while True:
            page = context.visits.about(context.journal, who, wall, cameras_of(context), before)
            yield from filter(wanted.takes, page.visits)
            before = page.older
            if before is None:
                return
    span = span_of(wanted.day, wanted.zone) if wanted.day else None
    since, until = span or (0.0, wall + 1.0)
    yield from filter(wanted.takes, context.visits.before(context.journal, until, since, wall, cameras_of(context)))


def cameras_of(context: WebContext) -> dict[str, str]:
    """The camera of each door."""
    return {name: door.camera for name, door in context.configuration().doors.items()}


def _of_day(context: WebContext, wanted: VisitFilter, day: str, wall: float) -> FoundVisits:
    span = span_of(day, wanted.zone) or Span(0.0, wall)
    journal = context.journal
    folded = context.visits.between(journal, *span, wall, cameras_of(context))
    visits = [visit for visit in folded.visits if wanted.camera in {"", visit.camera}]
    earlier, later = announced_before(journal, span.since), announced_after(journal, span.until)
    return FoundVisits(
        visits,
        day,
        earlier="" if earlier is None else day_of(earlier, wanted.zone),
        later="" if later is None else day_of(later, wanted.zone),
        erased=folded.erased,
        altered=folded.altered,
    )


def asked(gallery: Gallery, wanted: VisitFilter) -> list[str]:
    """The ids of the people and unknowns whose visits are asked for."""
    text = wanted.q.casefold()
    if not text or is_unknown_id(text):
        return [*wanted.who, *([text] if text else [])]
    named = [one.id for one in gallery.people() if text in one.id or text in one.name.casefold()]
    return [*wanted.who, *named[:MOST_FOUND]]
