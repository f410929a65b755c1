"""The Publisher that the daemon uses, and the one that needs no broker."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from edgeface.core.text import NO_ONE, cleaned
from edgeface.journal.database import noted
from edgeface.journal.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgeface.access.factor_messages import PassShown
    from edgeface.core.clock import Clock
    from edgeface.core.types import ChallengeReport, Claim, Event
    from edgeface.journal.journal import Journal
    from edgeface.mqtt.topics import Topic

_log = logging.getLogger(__name__)

ON, OFF = "ON", "OFF"
"""The payloads of a camera's switch."""
PRESS = "PRESS"
"""The payload of its button."""


class Publisher(Protocol):
    """Publishes what the daemon reports; only `close` waits for the network or the disk."""

    @property
    def problem(self) -> str | None:
        """What is wrong, in one line."""

    @property
    def alive(self) -> bool:
        """Whether its threads run, from `start` to `close`."""

    def start(self) -> None:
        """Start its threads."""

    def publish(self, event: Event, snapshot: bytes | None = None, *, late: bool = False) -> None:
        """Publish an event immediately or never, and record it. `snapshot` is a JPEG that may leave the machine.

        A `late` event is only recorded, and goes to the audit topic.
        """

    def claim(self, claim: Claim) -> None:
        """Ask the doors of the claim's camera to open, immediately or never."""

    def challenge(self, report: ChallengeReport) -> None:
        """Publish what a challenge asks for or how it has ended, and tell the doors; returns at once."""

    def show_pass(self, shown: PassShown) -> None:
        """Have a door take a valid pass that its camera has read; returns at once."""

    def record(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Record a decision or an action; `kind` is one of the journal's."""

    def set(self, topic: Topic, payload: str | Mapping[str, Any]) -> None:
        """Publish the new value of a retained topic of the table in topics.py.

        A mapping is the device's state, to which the publisher adds its own; it must not change afterwards.
        """

    def facts(self) -> Mapping[str, Any]:
        """What it adds to the state: `mqtt`, `doors`, and `problems`, one line each; any thread may call it."""

    def close(self) -> None:
        """Go offline, record what is queued, end the threads."""


class LogPublisher:
    """Publishes nothing: events go to the log and the journal."""

    problem = None

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._clock = clock
        self._writer = JournalWriter(journal)

    @property
    def alive(self) -> bool:
        """Whether the journal's thread runs."""
        return self._writer.alive

    def start(self) -> None:
        """Start the journal's thread."""
        self._writer.start()

    def publish(self, event: Event, snapshot: bytes | None = None, *, late: bool = False) -> None:  # noqa: ARG002 - a log shows no pictures
        """Record the event; the vision thread logs every event."""
        self._writer.record(event)
        self._writer.mark_published(event.id)

    def claim(self, claim: Claim) -> None:
        """Ignore it: the configuration does not allow doors without MQTT."""

    def challenge(self, report: ChallengeReport) -> None:
        """Ignore it: there is no door that could have asked."""

    def show_pass(self, shown: PassShown) -> None:
        """Ignore it, as a claim."""

    def record(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Record it in the journal."""
        self._writer.record_row(noted(kind, self._clock.wall(), facts))

    def set(self, topic: Topic, payload: str | Mapping[str, Any]) -> None:  # noqa: ARG002 - as in Publisher
        """Log the state at level debug; the other topics may name people, and a log outlives `edgeface forget`."""
        if not isinstance(payload, str):
            _log.debug("state %s", payload)

    def facts(self) -> Mapping[str, Any]:
        """No broker, no doors."""
        return {"mqtt": None, "doors": {}, "problems": ()}

    def close(self) -> None:
        """Record what is queued."""
        self._writer.close()


def names_in_view(names: Iterable[str]) -> str:
    """The payload of a camera's `people` topic: NO_ONE without names; a name has no comma in it."""
    return ", ".join(cleaned(name.replace(",", " ")) for name in names) or NO_ONE


def sentence(event: Event) -> str:
    """The event as one line for a log, with ids and no names, since a log outlives `edgeface forget`."""
    who = event.person or event.unknown or ""
    parts = [f"{event.camera}: {event.type}", who, f"track {event.track}"]
    if event.score is not None and event.threshold is not None:
        parts.append(f"score {event.score:.3f}, threshold {event.threshold:.3f}")
    if event.reason is not None:
        parts.append(event.reason)
    if event.seconds is not None:
        parts.append(f"after {event.seconds:.1f} s")
    return ", ".join(part for part in parts if part)
