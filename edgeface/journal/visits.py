"""Visits, folded from rows of the journal: who came, when, to which camera, and what the doors did meanwhile.

The fold is a pure function of the rows, in whatever order they are given.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from edgeface.core.event_kinds import EVENT_KINDS, DoorOutcome, FaceKind
from edgeface.journal.rows import facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from edgeface.journal.rows import StoredRow

LONGEST = 6 * 3600.0
"""Seconds after its last row from which a visit without an end counts as over: the row of its end was lost."""

ANNOUNCED = get_args(FaceKind)
"""Kinds of rows that announce a face."""
DOOR_KINDS = get_args(DoorOutcome)
AMENDMENTS = tuple(entry.kind for entry in EVENT_KINDS if entry.amends)
"""Kinds of rows that may change who an earlier visit was of."""
_DAEMON = ("started", "stopped")
KINDS = (*ANNOUNCED, "left", *DOOR_KINDS, *AMENDMENTS, *_DAEMON)
"""Kinds of rows that a fold needs."""

_NEAREST = 20
"""Visits of a person that a door's row is looked for in."""
_BEFORE, _AFTER = 2.0, 15.0
"""A door's row belongs to a visit of its person from so many seconds before the visit until so many after it."""


class DoorUse(NamedTuple):
    """What happened at a door during a visit."""

    door: str
    outcome: DoorOutcome
    """granted: no door has confirmed yet that it opened."""
    reason: str | None


@dataclass(frozen=True, slots=True)
class Visit:
    """One face in view of a camera, from when it was announced until it left or another face took its place."""

    key: str
    """Boot, camera and number of the track; a number more if its face has changed."""
    first_seen: float
    last_seen: float
    """Wall seconds."""
    over: bool
    """The face has left, or the daemon has ended since."""
    camera: str
    kind: FaceKind
    person: str | None
    """Who it was, by all that is known now."""
    unknown: str | None
    """The stable id of someone who is not enrolled, as it is now."""
    name: str | None
    """The person's name when the visit was announced; None if another person was announced, or none."""
    event: str
    """The newest event that announced the face; corrections name it."""
    score: float | None
    reason: str | None
    corrected: bool
    """Someone has corrected who it was."""
    doors: tuple[DoorUse, ...] = ()
    seq: int = 0
    """The number of the first row that announced it."""

    @property
    def who(self) -> str:
        """The id of the person or the unknown; empty if there is none."""
        return self.person or self.unknown or ""


class FoldedVisits(NamedTuple):
    """What rows of the journal say about visits."""

    visits: tuple[Visit, ...]
    """The latest first."""
    erased: int
    """Rows that announced someone who was forgotten; nothing is known of them but the time."""
    altered: int
    """Rows that edgeface did not write."""


@dataclass(slots=True)
class _Face:
    """The rows about one face of a track, in the order of writing."""

    announced: list[tuple[StoredRow, Mapping[str, Any]]] = field(default_factory=list)
    left: tuple[float, Mapping[str, Any]] | None = None
    since: float | None = None
    """When the track was announced first."""
    replaced: float | None = None
    """When another face took its place."""


