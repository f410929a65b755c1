"""Rows of the journal in words, and the search for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core import event_kinds
from edgeface.core.text import is_id, is_unknown_id
from edgeface.web.http.time_zone import span_of
from edgeface.web.texts import door_strings, factor_strings, liveness_strings, strings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo

    from edgeface.journal.journal import Journal
    from edgeface.journal.rows import StoredRow

PAGE = 50
_SCAN, _SCANS = 500, 10
"""Rows that are read at a time, and how often, when a filter needs the content of each."""
_SHOWN_FACTS = frozenset({"person", "unknown", "name", "camera", "door", "score", "threshold", "reason", "seconds"})
"""Facts that have their own place in a line."""
_HIDDEN_FACTS = frozenset({"digest", "sections", "boot", "door_boot", "config", "visit", "grant_seq"})
"""Facts that are useful to programs only."""
_MAX_FACTS = 4
_ANNOUNCED = frozenset(entry.kind for entry in event_kinds.EVENT_KINDS if entry.group == "pipeline" and entry.face)
"""Kinds of events that announce a face."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Selects rows; an empty part selects all."""

    kind: str = ""
    who: str = ""
    camera: str = ""
    day: str = ""
    zone: tzinfo = timezone.utc
    """In which the day is one."""

    @classmethod
    def of(cls, query: Mapping[str, str], zone: tzinfo = timezone.utc) -> EventFilter:
        """The filter in a page's query; invalid parts are left out."""
        kind, who, day = (query.get(key, "").strip() for key in ("kind", "who", "day"))
        return cls(
            kind if kind in event_kinds.BY_KIND else "",
            who if is_id(who) or is_unknown_id(who) else "",
            query.get("camera", "").strip()[:64],
            day if span_of(day, zone) else "",
            zone,
        )

    @property
    def parts(self) -> dict[str, str]:
        """The parts that are not empty, as in a page's query."""
        given = {"kind": self.kind, "who": self.who, "camera": self.camera, "day": self.day}
        return {key: value for key, value in given.items() if value}

    def takes(self, line: EventLine) -> bool:
        """Whether the day and the camera of a row match."""
        span = span_of(self.day, self.zone)
        in_time = span is None or span[0] <= line.at < span[1]
        return in_time and (not self.camera or line.camera == self.camera)


class EventLine(NamedTuple):
    """A row in words."""

    seq: int
    at: float
    kind: str
    tone: str
    """ok, warn, bad, or empty."""
    person: str
    unknown: str
    name: str
    camera: str
    door: str
    what: str
    """All other facts."""
    event: str = ""
    """The event's id, if it announced a face."""


class EventPage(NamedTuple):
    """A part of the journal, newest first."""

    lines: list[EventLine]
    older: int | None
    """Pass it as `before` to get older rows; None at the end."""
    scanned: int
    """Rows that were read."""


def find(journal: Journal, wanted: EventFilter, before: int | None = None, after: int = 0) -> EventPage:
    """The newest rows that match, with after < seq < before; reads 5,000 rows at most."""
    span, lines, scanned = span_of(wanted.day, wanted.zone), list[EventLine](), 0
    chosen: dict[str, Any] = {"kinds": (wanted.kind,) if wanted.kind else (), "who": wanted.who or None}
    # Without camera and day the journal selects the rows, and only rows that are shown are decrypted.
    batch = _SCAN if wanted.camera or wanted.day else PAGE
    for _ in range(_SCANS):
        rows = journal.rows(**chosen, before=before, after=after, since=span[0] if span else None, last=batch)
        for entry in reversed(rows):
            line, before, scanned = line_of(entry), entry.seq, scanned + 1
            if wanted.takes(line):
                lines.append(line)
            if len(lines) == PAGE:
                return EventPage(lines, before, scanned)
        if len(rows) < batch:
            return EventPage(lines, None, scanned)
    return EventPage(lines, before, scanned)


def line_of(entry: StoredRow) -> EventLine:
    """A row in words."""
    row = entry.row
    if entry.redacted or entry.altered:
        what = strings.EVENTS_ALTERED if entry.altered else strings.EVENTS_REDACTED
        tone = "bad" if entry.altered else ""
        return EventLine(entry.seq, row.at, row.kind, tone, "", "", "", "", "", what)
    facts = json.loads(row.payload)
    person, unknown, name, camera, door = (_text(facts, key) for key in ("person", "unknown", "name", "camera", "door"))
    tone = event_kinds.of(row.kind).tone
    event = row.id if row.kind in _ANNOUNCED else ""
    return EventLine(entry.seq, row.at, row.kind, tone, person, unknown, name, camera, door, _what(facts), event)


def export(journal: Journal, wanted: EventFilter) -> Iterator[str]:
    """Every row that matches as a line of JSON, oldest first."""
    span, after = span_of(wanted.day, wanted.zone), 0
    chosen: dict[str, Any] = {"kinds": (wanted.kind,) if wanted.kind else (), "who": wanted.who or None}
    last = journal.head()[0]
    while after < last:
        before = min(after + _SCAN, last) + 1
        for entry in journal.rows(**chosen, after=after, before=before, since=span[0] if span else None):
            if wanted.takes(line_of(entry)):
                yield f"{entry.to_json()}\n"
        after = before - 1


def _text(facts: Mapping[str, Any], key: str) -> str:
    value = facts.get(key)
    return value if isinstance(value, str) else ""


def _what(facts: Mapping[str, Any]) -> str:
    parts = []
    score, threshold, reason, seconds = (facts.get(key) for key in ("score", "threshold", "reason", "seconds"))
    if score is not None and threshold is not None:
        parts.append(strings.SCORE_OF.format(score=f"{score:.2f}", threshold=f"{threshold:.2f}"))
    elif score is not None:
        parts.append(strings.LIVE_SCORE.format(score=f"{score:.2f}"))
    if reason:
        parts.append(_reasons().get(reason, str(reason)))
    if seconds is not None:
        parts.append(strings.AFTER_SECONDS.format(seconds=seconds))
    if "event_type" not in facts:
        others = {key: _plain(value) for key, value in facts.items() if key not in _SHOWN_FACTS | _HIDDEN_FACTS}
        for key, nothing in (("factor", "none"), ("liveness", "off"), ("proven", "False")):
            if others.get(key) == nothing:
                del others[key]
        words = {**strings.FACTS, **door_strings.FACTS}
        parts += [words.get(key, key + " {}").format(value) for key, value in others.items() if value][:_MAX_FACTS]
    return ", ".join(parts)


def _reasons() -> dict[str, str]:
    return {
        **strings.REASONS,
        **factor_strings.FACTOR_REASONS,
        **factor_strings.FACTOR_REFUSALS,
        **strings.REFUSALS,
        **{str(reason): text for reason, text in liveness_strings.SPOOFS.items()},
        **liveness_strings.REFUSALS,
    }


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " ".join(_plain(one) for one in value)
    return "" if value is None or isinstance(value, dict) else str(value)
