"""The kinds of messages: how a good one is made, and how the one who receives it judges.

A kind is one function that returns a Kind, and a line in EVERY.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edgeface.access import factor_messages, passes, protocol
from edgeface.access.factor_messages import PinFactor, SealingKey
from edgeface.access.passes import Pass, PassError, PassRules
from edgeface.access.reports.desk import DoorReports
from edgeface.access.reports.envelope import sign_report
from edgeface.core.clock import SystemClock
from edgeface.door import generations, key_list, verifier
from edgeface.door.key_list import KeyListError, Seen
from edgeface.door.verifier import LEVELS, Memory, Minimum, Reject, Rules
from edgeface.security import integrity
from edgeface.security.head import PARTS
from edgeface.security.signing_keys import SigningKey, sign
from edgeface.security.vault import Vault, VaultKey

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
"""The key that the receiver trusts, and an attacker's."""
RAW = KEY.public_key().public_bytes_raw()
KID = "2026-11"
NOW, WALL = 100.0, 1_795_334_400.0
"""Monotonic and wall seconds at which everything is judged."""


def _meaning(message: bytes) -> object:
    """What JSON says, without its spelling; the bytes of anything else."""
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        return message


@dataclass(frozen=True)
class Kind:
    """One kind of message."""

    name: str
    good: Callable[[random.Random], bytes]
    """A message that is accepted."""
    accepts: Callable[[bytes], bool]
    """Whether the receiver acts on a message; it may raise `refusal`."""
    unfit: Callable[[random.Random], bytes] | None = None
    """A message that the right key has made, and that must be refused: for elsewhere, repeated, late, or malformed."""
    forged: Callable[[random.Random], bytes] | None = None
    """A message that another key has made."""
    refusal: tuple[type[Exception], ...] = ()
    """What the receiver raises for a message that it refuses."""
    meaning: Callable[[bytes], object] = _meaning
    """Equal for two messages that say the same."""
    proven: bool = True
    """Whether a key proves who made it; if not, a message that is changed may be accepted."""


def grants() -> Kind:
    """The door's verifier, whose nonces, sequence numbers and minimum are known."""
    rules = Rules("front", {KID: RAW}, Minimum(level="normal", frames=3))
    fresh, used, late = "n" * 24, "u" * 24, "l" * 24
    memory = Memory({fresh: NOW - 1, used: NOW - 1, late: NOW - 9}, {used}, {"cam": [("b0", 9), ("b1", 500)]})

    def fields(chance: random.Random) -> dict[str, Any]:
        first = {
            "v": 2, "aud": "front", "device": "cam", "boot": "b1", "seq": chance.randint(501, 2**40), "nonce": fresh,
            "person": chance.choice(("alice", "bob")), "score": chance.randint(6000, 9000),
            "level": chance.choice(LEVELS[1:]), "age_ms": chance.randint(0, 1900), "frames": chance.randint(3, 10),
            "liveness": "off", "factor": "none", "liveness_kind": "off", "level_basis": "measured",
        }  # fmt: skip
        second = {key: value for key, value in first.items() if key not in {"factor", "liveness_kind", "level_basis"}}
        return chance.choice((first, {**second, "v": 1}))

    changes: tuple[dict[str, Any], ...] = (
        {"aud": "back"}, {"nonce": used}, {"nonce": late}, {"nonce": "x" * 24}, {"seq": 500}, {"seq": 1, "boot": "b0"},
        {"age_ms": 2001}, {"level": "low"}, {"frames": 2}, {"v": 3}, {"v": True}, {"v": 1.0}, {"seq": 10**20},
        {"score": 0.7}, {"person": "Alice"}, {"person": "alice\n"}, {"person": None}, {"nonce": fresh + "\u0000"},
        {"aud": ["front"]}, {"more": 1}, {"level": "highest"}, {"liveness": "live", "liveness_kind": "off"},
    )  # fmt: skip

    def accepts(message: bytes) -> bool:
        verifier.verify(message, retained=False, now=NOW, rules=rules, memory=memory)
        return True

    return Kind(
        "grant, at the door",
        lambda chance: _signed(fields(chance), KEY),
        accepts,
        # Two of them: what makes one unfit may not be undone by the other.
        lambda chance: _signed({**fields(chance), **chance.choice(changes)}, KEY),
        lambda chance: _signed(fields(chance), OTHER),
        (Reject,),
    )


