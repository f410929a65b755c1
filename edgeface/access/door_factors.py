"""Receives the second factors of doors, has them verified, and reports who is expected at which door."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgeface.access.factor_messages import open_factor, read_message
from edgeface.access.policy import kinds_of
from edgeface.access.second_factor import Checked, Presented
from edgeface.core.events import SEND_WITHIN
from edgeface.core.types import ExpectedPerson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.access.door_state import DoorState
    from edgeface.access.factor_messages import PassShown, ShownFactor
    from edgeface.access.policy import AccessPolicy
    from edgeface.access.second_factor import FactorReason, SecondFactors
    from edgeface.core.clock import Clock
    from edgeface.core.settings import FactorKind
    from edgeface.security.sealing_keys import SealingKeys

    Record = tuple[str, dict[str, Any]]


class DoorFactors:
    """The second factors of all doors; one thread uses it.

    `expect` is called with everyone who is expected at a door, and again, with a time that is over, once they are not.
    Nothing here waits: factors are verified by the thread of SecondFactors.
    """

    def __init__(
        self,
        device: str,
        clock: Clock,
        keys: SealingKeys | None,
        factors: SecondFactors | None,
        expect: Callable[[ExpectedPerson], None],
    ) -> None:
        self._device = device
        self._clock = clock
        self._keys = keys
        self._factors = factors
        self._expect = expect
        self._records: list[Record] = []
        self._number = 0

    def on_message(self, policy: AccessPolicy, name: str, state: DoorState, payload: bytes) -> bool:
        """Process a message of a door's factor topic; False if it is of no use: malformed, replayed or stale."""
        message, now = read_message(payload), self._clock.monotonic()
        if message is None:
            return False
        if message.device != self._device:
            return True
        if not state.nonces.take_for_factor(message.nonce, now):
            return False
        private = None if self._keys is None else self._keys.private.get(message.kid)
        factor = None if private is None else open_factor(message, name, private)
        if factor is None:
            self._refuse(name, state, "sealed")
        else:
            self._submit(policy, name, state, factor)
        return True

    def on_pass(self, policy: AccessPolicy, name: str, state: DoorState, shown: PassShown) -> None:
        """Process a valid pass that the camera of a door has read; one that stays in view was shown once."""
        before, state.pass_seen = state.pass_seen, (shown.id, shown.monotonic)
        seconds = policy.doors[name].factor_seconds
        new = before is None or before[0] != shown.id or shown.monotonic - before[1] > seconds
        if new and not self._submit(policy, name, state, shown):
            # The next picture of it tries again.
            state.pass_seen = None

    def review(self, policy: AccessPolicy, states: Mapping[str, DoorState]) -> None:
        """Take up what has been verified, and drop who did not come in time."""
        if self._keys is not None and policy.doors:
            self._keys.refresh()
        for checked in self._factors.results() if self._factors is not None else ():
            if checked.door in policy.doors:
                self._take_up(policy, states[checked.door], checked)
        now = self._clock.monotonic()
        for name, state in states.items():
            # A face that was captured in time may still be on its way.
            if state.expected is not None and now > state.expected.until + SEND_WITHIN:
                self._drop(name, state, "expired")

    def use_up(self, state: DoorState) -> None:
        """A grant was signed for the person who is expected."""
        self._withdraw(state)

    def hold(self, state: DoorState, seconds: float) -> None:
        """Let the person who is expected take so many seconds more: they are asked for something else meanwhile."""
        if state.expected is not None:
            until = max(state.expected.until, self._clock.monotonic() + seconds)
            state.expected = replace(state.expected, until=until)
            self._expect(state.expected)

    def give_back(self, state: DoorState, expected: ExpectedPerson) -> None:
        """The grant may not have been delivered: the factor serves once more, unless there is another."""
        if state.expected is None and self._clock.monotonic() <= expected.until:
            state.expected = expected
            self._expect(expected)

    def problem(self, policy: AccessPolicy, name: str) -> str | None:
        """Why a door gets no second factor that it requires; None if it does, or requires none."""
        if not _kinds(policy, name) - {"pass"}:
            return None
        missing = self._keys is None or self._factors is None
        return "second factors cannot be verified here" if missing or self._keys is None else self._keys.problem

    def take_records(self) -> list[Record]:
        """The rows for the journal since the last call."""
        records, self._records = self._records, []
        return records

    def _submit(self, policy: AccessPolicy, name: str, state: DoorState, factor: ShownFactor | PassShown) -> bool:
        """Have a factor verified; False if too many wait."""
        kind = factor.kind
        if kind not in _kinds(policy, name) or (kind == "reader" and name not in policy.readers):
            self._refuse(name, state, "kind", kind)
        elif self._factors is None or not self._factors.submit(Presented(name, factor, self._clock.monotonic())):
            self._refuse(name, state, "busy", kind)
            return False
        return True

    def _take_up(self, policy: AccessPolicy, state: DoorState, checked: Checked) -> None:
        if checked.reason is not None or checked.person is None:
            self._refuse(checked.door, state, checked.reason or "unknown", checked.kind, checked.person)
            return
        if state.expected is not None:
            self._drop(checked.door, state, "replaced")
        door = policy.doors[checked.door]
        self._number += 1
        until = checked.at + door.factor_seconds
        state.expected = ExpectedPerson(self._number, checked.door, door.camera, checked.person, checked.kind, until)
        state.count_factor(self._clock.monotonic(), None)
        self._expect(state.expected)
        if checked.duress:
            self._records.append(("duress", {"door": checked.door, "person": checked.person}))

    def _drop(self, name: str, state: DoorState, reason: FactorReason) -> None:
        """Refuse who is expected."""
        expected = self._withdraw(state)
        if expected is not None:
            self._refuse(name, state, reason, expected.kind, expected.person)

    def _withdraw(self, state: DoorState) -> ExpectedPerson | None:
        expected, state.expected = state.expected, None
        if expected is not None:
            self._expect(replace(expected, until=-math.inf))
        return expected

    def _refuse(
        self,
        name: str,
        state: DoorState,
        reason: FactorReason,
        kind: FactorKind | None = None,
        person: str | None = None,
    ) -> None:
        if state.count_factor(self._clock.monotonic(), reason):
            self._records.append(("factor", {"door": name, "kind": kind, "person": person, "reason": reason}))


def _kinds(policy: AccessPolicy, name: str) -> frozenset[FactorKind]:
    """The kinds of factors that a door takes."""
    return kinds_of(policy.doors[name])
