"""The door's side of a grant: accept one envelope, or reject it with a reason; needs only cryptography.

docs/events.md defines the bytes, docs/doors.md explains each reason, and docs/grant-vectors.json has test cases for
other languages.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

Reason = Literal[
    "retained", "too_large", "no_keys", "keys_expired", "malformed", "unknown_key", "algorithm", "signature",
    "audience", "nonce", "replayed", "stale", "policy",
]  # fmt: skip
Level = Literal["low", "normal", "high"]
Liveness = Literal["off", "live"]
LivenessKind = Literal["off", "passive", "challenge", "both"]
Factor = Literal["none", "pin", "code", "card", "pass", "reader"]
LevelBasis = Literal["measured", "estimated"]

REASONS: tuple[Reason, ...] = get_args(Reason)
"""In the order of the checks."""
LEVELS: tuple[Level, ...] = get_args(Level)
"""From lax to strict."""
VERSIONS = (1, 2)
"""The versions of a payload that this module reads."""
FACTORS: tuple[Factor, ...] = get_args(Factor)[1:]
"""What a person can show in addition to the face."""

MAX_BYTES = 8_000
"""Bytes of an envelope; a grant has about 500."""
MAX_FACE_AGE = 3.0
"""Seconds from the face's capture to the opening of the door."""

# The integers on which JSON readers of all languages agree (RFC 8259, 6).
_MAX_INT = 2**53 - 1
_MAX_DIGITS = 17
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_BOOT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{22,128}")
# Nonces of the last minute, to tell an old grant from a foreign one; devices, and boots of each.
_MAX_NONCES, _MAX_DEVICES, _MAX_BOOTS = 64, 64, 8
# The y of the points of order 8 (RFC 8032's curve), as little-endian hexadecimal.
_ORDER_8 = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)
_PRIME = 2**255 - 19
_WEAK = {0, 1, _PRIME - 1, *(int.from_bytes(bytes.fromhex(y), "little") for y in _ORDER_8)}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a device claims about a face, under its signature."""

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
    """From the frame's capture to the signature."""
    frames: int
    """Good frames behind the score."""
    liveness: Liveness
    """off: there was no liveness check."""
    factor: Factor = "none"
    """The second factor that named the person; this key and those below are in version 2."""
    liveness_kind: LivenessKind = "off"
    """The liveness checks that the face has passed; `passive` in a live grant of version 1."""
    level_basis: LevelBasis = "measured"
    """Whether calibration data shows the level, or a model has estimated it beyond the data."""


