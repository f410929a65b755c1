"""Compares what a subscriber heard of a clip with who is in it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from edgeface.core.types import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SLACK = 1.0
"""Seconds after the end of a visit in which it may still be announced."""


@dataclass(frozen=True, slots=True)
class _Visit:
    """One person in view, in seconds of the clip."""

    person: str
    since: float
    until: float
    again: float
    """When the person's next visit begins; infinity when there is none."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """One event, in seconds of the clip."""

    kind: str
    person: str
    """The id of the truth."""
    at: float
    box: Box
    unknown: str | None


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    names: Mapping[str, str]
    """What to call each person, by id."""
    stranger: str
    """The id of who is not enrolled."""
    visits: Sequence[_Visit]
    boxes: Mapping[str, Mapping[float, Box]]
    """By person and seconds of the clip."""


def faults(truth: Path, events: Sequence[dict[str, Any]], start: float) -> list[str]:
    """Say in one plain line each how `events` deviate from the file `truth`; empty when all is right.

    `events` are in the wire form of docs/events.md, in any order; `start` is the wall time of the clip's first frame.
    Each visit has one match (one unknown, with the same id each time, for who is not enrolled), at the person's
    face and until a second after its end, and one left between its end and the person's next visit. Nothing else
    may have been said.
    """
    known = _read(truth)
    heard = sorted((_heard(event, known, start) for event in events), key=lambda one: one.at)
    announced, left = _announced(known, heard), _left(known, heard)
    lines = [line for visit in known.visits for line in _of_visit(known, visit, announced[visit], left[visit])]
    placed = {one for group in (announced, left) for ones in group.values() for one in ones}
    lines += [
        f"{_called(known, one)} at {one.at:.1f} s, which nobody's visit explains" for one in heard if one not in placed
    ]
    return lines + _ids(announced, known)


def _read(path: Path) -> _Truth:
    read = json.loads(path.read_text(encoding="utf-8"))
    people, fps = read["people"], read["fps"]
    return _Truth(
        names={person: facts.get("name") or f"the {person}" for person, facts in people.items()},
        stranger=next(person for person, facts in people.items() if not facts["enrolled"]),
        visits=tuple(_visits(read["visits"])),
        boxes={person: {row[0] / fps: Box(*row[1:]) for row in rows} for person, rows in read["boxes"].items()},
    )


def _visits(rows: Sequence[Mapping[str, Any]]) -> Iterable[_Visit]:
    for row in rows:
        later = [other["from"] for other in rows if other["person"] == row["person"] and other["from"] > row["from"]]
        yield _Visit(row["person"], row["from"], row["to"], min(later, default=float("inf")))


def _heard(event: Mapping[str, Any], known: _Truth, start: float) -> _Heard:
    # Python 3.10 does not read the Z of UTC.
    wall = datetime.fromisoformat(event["captured_at"].replace("Z", "+00:00")).timestamp()
    person = event["person"] or (known.stranger if event["unknown"] else "")
    return _Heard(event["event_type"], person, round(wall - start, 3), Box(*event["box"]), event["unknown"])


def _announced(known: _Truth, heard: Sequence[_Heard]) -> dict[_Visit, list[_Heard]]:
    """The matches, or for the stranger the unknowns, by the visit in which they were said."""
    found: dict[_Visit, list[_Heard]] = defaultdict(list)
    for one in heard:
        kind = "unknown" if one.person == known.stranger else "match"
        for visit in known.visits:
            if one.kind == kind and one.person == visit.person and visit.since <= one.at <= visit.until + SLACK:
                found[visit].append(one)
    return found


def _left(known: _Truth, heard: Sequence[_Heard]) -> dict[_Visit, list[_Heard]]:
    """The lefts by the visit that they end."""
    found: dict[_Visit, list[_Heard]] = defaultdict(list)
    for one in heard:
        for visit in known.visits:
            if one.kind == "left" and one.person == visit.person and visit.until <= one.at < visit.again:
                found[visit].append(one)
    return found


def _of_visit(known: _Truth, visit: _Visit, announced: Sequence[_Heard], left: Sequence[_Heard]) -> Iterable[str]:
    about = f"{known.names[visit.person]}, in view from {visit.since:.1f} to {visit.until:.1f} s"
    kind = "unknown" if visit.person == known.stranger else "match"
    for said, ones in ((kind, announced), ("left", left)):
        if len(ones) != 1:
            yield f"{about}: {len(ones) or 'no'} {said} event{'s' * (len(ones) > 1)}, not one"
    for one in announced:
        if not _at_face(known, visit.person, one):
            yield f"{about}: the {kind} at {one.at:.1f} s was said of another face"


def _at_face(known: _Truth, person: str, one: _Heard) -> bool:
    """Whether the event's box meets the person's face where that was at the time."""
    boxes = known.boxes[person]
    nearest = min(boxes, key=lambda seconds: abs(seconds - one.at))
    return boxes[nearest].iou(one.box) > 0


def _ids(announced: Mapping[_Visit, Sequence[_Heard]], known: _Truth) -> list[str]:
    """One line when the stranger had several ids."""
    ids = list(dict.fromkeys(one.unknown for ones in announced.values() for one in ones if one.unknown))
    if len(ids) <= 1:
        return []
    return [f"{known.names[known.stranger]} has {len(ids)} ids, not one: {', '.join(ids)}"]


def _called(known: _Truth, one: _Heard) -> str:
    return f"{one.kind} of {known.names.get(one.person, one.person)}" if one.person else one.kind
