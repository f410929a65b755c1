"""Verifies second factors on a thread of its own: who a PIN, a code, a card, a pass or a reader names."""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from edgeface.access.factor_messages import CodeFactor, PassShown, PinFactor, ReaderFactor
from edgeface.core.errors import EdgefaceError
from edgeface.security.attempts import AttemptKey, DoorAttempts, PersonAttempts
from edgeface.security.pins import StoredPin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.access.factor_messages import ShownFactor
    from edgeface.core.clock import Clock
    from edgeface.core.settings import FactorKind

log = logging.getLogger(__name__)

MAX_WAITING = 8
"""Factors that wait for the thread, each for about the time of one slow hash; any more are refused."""

FactorReason = Literal[
    "sealed", "kind", "busy", "paused", "locked", "unknown", "wrong", "unavailable", "replaced", "expired"
]
"""Why a factor is refused. sealed: it cannot be opened, for example because it is sealed to another key; kind: the door
does not take it; busy: too many wait; paused: too many wrong ones at the door; locked: too many wrong ones of the
person; unavailable: the gallery cannot be written; replaced: another one was shown before a grant; expired: there was
no grant in time."""


class FactorStore(Protocol):
    """What the verification asks of the gallery; used by one thread."""

    def pin_of(self, number: str) -> tuple[str, StoredPin] | None:
        """The person with a number, and their PIN."""

    def person_of_code(self, code: str) -> str | None:
        """The person with a code; takes as long for any code."""

    def person_of_card(self, uid: str) -> str | None:
        """The person with a card."""

    def is_person(self, person: str) -> bool:
        """Whether someone has this id."""

    def attempts(self, key: AttemptKey) -> Mapping[str, Any] | None:
        """Facts about wrong factors."""

    def all_attempts(self) -> Mapping[AttemptKey, Mapping[str, Any]]:
        """All of them."""

    def put_attempts(self, attempts: Mapping[AttemptKey, Mapping[str, Any] | None]) -> None:
        """Store them durably; None removes one. Raises EdgefaceError if that is not possible."""

    def close(self) -> None:
        """Close the file."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A factor that was shown at a door."""

    door: str
    factor: ShownFactor | PassShown
    at: float
    """When it arrived, in monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a verification; the secret is no part of it."""

    door: str
    kind: FactorKind
    at: float
    """When it was shown, in monotonic seconds."""
    person: str | None = None
    """The person that the factor names, if it names anyone."""
    reason: FactorReason | None = None
    """Why it is refused; None if it is right."""
    duress: bool = False
    """The PIN is the person's duress PIN; nothing else differs from a right PIN."""

    @classmethod
    def of(
        cls, shown: Presented, person: str | None, reason: FactorReason | None = None, *, duress: bool = False
    ) -> Checked:
        """The result for a factor that was shown."""
        return cls(shown.door, shown.factor.kind, shown.at, person, reason, duress)


class FactorVerifier:
    """Compares factors with the stored ones, and counts those that are wrong; one thread uses it.

    A wrong factor is counted before the comparison, and the count is taken back if the factor is right: whoever cuts
    the power during the comparison gains nothing. Each PIN and each code takes one slow hash, whether it is right or
    wrong, and whether its number exists.
    """

    def __init__(self, store: FactorStore, clock: Clock) -> None:
        """Begin a run: locks begin again, because the time between two runs is not known. Raises EdgefaceError."""
        self._store = store
        self._clock = clock
        self._no_one = StoredPin.of_no_one()
        now = clock.monotonic()
        store.put_attempts({key: _restarted(key, facts, now) for key, facts in store.all_attempts().items()})

    def check(self, presented: Presented) -> Checked:
        """Verify one factor. Raises EdgefaceError if the store cannot be read or written; it is then not verified."""
        factor, door = presented.factor, AttemptKey(presented.door)
        if isinstance(factor, ReaderFactor | PassShown):
            return _named(presented, factor.person if self._store.is_person(factor.person) else None)
        before, now = DoorAttempts.of(self._store.attempts(door)), self._clock.monotonic()
        if before.paused(now):
            return Checked.of(presented, None, "paused")
        if isinstance(factor, PinFactor):
            return self._check_pin(presented, factor, before)
        self._store.put_attempts({door: before.charged(now).facts()})
        if isinstance(factor, CodeFactor):
            who = self._store.person_of_code(factor.code)
        else:
            who = self._store.person_of_card(factor.uid)
        if who is not None:
            self._store.put_attempts({door: before.facts()})
        return _named(presented, who)

    def _check_pin(self, presented: Presented, factor: PinFactor, before: DoorAttempts) -> Checked:
        person, stored = self._store.pin_of(factor.number) or (None, self._no_one)
        now, door, own = self._clock.monotonic(), AttemptKey(presented.door), AttemptKey(presented.door, person)
        attempts = PersonAttempts.of(None if person is None else self._store.attempts(own))
        if attempts.locked(now):
            return Checked.of(presented, person, "locked")
        charged = {own: attempts.charged(now).facts()} if person is not None else {}
        self._store.put_attempts({door: before.charged(now).facts(), **charged})
        duress = stored.is_duress(factor.pin)
        if duress is None:
            return Checked.of(presented, person, "unknown" if person is None else "wrong")
        self._store.put_attempts({door: before.facts(), own: None})
        return Checked.of(presented, person, duress=duress)


class SecondFactors:
    """The thread that verifies, with a bounded queue in front of it; any thread may call `submit`."""

    def __init__(self, open_store: Callable[[], FactorStore], clock: Clock) -> None:
        """`open_store` is called by the thread, at its start and at the first factor after an error."""
        self.wake: Callable[[], None] = lambda: None
        """Called by the thread when there is a result."""
        self._open_store = open_store
        self._clock = clock
        self._waiting: queue.Queue[Presented | None] = queue.Queue(MAX_WAITING)
        self._results: deque[Checked] = deque()
        self._current: Presented | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="factors", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Have the thread end after the factor that it verifies, if it was started."""
        while self.alive:
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
                self._thread.join()
            with suppress(queue.Empty):
                self._waiting.get_nowait()

    def submit(self, presented: Presented) -> bool:
        """Queue a factor; False if too many wait. Returns at once."""
        try:
            self._waiting.put_nowait(presented)
        except queue.Full:
            return False
        return True

    def results(self) -> list[Checked]:
        """The results since the last call, oldest first; one thread calls it."""
        return [self._results.popleft() for _ in range(len(self._results))]

    def _run(self) -> None:
        while not self._ended:
            try:
                self._serve()
            except EdgefaceError as error:
                log.error("second factors cannot be verified: %s", error)
                if self._current is not None:
                    self._answer(Checked.of(self._current, None, "unavailable"))
                # The next factor tries again.
                self._take()

    def _serve(self) -> None:
        with closing(self._open_store()) as store:
            verifier = FactorVerifier(store, self._clock)
            if self._current is None:
                self._take()
            while self._current is not None:
                self._answer(verifier.check(self._current))
                self._take()

    def _take(self) -> None:
        self._current = self._waiting.get()
        self._ended = self._current is None

    def _answer(self, checked: Checked) -> None:
        self._results.append(checked)
        self.wake()


def _named(presented: Presented, person: str | None) -> Checked:
    return Checked.of(presented, person, None if person is not None else "unknown")


def _restarted(key: AttemptKey, facts: Mapping[str, Any], now: float) -> dict[str, float]:
    one = DoorAttempts.of(facts) if key.person is None else PersonAttempts.of(facts)
    return one.restarted(now).facts()
