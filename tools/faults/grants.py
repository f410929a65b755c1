"""Grants that arrive twice, late, out of order, retained, or at another door: none may open it."""

from __future__ import annotations

import base64
import importlib.util
import json
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tools.faults.part import NotTriedError, Options, Row, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.door.verifier import GrantVerifier

DOOR, _KID = "front-door", "2026-11"
_LIFETIME = 3.0


@dataclass(slots=True)
class Device:
    """Signs grants as the daemon does."""

    kid: str = _KID
    boot: str = field(default_factory=lambda: secrets.token_hex(8))
    seq: int = 0

    def __post_init__(self) -> None:
        """Create its own key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self.private = Ed25519PrivateKey.generate()

    @property
    def public(self) -> bytes:
        """What the door is configured with."""
        raw: bytes = self.private.public_key().public_bytes_raw()
        return raw

    def grant(self, nonce: str, age_ms: int, door: str = DOOR) -> bytes:
        """Sign the envelope of docs/events.md over this nonce."""
        self.seq += 1
        facts: dict[str, Any] = {
            "v": 1, "aud": door, "device": "front", "boot": self.boot, "seq": self.seq, "nonce": nonce,
            "person": "alice", "score": 7120, "level": "high", "age_ms": age_ms, "frames": 4, "liveness": "off",
        }  # fmt: skip
        payload = json.dumps(facts, separators=(",", ":"))
        signature = base64.b64encode(self.private.sign(payload.encode())).decode()
        return json.dumps({"payload": payload, "kid": self.kid, "alg": "ed25519", "sig": signature}).encode()

    private: Any = field(init=False, repr=False)


class Trial:
    """One grant at a door: counts the grants that open as they should, and lists the others."""

    def __init__(
        self, gate: GrantVerifier, device: Device, now: float, chance: float, another: Callable[[], GrantVerifier]
    ) -> None:
        """`chance`, from 0 to 1, sets every age and delay; `another` makes a door with the same keys."""
        self.gate = gate
        self.device = device
        self.right = 0
        """Fresh grants that opened."""
        self.shut: list[str] = []
        """Fresh grants that did not open."""
        self.wrong: list[str] = []
        """Other grants that opened."""
        self._another = another
        self._chance = chance
        self._age = int(1500 * chance)
        self._now = now
        self.at = now + (_LIFETIME - self._age / 1000) * 0.99 * chance
        """When the grant arrives: always in time, sometimes only just."""
        self._nonce = nonce(gate.challenge(now))

    def fresh(self) -> None:
        """Arrive in time."""
        self._must(self._grant())

    def replayed(self) -> None:
        """Arrive again, immediately and up to 20 s later."""
        grant = self._grant()
        self._must(grant)
        self._never("replayed immediately", grant, self.at)
        self.gate.challenge(self.at + self._chance)
        self._never("replayed", grant, self.at + 20 * self._chance)

    def late(self) -> None:
        """Arrive when the face is older than 3 s, by at least a millisecond."""
        self._never("late", self._grant(), self._now + _LIFETIME - self._age / 1000 + 0.001 + 20 * self._chance)

    def reordered(self) -> None:
        """Arrive after a newer one."""
        older = self._grant()
        self._must(self.device.grant(nonce(self.gate.challenge(self._now)), self._age))
        self._never("reordered", older, self.at)

    def retained(self) -> None:
        """Arrive from the broker's memory."""
        self._never("retained", self._grant(), self.at, retained=True)

    def elsewhere(self) -> None:
        """Arrive at a door other than the one it names, or other than the one whose nonce it has."""
        self._never("for another door", self.device.grant(self._nonce, self._age, "back-door"), self.at)
        other = nonce(self._another().challenge(self._now))
        self._never("with another door's nonce", self.device.grant(other, self._age), self.at)

    def restarted(self) -> None:
        """Arrive after the door has restarted."""
        grant = self._grant()
        self.gate = self._another()
        self.gate.challenge(self._now)
        self._never("from before the door's restart", grant, self.at)

    def forged(self) -> None:
        """Arrive under another key's signature."""
        stranger = Device(boot=self.device.boot, seq=self.device.seq)
        self._never("forged", stranger.grant(self._nonce, self._age), self.at)

    def _grant(self) -> bytes:
        return self.device.grant(self._nonce, self._age)

    def _must(self, grant: bytes) -> None:
        if opens(self.gate, grant, self.at):
            self.right += 1
        else:
            self.shut.append("a fresh grant did not open")

    def _never(self, what: str, grant: bytes, at: float, *, retained: bool = False) -> None:
        if opens(self.gate, grant, at, retained=retained):
            self.wrong.append(f"a grant {what} opened")


FATES: tuple[Callable[[Trial], None], ...] = (
    Trial.fresh, Trial.replayed, Trial.late, Trial.reordered,
    Trial.retained, Trial.elsewhere, Trial.restarted, Trial.forged,
)  # fmt: skip


def run(options: Options) -> Row:
    """Judge `options.grants` grants at one door, each with a random fate."""
    if importlib.util.find_spec("edgeface.door") is None:
        raise NotTriedError("this edgeface has no door")
    tried = Counter[str]()
    device, now, right = Device(), 1000.0, 0
    shut, wrong = list[str](), list[str]()
    gate = _gate(device)
    for _ in range(options.grants):
        fate = options.dice.choice(FATES)
        moment, chance = now + options.dice.uniform(1, 2), options.dice.random()
        trial = Trial(gate, device, moment, chance, lambda: _gate(device))
        fate(trial)
        gate, now = trial.gate, trial.at
        tried[fate.__name__] += 1
        right += trial.right
        shut += trial.shut
        wrong += trial.wrong
    said = ", ".join(f"{tried[fate.__name__]} {fate.__name__}" for fate in FATES)
    say(said)
    return Row(
        "grants",
        f"{options.grants} at one door: {said}",
        None,
        len(wrong),
        None,
        f"{right} fresh ones opened, {len(shut)} did not; of all others, {len(wrong)} opened",
        tuple(sorted({*shut, *wrong})),
    )


def opens(gate: GrantVerifier, envelope: bytes, at: float, *, retained: bool = False) -> bool:
    """Whether a door accepts a grant that arrives at `at`."""
    from edgeface.door.verifier import Reject

    try:
        gate.judge(envelope, retained=retained, now=at)
    except Reject:
        return False
    return True


def _gate(device: Device) -> GrantVerifier:
    from edgeface.door.verifier import GrantVerifier, Rules

    return GrantVerifier(Rules(DOOR, {_KID: device.public}))


def nonce(challenge: bytes) -> str:
    """The nonce of a challenge."""
    return str(json.loads(challenge)["nonce"])