@dataclass(slots=True)
class _Amendments:
    """What was corrected, enrolled and merged later."""

    identified: dict[str, str] = field(default_factory=dict)
    """The person by event."""
    denied: set[tuple[str, str]] = field(default_factory=set)
    """Events, each with the person that it is not."""
    enrolled: dict[str, str] = field(default_factory=dict)
    """The person by the unknown that they were."""
    merged: dict[str, str] = field(default_factory=dict)
    """The id that stayed by the one that went."""

    def take(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Take up a row."""
        person, unknown, event = (_text(facts, key) for key in ("person", "unknown", "event"))
        if kind == "merged" and unknown and (gone := _text(facts, "merged")):
            self.merged[gone] = unknown
        elif kind == "enrolled" and person:
            if event:
                self.identified[event] = person
            if unknown:
                self.enrolled[unknown] = person
        elif kind == "corrected" and event and person:
            self.denied.add((event, person))
        elif kind == "restored" and event and person:
            self.denied.discard((event, person))

    def now(self, unknown: str | None) -> tuple[str | None, str | None]:
        """The person that an unknown is by now, and otherwise the unknown's id as it is now."""
        seen: set[str] = set()
        while unknown in self.merged and unknown not in seen:
            seen.add(unknown)
            unknown = self.merged[unknown]
        person = self.enrolled.get(unknown or "")
        return person, None if person else unknown


def fold(rows: Iterable[StoredRow], now: float, doors: Mapping[str, str] | None = None) -> FoldedVisits:
    """The visits in these rows, at `now` in wall seconds; `doors` has the camera of each door.

    A visit is left out if no row that announced it is among them. Rows that edgeface did not write are counted only.
    """
    faces: dict[str, _Face] = {}
    current: dict[str, str] = {}
    used: list[tuple[float, str, Mapping[str, Any]]] = []
    amendments, last, erased, altered = _Amendments(), 0, 0, 0
    for entry in sorted(rows, key=lambda one: one.seq):
        kind = entry.row.kind
        if entry.altered:
            altered += 1
        elif entry.redacted:
            erased += kind in ANNOUNCED
        elif kind in _DAEMON:
            last = entry.seq
        elif kind in AMENDMENTS:
            amendments.take(kind, facts_of(entry))
        elif kind in DOOR_KINDS:
            used.append((entry.row.at, kind, facts_of(entry)))
        elif kind in ANNOUNCED or kind == "left":
            _follow(faces, current, entry)
    visits = [_visit(key, one, amendments, last, now) for key, one in faces.items() if one.announced]
    visits = _with_doors(visits, faces, used, doors or {})
    visits.sort(key=lambda visit: (-visit.first_seen, visit.key))
    return FoldedVisits(tuple(visits), erased, altered)


def _follow(faces: dict[str, _Face], current: dict[str, str], entry: StoredRow) -> None:
    """Take up a row of a face; `current` has the key of the face that each track shows."""
    facts = facts_of(entry)
    track = f"{_text(facts, 'boot')}/{_text(facts, 'camera')}/{facts.get('track')}"
    key = current.setdefault(track, track)
    face = faces.setdefault(key, _Face(since=entry.row.at))
    if entry.row.kind == "left":
        face.left = entry.row.at, facts
        return
    if face.announced and _is_another(face.announced[-1][1], facts):
        face.replaced = entry.row.at
        key = current[track] = f"{track}/{entry.seq}"
        face = faces[key] = _Face(since=face.since)
    face.announced.append((entry, facts))


def _is_another(before: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether a track shows another face than the one it announced before: a stranger may turn out to be someone."""
    if person := _text(before, "person"):
        return _text(facts, "person") != person and facts.get("event_type") != "spoof"
    unknowns = {_text(before, "unknown"), _text(facts, "unknown")} - {""}
    return len(unknowns) > 1 and not _text(facts, "person")


def _visit(key: str, face: _Face, amendments: _Amendments, restarted: int, now: float) -> Visit:
    (first, _), (newest, facts) = face.announced[0], face.announced[-1]
    began = min(entry.row.at for entry, _ in face.announced)
    heard = max(entry.row.at for entry, _ in face.announced)
    ended = face.left is not None or face.replaced is not None
    person, unknown, corrected = _who(face, facts, amendments)
    announced = _text(facts, "person")
    return Visit(
        key=key,
        first_seen=began,
        last_seen=max(heard, _last_seen(face, heard)),
        over=ended or restarted > newest.seq or now - heard > LONGEST,
        camera=_text(facts, "camera"),
        kind="match" if person else "unknown" if corrected or unknown else newest.row.kind,  # type: ignore[arg-type]
        person=person,
        unknown=unknown,
        name=_text(facts, "name") or None if person and person == announced else None,
        event=newest.row.id,
        score=_number(facts, "score"),
        reason=_text(facts, "reason") or None,
        corrected=corrected,
        seq=first.seq,
    )


def _who(face: _Face, facts: Mapping[str, Any], amendments: _Amendments) -> tuple[str | None, str | None, bool]:
    """The person and the unknown of a visit, and whether a correction says so."""
    events = [entry.row.id for entry, _ in face.announced]
    identified = next((amendments.identified[one] for one in reversed(events) if one in amendments.identified), None)
    if identified is not None:
        return identified, None, True
    person = _text(facts, "person")
    if person:
        denied = any((event, person) in amendments.denied for event in events)
        return None if denied else person, None, denied
    return *amendments.now(_text(facts, "unknown") or None), False


def _last_seen(face: _Face, heard: float) -> float:
    """When a face was last seen, as far as that is known; the row of a face that has left is written a while later."""
    if face.replaced is not None or face.left is None:
        return face.replaced or heard
    at, facts = face.left
    seconds = _number(facts, "seconds")
    return at if seconds is None or face.since is None else min(at, face.since + seconds)


def _with_doors(
    visits: list[Visit],
    faces: Mapping[str, _Face],
    used: Iterable[tuple[float, str, Mapping[str, Any]]],
    doors: Mapping[str, str],
) -> list[Visit]:
    """The visits with what the doors did: a door's row names its person, and no camera."""
    found: dict[str, dict[tuple[str, str], DoorUse]] = {}
    own: dict[str, list[Visit]] = {}
    for visit in sorted(visits, key=lambda one: one.first_seen):
        announced = {_text(facts, "person") for _, facts in faces[visit.key].announced}
        for person in (announced | {visit.person or ""}) - {""}:
            own.setdefault(person, []).append(visit)
    for at, kind, facts in used:
        door, theirs = _text(facts, "door"), own.get(_text(facts, "person"), [])
        end = bisect_right(theirs, at + _BEFORE, key=lambda one: one.first_seen)
        near = theirs[max(0, end - _NEAREST) : end]
        of = next((one for one in reversed(near) if _may_use(one, at, doors.get(door, one.camera))), None)
        if of is not None:
            use = DoorUse(door, kind, _text(facts, "reason") or None)  # type: ignore[arg-type]
            found.setdefault(of.key, {})[door, kind] = use
    return [replace(visit, doors=tuple(_uses(found.get(visit.key, {})))) for visit in visits]


def _may_use(visit: Visit, at: float, camera: str) -> bool:
    return visit.camera == camera and (not visit.over or at <= visit.last_seen + _AFTER)


def _uses(found: Mapping[tuple[str, str], DoorUse]) -> Iterator[DoorUse]:
    """Each door with its outcomes; a grant that the door has answered is only the answer."""
    for (door, kind), use in found.items():
        if kind != "granted" or not ({(door, "opened"), (door, "rejected")} & found.keys()):
            yield use


def _text(facts: Mapping[str, Any], key: str) -> str:
    value = facts.get(key)
    return value if isinstance(value, str) else ""


def _number(facts: Mapping[str, Any], key: str) -> float | None:
    value = facts.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