def key_lists() -> Kind:
    """The list of device keys that an owner signs, at the door."""
    names = [f"d{number}" for number in range(6)]
    keys = {name: _text(Ed25519PrivateKey.generate().public_key().public_bytes_raw()) for name in names}
    sealing = _text(X25519PrivateKey.generate().public_key().public_bytes_raw())
    seen = {_text(RAW): Seen(500, "", WALL)}

    def device(name: str, **changes: Any) -> dict[str, Any]:
        known = {"signing": [{"kid": f"{name}-1", "key": keys[name]}], "sealing": {"kid": "s", "key": sealing}}
        return {"device": name, **known, "doors": [], **changes}

    def fields(chance: random.Random) -> dict[str, Any]:
        issued = int(WALL) - chance.randint(0, 3_600)
        times = {
            "number": chance.randint(501, 2**40),
            "issued": issued,
            "expires": int(WALL) + chance.randint(1, 9_999),
        }
        devices = [device(name) for name in chance.sample(names, chance.randint(1, 3))]
        return {"v": 1, **times, "devices": devices, "revoked": ["old-1"]}

    twice = [device("d0"), device("d1", signing=device("d0")["signing"])]
    changes: tuple[dict[str, Any], ...] = (
        {"v": 2}, {"v": True}, {"number": 499}, {"number": 500}, {"number": 2**53}, {"number": 600.0},
        {"number": "600"}, {"issued": int(WALL) + 301}, {"expires": int(WALL)}, {"more": 1},
        {"expires": int(WALL) + 367 * 86_400},
        {"devices": {}}, {"devices": twice}, {"devices": [device("d0")] * 2}, {"devices": [device("d0", signing=[])]},
        {"devices": [device("d0", device="D0")]}, {"devices": [device("d0", doors=["d\n"])]}, {"devices": [None]},
        {"devices": [device("d0", signing=[{"kid": "k", "key": _text(bytes(32))}])]}, {"revoked": "old-1"},
        {"devices": [device("d0", sealing={"kid": "k", "key": _text(bytes(32))})]}, {"revoked": [None]},
        {"devices": [device("d0")], "revoked": ["d0-1"]}, {"devices": [device("d0", admin=1)]},
    )  # fmt: skip
    return Kind(
        "list of device keys, at the door",
        lambda chance: _signed(fields(chance), KEY),
        lambda message: bool(key_list.judge(message, {KID: RAW}, seen, WALL)),
        lambda chance: _signed({**fields(chance), **chance.choice(changes)}, KEY),
        lambda chance: _signed(fields(chance), OTHER),
        (KeyListError,),
    )


def generation() -> Kind:
    """What a device tells a door about its data folder."""

    def fields(chance: random.Random) -> dict[str, Any]:
        numbers = {"gallery": chance.randint(0, 2**40), "journal": chance.randint(0, 2**40)}
        return {"v": 1, "device": "cam", **numbers, "mark": f"{chance.getrandbits(128):032x}"}

    changes: tuple[dict[str, Any], ...] = (
        {"v": 2}, {"v": True}, {"gallery": -1}, {"gallery": 2**53}, {"journal": True}, {"journal": "7"},
        {"device": "Cam"}, {"device": "cam\n"}, {"device": None}, {"mark": "0" * 31}, {"mark": "G" * 32},
        {"mark": None}, {"more": 1},
    )  # fmt: skip
    return Kind(
        "generation, at the door",
        lambda chance: _signed(fields(chance), KEY),
        lambda message: bool(generations.verify(message, {KID: RAW})),
        lambda chance: _signed({**fields(chance), **chance.choice(changes)}, KEY),
        lambda chance: _signed(fields(chance), OTHER),
        (Reject,),
    )


