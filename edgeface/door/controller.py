"""The reference controller of a door: publishes challenges, verifies grants, and drives a relay for valid ones."""

from __future__ import annotations

import json
import logging
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

from edgeface import __version__
from edgeface.core import systemd
from edgeface.core.clock import SystemClock
from edgeface.core.errors import BrokerError
from edgeface.core.log import set_up
from edgeface.door import settings as door_settings
from edgeface.door.factors import FactorPublisher
from edgeface.door.relay import Relay
from edgeface.door.verifier import GrantVerifier, Reject
from edgeface.mqtt.connection import Connection, Waker
from edgeface.mqtt.problems import ConnectionProblems
from edgeface.mqtt.topics import DOOR_CHALLENGE, DOOR_FACTOR, DOOR_GRANT, DOOR_RESULT, DOOR_STATE, DOOR_STATUS, Topics

if TYPE_CHECKING:
    import argparse

    from edgeface.core.clock import Clock
    from edgeface.door.settings import DoorSettings
    from edgeface.door.verifier import Grant
    from edgeface.mqtt.connection import Message

log = logging.getLogger(__name__)

CHALLENGE_SECONDS = 1.0
"""How often a nonce is published."""
STATE_SECONDS = 30.0
"""How often the state is published when nothing changes."""

SOFTWARE = 70
"""Exit status if the relay's thread has ended or hangs; systemd restarts the controller, which switches it off."""

FACTOR_EXPIRY = 3
"""Seconds that the broker may hold a second factor; its nonce lives no longer."""

_TICK = 0.25
# Seconds between two states, unless the relay has switched.
_STATE_PAUSE = 0.5
_MIN_DELAY, _MAX_DELAY = 0.5, 5.0
_GOODBYE_TIMEOUT = 1.0