class Reject(Exception):  # noqa: N818 - a verdict, not a fault
    """The door stays shut; `reason` is why."""

    def __init__(self, reason: Reason, detail: str, grant: Grant | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.grant = grant
        """The rejected grant; None unless a known key has signed it."""


@dataclass(frozen=True, slots=True)
class Minimum:
    """What the door itself requires, however the devices are configured."""

    level: Level = "normal"
    frames: int = 1
    liveness: Liveness = "off"
    age_ms: int = 3000
    score: int = -10_000
    """Cosine in 1/10000."""
    people: tuple[str, ...] = ()
    """Ids of the people who may come in; empty: everyone that the devices allow."""
    factor: tuple[Factor, ...] = ()
    """The second factors of which one is required; empty: none is."""
    liveness_kind: LivenessKind = "off"
    """The liveness checks that are required; `both` is both of the others."""
    level_basis: LevelBasis = "measured"
    """estimated: a level may also be estimated."""
    challenge_or_factor: tuple[Factor, ...] = ()
    """The second factors that may replace the challenge in `liveness_kind`; a passive check is never replaced."""

    def lacks(self, grant: Grant) -> str | None:
        """The field in which the grant falls short; None if it is sufficient."""
        replaced = grant.factor != "none" and grant.factor in self.challenge_or_factor
        passed = _CHECKS[grant.liveness_kind] | (_CHECKS["challenge"] if replaced else set())
        shortfalls = {
            "level": LEVELS.index(grant.level) < LEVELS.index(self.level),
            "frames": grant.frames < self.frames,
            "liveness": self.liveness == "live" and grant.liveness != "live",
            "age_ms": grant.age_ms > self.age_ms,
            "score": grant.score < self.score,
            "people": bool(self.people) and grant.person not in self.people,
            "factor": bool(self.factor) and grant.factor not in self.factor,
            "liveness_kind": not _CHECKS[self.liveness_kind] <= passed,
            "level_basis": self.level_basis == "measured" and grant.level_basis != "measured",
        }
        return next((name for name, short in shortfalls.items() if short), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """The door's name, the keys that it trusts, and its minimum; raises ValueError if a key is invalid."""

    door: str
    keys: Mapping[str, bytes]
    """Public Ed25519 keys by kid, 32 bytes each."""
    minimum: Minimum = field(default_factory=Minimum)
    keys_until: float = float("inf")
    """When the keys expire, in the door's monotonic seconds."""

    def __post_init__(self) -> None:
        for raw in self.keys.values():
            require_key(raw)


@dataclass(frozen=True, slots=True)
class Memory:
    """The door's nonces and the grants that opened it."""

    nonces: Mapping[str, float]
    """When each nonce was published, in the door's monotonic seconds."""
    used: AbstractSet[str]
    """The nonces among them that have opened the door."""
    seen: Mapping[str, Sequence[tuple[str, int]]]
    """By device: each boot with its highest seq that opened the door; the newest boot is last."""


def require_key(raw: bytes) -> None:
    """Raise ValueError unless `raw` is a possible public key: 32 bytes, and none that fits forged signatures."""
    if len(raw) != 32:  # noqa: PLR2004 - RFC 8032, 5.1.5
        raise ValueError(f"a public key has 32 bytes, not {len(raw)}")
    if (int.from_bytes(raw, "little") & (2**255 - 1)) % _PRIME in _WEAK:
        raise ValueError("not a public key: it fits forged signatures")


def verify(envelope: bytes, *, retained: bool, now: float, rules: Rules, memory: Memory) -> Grant:
    """The grant in the envelope if it is valid at `now`, the door's monotonic seconds; raises Reject and nothing else.

    Nothing inside the payload is trusted before its signature has been verified.
    """
    if retained:
        raise Reject("retained", "the broker has stored it")
    if len(envelope) > MAX_BYTES:
        raise Reject("too_large", f"{len(envelope)} bytes")
    if not rules.keys:
        raise Reject("no_keys", "the door has no keys now")
    if not now < rules.keys_until:
        raise Reject("keys_expired", "the keys of the door have expired")
    grant = _parsed(open_envelope(envelope, rules.keys))
    if grant.aud != rules.door:
        raise Reject("audience", f"it is for {grant.aud}", grant)
    published = memory.nonces.get(grant.nonce)
    if published is None:
        raise Reject("nonce", "it answers no recent challenge of this door", grant)
    if grant.nonce in memory.used or _seen(grant, memory.seen.get(grant.device, ())):
        raise Reject("replayed", f"{grant.device} has sent this or a newer grant before", grant)
    # The signature is younger than the nonce in it, so this is an upper bound of the face's age.
    age = now - published + grant.age_ms / 1000
    if not now >= published or not age <= MAX_FACE_AGE:
        raise Reject("stale", f"the face may be {age:.1f} s old", grant)
    if lacking := rules.minimum.lacks(grant):
        raise Reject("policy", f"{lacking} is below this door's minimum", grant)
    return grant


class GrantVerifier:
    """One door: makes nonces, judges grants, and remembers both; one thread uses it."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.boot = secrets.token_hex(8)
        """Changes at each start."""
        self._nonces: OrderedDict[str, float] = OrderedDict()
        self._used: set[str] = set()
        self._seen: OrderedDict[str, list[tuple[str, int]]] = OrderedDict()

    def replace_keys(self, keys: Mapping[str, bytes], until: float = float("inf")) -> None:
        """Accept these keys instead, up to `until` in monotonic seconds; raises ValueError if a key is invalid."""
        self.rules = replace(self.rules, keys=dict(keys), keys_until=until)

    def challenge(self, now: float) -> bytes:
        """Make a new nonce; returns the message that publishes it."""
        nonce = secrets.token_urlsafe(18)
        self._nonces[nonce] = now
        if len(self._nonces) > _MAX_NONCES:
            self._used.discard(self._nonces.popitem(last=False)[0])
        return json.dumps({"nonce": nonce, "boot": self.boot, "reads": VERSIONS}, separators=(",", ":")).encode()

    @property
    def newest(self) -> str:
        """The nonce that was made last; empty before the first."""
        return next(reversed(self._nonces), "")

    def judge(self, envelope: bytes, *, retained: bool, now: float) -> Grant:
        """The grant in the envelope, which is valid once; raises Reject and nothing else."""
        memory = Memory(self._nonces, self._used, self._seen)
        grant = verify(envelope, retained=retained, now=now, rules=self.rules, memory=memory)
        self._used.add(grant.nonce)
        self._remember(grant)
        return grant

    def _remember(self, grant: Grant) -> None:
        boots = self._seen.setdefault(grant.device, [])
        if boots and boots[-1][0] == grant.boot:
            boots.pop()
        boots.append((grant.boot, grant.seq))
        del boots[:-_MAX_BOOTS]
        self._seen.move_to_end(grant.device)
        if len(self._seen) > _MAX_DEVICES:
            self._seen.popitem(last=False)


def open_envelope(envelope: bytes, keys: Mapping[str, bytes]) -> str:
    """The payload of an envelope, after one of the keys has verified its signature; raises Reject."""
    outer = read_object(envelope)
    if set(outer) != {"payload", "kid", "alg", "sig"} or not all(type(value) is str for value in outer.values()):
        raise Reject("malformed", "the envelope has the wrong keys or types")
    raw = keys.get(outer["kid"])
    if raw is None:
        raise Reject("unknown_key", "its kid is not among this door's keys")
    if outer["alg"] != "ed25519":
        raise Reject("algorithm", "only ed25519 is accepted")
    try:
        payload = outer["payload"].encode()
        signature = base64.b64decode(outer["sig"], validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise Reject("malformed", "the signature is not base64, or the payload is not Unicode") from error
    # Base64 has spare bits, which would give one signature several spellings.
    if base64.b64encode(signature).decode() != outer["sig"]:
        raise Reject("malformed", "the signature is not canonical base64")
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, payload)
    except (InvalidSignature, ValueError) as error:
        raise Reject("signature", "the key has not signed this payload") from error
    return str(outer["payload"])


def _parsed(payload: str) -> Grant:
    fields = read_object(payload.encode())
    version = fields.pop("v", None)
    # True and 1.0 equal 1 in Python.
    names = _NAMES.get(version) if type(version) is int else None
    if names is None or set(fields) != names:
        raise Reject("malformed", "the payload has another version or the wrong keys")
    if not all(_well_formed(name, value) for name, value in fields.items()):
        raise Reject("malformed", "a value of the payload has the wrong type or range")
    if version == 1:
        fields["liveness_kind"] = "passive" if fields["liveness"] == "live" else "off"
    grant = Grant(**fields)
    if (grant.liveness == "live") != (grant.liveness_kind != "off"):
        raise Reject("malformed", "liveness and liveness_kind contradict each other")
    return grant


def _well_formed(name: str, value: Any) -> bool:
    if name in _INTEGERS:
        low, high = _INTEGERS[name]
        return type(value) is int and low <= value <= high
    if type(value) is not str:
        return False
    return value in _WORDS[name] if name in _WORDS else _TEXTS[name].fullmatch(value) is not None


_COUNT = (0, _MAX_INT)
_INTEGERS = {"seq": _COUNT, "score": (-10_000, 10_000), "age_ms": _COUNT, "frames": _COUNT}
_WORDS: Mapping[str, tuple[str, ...]] = {
    "level": LEVELS,
    "liveness": get_args(Liveness),
    "factor": get_args(Factor),
    "liveness_kind": get_args(LivenessKind),
    "level_basis": get_args(LevelBasis),
}
_CHECKS: Mapping[str, AbstractSet[str]] = {
    "off": set(),
    "passive": {"passive"},
    "challenge": {"challenge"},
    "both": {"passive", "challenge"},
}
_NEW = {"factor", "liveness_kind", "level_basis"}
_NAMES = {1: set(Grant.__slots__) - _NEW, 2: set(Grant.__slots__)}
_TEXTS = {"aud": _ID, "device": _ID, "person": _ID, "boot": _BOOT, "nonce": _NONCE}


def read_object(data: bytes) -> dict[str, Any]:
    """Read one JSON object in UTF-8: no key twice, no fractions, no NaN; raises Reject."""
    try:
        value = json.loads(
            data.decode(), object_pairs_hook=_pairs, parse_float=_no_float, parse_int=_integer, parse_constant=_no_float
        )
    except (ValueError, RecursionError) as error:
        raise Reject("malformed", "not JSON as the contract defines it") from error
    if type(value) is not dict:
        raise Reject("malformed", "not a JSON object")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError("a number is too large")
    return int(digits)


def _no_float(text: str) -> None:
    raise ValueError(f"{text[:20]} is not an integer")


def _seen(grant: Grant, boots: Sequence[tuple[str, int]]) -> bool:
    """Whether the device has sent this seq or a later one, or has restarted since the grant's boot."""
    newest = len(boots) - 1
    return any(boot == grant.boot and (n < newest or grant.seq <= seq) for n, (boot, seq) in enumerate(boots))
