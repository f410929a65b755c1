"""The reference controller of a door: publishes challenges, verifies grants, and drives a relay for valid ones."""

from __future__ import annotations

import logging
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from edgeface import __version__
from edgeface.core import systemd
from edgeface.core.clock import SystemClock, synchronised
from edgeface.core.errors import BrokerError, ConfigError
from edgeface.core.log import set_up
from edgeface.door import settings as door_settings
from edgeface.door.factors import FactorPublisher
from edgeface.door.generations import GenerationMemory
from edgeface.door.inputs.service import DoorInputs
from edgeface.door.relay import open_relay
from edgeface.door.reports import Reports, public_text, result_key
from edgeface.door.single_controller import DoorTakenError, claim_machine, require_alone
from edgeface.door.trusted_keys import DoorYamlKeys, TrustedKeys
from edgeface.door.turn_lamps import TurnLamps
from edgeface.door.verifier import GrantVerifier, Reject
from edgeface.mqtt.connection import Connection, Waker
from edgeface.mqtt.problems import ConnectionProblems
from edgeface.mqtt.topics import (
    CHALLENGE,
    DOOR_CHALLENGE,
    DOOR_EVENT,
    DOOR_FACTOR,
    DOOR_GRANT,
    DOOR_RESULT,
    DOOR_STATE,
    DOOR_STATUS,
    Topics,
)
from edgeface.security.process import leave_no_core

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from edgeface.core.clock import Clock
    from edgeface.door.relay import DoorRelay
    from edgeface.door.settings import DoorSettings
    from edgeface.door.verifier import Grant
    from edgeface.mqtt.connection import Message

log = logging.getLogger(__name__)

CHALLENGE_SECONDS = 1.0
"""How often a nonce is published."""
STATE_SECONDS = 30.0
"""How often the state is published when nothing changes."""

SOFTWARE = 70
"""Exit status if the relay's process has ended or hangs; systemd restarts the controller, which switches it off."""
REFUSED = 1
"""Exit status if another controller serves this door."""

FACTOR_EXPIRY = 3
"""Seconds that the broker may hold a second factor; its nonce lives no longer."""

_TICK = 0.25
# Seconds between two states, unless the relay has switched.
_STATE_PAUSE = 0.5
# Seconds after a change at the inputs until the state is published once more.
_STATE_AGAIN = 1.5
_MIN_DELAY, _MAX_DELAY = 0.5, 5.0
_GOODBYE_TIMEOUT = 1.0