class Controller:
    """One door: the main thread calls `run`; any thread or signal handler may call `stop`."""

    def __init__(self, settings: DoorSettings, clock: Clock | None = None) -> None:
        """Open the relay, switched off; raises ConfigError if that fails, or if a reader's library is missing."""
        for reader in settings.readers:
            reader.require()
        self._settings = settings
        self._clock = clock or SystemClock()
        self._name = f"edgeface-door-{settings.door}"
        self._topics = Topics(prefix=settings.mqtt.prefix, door=settings.door)
        self._verifier = GrantVerifier(settings.rules())
        self._waker = Waker()
        # Not an Event: the main thread may hold its lock when a signal handler needs it.
        self._stopping = False
        self._problems = ConnectionProblems()
        self._accepted = 0
        self._rejected: Counter[str] = Counter()
        self._last_reason: str | None = None
        self._published: tuple[object, ...] = ()
        self._published_at = self._challenged_at = self._fed_at = float("-inf")
        self._factors = FactorPublisher(settings, self._clock, self._waker.wake)
        self.relay = Relay(settings.relay, self._clock, self._waker.wake)
        """Only this controller switches it."""

    def run(self) -> int:
        """Serve until `stop`; returns 0, or 70 if the relay's thread has ended or hangs."""
        try:
            systemd.notify(systemd.READY)
            log.info("door %s is ready, boot %s", self._settings.door, self._verifier.boot)
            self._factors.readers.start()
            self._reconnect()
        finally:
            self.relay.close()
            self._factors.readers.stop()
            self._waker.close()
        return 0 if self._stopping else SOFTWARE

    def stop(self) -> None:
        """Have the relay switched off and `run` end."""
        self._stopping = True
        self.relay.shut()
        self._waker.wake()

    def _running(self) -> bool:
        """Feed the watchdog; False once the controller should end."""
        now, period = self._clock.monotonic(), systemd.watchdog_seconds()
        healthy = self.relay.healthy
        if healthy and period is not None and now - self._fed_at >= period:
            self._fed_at = now
            systemd.notify(systemd.WATCHDOG, systemd.status(self._problems.problem or "connected"))
        return healthy and not self._stopping

    def _reconnect(self) -> None:
        delay = _MIN_DELAY
        while self._running():
            connects = self._problems.connects
            try:
                self._serve()
            except BrokerError as error:
                self._problems.failed(str(error))
            delay = _MIN_DELAY if self._problems.connects > connects else min(2 * delay, _MAX_DELAY)
            until = self._clock.monotonic() + delay
            while self._running() and self._clock.monotonic() < until:
                self._factors.drop()
                self._clock.sleep(0.1)

    def _serve(self) -> None:
        connection = Connection(self._settings.mqtt, self._name, self._topics(DOOR_STATUS), self._clock)
        try:
            while self._running() and not connection.ready:
                self._factors.drop()
                self._wait(connection, _TICK)
            if self._running():
                self._go_online(connection)
            while self._running():
                self._work(connection)
                self._wait(connection, _TICK)
            self.relay.close()
            self._go_offline(connection)
        finally:
            connection.drop()

    def _wait(self, connection: Connection, seconds: float) -> None:
        connection.wait(seconds, self._waker.socket)
        self._waker.clear()

    def _go_online(self, connection: Connection) -> None:
        self._problems.connected()
        self._published_at = self._challenged_at = float("-inf")
        connection.subscribe([self._topics(DOOR_GRANT).name], as_published=True)
        connection.publish(self._topics(DOOR_STATUS), b"online")

    def _work(self, connection: Connection) -> None:
        while connection.messages:
            self._on_grant(connection, connection.messages.popleft())
        for result in connection.results():
            if result.refused is not None:
                self._problems.denied(f"{result.tag.kind} {result.tag.id}", result.refused, self._name)
        if connection.congested:
            self._factors.drop()
            return
        if self._clock.monotonic() - self._challenged_at >= CHALLENGE_SECONDS:
            # A stalled broker accepts challenges for long; only its answer to the probe shows that it is alive.
            connection.probe()
            self._challenge(connection)
        for message in self._factors.messages(lambda: self._challenge(connection)):
            connection.publish(self._topics(DOOR_FACTOR), message, expiry=FACTOR_EXPIRY)
        self._update_state(connection)

    def _challenge(self, connection: Connection) -> str:
        """Publish a new nonce, and return it."""
        self._challenged_at = self._clock.monotonic()
        connection.publish(self._topics(DOOR_CHALLENGE), self._verifier.challenge(self._challenged_at))
        return self._verifier.newest

    def _on_grant(self, connection: Connection, message: Message) -> None:
        now = self._clock.monotonic()
        try:
            grant = self._verifier.judge(message.payload, retained=message.retained, now=now)
        except Reject as reject:
            self._rejected[reject.reason] += 1
            self._last_reason = reject.reason
            log.warning("grant rejected: %s", reject.reason)
            self._publish_result(connection, reject.grant, reject.reason)
        else:
            self.relay.open(now)
            self._accepted += 1
            log.info("door opened for a grant of %s, seq %d", grant.device, grant.seq)
            self._publish_result(connection, grant, None)

    def _publish_result(self, connection: Connection, grant: Grant | None, reason: str | None) -> None:
        # A flood of grants must not become a flood of results.
        if connection.congested:
            return
        result = {
            "v": 1,
            "door": self._settings.door,
            "boot": self._verifier.boot,
            "accepted": reason is None,
            "reason": reason,
            "device": None if grant is None else grant.device,
            "grant_boot": None if grant is None else grant.boot,
            "grant_seq": None if grant is None else grant.seq,
        }
        connection.publish(self._topics(DOOR_RESULT), _json(result))

    def _update_state(self, connection: Connection) -> None:
        now, opened = self._clock.monotonic(), self.relay.is_open
        factors = tuple(self._factors.facts().values())
        problems = (self._problems.refused, self._factors.readers.problem)
        state = (opened, self._accepted, self._rejected.total(), *problems, *factors)
        age = now - self._published_at
        switched = self._published[:1] != state[:1]
        if not (switched or (state != self._published and age >= _STATE_PAUSE) or age >= STATE_SECONDS):
            return
        self._published, self._published_at = state, now
        self._publish_state(connection, opened=opened)

    def _publish_state(self, connection: Connection, *, opened: bool) -> None:
        state: dict[str, Any] = {
            "v": 1,
            "open": opened,
            "accepted": self._accepted,
            "rejected": dict(self._rejected),
            "last_reason": self._last_reason,
            "version": __version__,
            "boot": self._verifier.boot,
            "problem": self._problems.problem or self._factors.readers.problem,
            "readers": self._factors.readers.facts(),
            "factors": self._factors.facts(),
        }
        connection.publish(self._topics(DOOR_STATE), _json(state))

    def _go_offline(self, connection: Connection) -> None:
        """Publish that the door is shut and offline, and wait briefly for the broker."""
        if not connection.ready:
            return
        self._publish_state(connection, opened=self.relay.is_open)
        connection.publish(self._topics(DOOR_STATUS), b"offline")
        deadline = self._clock.monotonic() + _GOODBYE_TIMEOUT
        while self._clock.monotonic() < deadline and connection.in_flight:
            self._wait(connection, 0.05)
        connection.close()


def run_door(arguments: argparse.Namespace) -> int:
    """`edgeface door`: the controller in the foreground, until SIGTERM or SIGINT."""
    settings = door_settings.load(arguments.config)
    set_up(settings.log)
    controller = Controller(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: controller.stop())
    return controller.run()


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
