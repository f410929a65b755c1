"""The messages between device and door: nonces, the grant's payload, results; docs/events.md is the contract."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from edgeface.core import files
from edgeface.core.events import LIFETIME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.core.types import Claim

ContactWord: TypeAlias = Literal["open", "shut", "held", "forced", "unknown"]
"""The state of a door by its contact; held: open for too long."""

MAX_MESSAGE_BYTES = 1000
"""Bytes of a message from a door."""
GRANT_VERSIONS = frozenset({1, 2})
"""The versions of a grant that a device can sign."""

NONCE = re.compile(r"[A-Za-z0-9_-]{22,128}")
"""What a nonce looks like."""
BOOT = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the boot of a device or door looks like."""
_REASON = re.compile(r"[a-z][a-z_]{0,31}")
_MAX_SEEN_NONCES = 64
_MAX_VERSIONS = 16
# The integers on which JSON readers of all languages agree (RFC 8259, 6).
_MAX_INT = 2**53 - 1


class Nonces:
    """The latest nonce of one door, good for one grant within LIFETIME of its arrival by our monotonic clock."""

    def __init__(self) -> None:
        self._nonce: str | None = None
        self._at: float | None = None
        self._seen: OrderedDict[str, float] = OrderedDict()
        self.version = 1
        """The newest version of a grant that the door reads, by its latest challenge."""

    def on_message(self, payload: bytes, now: float) -> bool:
        """Process a challenge; False if it is malformed or its nonce is not new."""
        facts = read_object(payload) or {}
        nonce, boot, reads = facts.get("nonce"), facts.get("boot"), facts.get("reads", [1])
        if not _matches(NONCE, nonce) or not _matches(BOOT, boot) or not _versions(reads) or nonce in self._seen:
            return False
        self._seen[str(nonce)] = now
        if len(self._seen) > _MAX_SEEN_NONCES:
            self._seen.popitem(last=False)
        self._nonce, self._at = str(nonce), now
        self.version = max(GRANT_VERSIONS & set(reads), default=1)
        return True

    def take_for_factor(self, nonce: str, now: float) -> bool:
        """Whether a factor may be bound to the nonce: it arrived within LIFETIME, and no factor had it before.

        A grant may still use the nonce.
        """
        at = self._seen.get(nonce, float("-inf"))
        if not 0 <= now - at <= LIFETIME:
            return False
        self._seen[nonce] = float("-inf")
        return True

    def published(self, nonce: str) -> bool:
        """Whether the nonce is among the last of the door, which are those of a minute."""
        return nonce in self._seen

    def fresh(self, now: float) -> bool:
        """Whether there is a nonce to take."""
        return self._nonce is not None and self._at is not None and now - self._at <= LIFETIME

    def take(self) -> str:
        """The nonce, which is used up by this; raises LookupError if there is none."""
        if self._nonce is None:
            raise LookupError("no nonce")
        nonce, self._nonce = self._nonce, None
        return nonce

    def age(self, now: float) -> float | None:
        """Seconds since the latest nonce arrived; None before the first."""
        return None if self._at is None else now - self._at


class DoorResult(NamedTuple):
    """What a door did with a grant."""

    accepted: bool
    reason: str | None
    """Why the door rejected it."""
    device: str | None
    boot: str | None
    seq: int | None
    """The grant's device, boot and seq, if the door could read them."""


def read_result(payload: bytes, door: str) -> DoorResult | None:
    """Read a message of a door's result topic; None if it breaks the contract."""
    facts = read_object(payload)
    if facts is None or facts.get("v") != 1 or facts.get("door") != door:
        return None
    return result_of(facts)


def result_of(facts: Mapping[str, Any]) -> DoorResult | None:
    """The result in the facts of a message, whatever its version; None if it breaks the contract."""
    accepted, reason, device = facts.get("accepted"), facts.get("reason"), facts.get("device")
    boot, seq = facts.get("grant_boot"), facts.get("grant_seq")
    valid = (
        isinstance(accepted, bool),
        (reason is None) if accepted else _matches(_REASON, reason),
        device is None or _matches(BOOT, device),
        boot is None or _matches(BOOT, boot),
        seq is None or (isinstance(seq, int) and not isinstance(seq, bool) and 0 < seq <= _MAX_INT),
        not accepted or None not in (device, boot, seq),
    )
    return DoorResult(bool(accepted), reason, device, boot, seq) if all(valid) else None


class GrantStamp(NamedTuple):
    """What makes a grant unique."""

    door: str
    device: str
    boot: str
    seq: int
    nonce: str
    age_ms: int
    """From the frame's capture until now."""
    version: int = 1
    """The version of the payload."""


def payload(stamp: GrantStamp, claim: Claim) -> bytes:
    """The bytes to sign: one line of ASCII JSON, without floats."""
    facts: dict[str, str | int | None] = {
        "v": stamp.version,
        "aud": stamp.door,
        "device": stamp.device,
        "boot": stamp.boot,
        "seq": stamp.seq,
        "nonce": stamp.nonce,
        "person": claim.person,
        "score": round(claim.score * 10_000),
        "level": claim.level,
        "age_ms": stamp.age_ms,
        "frames": claim.frames,
        # Version 1 has no other words: a door that reads it rejects them as malformed.
        "liveness": "off" if claim.passed == "off" else "live",
    }
    if stamp.version > 1:
        facts |= {"factor": claim.factor, "liveness_kind": claim.passed, "level_basis": claim.level_basis}
    return json.dumps(facts, separators=(",", ":")).encode()


def read_object(payload: bytes, most: int = MAX_MESSAGE_BYTES) -> dict[str, Any] | None:
    """Read a JSON object of at most that many bytes; None if it is something else, or has a key twice."""
    if len(payload) > most:
        return None
    try:
        facts = files.loads_strict(payload)
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _versions(value: object) -> bool:
    """Whether it is a list of versions as a challenge has it."""
    return isinstance(value, list) and 0 < len(value) <= _MAX_VERSIONS and all(type(one) is int for one in value)
