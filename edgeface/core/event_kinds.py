"""Every kind of event, in one table: the journal, the audit topic, the page, the drawing and Home Assistant read it.

A kind that the pipeline decides is also in types.EventType, because a type checker needs it spelled out.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Tone: TypeAlias = Literal["", "ok", "warn", "bad"]
Colour: TypeAlias = tuple[int, int, int]
Group: TypeAlias = Literal["pipeline", "people", "door", "device"]
FaceKind: TypeAlias = Literal["match", "unknown", "uncertain", "spoof"]
"""The kinds that announce a face."""
DoorOutcome: TypeAlias = Literal["granted", "opened", "refused", "rejected"]
"""The kinds of what a door did for someone."""
PeopleKind: TypeAlias = Literal[
    "enrolled", "renamed", "removed", "deleted", "consent", "corrected", "restored", "merged", "factors"
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
    quiet: bool = False
    """Shown only where someone reads the journal: neither on the live page nor in its stream."""
    amends: bool = False
    """It may change who an earlier visit was of."""
    notice: str = ""
    """The title of a notification about it, with {who} and {where}; empty: it is sent to no one."""


EVENT_KINDS = (
    EventKind("match", "Match", "pipeline", "ok", "known", (60, 180, 75), notice="{who} at {where}"),
    EventKind("unknown", "Unknown", "pipeline", "warn", "unknown", (230, 60, 50), notice="Stranger at {where}"),
    EventKind(
        "uncertain", "Uncertain", "pipeline", "warn", "uncertain", (245, 170, 40), notice="Unclear face at {where}"
    ),
    EventKind(
        "spoof",
        "Presentation attack",
        "pipeline",
        "bad",
        "spoof",
        (200, 40, 160),
        notice="Picture held before the camera at {where}",
    ),
    EventKind("left", "Left", "pipeline"),
    EventKind("enrolled", "Enrolled", "people", "ok", amends=True),
    EventKind("renamed", "Renamed", "people"),
    EventKind("removed", "Template removed", "people"),
    EventKind("deleted", "Deleted", "people", "bad"),
    EventKind("consent", "Consent", "people"),
    EventKind("proposal", "Self-enrollment", "people"),
    EventKind("corrected", "Corrected", "people", "warn", amends=True),
    EventKind("restored", "Correction removed", "people", amends=True),
    EventKind("merged", "Unknowns merged", "people", amends=True),
    EventKind("factors", "Second factors", "people"),
    EventKind("granted", "Granted", "door", "ok"),
    EventKind("refused", "Refused", "door", "bad", notice="{who} refused at {where}"),
    EventKind("opened", "Opened", "door", "ok", notice="{where} opened for {who}"),
    EventKind("rejected", "Rejected", "door", "bad", notice="{where} rejected a grant"),
    EventKind("door_forced", "Forced open", "door", "bad", notice="{where} was forced open"),
    EventKind("door_held", "Held open", "door", "warn", notice="{where} is held open"),
    EventKind("doorbell", "Doorbell", "door", notice="The bell at {where}"),
    EventKind("factor", "Factor refused", "door", "bad", notice="Second factor refused at {where}"),
    # Not of the group door: whoever stands at the door with the person must not see it.
    EventKind("duress", "Duress", "device", "bad", quiet=True, notice="Duress PIN of {who} at {where}"),
    EventKind(
        "replayed",
        "Recording in place of a camera",
        "device",
        "bad",
        notice="A recording in place of camera {where}",
    ),
    EventKind("integrity", "Data folder", "device", "bad", notice="The data folder was tampered with"),
    EventKind("fleet_alarm", "Fleet", "device", "bad", notice="The centre had many people erased"),
    EventKind("config", "Configuration", "device"),
    EventKind("keys", "Keys", "device"),
    EventKind("started", "Started", "device"),
    EventKind("stopped", "Stopped", "device"),
)

DOOR_ALARMS = {"forced": "door_forced", "held": "door_held", "doorbell": "doorbell"}
"""The kinds of what a door reports of its contact and doorbell, by the door's own words."""

BY_KIND = {entry.kind: entry for entry in EVENT_KINDS}


def of(kind: str) -> EventKind:
    """The entry of a kind; a kind written by a newer edgeface is labelled with its own name."""
    return BY_KIND.get(kind) or EventKind(kind, kind, "device")


def kinds(group: Group | None = None) -> tuple[str, ...]:
    """The kinds of a group, or all of them, in the order of the table."""
    return tuple(entry.kind for entry in EVENT_KINDS if group in {None, entry.group})


def notable() -> tuple[str, ...]:
    """The kinds that people can be notified of, in the order of the table."""
    return tuple(entry.kind for entry in EVENT_KINDS if entry.notice)