class Controller:
    """One door: the main thread calls `run`; any thread or signal handler may call `stop`."""

    def __init__(
        self,
        settings: DoorSettings,
        clock: Clock | None = None,
        relay: Callable[[DoorSettings, Clock, Callable[[], None]], DoorRelay] = open_relay,
        synced: Callable[[], bool] = synchronised,
    ) -> None:
        """Open relay and lamps, switched off; raises ConfigError if that fails, or if a reader's library is missing."""
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
        self._problems = ConnectionProblems(settings.mqtt)
        self._accepted = 0
        self._rejected: Counter[str] = Counter()
        self._last_reason: str | None = None
        self._published: tuple[object, ...] = ()
        self._again_at = 0.0
        self._published_at = self._challenged_at = self._fed_at = float("-inf")
        self._factors = FactorPublisher(settings, self._clock, self._waker.wake)
        self._generations = GenerationMemory(settings, self._topics, self._clock, lambda: self._verifier.rules.keys)
        self._keys: TrustedKeys | DoorYamlKeys = DoorYamlKeys()
        if settings.owner is not None:
            self._keys = TrustedKeys(settings, self._topics, self._verifier, self._factors, self._clock, synced)
        self.inputs = DoorInputs(settings, self._clock, lambda: self.relay, self._waker.wake)
        """Its contact, doorbell and exit button."""
        key = result_key(settings)
        self._result_key = public_text(key)
        self._reports = Reports(settings.door, self._verifier.boot, key, lambda: self._verifier.newest)
        self._lamps = TurnLamps(settings.turn_lamps, self._clock, self._waker.wake)
        self.relay = relay(settings, self._clock, self._waker.wake)
        """Only this controller switches it."""

    def run(self) -> int:
        """Serve until `stop`; returns 0, 70 if the relay has failed or hangs, 1 if another controller has this door.

        With an exit button, it stays where another one has this door, and serves the button only.
        """
        try:
            systemd.notify(systemd.READY)
            log.info("door %s is ready, boot %s", self._settings.door, self._verifier.boot)
            if self._result_key is not None:
                log.info("result_key: %s", self._result_key)
            self.inputs.start()
            self._factors.readers.start()
            self._reconnect()
        except DoorTakenError as error:
            log.error("%s: this one ends", error)
            return REFUSED
        finally:
            self._close_relay()
            self._lamps.close()
            self._factors.readers.stop()
            self._generations.store()
            self._waker.close()
        return 0 if self._stopping else SOFTWARE

    def stop(self) -> None:
        """Have the relay switched off and `run` end."""
        self._stopping = True
        self.relay.shut()
        self._waker.wake()

    def _close_relay(self) -> None:
        """Switch off; no input opens the door afterwards."""
        self.relay.shut()
        self.inputs.stop()
        self.relay.close()

    def _running(self) -> bool:
        """Feed the watchdog; False once the controller should end."""
        now, period = self._clock.monotonic(), systemd.watchdog_seconds()
        healthy = self.relay.healthy and self.inputs.healthy
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
            except DoorTakenError as error:
                if self._settings.exit_button is None:
                    raise
                # Whoever may write to two topics could otherwise keep the button from working, start after start.
                self._problems.failed(f"{error}: this one serves its exit button only")
            except BrokerError as error:
                self._problems.failed(str(error))
            delay = _MIN_DELAY if self._problems.connects > connects else min(2 * delay, _MAX_DELAY)
            until = self._clock.monotonic() + delay
            while self._running_without() and self._clock.monotonic() < until:
                self._clock.sleep(0.1)

    def _running_without(self) -> bool:
        """As `_running`, without a connection: what is shown at a reader is dropped."""
        self._factors.drop()
        return self._running()

    def _serve(self) -> None:
        require_alone(self._settings, self._topics, self._verifier.boot, self._clock, self._running_without)
        connection = Connection(self._settings.mqtt, self._name, self._topics(DOOR_STATUS), self._clock)
        try:
            while self._running_without() and not connection.ready:
                self._wait(connection, _TICK)
            if self._running():
                self._go_online(connection)
            while self._running():
                self._work(connection)
                self._wait(connection, _TICK)
            self._close_relay()
            self._go_offline(connection)
        finally:
            self._lamps.off()
            self.inputs.disconnected()
            connection.drop()

    def _wait(self, connection: Connection, seconds: float) -> None:
        connection.wait(seconds, self._waker.socket)
        self._waker.clear()

    def _go_online(self, connection: Connection) -> None:
        self._problems.connected()
        self._published_at = self._challenged_at = float("-inf")
        connection.subscribe([self._topics(DOOR_GRANT).name], as_published=True)
        self._keys.connected(connection)
        if (lamps := self._turn_topic()) is not None:
            # QoS 0: the broker keeps none for a door that is away, which would light a lamp when it is back.
            connection.subscribe([lamps], as_published=True, qos=0)
        self._generations.connected(connection)
        # Without the sender's retain flag: it shows which report is an old one.
        connection.subscribe(self.inputs.topics, retained=True)
        self.inputs.drop()
        connection.publish(self._topics(DOOR_STATUS), b"online")

    def _work(self, connection: Connection) -> None:
        if self._keys.review(connection):
            # What devices had signed before their keys were known here was refused.
            self._generations.connected(connection)
        while connection.messages:
            self._on_message(connection, connection.messages.popleft())
        for result in connection.results():
            if result.refused is not None:
                self._problems.denied(f"{result.tag.kind} {result.tag.id}", result.refused, self._name)
        if connection.congested:
            self._factors.drop()
            self.inputs.drop()
            return
        if self._clock.monotonic() - self._challenged_at >= CHALLENGE_SECONDS:
            # A stalled broker accepts challenges for long; only its answer to the probe shows that it is alive.
            connection.probe()
            self._challenge(connection)
        for message in self._factors.messages(lambda: self._challenge(connection)):
            connection.publish(self._topics(DOOR_FACTOR), message, expiry=FACTOR_EXPIRY)
        self._generations.review(connection)
        for kind, number in self.inputs.events():
            connection.publish(self._topics(DOOR_EVENT), self._reports.event(kind, number), expiry=FACTOR_EXPIRY)
        self._update_state(connection)

    def _challenge(self, connection: Connection) -> str:
        """Publish a new nonce, and return it."""
        self._challenged_at = self._clock.monotonic()
        connection.publish(self._topics(DOOR_CHALLENGE), self._verifier.challenge(self._challenged_at))
        return self._verifier.newest

    def _turn_topic(self) -> str | None:
        """Where the challenges that the lamps show come from; None without lamps."""
        lamps = self._settings.turn_lamps
        return None if lamps is None else self._topics(CHALLENGE, device=lamps.device, camera=lamps.camera).name

    def _on_message(self, connection: Connection, message: Message) -> None:
        if message.topic == self._topics(DOOR_GRANT).name:
            self._on_grant(connection, message)
        elif message.topic == self._turn_topic():
            self._lamps.on_message(message.payload, retained=message.retained)
        elif message.topic in self.inputs.topics:
            self.inputs.on_message(message.topic, message.payload, retained=message.retained)
        elif not self._keys.on_message(message):
            self._generations.on_message(message)

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
            self.inputs.allow(now)
            self.relay.open(now)
            self._accepted += 1
            log.info("door opened for a grant of %s, seq %d", grant.device, grant.seq)
            self._publish_result(connection, grant, None)

    def _publish_result(self, connection: Connection, grant: Grant | None, reason: str | None) -> None:
        # A flood of grants must not become a flood of results.
        if connection.congested:
            return
        connection.publish(self._topics(DOOR_RESULT), self._reports.result(grant, reason))

    def _update_state(self, connection: Connection) -> None:
        now, opened = self._clock.monotonic(), self.relay.is_open
        factors = tuple(self._factors.facts().values())
        problems = (self.relay.report, self._problems.refused, self._factors.readers.problem, self._lamps.problem)
        keys = self._keys.summary()
        state = (opened, self._accepted, self._rejected.total(), *problems, *factors, *keys, self.inputs.report)
        age = now - self._published_at
        switched = self._published[:1] != state[:1]
        again = 0 < self._again_at <= now
        if not (switched or (state != self._published and age >= _STATE_PAUSE) or again or age >= STATE_SECONDS):
            return
        # A device that has just connected knows no nonce yet, and counts only the second one of two states.
        self._again_at = now + _STATE_AGAIN if self._published[-1:] != state[-1:] else 0.0 if again else self._again_at
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
            "problem": self._problem(),
            "relay": self.relay.report.word,
            "readers": self._factors.readers.facts(),
            "factors": self._factors.facts(),
            "key_list": self._keys.facts(),
            **self.inputs.facts(),
            "result_key": self._result_key,
        }
        connection.publish(self._topics(DOOR_STATE), self._reports.state(state))

    def _problem(self) -> str | None:
        """What is wrong, in one line: the relay first, since it may be on."""
        relay = self.relay.report.problem
        parts = (self.inputs.report, self._problems, self._keys, self._factors.readers, self._lamps)
        others = next((one.problem for one in parts if one.problem is not None), None)
        return others if relay is None else f"relay: {relay}"

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
    leave_no_core()
    if arguments.key:
        return _print_key(settings)
    with claim_machine(settings):
        controller = Controller(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: controller.stop())
        return controller.run()


def _print_key(settings: DoorSettings) -> int:
    """Print the public half of the door's own key as config.yaml has it; returns the exit status."""
    text = public_text(result_key(settings))
    if text is None:
        raise ConfigError(
            f"data: {settings.data}: no place for a key of the door's own: make this folder, for the door's user"
        )
    sys.stdout.write(f"result_key: {text}\n")
    return 0
