"""Who tells the world: the Protocol that the daemon uses, and the teller that needs no broker."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from edgeface.journal.database import noted
from edgeface.journal.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.access.policy import AccessPolicy
    from edgeface.core.clock import Clock
    from edgeface.core.types import Claim, Event
    from edgeface.journal.journal import Journal

_log = logging.getLogger(__name__)


class Publisher(Protocol):
    """Tells what the pipeline says; no method waits for a network or a disk but `close`."""

    @property
    def connected(self) -> bool:
        """Whether what is said now is heard now."""
        ...

    @property
    def problem(self) -> str | None:
        """What is wrong, in one line."""
        ...

    @property
    def alive(self) -> bool:
        """Whether its threads run, from `start` to `close`."""
        ...

    def start(self) -> None:
        """Start its threads."""
        ...

    def publish(self, event: Event, snapshot: bytes | None = None, *, late: bool = False) -> None:
        """Tell an event now or never, and write it down. `snapshot` is a JPEG that may leave the machine.

        `late` says that now is too late already: it is written down for the audit topic only.
        """
        ...

    def claim(self, claim: Claim) -> None:
        """Have the doors of the claim's camera open, now or never, if they may."""
        ...

    def record(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Write down what was decided or done; `kind` is one of the journal's."""
        ...

    def apply(self, policy: AccessPolicy) -> None:
        """Go by other doors from now on."""
        ...

    def camera_status(self, camera: str, text: str) -> None:
        """Tell how a camera is: online, stalled, offline, disabled."""
        ...

    def people(self, camera: str, names: tuple[str, ...]) -> None:
        """Tell who is in view, for display; `unknown` stands for somebody without a name."""
        ...

    def enabled(self, camera: str, on: bool) -> None:  # noqa: FBT001 - a switch has one value
        """Tell whether a camera is looked at."""
        ...

    def state(self, facts: Mapping[str, Any]) -> None:
        """Tell the device's health; `facts` is not changed by anybody afterwards."""
        ...

    def counters(self) -> dict[str, int]:
        """Give what has been said, refused and lost."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """What it adds to the state: `mqtt`, `doors`, and `problems`, one line each; any thread may ask."""
        ...

    def close(self) -> None:
        """Say good-bye, write down what waits, end the threads."""
        ...


class LogPublisher:
    """Tells nobody: events are in the log and in the journal."""

    connected = True
    problem = None

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._clock = clock
        self._writer = JournalWriter(journal)
        self._said = 0

    @property
    def alive(self) -> bool:
        """Whether the journal's thread runs."""
        return self._writer.alive

    def start(self) -> None:
        """Start the journal's thread."""
        self._writer.start()

    def publish(self, event: Event, snapshot: bytes | None = None, *, late: bool = False) -> None:  # noqa: ARG002 - see below
        """Write the event down as said: the vision thread logs every event, and a log shows no pictures."""
        self._writer.record(event)
        self._writer.mark_published(event.id)
        self._said += 1

    def claim(self, claim: Claim) -> None:
        """Do nothing: a door is opened by MQTT, and a configuration with doors and without it is refused."""

    def record(self, kind: str, facts: Mapping[str, Any]) -> None:
        """Write it down."""
        self._writer.record_row(noted(kind, self._clock.wall(), facts))

    def apply(self, policy: AccessPolicy) -> None:
        """Do nothing, as for `claim`."""

    def camera_status(self, camera: str, text: str) -> None:
        """Do nothing: capture logs it, with the reason."""

    def people(self, camera: str, names: tuple[str, ...]) -> None:
        """Do nothing: the events say it."""

    def enabled(self, camera: str, on: bool) -> None:  # noqa: FBT001 - as in Teller
        """Log the switch."""
        _log.info("camera %s is switched %s", camera, "on" if on else "off")

    def state(self, facts: Mapping[str, Any]) -> None:
        """Log it, for those who debug."""
        _log.debug("state %s", facts)

    def counters(self) -> dict[str, int]:
        """Give said, lost, queue and unsaid."""
        writer = self._writer
        return {"said": self._said, "lost": writer.lost, "queue": writer.waiting, "unsaid": writer.unpublished}

    def facts(self) -> Mapping[str, Any]:
        """Say that there is neither a broker nor a door."""
        return {"mqtt": None, "doors": {}, "problems": ()}

    def close(self) -> None:
        """Write down what waits."""
        self._writer.close()


def sentence(event: Event) -> str:
    """The event as one line of a log; people by their ids, since a log outlives `edgeface forget`."""
    who = event.person or event.unknown or ""
    parts = [f"{event.camera}: {event.type}", who, f"track {event.track}"]
    if event.score is not None and event.threshold is not None:
        parts.append(f"score {event.score:.3f} of {event.threshold:.3f}")
    if event.reason is not None:
        parts.append(event.reason)
    if event.seconds is not None:
        parts.append(f"after {event.seconds:.1f} s")
    return ", ".join(part for part in parts if part)
