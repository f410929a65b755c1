"""What people may be notified of: an event, a row of the journal, or a camera that is away or back, in one record."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from edgeface.core import event_kinds
from edgeface.core.clock import local_time, rfc3339
from edgeface.core.text import cleaned, display_name
from edgeface.notify.settings import CAMERA_OFFLINE, CAMERA_ONLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.core.types import Event
    from edgeface.journal.rows import JournalRow

_MAX_WORDS = 200
_SOMEONE = "someone"

TEST = "test"
"""The kind of a message that only shows that a target can be reached."""
_TITLES = {
    CAMERA_OFFLINE: "Camera {where} is offline",
    CAMERA_ONLINE: "Camera {where} is online again",
    TEST: "A test of edgeface",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that has happened."""

    kind: str
    """One of settings.KINDS."""
    id: str
    """The event's or the row's id; empty for a camera."""
    at: float
    """Wall seconds, an annotation."""
    monotonic: float
    """Monotonic seconds, which decide how old it is."""
    camera: str | None = None
    camera_name: str | None = None
    """What people are shown for the camera; None if that is its id."""
    door: str | None = None
    person: str | None = None
    name: str | None = None
    unknown: str | None = None
    visit: tuple[str, int] | None = None
    """Camera and track, for an event of a face."""
    reason: str | None = None
    picture: bytes | None = None
    """JPEG of the face, if it may leave the machine."""
    link: str | None = None
    """The address of a page about it."""

    @property
    def subject(self) -> tuple[str, ...]:
        """Who or what it is about: two notices with the same subject and kind are about the same."""
        who = self.person or self.unknown or ("" if self.visit is None else str(self.visit[1]))
        return (self.kind, self.camera or "", self.door or "", who)

    @property
    def title(self) -> str:
        """One line."""
        pattern = event_kinds.of(self.kind).notice or _TITLES[self.kind]
        who = self.name or self.person or self.unknown or _SOMEONE
        title = pattern.format(who=who, where=self.door or self.camera_name or self.camera or "this device")
        return title[:1].upper() + title[1:]

    @property
    def body(self) -> str:
        """The facts that the title does not have, one line each: reason, stranger, local time, link."""
        lines = [
            self.reason,
            None if self.unknown is None else f"stranger {self.unknown}",
            local_time(self.at),
            self.link,
        ]
        return "\n".join(line for line in lines if line)

    def without_picture(self) -> Notice:
        """The same without the face."""
        return self if self.picture is None else replace(self, picture=None)

    def wire(self) -> dict[str, Any]:
        """What a webhook gets, without the picture; docs/notifications.md is the contract."""
        return {
            "v": 1,
            "kind": self.kind,
            "event": self.id or None,
            "at": rfc3339(self.at),
            "camera": self.camera,
            "door": self.door,
            "person": self.person,
            "name": self.name,
            "unknown": self.unknown,
            "reason": self.reason,
            "title": self.title,
            "link": self.link,
        }


def of_event(event: Event, picture: bytes | None) -> Notice | None:
    """The notice of an event of the pipeline; None if no one can be notified of its kind."""
    if not event_kinds.of(event.type).notice:
        return None
    return Notice(
        event.type,
        event.id,
        event.captured_at,
        event.monotonic,
        camera=event.camera,
        person=event.person,
        name=None if event.name is None else display_name(event.name, event.person or ""),
        unknown=event.unknown,
        visit=(event.camera, event.track),
        reason=event.reason,
        picture=picture,
    )


def of_row(row: JournalRow, monotonic: float, name_of: Callable[[str], str | None]) -> Notice | None:
    """The notice of a decision or an action that was recorded; `name_of` gives a person's display name.

    None if no one can be notified of its kind.
    """
    if not event_kinds.of(row.kind).notice:
        return None
    facts = json.loads(row.payload)
    person = _word(facts, "person")
    return Notice(
        row.kind,
        row.id,
        row.at,
        monotonic,
        camera=_word(facts, "camera"),
        door=_word(facts, "door"),
        person=person,
        name=None if person is None else name_of(person),
        reason=_word(facts, "reason") or _word(facts, "file"),
    )


def of_camera(kind: str, camera: str, reason: str | None, wall: float, monotonic: float) -> Notice:
    """The notice that a camera is away, or back again."""
    return Notice(kind, "", wall, monotonic, camera=camera, reason=None if reason is None else cleaned(reason))


def _word(facts: Mapping[str, Any], key: str) -> str | None:
    value = facts.get(key)
    return cleaned(value)[:_MAX_WORDS] if isinstance(value, str) else None
