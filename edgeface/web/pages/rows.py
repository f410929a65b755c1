"""Rows of the journal as people read them, and the search for those that they ask for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core import event_kinds
from edgeface.core.text import is_id, is_unknown_id
from edgeface.journal.export import row_object
from edgeface.web import strings
from edgeface.web.strings import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgeface.journal.journal import Journal
    from edgeface.journal.rows import Entry

PAGE = 50
_SCAN, _SCANS = 500, 10
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SAID = frozenset({"person", "unknown", "name", "camera", "door", "score", "threshold", "reason", "seconds"})
_UNSAID = frozenset({"digest", "sections", "boot", "config", "visit", "grant_seq"})
"""Facts that only a program can use."""
_MOST_FACTS = 4


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for; a part that is empty asks for all."""

    kind: str = ""
    who: str = ""
    camera: str = ""
    day: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        """From a page's address; what makes no sense is left out."""
        kind, who, day = (query.get(key, "").strip() for key in ("kind", "who", "day"))
        return cls(
            kind if kind in event_kinds.BY_KIND else "",
            who if is_id(who) or is_unknown_id(who) else "",
            query.get("camera", "").strip()[:64],
            day if _span(day) else "",
        )

    @property
    def parts(self) -> dict[str, str]:
        """Those that ask for something, as an address has them."""
        every = {"kind": self.kind, "who": self.who, "camera": self.camera, "day": self.day}
        return {key: value for key, value in every.items() if value}

    def takes(self, line: Line) -> bool:
        """Whether a row is asked for, by what only its content tells."""
        span = _span(self.day)
        in_time = span is None or span[0] <= line.at < span[1]
        return in_time and (not self.camera or line.camera == self.camera)


class Line(NamedTuple):
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
    """What else there is to say."""


class Found(NamedTuple):
    """Part of the journal, newest first."""

    lines: list[Line]
    older: int | None
    """Give it as `before` for what is older; None at the end."""
    scanned: int
    """Rows that were looked at."""


def find(journal: Journal, wanted: Filter, before: int | None = None, after: int = 0) -> Found:
    """The newest rows that are asked for, with after < seq < before; it looks at a few thousand rows at most."""
    span, lines, scanned = _span(wanted.day), list[Line](), 0
    chosen: dict[str, Any] = {"kinds": (wanted.kind,) if wanted.kind else (), "who": wanted.who or None}
    # Where the journal chooses, no row is opened that is not shown.
    most = _SCAN if wanted.camera or wanted.day else PAGE
    for _ in range(_SCANS):
        rows = journal.rows(**chosen, before=before, after=after, since=span[0] if span else None, last=most)
        for entry in reversed(rows):
            line, before, scanned = line_of(entry), entry.seq, scanned + 1
            if wanted.takes(line):
                lines.append(line)
            if len(lines) == PAGE:
                return Found(lines, before, scanned)
        if len(rows) < most:
            return Found(lines, None, scanned)
    return Found(lines, before, scanned)


def line_of(entry: Entry) -> Line:
    """A row in words."""
    row = entry.row
    if entry.redacted or entry.altered:
        what = strings.EVENTS_ALTERED if entry.altered else strings.EVENTS_REDACTED
        tone = "bad" if entry.altered else ""
        return Line(entry.seq, row.at, row.kind, tone, "", "", "", "", "", what)
    facts = json.loads(row.payload)
    person, unknown, name, camera, door = (_text(facts, key) for key in ("person", "unknown", "name", "camera", "door"))
    return Line(
        entry.seq, row.at, row.kind, event_kinds.of(row.kind).tone, person, unknown, name, camera, door, _what(facts)
    )


def export(journal: Journal, wanted: Filter) -> Iterator[str]:
    """Every row that is asked for as a line of JSON, oldest first."""
    span, after = _span(wanted.day), 0
    chosen: dict[str, Any] = {"kinds": (wanted.kind,) if wanted.kind else (), "who": wanted.who or None}
    last = journal.head()[0]
    while after < last:
        before = min(after + _SCAN, last) + 1
        for entry in journal.rows(**chosen, after=after, before=before, since=span[0] if span else None):
            if wanted.takes(line_of(entry)):
                yield f"{row_object(entry)}\n"
        after = before - 1


def _span(day: str) -> tuple[float, float] | None:
    if not _DAY.fullmatch(day):
        return None
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=timezone.utc)
        return start.timestamp(), (start + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError):
        return None


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
        parts.append(REFUSALS.get(reason) or strings.REASONS.get(reason) or str(reason))
    if seconds is not None:
        parts.append(strings.AFTER_SECONDS.format(seconds=seconds))
    if "event_type" not in facts:
        others = {key: _plain(value) for key, value in facts.items() if key not in _SAID | _UNSAID}
        known = strings.FACTS
        parts += [known.get(key, key + " {}").format(value) for key, value in others.items() if value][:_MOST_FACTS]
    return ", ".join(parts)


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " ".join(_plain(one) for one in value)
    return "" if value is None or isinstance(value, dict) else str(value)
