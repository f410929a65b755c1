"""The centre's connection to the broker: stores what devices say, and publishes the change numbers of sites."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.centre.mqtt import audit_topic
from edgeface.centre.mqtt.turn import Turn
from edgeface.core.clock import DAY
from edgeface.core.errors import BrokerError, EdgefaceError
from edgeface.mqtt.connection import Connection, Waker
from edgeface.mqtt.topics import AUDIT, SITE_SEQ, Topics

if TYPE_CHECKING:
    from edgeface.centre.store import Store
    from edgeface.core.clock import Clock
    from edgeface.mqtt.settings import Mqtt

log = logging.getLogger(__name__)

CLIENT = "edgeface-centre"
"""The name by which the broker knows the centre; all processes of a centre share it, and so the session."""
SESSION_SECONDS = int(30 * DAY)
"""For which the broker keeps messages for a centre that is away, if its own settings allow it."""
FATES = ("stored", "repeated", "refused", "unreadable")
"""What becomes of a message: stored, stored before, of a device that has not joined, or not as devices write it."""

_LEAST_KEEPALIVE = 60
"""Seconds: the thread may wait for the database meanwhile."""
_TICK = 1.0
_PAUSE = 2.0
"""Seconds until the next attempt."""
_TICKS_TO_CHECK = 5


class BrokerClient:
    """One thread, which connects again by itself; of several centres with one database, one is connected.

    A message is acknowledged once the database has committed its row. If anything fails before that, the connection
    ends, and the broker sends the message again on the next one.
    """

    _waker: Waker

    def __init__(self, settings: Mqtt, conninfo: str, store: Store, clock: Clock) -> None:
        """Nothing happens before `start`."""
        self._settings = settings.model_copy(update={"keepalive": max(settings.keepalive, _LEAST_KEEPALIVE)})
        self._conninfo, self._store, self._clock = conninfo, store, clock
        self._topics = Topics(prefix=settings.prefix)
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="centre-mqtt", daemon=True)
        self.counts: Counter[str] = Counter()
        """Messages since the start, by FATES."""
        self.connected = False
        """Whether this centre has subscribed; False for one that waits for its turn."""
        self.problem: str | None = None
        """Why it is not connected, in one line; None also while another centre is."""

    def start(self) -> None:
        """Start the thread."""
        self._waker = Waker()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the broker keeps the session."""
        self._stopping.set()
        self._waker.wake()
        self._thread.join()
        self._waker.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            problem = None
            try:
                with closing(Turn(self._conninfo)) as turn:
                    if turn.take():
                        self._serve(turn)
            except EdgefaceError as error:
                problem = str(error)
            self._report(problem)
            self._stopping.wait(_PAUSE)

    def _serve(self, turn: Turn) -> None:
        """Serve one connection, until it fails or the centre stops."""
        connection = Connection(
            self._settings, CLIENT, None, self._clock, session_seconds=SESSION_SECONDS, acknowledging=True
        )
        forget = self._store.on_change(self._changed)
        try:
            self._open(connection)
            ticks = 0
            while not self._stopping.is_set():
                self._wait(connection)
                self._receive(connection)
                self._publish(connection)
                ticks += 1
                if ticks % _TICKS_TO_CHECK == 0:
                    turn.check()
        finally:
            forget()
            self.connected = False
            connection.close()

    def _open(self, connection: Connection) -> None:
        while not connection.ready and not self._stopping.is_set():
            self._wait(connection)
        for site in self._store.sites():
            self._changed(site.site, site.seq)
        # With the flags as published, what someone has retained is recognised.
        connection.subscribe([self._topics(AUDIT, device="+").name], as_published=True)

    def _wait(self, connection: Connection) -> None:
        connection.wait(_TICK, self._waker.socket)
        self._waker.clear()
        for result in connection.results():
            if result.refused is not None:
                raise BrokerError(f"the broker refuses {result.tag.id}: {result.refused}: see docs/mosquitto")
            if result.tag.kind == "subscribe":
                self._report(None)
                self.connected = True
                log.info("events: connected to the broker")

    def _receive(self, connection: Connection) -> None:
        # An answer that is late because of the database must not count as one that is late because of the broker.
        if connection.in_flight or not connection.messages:
            return
        messages = tuple(connection.messages)
        connection.messages.clear()
        found = [audit_topic.read(self._settings.prefix, one) for one in messages]
        rows = [row for row in found if row is not None]
        done = self._store.add_events(rows) if rows else None
        for message in messages:
            connection.acknowledge(message)
        fates = (done.stored, done.repeated, done.refused) if done is not None else (0, 0, 0)
        for fate, count in zip(FATES, (*fates, len(found) - len(rows)), strict=True):
            self.counts[fate] += count

    def _changed(self, site: str, seq: int) -> None:
        """Publish a change number with the next turn of the loop; any thread may call it."""
        with self._lock:
            self._numbers[site] = max(seq, self._numbers.get(site, 0))
        self._waker.wake()

    def _publish(self, connection: Connection) -> None:
        while connection.in_flight < connection.window:
            with self._lock:
                if not self._numbers:
                    return
                site, seq = self._numbers.popitem()
            connection.publish(self._topics(SITE_SEQ, site=site), str(seq).encode())

    def _report(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            log.warning("events: %s", problem)
        self.problem = problem
