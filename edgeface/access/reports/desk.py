"""What a device takes from its doors' reports: whether a grant opened the door, alarms of the contact, the doorbell."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from edgeface.access.protocol import BOOT, ContactWord, read_object, read_result, result_of
from edgeface.access.reports.envelope import MAX_REPORT_BYTES, ReportError, open_report
from edgeface.access.reports.limit import MAX_RESULTS_PER_MINUTE, has_room
from edgeface.core.event_kinds import DOOR_ALARMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from edgeface.access.protocol import DoorResult, Nonces
    from edgeface.access.reports.envelope import Fault, ReportKind
    from edgeface.core.clock import Clock

STATE_SECONDS = 70.0
"""Seconds without a state after which a door's contact is unknown; a door publishes one every 30 s."""
FAULT_SECONDS = 600.0
"""For how many seconds a report that does not count is reported as a problem."""

_MAX_BOOTS = 8
_MAX_INT = 2**53 - 1

Record = tuple[str, dict[str, Any]]
"""Kind and facts of a row of the journal."""


class ProvenResult(NamedTuple):
    """A result, and whether the door's own key has signed it for a grant of this run."""

    result: DoorResult
    proven: bool


@dataclass(slots=True)
class _Boot:
    """What one run of a door has reported."""

    seq: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """The highest number of each alarm."""