def memory() -> Kind:
    """What a door remembers of a device, at the device."""
    vault, other = (Vault(VaultKey("file", bytes([number]) * 32)) for number in (1, 2))

    def message(chance: random.Random, made_by: Vault, low: int, high: int) -> bytes:
        known = {part: chance.randint(low, high) for part in PARTS}
        return json.dumps({"kid": KID, "device": "cam", **known, "mark": integrity.mark(made_by, known)}).encode()

    def meaning(payload: bytes) -> object:
        found = _meaning(payload)
        return [found.get(key) for key in ("gallery", "journal", "mark")] if isinstance(found, dict) else found

    return Kind(
        "door's memory, at the device",
        lambda chance: message(chance, vault, 1001, 10**6),
        lambda payload: integrity.older_than(dict.fromkeys(PARTS, 1000), vault, _object(payload)) is not None,
        lambda chance: message(chance, vault, 0, 1000),
        lambda chance: message(chance, other, 1001, 10**6),
        meaning=meaning,
    )


def factors() -> Kind:
    """A sealed second factor, at the device."""
    key = X25519PrivateKey.generate()
    private, nonce = key.private_bytes_raw(), "n" * 24
    own = SealingKey("cam", KID, key.public_key().public_bytes_raw())
    foreign = SealingKey("cam", KID, X25519PrivateKey.generate().public_key().public_bytes_raw())

    def pin(chance: random.Random) -> PinFactor:
        return PinFactor(str(chance.randint(1, 9999)), f"{chance.randint(0, 999_999):06d}")

    def accepts(message: bytes) -> bool:
        sealed = factor_messages.read_message(message)
        if sealed is None or (sealed.device, sealed.kid, sealed.nonce) != ("cam", KID, nonce):
            return False
        return factor_messages.open_factor(sealed, "front", private) is not None

    return Kind(
        "second factor, at the device",
        lambda chance: factor_messages.seal_factor(pin(chance), own, "front", nonce),
        accepts,
        lambda chance: factor_messages.seal_factor(
            pin(chance), own, *chance.choice((("back", nonce), ("front", "x" * 24)))
        ),
        lambda chance: factor_messages.seal_factor(pin(chance), foreign, "front", nonce),
    )


