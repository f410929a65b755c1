"""The door's side of a grant: judge one envelope, or refuse it with a reason; needs only cryptography.

docs/events.md is the contract of the bytes, docs/doors.md says what each reason means, and docs/grant-vectors.json
holds cases for other languages.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

Reason = Literal[
    "retained", "too_large", "malformed", "unknown_key", "algorithm", "signature", "audience", "nonce", "replayed",
    "stale", "policy",
]  # fmt: skip
Level = Literal["low", "normal", "high"]
Liveness = Literal["off", "live"]

REASONS: tuple[Reason, ...] = get_args(Reason)
"""In the order of the checks."""
LEVELS: tuple[Level, ...] = get_args(Level)
"""The laxest first."""

MAX_BYTES = 8_000
"""A grant has about 450."""
FRESH = 3.0
"""Seconds that a face may be old when the door opens."""

# The integers that JSON readers of all languages agree on (RFC 8259, 6).
_MAX_INT = 2**53 - 1
_LONGEST_INT = 17
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_BOOT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{22,128}")
# What is remembered: a nonce for a minute, so that an old grant is told from a foreign one; boots of a device.
_NONCES, _BOOTS, _DEVICES = 64, 8, 64
# The y of the points of order 8 (RFC 8032's curve), as little-endian hexadecimal.
_ORDER_8 = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)
_PRIME = 2**255 - 19
_WEAK = {0, 1, _PRIME - 1, *(int.from_bytes(bytes.fromhex(y), "little") for y in _ORDER_8)}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a device says of a face, under its signature."""

    aud: str
    """The door that it is for."""
    device: str
    boot: str
    seq: int
    """Rises within a boot of the device."""
    nonce: str
    person: str
    score: int
    """Cosine in 1/10000."""
    level: Level
    """The strictest security level that the score reaches."""
    age_ms: int
    """From the picture's capture to the signature."""
    frames: int
    """Good frames behind the score."""
    liveness: Liveness
    """off: no liveness check was made."""


