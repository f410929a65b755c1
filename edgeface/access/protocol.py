"""What is said to a door and what it says: nonces, the grant's payload, results; docs/events.md is the contract."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core import files
from edgeface.core.events import LIFETIME

if TYPE_CHECKING:
    from edgeface.core.types import Claim

MAX_BYTES = 1000
"""Of what a door says."""

_NONCE = re.compile(r"[A-Za-z0-9_-]{22,128}")
_BOOT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REASON = re.compile(r"[a-z][a-z_]{0,31}")
_SEEN = 64
# The integers that JSON readers of all languages agree on (RFC 8259, 6).
_MOST = 2**53 - 1


class Nonces:
    """The latest nonce of one door, which serves one grant within LIFETIME of its arrival by our monotonic clock."""

    def __init__(self) -> None:
        self._nonce: str | None = None
        self._at: float | None = None
        self._seen: deque[str] = deque(maxlen=_SEEN)

    def on_message(self, payload: bytes, now: float) -> bool:
        """Take in a challenge; False when it is none, or its nonce has been here before."""
        facts = strict(payload)
        nonce, boot = (facts.get("nonce"), facts.get("boot")) if facts is not None else (None, None)
        if not _matches(_NONCE, nonce) or not _matches(_BOOT, boot) or nonce in self._seen:
            return False
        self._seen.append(str(nonce))
        self._nonce, self._at = str(nonce), now
        return True

    def fresh(self, now: float) -> bool:
        """Whether there is a nonce to be taken."""
        return self._nonce is not None and self._at is not None and now - self._at <= LIFETIME

    def take(self) -> str:
        """Use the nonce up; there must be one."""
        if self._nonce is None:
            raise LookupError("no nonce")
        nonce, self._nonce = self._nonce, None
        return nonce

    def age(self, now: float) -> float | None:
        """Seconds since the latest nonce came; None before the first."""
        return None if self._at is None else now - self._at


class DoorResult(NamedTuple):
    """What a door made of a grant."""

    accepted: bool
    reason: str | None
    """Why not."""
    device: str | None
    boot: str | None
    seq: int | None
    """The grant's, where the door could read them."""


def read_result(payload: bytes, door: str) -> DoorResult | None:
    """Read what is on a door's result topic; None when it is not what the contract says."""
    facts = strict(payload)
    if facts is None or facts.get("v") != 1 or facts.get("door") != door:
        return None
    accepted, reason, device = facts.get("accepted"), facts.get("reason"), facts.get("device")
    boot, seq = facts.get("grant_boot"), facts.get("grant_seq")
    sound = (
        isinstance(accepted, bool),
        (reason is None) if accepted else _matches(_REASON, reason),
        device is None or _matches(_BOOT, device),
        boot is None or _matches(_BOOT, boot),
        seq is None or (isinstance(seq, int) and not isinstance(seq, bool) and 0 < seq <= _MOST),
        not accepted or None not in {device, boot, seq},
    )
    return DoorResult(bool(accepted), reason, device, boot, seq) if all(sound) else None


class Stamp(NamedTuple):
    """What tells a grant from every other."""

    door: str
    device: str
    boot: str
    seq: int
    nonce: str
    age_ms: int
    """From the picture's capture until now."""


def payload(stamp: Stamp, claim: Claim) -> bytes:
    """The bytes that are signed: one line of ASCII JSON, without a float."""
    facts = {
        "v": 1,
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
        "liveness": "off",
    }
    return json.dumps(facts, separators=(",", ":")).encode()


def strict(payload: bytes) -> dict[str, Any] | None:
    """Read a small JSON object; None when it is none, is too large, or names a key twice."""
    if len(payload) > MAX_BYTES:
        return None
    try:
        facts = files.loads_strict(payload)
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class DoorTopics:
    """The topics of one door, which belong to no device; docs/events.md says what is on them."""

    prefix: str
    door: str

    @property
    def root(self) -> str:
        """What all topics of the door start with, without a slash at its end."""
        return f"{self.prefix}/doors/{self.door}"

    @property
    def challenge(self) -> str:
        """The door's nonce, once a second."""
        return f"{self.root}/challenge"

    @property
    def grant(self) -> str:
        """The signed envelope; never retained."""
        return f"{self.root}/grant"

    @property
    def result(self) -> str:
        """What the door made of a grant; never retained."""
        return f"{self.root}/result"

    @property
    def status(self) -> str:
        """Online, offline; retained, and the door's last will."""
        return f"{self.root}/status"

    @property
    def state(self) -> str:
        """The JSON of the door's health; retained."""
        return f"{self.root}/state"