def passes_() -> Kind:
    """The text of a pass, as a camera reads it."""
    minutes = int(WALL // 60)
    rules = PassRules("cam", (RAW,), {"a" * 16: "alice", "b" * 16: "bob"})

    def one(chance: random.Random, **changes: Any) -> Pass:
        id_, person = chance.choice((("a" * 16, "alice"), ("b" * 16, "bob")))
        made = Pass("cam", id_, person, (), minutes - chance.randint(0, 99), minutes + chance.randint(1, 9999))
        return made._replace(**changes)

    def text(made: Pass, key: Ed25519PrivateKey) -> bytes:
        return passes.write(made, SigningKey(KID, key)).encode()

    changes: tuple[dict[str, Any], ...] = (
        {"site": "gate"}, {"id": "c" * 16}, {"person": "mallory"}, {"until": minutes}, {"since": minutes + 1},
        {"until": -1}, {"person": ""}, {"doors": ("x",) * 9}, {"since": "0"},
    )  # fmt: skip

    def accepts(message: bytes) -> bool:
        passes.verify(message.decode("latin-1"), rules, WALL, synced=True)
        return True

    return Kind(
        "pass, at the camera",
        lambda chance: text(one(chance), KEY),
        accepts,
        lambda chance: text(one(chance, **chance.choice(changes)), KEY),
        lambda chance: text(one(chance), OTHER),
        (PassError,),
        bytes,
    )


def challenges() -> Kind:
    """A door's nonce, at the device: no key proves it, and a forged one costs a grant at most."""

    def good(chance: random.Random) -> bytes:
        return json.dumps({"nonce": f"{chance.getrandbits(144):036x}", "boot": "9c41", "reads": [1, 2]}).encode()

    return Kind(
        "challenge, at the device", good, lambda message: protocol.Nonces().on_message(message, NOW), proven=False
    )


def results() -> Kind:
    """A door's answer to a grant, at the device, without a signature: it is written down, and opens nothing."""

    def good(chance: random.Random) -> bytes:
        known = {"device": "cam", "grant_boot": "b1", "grant_seq": chance.randint(1, 2**40)}
        verdict = chance.choice(({"accepted": True, "reason": None}, {"accepted": False, "reason": "stale"}))
        return json.dumps({"v": 1, "door": "front", "boot": "9c41", **verdict, **known}).encode()

    return Kind(
        "result, at the device", good, lambda message: protocol.read_result(message, "front") is not None, proven=False
    )


def reports() -> Kind:
    """A signed result, at a device that has sent the grant which it answers; nothing outside the payload counts."""
    nonces = protocol.Nonces()
    nonces.on_message(json.dumps({"nonce": "n" * 24, "boot": "9c41"}).encode(), NOW)

    def made(chance: random.Random, key: Ed25519PrivateKey, **changes: Any) -> bytes:
        verdict = chance.choice(({"accepted": True, "reason": None}, {"accepted": False, "reason": "stale"}))
        seq = chance.randint(1, 2**40)
        facts = {**verdict, "device": "cam", "grant_boot": "b1", "grant_seq": seq, "nonce": f"{seq:024x}"}
        first = {"v": 2, "kind": "result", "door": "front", "boot": "9c41", "seq": chance.randint(1, 2**40)}
        payload = {**first, "newest": "n" * 24, **facts, **changes}
        return sign_report({"v": 1, "door": "front", "boot": "9c41", **facts}, payload, key)

    def accepts(message: bytes) -> bool:
        desk = DoorReports("front", "cam", "b1", SystemClock())
        return desk.on_result(message, RAW, nonces, lambda seq: f"{seq:024x}") is not None

    def meaning(message: bytes) -> object:
        found = _meaning(message)
        payload = found.get("payload") if isinstance(found, dict) else None
        return _meaning(payload.encode(errors="replace")) if isinstance(payload, str) else message

    changes: tuple[dict[str, Any], ...] = (
        {"v": 1}, {"v": True}, {"kind": "state"}, {"kind": ["result"]}, {"door": "back"}, {"boot": "a b"}, {"seq": 0},
        {"seq": "7"}, {"newest": 7}, {"nonce": "x" * 24}, {"nonce": None}, {"grant_boot": "b0"}, {"accepted": 1},
        {"grant_seq": True}, {"accepted": True, "reason": "stale"}, {"device": "yard", "newest": "o" * 24},
    )  # fmt: skip
    return Kind(
        "signed result, at the device",
        lambda chance: made(chance, KEY),
        accepts,
        lambda chance: made(chance, KEY, **chance.choice(changes)),
        lambda chance: made(chance, OTHER),
        meaning=meaning,
    )


def states() -> Kind:
    """A door's state, at the device, without a signature: alarms are counted, and open nothing."""
    nonces = protocol.Nonces()

    def good(chance: random.Random) -> bytes:
        alarms = {"held": chance.randint(0, 9), "forced": chance.randint(0, 9)}
        word = chance.choice(("open", "shut", "held", "forced", "unknown"))
        bell = {"count": chance.randint(0, 99), "age": 1.5, "dropped": 0}
        return json.dumps({"v": 1, "boot": "9c41", "contact": word, "alarms": alarms, "doorbell": bell}).encode()

    def accepts(message: bytes) -> bool:
        return DoorReports("front", "cam", "b1", SystemClock()).on_state(message, None, nonces) is not None

    return Kind("door's state, at the device", good, accepts, proven=False)


EVERY = (grants, key_lists, generation, memory, factors, passes_, challenges, results, reports, states)


def _signed(fields: dict[str, Any], key: Ed25519PrivateKey) -> bytes:
    return sign(json.dumps(fields, separators=(",", ":")).encode(), KID, key)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _object(payload: bytes) -> object:
    return protocol.read_object(payload)