class DoorReports:
    """The reports of one door; the publisher's thread uses it."""

    def __init__(self, door: str, device: str, boot: str, clock: Clock) -> None:
        self._door = door
        self._device, self._boot = device, boot
        self._clock = clock
        self._boots: OrderedDict[str, _Boot] = OrderedDict()
        self._faults: Counter[Fault] = Counter()
        self._fault: Fault | None = None
        self._fault_at = -math.inf
        self._contact: ContactWord | None = None
        self._contact_at = -math.inf
        self._alarms: Counter[str] = Counter()
        self._alarm_times: deque[float] = deque(maxlen=MAX_RESULTS_PER_MINUTE)

    def remember(self, rows: Iterable[Record]) -> None:
        """Take the alarms that an earlier run of the device has recorded, so that they are not recorded again."""
        for kind, facts in rows:
            boot, number = facts.get("door_boot"), facts.get("number")
            if facts.get("door") == self._door and isinstance(boot, str) and isinstance(number, int):
                counts = self._boot_of(boot).counts
                counts[kind] = max(counts[kind], number)

    def on_result(
        self, text: bytes, key: bytes | None, nonces: Nonces, granted: Callable[[int], str | None]
    ) -> ProvenResult | None:
        """The result in a message; None if it does not count. With a key, only what that key has signed counts.

        `granted` returns the nonce of the grant with this seq, of this run and for this door; None if there is none.
        """
        if key is None:
            result = read_result(text, self._door)
            return None if result is None else ProvenResult(result, proven=False)
        try:
            result = self._proven_result(text, key, nonces, granted)
        except ReportError as error:
            self._count_fault(error.fault)
            return None
        return ProvenResult(result, proven=True)

    def on_state(self, text: bytes, key: bytes | None, nonces: Nonces) -> list[Record] | None:
        """The alarms that a door's state reports for the first time; None if it does not count."""
        try:
            facts = self._facts_of_state(text, key, nonces)
        except ReportError as error:
            self._count_fault(error.fault)
            return None
        self._contact, self._contact_at = facts.get("contact"), self._clock.monotonic()
        counts = _counts(facts)
        known = self._boot_of(facts["boot"]).counts
        news = {kind: number for kind, number in counts.items() if number > known[kind]}
        for kind, number in news.items():
            self._alarms[kind] += number - known[kind]
        known.update({kind: number - known[kind] for kind, number in news.items()})
        more = {"door_boot": facts["boot"], "proven": key is not None}
        return [
            (kind, {"door": self._door, "number": number, **more})
            for kind, number in news.items()
            if has_room(self._alarm_times, self._clock.monotonic())
        ]

    def facts(self) -> dict[str, Any]:
        """The door's part of the state message; docs/events.md names the keys."""
        silent = self._clock.monotonic() - self._contact_at >= STATE_SECONDS
        return {
            "contact": "unknown" if silent and self._contact is not None else self._contact,
            "alarms": dict(self._alarms),
            "unproven": dict(self._faults),
        }

    @property
    def problem(self) -> str | None:
        """That reports have come which do not count, in one line; None if none has for a while."""
        if self._clock.monotonic() - self._fault_at >= FAULT_SECONDS:
            return None
        total = self._faults.total() - self._faults["stale"]
        return f"result_key has not signed {total} of the door's reports, or they came twice (last: {self._fault})"

    def _facts_of_state(self, text: bytes, key: bytes | None, nonces: Nonces) -> dict[str, Any]:
        if key is None:
            facts = read_object(text, MAX_REPORT_BYTES)
            boot = None if facts is None else facts.get("boot")
            if facts is None or not isinstance(boot, str) or not BOOT.fullmatch(boot):
                raise ReportError("malformed")
        else:
            facts = self._open(text, key, "state")
            _require_newest(facts, nonces)
            self._count(facts)
        # A list is in no set.
        if facts.get("contact") not in (None, *get_args(ContactWord)):
            raise ReportError("malformed")
        return facts

    def _open(self, text: bytes, key: bytes, kind: ReportKind) -> dict[str, Any]:
        """The payload of a report that was not counted yet; raises ReportError."""
        facts = open_report(text, key, kind, self._door)
        boot = self._boots.get(facts["boot"])
        if boot is not None and facts["seq"] <= boot.seq:
            raise ReportError("replayed")
        return facts

    def _count(self, facts: Mapping[str, Any]) -> None:
        """Remember a report that counts: old ones of many runs, repeated, must not push out the run that counts."""
        self._boot_of(facts["boot"]).seq = facts["seq"]

    def _proven_result(
        self, text: bytes, key: bytes, nonces: Nonces, granted: Callable[[int], str | None]
    ) -> DoorResult:
        """The result, which answers a grant of this run, or something that names no grant; raises ReportError."""
        facts = self._open(text, key, "result")
        result = result_of(facts)
        if result is None:
            raise ReportError("malformed")
        if result.device != self._device:
            _require_newest(facts, nonces)
            self._count(facts)
            return result
        nonce = granted(result.seq or 0) if result.boot == self._boot else None
        if nonce is None or facts.get("nonce") != nonce:
            raise ReportError("unknown_grant")
        self._count(facts)
        return result

    def _boot_of(self, boot: str) -> _Boot:
        found = self._boots.setdefault(boot, _Boot())
        self._boots.move_to_end(boot)
        if len(self._boots) > _MAX_BOOTS:
            self._boots.popitem(last=False)
        return found

    def _count_fault(self, fault: Fault) -> None:
        self._faults[fault] += 1
        # A state from before the device has heard a challenge is no sign of an attack.
        if fault != "stale":
            self._fault, self._fault_at = fault, self._clock.monotonic()


def _require_newest(facts: Mapping[str, Any], nonces: Nonces) -> None:
    """Raise ReportError unless the door has named one of its newest nonces: an old report has an old one."""
    if not nonces.published(facts["newest"]):
        raise ReportError("stale")


def _counts(facts: Mapping[str, Any]) -> dict[str, int]:
    """The alarms in a door's state by their kind; what breaks the contract counts as none."""
    alarms, bell = facts.get("alarms"), facts.get("doorbell")
    alarms = alarms if isinstance(alarms, dict) else {}
    values = {**alarms, "doorbell": bell.get("count") if isinstance(bell, dict) else None}
    found = {kind: values.get(word) for word, kind in DOOR_ALARMS.items()}
    return {kind: number for kind, number in found.items() if type(number) is int and 0 < number <= _MAX_INT}
