"""Compares the events that a subscriber received of a clip with the people who are in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeface.core.types import Box
from edgeface.demo.playback import AFTERWARDS, Finding
from edgeface.demo.subscriber import captured_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from edgeface.demo.subscriber import Wire

SLACK = 1.0
"""Seconds after the end of a visit in which it may still be announced."""


@dataclass(frozen=True, slots=True)
class _ClipVisit:
    """One person in view, in seconds of the clip."""

    person: str
    since: float
    until: float
    again: float
    """Start of the person's next visit; infinity if there is none."""


@dataclass(frozen=True, slots=True)
class _ClipEvent:
    """One event, in seconds of the clip."""

    kind: str
    person: str
    """The id in the truth file."""
    at: float
    box: Box
    unknown: str | None


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    names: Mapping[str, str]
    """Display names, by id."""
    stranger: str
    """The id of the person who is not enrolled."""
    visits: Sequence[_ClipVisit]
    boxes: Mapping[str, Mapping[float, Box]]
    """By person and seconds of the clip."""


def rate(truth: Path) -> float:
    """Frames per second of the clip."""
    return float(json.loads(truth.read_text(encoding="utf-8"))["fps"])


def findings(truth: Path, events: Sequence[dict[str, Any]], seconds: Callable[[float], float]) -> list[Finding]:
    """List how `events` deviate from the file `truth`; empty if all is right.

    `events` are in the wire form of docs/events.md, in any order; `seconds` gives the clip's time at a wall time.
    Each visit needs one match at the person's face, at most a second after the end of the visit, and one left between
    its end and the person's next visit. The person who is not enrolled needs one unknown instead, always with the same
    id. There must be no other events. A name at someone else's face, or of someone who is not there, is wrong however
    little of the clip was seen.
    """
    known = _read(truth)
    received = sorted((_clip_event(event, known, seconds) for event in events), key=lambda one: one.at)
    announced = {visit: [one for one in received if _announces(known, visit, one)] for visit in known.visits}
    left = {visit: [one for one in received if _ends(visit, one)] for visit in known.visits}
    lines = [line for visit in known.visits for line in _visit_faults(known, visit, announced[visit], left[visit])]
    placed = {one for group in (announced, left) for ones in group.values() for one in ones}
    lines += [_misplaced(known, one) for one in received if one not in placed]
    return lines + _id_faults(announced, known)


def _read(path: Path) -> _Truth:
    read = json.loads(path.read_text(encoding="utf-8"))
    people, fps = read["people"], read["fps"]
    return _Truth(
        names={person: facts.get("name") or f"the {person}" for person, facts in people.items()},
        stranger=next(person for person, facts in people.items() if not facts["enrolled"]),
        visits=tuple(_visits(read["visits"])),
        boxes={person: {row[0] / fps: Box(*row[1:]) for row in rows} for person, rows in read["boxes"].items()},
    )


def _visits(rows: Sequence[Mapping[str, Any]]) -> Iterable[_ClipVisit]:
    for row in rows:
        later = [other["from"] for other in rows if other["person"] == row["person"] and other["from"] > row["from"]]
        yield _ClipVisit(row["person"], row["from"], row["to"], min(later, default=float("inf")))


def _clip_event(event: Wire, known: _Truth, seconds: Callable[[float], float]) -> _ClipEvent:
    person = event["person"] or (known.stranger if event["unknown"] else "")
    at = round(seconds(captured_at(event)), 3)
    return _ClipEvent(event["event_type"], person, at, Box(*event["box"]), event["unknown"])


def _kind(known: _Truth, person: str) -> str:
    return "unknown" if person == known.stranger else "match"


def _announces(known: _Truth, visit: _ClipVisit, one: _ClipEvent) -> bool:
    fits = one.person == visit.person and one.kind == _kind(known, visit.person)
    return fits and visit.since <= one.at <= visit.until + SLACK


def _ends(visit: _ClipVisit, one: _ClipEvent) -> bool:
    return one.kind == "left" and one.person == visit.person and visit.until <= one.at < visit.again


def _visit_faults(
    known: _Truth, visit: _ClipVisit, announced: Sequence[_ClipEvent], left: Sequence[_ClipEvent]
) -> Iterable[Finding]:
    span = visit.since, visit.until + AFTERWARDS
    about = f"{known.names[visit.person]}, in view from {visit.since:.1f} to {visit.until:.1f} s"
    kind = _kind(known, visit.person)
    for expected, ones in ((kind, announced), ("left", left)):
        if len(ones) != 1:
            yield Finding(f"{about}: expected one {expected} event, got {len(ones) or 'none'}", span)
    for one in announced:
        if not _at_face(known, visit.person, one):
            yield Finding(
                f"{about}: the {kind} at {one.at:.1f} s is of another face", None if kind == "match" else span
            )


def _at_face(known: _Truth, person: str, one: _ClipEvent) -> bool:
    """Whether the event's box overlaps the person's face at that time."""
    boxes = known.boxes[person]
    nearest = min(boxes, key=lambda seconds: abs(seconds - one.at))
    return boxes[nearest].iou(one.box) > 0


def _misplaced(known: _Truth, one: _ClipEvent) -> Finding:
    span = one.at - AFTERWARDS, one.at + SLACK
    return Finding(
        f"{_label(known, one)} at {one.at:.1f} s, which fits no visit", None if one.kind == "match" else span
    )


def _id_faults(announced: Mapping[_ClipVisit, Sequence[_ClipEvent]], known: _Truth) -> list[Finding]:
    """One line if the stranger had several ids."""
    ids = list(dict.fromkeys(one.unknown for ones in announced.values() for one in ones if one.unknown))
    if len(ids) <= 1:
        return []
    seen = [one.at for ones in announced.values() for one in ones if one.unknown]
    text = f"{known.names[known.stranger]} has {len(ids)} ids instead of one: {', '.join(ids)}"
    return [Finding(text, (min(seen) - AFTERWARDS, max(seen) + SLACK))]


def _label(known: _Truth, one: _ClipEvent) -> str:
    return f"{one.kind} of {known.names.get(one.person, one.person)}" if one.person else one.kind
