"""The reference controller of a door: challenges, judges grants, and switches a relay for those that hold."""

from __future__ import annotations

import json
import logging
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

from edgeface import __version__
from edgeface.access.protocol import DoorTopics
from edgeface.core import systemd
from edgeface.core.clock import SystemClock
from edgeface.core.errors import BrokerError
from edgeface.core.log import set_up
from edgeface.door import settings as door_settings
from edgeface.door.relay import Relay
from edgeface.door.verifier import GrantVerifier, Reject
from edgeface.mqtt.connection import Connection, Tag, Waker
from edgeface.mqtt.problems import ConnectionProblems

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
"""How often the state is said when nothing changes."""

SOFTWARE = 70
"""Exit status when the relay's thread has ended or hangs; systemd starts the controller again, which switches off."""

_TICK = 0.25
_CALM = 0.5
_BACKOFF = (0.5, 5.0)
_FAREWELL = 1.0


class Controller:
    """One door: `run` is the main thread's work, `stop` may be called by any thread or signal handler."""

    def __init__(self, settings: DoorSettings, clock: Clock | None = None) -> None:
        """Take the relay, switched off; ConfigError when it cannot be had."""
        self._settings = settings
        self._clock = clock or SystemClock()
        self._topics = DoorTopics(settings.mqtt.prefix, settings.door)
        self._gate = GrantVerifier(settings.rules())
        self._waker = Waker()
        # No Event: its lock is the main thread's own when a signal's handler would take it.
        self._stopping = False
        self._trouble = ConnectionProblems()
        self._accepted = 0
        self._rejected: Counter[str] = Counter()
        self._last_reason: str | None = None
        self._said: tuple[object, ...] = ()
        self._said_at = self._challenged_at = self._fed_at = float("-inf")
        self.relay = Relay(settings.relay, self._clock, self._waker.wake)
        """Switched by nobody else."""

    def run(self) -> int:
        """Serve until `stop`; 0, or 70 when the relay's thread has ended or hangs."""
        try:
            systemd.notify(systemd.READY)
            log.info("door %s is guarded; its boot is %s", self._settings.door, self._gate.boot)
            self._serve_on()
        finally:
            self.relay.close()
            self._waker.close()
        return 0 if self._stopping else SOFTWARE

    def stop(self) -> None:
        """Have the relay switched off, and ask `run` to end."""
        self._stopping = True
        self.relay.shut()
        self._waker.wake()

    def _going(self) -> bool:
        """Feed the watchdog, and say whether there is something to live for."""
        now, period = self._clock.monotonic(), systemd.watchdog_seconds()
        healthy = self.relay.healthy
        if healthy and period is not None and now - self._fed_at >= period:
            self._fed_at = now
            systemd.notify(systemd.WATCHDOG, systemd.status(self._trouble.problem or "connected"))
        return healthy and not self._stopping

    def _serve_on(self) -> None:
        delay = _BACKOFF[0]
        while self._going():
            connects = self._trouble.connects
            try:
                self._serve()
            except BrokerError as error:
                self._trouble.failed(str(error))
            delay = _BACKOFF[0] if self._trouble.connects > connects else min(2 * delay, _BACKOFF[1])
            until = self._clock.monotonic() + delay
            while self._going() and self._clock.monotonic() < until:
                self._clock.sleep(0.1)

    def _serve(self) -> None:
        name = f"edgeface-door-{self._settings.door}"
        connection = Connection(self._settings.mqtt, name, self._topics.status, self._clock)
        try:
            while self._going() and not connection.ready:
                self._wait(connection, _TICK)
            if self._going():
                self._greet(connection)
            while self._going():
                self._work(connection)
                self._wait(connection, _TICK)
            self.relay.close()
            self._farewell(connection)
        finally:
            connection.drop()

    def _wait(self, connection: Connection, seconds: float) -> None:
        connection.wait(seconds, self._waker.socket)
        self._waker.clear()

    def _greet(self, connection: Connection) -> None:
        self._trouble.connected()
        self._said_at = self._challenged_at = float("-inf")
        connection.subscribe([self._topics.grant], as_published=True)
        connection.publish(self._topics.status, b"online", Tag("retained", self._topics.status), retain=True)

    def _work(self, connection: Connection) -> None:
        while connection.messages:
            self._answer(connection, connection.messages.popleft())
        for result in connection.results():
            if result.refused is not None:
                name = f"edgeface-door-{self._settings.door}"
                about = f"{result.tag.kind} {result.tag.id}"
                self._trouble.denied(f"the broker denies {about}: {result.refused}; its access list must let {name} in")
        self._challenge(connection)
        self._say_state(connection)

    def _challenge(self, connection: Connection) -> None:
        now = self._clock.monotonic()
        if now - self._challenged_at < CHALLENGE_SECONDS or connection.congested:
            return
        self._challenged_at = now
        # A stalled broker would take challenges for a long time: the answer to this shows that it is alive.
        connection.probe()
        connection.publish(self._topics.challenge, self._gate.challenge(now), Tag("challenge", ""), qos=0)

    def _answer(self, connection: Connection, message: Message) -> None:
        now = self._clock.monotonic()
        try:
            grant = self._gate.judge(message.payload, retained=message.retained, now=now)
        except Reject as reject:
            self._rejected[reject.reason] += 1
            self._last_reason = reject.reason
            log.warning("a grant is rejected: %s", reject.reason)
            self._tell(connection, reject.grant, reject.reason)
        else:
            self.relay.open(now)
            self._accepted += 1
            log.info("the door opens for a grant of %s, seq %d", grant.device, grant.seq)
            self._tell(connection, grant, None)

    def _tell(self, connection: Connection, grant: Grant | None, reason: str | None) -> None:
        # Who floods the door with grants does not get its network flooded by answers.
        if connection.congested:
            return
        result = {
            "v": 1,
            "door": self._settings.door,
            "boot": self._gate.boot,
            "accepted": reason is None,
            "reason": reason,
            "device": None if grant is None else grant.device,
            "grant_boot": None if grant is None else grant.boot,
            "grant_seq": None if grant is None else grant.seq,
        }
        connection.publish(self._topics.result, _json(result), Tag("result", ""), qos=0)

    def _say_state(self, connection: Connection) -> None:
        now, opened = self._clock.monotonic(), self.relay.is_open
        news = (opened, self._accepted, self._rejected.total(), self._trouble.refused)
        moved = self._said[:1] != news[:1]
        due = moved or (news != self._said and now - self._said_at >= _CALM) or now - self._said_at >= STATE_SECONDS
        if not due or connection.congested:
            return
        self._said, self._said_at = news, now
        self._publish_state(connection, opened=opened)

    def _publish_state(self, connection: Connection, *, opened: bool) -> None:
        state: dict[str, Any] = {
            "v": 1,
            "open": opened,
            "accepted": self._accepted,
            "rejected": dict(self._rejected),
            "last_reason": self._last_reason,
            "version": __version__,
            "boot": self._gate.boot,
            "problem": self._trouble.problem,
        }
        connection.publish(self._topics.state, _json(state), Tag("retained", ""), qos=0, retain=True)

    def _farewell(self, connection: Connection) -> None:
        """Say that the door is shut and offline, and wait a short time for the broker."""
        if not connection.ready:
            return
        self._publish_state(connection, opened=self.relay.is_open)
        connection.publish(self._topics.status, b"offline", Tag("retained", self._topics.status), retain=True)
        deadline = self._clock.monotonic() + _FAREWELL
        while self._clock.monotonic() < deadline and connection.in_flight:
            connection.wait(0.05, self._waker.socket)
            self._waker.clear()
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
