"""Turns what happens in the daemon into notices; without `notify` in the configuration it does nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from edgeface.core.types import Event
from edgeface.notify import notice
from edgeface.notify.notifier import Notifier
from edgeface.notify.rules import RuleContext
from edgeface.notify.settings import CAMERA_OFFLINE, CAMERA_ONLINE
from edgeface.notify.subscriptions import SubscriptionFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.cameras.capture import CaptureState
    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.journal.rows import JournalRow
    from edgeface.notify.notice import Notice
    from edgeface.security.vault import Vault

OFFLINE_SECONDS = 30.0
"""Seconds for which a camera must be away before people are notified of it."""


class AwayCameras:
    """Which cameras have been away for OFFLINE_SECONDS, each reported once, and once when it is back."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def take(self, states: Mapping[str, CaptureState], now: float) -> list[tuple[str, str, str | None]]:
        """The kind of notice, camera and reason of each that is to be reported now; `now` in monotonic seconds."""
        found: list[tuple[str, str, str | None]] = []
        for name, state in states.items():
            if state.status in {"online", "disabled", "ended"}:
                if self._since.pop(name, now) == _REPORTED and state.status == "online":
                    found.append((CAMERA_ONLINE, name, None))
            elif now - self._since.setdefault(name, now) >= OFFLINE_SECONDS:
                self._since[name] = _REPORTED
                found.append((CAMERA_OFFLINE, name, state.error))
        return found


_REPORTED = float("inf")


class Notifications:
    """The notifier of a daemon; the main thread starts, feeds and stops it, and any thread reports events and rows."""

    def __init__(
        self, configuration: Configuration, vault: Vault, clock: Clock, name_of: Callable[[str], str | None]
    ) -> None:
        """`name_of` gives the display name of a person; any thread may call it."""
        self._configuration = configuration
        self._clock = clock
        self._name_of = name_of
        self._away = AwayCameras()
        self._browsers = SubscriptionFile(configuration.data, vault)
        self.notifier = self._make(configuration)
        """None without targets; the main thread replaces it."""

    def _make(self, configuration: Configuration) -> Notifier | None:
        if configuration.notify is None:
            return None
        return Notifier(configuration.notify, _context(configuration), self._clock, self._browsers)

    def apply(self, configuration: Configuration) -> None:
        """Continue with another configuration, and with secrets that are read again."""
        self._configuration = configuration
        if self.notifier is not None and configuration.notify is not None:
            self.notifier.apply(configuration.notify, _context(configuration))
            return
        self.close()
        self.notifier = self._make(configuration)
        self.start()

    def forget(self, person: str) -> None:
        """Send nothing more about a person or an unknown who has been removed."""
        if self.notifier is not None:
            self.notifier.forget(person)

    def event(self, event: Event, picture: bytes | None) -> None:
        """An event of a face; `picture` is a JPEG that may leave this machine."""
        self._send(lambda: notice.of_event(event, picture))

    def row(self, what: Event | JournalRow) -> None:
        """What the journal records: a listener of it."""
        if not isinstance(what, Event):
            self._send(lambda: notice.of_row(what, self._clock.monotonic(), self._name_of))

    def cameras(self, states: Mapping[str, CaptureState]) -> None:
        """The cameras as they are now."""
        now = self._clock.monotonic()
        for kind, name, reason in self._away.take(states, now):
            self._send(partial(notice.of_camera, kind, name, reason, self._clock.wall(), now))

    def _send(self, make: Callable[[], Notice | None]) -> None:
        # Once: the main thread may replace it meanwhile.
        notifier = self.notifier
        if notifier is not None and (found := make()) is not None:
            names = self._configuration.camera_names
            notifier.notice(replace(found, camera_name=names.get(found.camera or "")))

    @property
    def problems(self) -> tuple[str, ...]:
        """Which targets do not take notifications, one line each."""
        return () if self.notifier is None else self.notifier.problems

    def facts(self) -> Mapping[str, Any] | None:
        """The part `notify` of the state; None without targets."""
        return None if self.notifier is None else self.notifier.facts()

    def start(self) -> None:
        """Start the notifier's thread."""
        if self.notifier is not None:
            self.notifier.start()

    def close(self) -> None:
        """End it."""
        if self.notifier is not None:
            self.notifier.close()


def _context(configuration: Configuration) -> RuleContext:
    return RuleContext(configuration.groups, configuration.schedules)