class Reject(Exception):  # noqa: N818 - a verdict, not a fault
    """The door stays shut, and why."""

    def __init__(self, reason: Reason, detail: str, grant: Grant | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.grant = grant
        """What was refused; None unless a known key has signed it."""


@dataclass(frozen=True, slots=True)
class Minimum:
    """What the door itself insists on, whatever the devices are configured to say."""

    level: Level = "normal"
    frames: int = 1
    liveness: Liveness = "off"
    age_ms: int = 3000
    score: int = -10_000
    """Cosine in 1/10000."""
    people: tuple[str, ...] = ()
    """Who may come in; empty: everybody whom the devices let in."""

    def lacks(self, grant: Grant) -> str | None:
        """What the grant lacks; None when it suffices."""
        shortfalls = {
            "level": LEVELS.index(grant.level) < LEVELS.index(self.level),
            "frames": grant.frames < self.frames,
            "liveness": self.liveness == "live" and grant.liveness != "live",
            "age_ms": grant.age_ms > self.age_ms,
            "score": grant.score < self.score,
            "people": bool(self.people) and grant.person not in self.people,
        }
        return next((name for name, short in shortfalls.items() if short), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """Who the door is, whom it believes, and what it insists on; ValueError when a key is none."""

    door: str
    keys: Mapping[str, bytes]
    """Public Ed25519 keys by kid, 32 bytes each."""
    minimum: Minimum = field(default_factory=Minimum)

    def __post_init__(self) -> None:
        for raw in self.keys.values():
            require_key(raw)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the door has said and seen."""

    nonces: Mapping[str, float]
    """When each nonce was published, in the door's monotonic seconds."""
    used: AbstractSet[str]
    """The nonces among them that have opened the door."""
    seen: Mapping[str, Sequence[tuple[str, int]]]
    """By device: each boot with the highest seq of it that opened the door, the newest boot last."""


def require_key(raw: bytes) -> None:
    """Raise ValueError unless `raw` can be a public key: 32 bytes, and not of those that fit any signature."""
    if len(raw) != 32:  # noqa: PLR2004 - RFC 8032, 5.1.5
        raise ValueError(f"a public key has 32 bytes, not {len(raw)}")
    if (int.from_bytes(raw, "little") & (2**255 - 1)) % _PRIME in _WEAK:
        raise ValueError("not a public key: it fits forged signatures")


def verify(envelope: bytes, *, retained: bool, now: float, rules: Rules, memory: Memory) -> Grant:
    """Give what the envelope grants at `now`, the door's monotonic seconds, or raise Reject; nothing else is raised.

    Nothing inside the payload is believed before its signature holds.
    """
    if retained:
        raise Reject("retained", "the broker has kept it from another time")
    if len(envelope) > MAX_BYTES:
        raise Reject("too_large", f"{len(envelope)} bytes")
    grant = _parsed(_signed(envelope, rules.keys))
    if grant.aud != rules.door:
        raise Reject("audience", f"it is for {grant.aud}", grant)
    published = memory.nonces.get(grant.nonce)
    if published is None:
        raise Reject("nonce", "it answers no challenge of this door that is remembered", grant)
    if grant.nonce in memory.used or _seen(grant, memory.seen.get(grant.device, ())):
        raise Reject("replayed", f"{grant.device} has said this, or something newer, before", grant)
    # The signature is younger than the nonce in it, so the face is not older than this.
    age = now - published + grant.age_ms / 1000
    if not now >= published or not age <= FRESH:
        raise Reject("stale", f"the face may be {age:.1f} s old", grant)
    if lacking := rules.minimum.lacks(grant):
        raise Reject("policy", f"{lacking} is below this door's minimum", grant)
    return grant


class Gate:
    """One door: publishes nonces, judges grants, remembers both; used by one thread."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.boot = secrets.token_hex(8)
        """Changes at each start."""
        self._nonces: OrderedDict[str, float] = OrderedDict()
        self._used: set[str] = set()
        self._seen: OrderedDict[str, list[tuple[str, int]]] = OrderedDict()

    def challenge(self, now: float) -> bytes:
        """Make a new nonce, and the message that publishes it."""
        nonce = secrets.token_urlsafe(18)
        self._nonces[nonce] = now
        if len(self._nonces) > _NONCES:
            self._used.discard(self._nonces.popitem(last=False)[0])
        return json.dumps({"nonce": nonce, "boot": self.boot}, separators=(",", ":")).encode()

    def judge(self, envelope: bytes, *, retained: bool, now: float) -> Grant:
        """Give what the envelope grants, which it does once, or raise Reject; nothing else is raised."""
        memory = Memory(self._nonces, self._used, self._seen)
        grant = verify(envelope, retained=retained, now=now, rules=self.rules, memory=memory)
        self._used.add(grant.nonce)
        self._note(grant)
        return grant

    def _note(self, grant: Grant) -> None:
        boots = self._seen.setdefault(grant.device, [])
        if boots and boots[-1][0] == grant.boot:
            boots.pop()
        boots.append((grant.boot, grant.seq))
        del boots[:-_BOOTS]
        self._seen.move_to_end(grant.device)
        if len(self._seen) > _DEVICES:
            self._seen.popitem(last=False)


def _signed(envelope: bytes, keys: Mapping[str, bytes]) -> str:
    """Give the payload of an envelope whose signature holds."""
    outer = _object(envelope)
    if set(outer) != {"payload", "kid", "alg", "sig"} or not all(type(value) is str for value in outer.values()):
        raise Reject("malformed", "the envelope has other keys or types")
    raw = keys.get(outer["kid"])
    if raw is None:
        raise Reject("unknown_key", "its kid is not among this door's keys")
    if outer["alg"] != "ed25519":
        raise Reject("algorithm", "only ed25519 is accepted")
    try:
        payload = outer["payload"].encode()
        signature = base64.b64decode(outer["sig"], validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise Reject("malformed", "the signature is not base64, or the payload not Unicode") from error
    # Base64 leaves bits over, by which one signature would have several spellings.
    if base64.b64encode(signature).decode() != outer["sig"]:
        raise Reject("malformed", "the signature is not in the usual base64")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, payload)
    except (InvalidSignature, ValueError) as error:
        raise Reject("signature", "the key has not signed this payload") from error
    return str(outer["payload"])


def _parsed(payload: str) -> Grant:
    fields = _object(payload.encode())
    if set(fields) != {"v", *Grant.__slots__}:
        raise Reject("malformed", "the payload has other keys")
    if not all(_well_formed(name, value) for name, value in fields.items()):
        raise Reject("malformed", "a value of the payload has another type or range")
    del fields["v"]
    return Grant(**fields)


def _well_formed(name: str, value: Any) -> bool:
    if name in _INTEGERS:
        low, high = _INTEGERS[name]
        return type(value) is int and low <= value <= high
    if type(value) is not str:
        return False
    return value in _WORDS[name] if name in _WORDS else _TEXTS[name].fullmatch(value) is not None


_COUNT = (0, _MAX_INT)
_INTEGERS = {"v": (1, 1), "seq": _COUNT, "score": (-10_000, 10_000), "age_ms": _COUNT, "frames": _COUNT}
_WORDS: Mapping[str, tuple[str, ...]] = {"level": LEVELS, "liveness": get_args(Liveness)}
_TEXTS = {"aud": _ID, "device": _ID, "person": _ID, "boot": _BOOT, "nonce": _NONCE}


def _object(data: bytes) -> dict[str, Any]:
    """Read one JSON object of UTF-8: no key twice, no fractions, no NaN."""
    try:
        value = json.loads(
            data.decode(), object_pairs_hook=_pairs, parse_float=_refuse, parse_int=_integer, parse_constant=_refuse
        )
    except (ValueError, RecursionError) as error:
        raise Reject("malformed", "not JSON as the contract has it") from error
    if type(value) is not dict:
        raise Reject("malformed", "not a JSON object")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INT:
        raise ValueError("a number is too large")
    return int(digits)


def _refuse(text: str) -> None:
    raise ValueError(f"{text[:20]} is not an integer")


def _seen(grant: Grant, boots: Sequence[tuple[str, int]]) -> bool:
    """Whether the device has said this seq or a later one, or has started anew since the grant's boot."""
    newest = len(boots) - 1
    return any(boot == grant.boot and (n < newest or grant.seq <= seq) for n, (boot, seq) in enumerate(boots))
