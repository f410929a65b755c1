import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from edgeface.access.issuer import IssuedGrant
from edgeface.core import events
from edgeface.journal.journal import Journal
from edgeface.journal.writer import JournalWriter
from edgeface.mqtt.outgoing import DISK_TIMEOUT, MAX_QUEUED_EVENTS, EventQueue, flush_grants
from edgeface.mqtt.topics import Topic, Topics
from tests.support.clock import FixedClock
from tests.support.sayings import an_event

if TYPE_CHECKING:
    from edgeface.access.issuer import GrantIssuer
    from edgeface.mqtt.connection import Connection


class Wire:
    """Takes the place of a connection; the broker answers unless it is stalled."""

    def __init__(self, *, stalled: bool = False) -> None:
        self.in_flight, self.window, self.congested = 0, 16, False
        self.answered = -math.inf if stalled else math.inf
        self.published: list[tuple[str, int | None, float | None]] = []
        """Topic, expiry, and the time by which the broker must have answered."""

    def publish(
        self, topic: Topic, _: bytes, __: object = None, *, expiry: int | None = None, until: float | None = None
    ) -> None:
        self.published.append((topic.name, expiry, until))

    def probe(self) -> None:
        """Ask whether it is alive."""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[JournalWriter]:
    """It is not started: the disk takes its time."""
    journal = Journal(tmp_path / "journal.db")
    yield JournalWriter(journal)
    journal.close()


def queue_of(writer: JournalWriter, clock: FixedClock) -> EventQueue:
    return EventQueue(writer, Topics(prefix="edgeface", device="front"), clock)


def flush(queue: EventQueue, wire: Wire) -> None:
    queue.flush(cast("Connection", wire))


def test_the_queue_is_bounded_and_what_it_cannot_hold_is_counted(writer: JournalWriter) -> None:
    queue = queue_of(writer, FixedClock(100.0))
    for seq in range(MAX_QUEUED_EVENTS + 10):
        queue.put(an_event(seq, monotonic=100.0), None)
    assert (len(queue), queue.missed) == (MAX_QUEUED_EVENTS, 10)


def test_an_event_waits_for_the_journal_but_not_for_a_disk_that_hangs(writer: JournalWriter) -> None:
    clock, wire = FixedClock(100.0), Wire()
    queue = queue_of(writer, clock)
    queue.put(an_event(1, monotonic=99.5), None)
    clock.sleep(0.9 * DISK_TIMEOUT)
    flush(queue, wire)
    assert wire.published == []
    clock.sleep(0.2 * DISK_TIMEOUT)
    flush(queue, wire)
    assert [topic for topic, _, _ in wire.published] == ["edgeface/front/porch/event"]


def test_broker_and_network_may_hold_an_event_only_while_it_is_young(writer: JournalWriter) -> None:
    clock, wire = FixedClock(100.0), Wire()
    queue = queue_of(writer, clock)
    queue.put(an_event(1, monotonic=99.5), None)
    clock.sleep(1.0)
    flush(queue, wire)
    assert wire.published == [("edgeface/front/porch/event", 1, 99.5 + events.ACKNOWLEDGE_WITHIN)]


def test_an_event_that_cannot_be_sent_in_time_is_left_to_history(writer: JournalWriter) -> None:
    clock, wire = FixedClock(100.0), Wire(stalled=True)
    queue = queue_of(writer, clock)
    queue.put(an_event(1, monotonic=100.0), None)
    clock.sleep(events.SEND_WITHIN)
    flush(queue, wire)
    assert (len(queue), queue.missed, writer._held) == (1, 0, {an_event(1).id})
    clock.sleep(0.1)
    flush(queue, wire)
    assert (len(queue), queue.missed, writer._held) == (0, 1, set())
    assert wire.published == []


class Issuer:
    """Takes the place of an issuer with one grant, for a claim that arrived at 100 s."""

    def __init__(self) -> None:
        self._left = [IssuedGrant("front-door#1", "front-door", b"{}", 2, 102.5)]

    def review(self) -> None:
        """Decide on all claims."""

    def first(self) -> SimpleNamespace | None:
        return SimpleNamespace(at=100.0) if self._left else None

    def grant(self, _: object) -> IssuedGrant:
        return self._left.pop()


@pytest.mark.parametrize(("stalled", "sent"), [(True, []), (False, [("edgeface/doors/front-door/grant", 2, 102.5)])])
def test_no_grant_is_given_to_a_broker_that_does_not_answer(*, stalled: bool, sent: list[object]) -> None:
    wire = Wire(stalled=stalled)
    flush_grants(cast("GrantIssuer", Issuer()), cast("Connection", wire), Topics(prefix="edgeface", device="front"))
    assert wire.published == sent
