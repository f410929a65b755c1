"""Every kind of event, in one table: the journal, the audit topic, the page, the drawing and Home Assistant read it.

A kind that the pipeline decides is also in types.EventType, because a type checker needs it spelled out.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Tone: TypeAlias = Literal["", "ok", "warn", "bad"]
Colour: TypeAlias = tuple[int, int, int]
Group: TypeAlias = Literal["pipeline", "people", "door", "device"]
PeopleKind: TypeAlias = Literal[
    "enrolled", "renamed", "removed", "deleted", "consent", "corrected", "restored", "merged"
]


class EventKind(NamedTuple):
    """What the rest of the package needs to know about a kind."""

    kind: str
    label: str
    """The word on the page."""
    group: Group
    """pipeline: decided on a face and published on the camera's event topic; the others are on the audit topic only."""
    tone: Tone = ""
    """How the page colours it."""
    face: str = ""
    """The word for a face while its track is of this kind; empty for a kind that is not a face's."""
    colour: Colour = (140, 140, 140)
    """RGB of that face's box on a drawing."""


EVENT_KINDS = (
    EventKind("match", "Match", "pipeline", "ok", "known", (60, 180, 75)),
    EventKind("unknown", "Unknown", "pipeline", "warn", "unknown", (230, 60, 50)),
    EventKind("uncertain", "Uncertain", "pipeline", "warn", "uncertain", (245, 170, 40)),
    EventKind("left", "Left", "pipeline"),
    EventKind("enrolled", "Enrolled", "people", "ok"),
    EventKind("renamed", "Renamed", "people"),
    EventKind("removed", "Template removed", "people"),
    EventKind("deleted", "Deleted", "people", "bad"),
    EventKind("consent", "Consent", "people"),
    EventKind("corrected", "Corrected", "people", "warn"),
    EventKind("restored", "Correction removed", "people"),
    EventKind("merged", "Unknowns merged", "people"),
    EventKind("granted", "Granted", "door", "ok"),
    EventKind("refused", "Refused", "door", "bad"),
    EventKind("opened", "Opened", "door", "ok"),
    EventKind("rejected", "Rejected", "door", "bad"),
    EventKind("config", "Configuration", "device"),
    EventKind("keys", "Keys", "device"),
    EventKind("started", "Started", "device"),
    EventKind("stopped", "Stopped", "device"),
)

BY_KIND = {entry.kind: entry for entry in EVENT_KINDS}


def of(kind: str) -> EventKind:
    """The entry of a kind; a kind written by a newer edgeface is labelled with its own name."""
    return BY_KIND.get(kind) or EventKind(kind, kind, "device")


def kinds(group: Group | None = None) -> tuple[str, ...]:
    """The kinds of a group, or all of them, in the order of the table."""
    return tuple(entry.kind for entry in EVENT_KINDS if group in {None, entry.group})
