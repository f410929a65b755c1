"""Doors and devices of 0.1 with those of today: a grant of version 1 has the keys and words of 0.1, and no others.

A door of 0.1 takes any other key or word for a malformed grant and stays shut, for everyone.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeface.access import protocol
from edgeface.core.types import Claim, GrantFactor, PassedChecks
from edgeface.door.verifier import GrantVerifier, Minimum, Reject, Rules
from edgeface.security.signing_keys import sign


def _verifier_of_0_1() -> Any:
    spec = importlib.util.spec_from_file_location("door_of_0_1", Path(__file__).parents[1] / "data/v0.1/door.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where dataclasses look
    spec.loader.exec_module(module)
    return module


OLD = _verifier_of_0_1()
KEY = Ed25519PrivateKey.generate()
KEYS = {"2026-11": KEY.public_key().public_bytes_raw()}


def old_door(liveness: str = "off") -> Any:
    return OLD.Gate(OLD.Rules("front-door", KEYS, OLD.Minimum(liveness=liveness)))


def granted(door: Any, passed: PassedChecks, factor: GrantFactor = "none") -> bytes:
    """What a device of today signs for a door after its challenge."""
    nonces = protocol.Nonces()
    assert nonces.on_message(door.challenge(5.0), 5.0)
    claim = Claim("porch", 3, 4.9, "alice", 0.712, 0.7, False, 4, 1, "high", factor=factor, passed=passed)
    stamp = protocol.GrantStamp("front-door", "front", "5f0c", 1, nonces.take(), 140, nonces.version)
    return sign(protocol.payload(stamp, claim), "2026-11", KEY)


def of_0_1(nonce: str, **changes: Any) -> bytes:
    """A grant as a device of 0.1 signs it, byte for byte, and changed."""
    facts = {
        "v": 1, "aud": "front-door", "device": "front", "boot": "5f0c", "seq": 1, "nonce": nonce, "person": "alice",
        "score": 7120, "level": "high", "age_ms": 140, "frames": 4, "liveness": "off", **changes,
    }  # fmt: skip
    payload = json.dumps(facts, separators=(",", ":"))
    sig = base64.b64encode(KEY.sign(payload.encode())).decode()
    return json.dumps({"payload": payload, "kid": "2026-11", "alg": "ed25519", "sig": sig}).encode()


def nonce_of(door: Any) -> str:
    return str(json.loads(door.challenge(5.0))["nonce"])


@pytest.mark.parametrize("passed", get_args(PassedChecks))
def test_a_door_of_0_1_opens_for_the_device_of_today_whatever_the_face_has_passed(passed: PassedChecks) -> None:
    door = old_door()
    wire = granted(door, passed)
    facts = json.loads(json.loads(wire)["payload"])
    assert set(facts) == {"v", *OLD.Grant.__slots__}
    assert facts["v"] == 1
    assert facts["liveness"] in {"off", "live"}
    assert door.judge(wire, retained=False, now=5.2).person == "alice"


@pytest.mark.parametrize("passed", get_args(PassedChecks))
def test_a_door_of_0_1_that_requires_live_opens_for_what_was_passed_only(passed: PassedChecks) -> None:
    door = old_door("live")
    wire = granted(door, passed)
    if passed == "off":
        with pytest.raises(OLD.Reject, match="policy: liveness"):
            door.judge(wire, retained=False, now=5.2)
    else:
        assert door.judge(wire, retained=False, now=5.2).liveness == "live"


def test_live_is_the_word_that_a_door_of_0_1_knows() -> None:
    door = old_door("live")
    assert door.judge(of_0_1(nonce_of(door), liveness="live"), retained=False, now=5.2).liveness == "live"


@pytest.mark.parametrize(
    "changes",
    [
        *({"liveness": word} for word in ("passive", "challenge", "both", "living", "spoof", "LIVE", True, None)),
        {"liveness": "live", "liveness_kind": "challenge"},
        {"v": 2},
        {"v": 2, "factor": "none", "liveness_kind": "off", "level_basis": "measured"},
    ],
)
def test_any_other_word_or_key_keeps_every_door_of_0_1_shut(changes: dict[str, Any]) -> None:
    door = old_door()
    with pytest.raises(OLD.Reject, match="malformed"):
        door.judge(of_0_1(nonce_of(door), **changes), retained=False, now=5.2)


@pytest.mark.parametrize(
    ("minimum", "word", "opens"),
    [
        (Minimum(), "off", True),
        (Minimum(liveness="live"), "off", False),
        (Minimum(liveness="live"), "live", True),
        (Minimum(liveness_kind="passive"), "live", True),
        (Minimum(liveness_kind="challenge"), "live", False),
        (Minimum(liveness_kind="both"), "live", False),
        (Minimum(liveness_kind="challenge", challenge_or_factor=("pin",)), "live", False),
    ],
)
def test_the_door_of_today_takes_live_of_0_1_for_a_passive_check(minimum: Minimum, word: str, *, opens: bool) -> None:
    door = GrantVerifier(Rules("front-door", KEYS, minimum))
    wire = of_0_1(nonce_of(door), liveness=word)
    if opens:
        assert door.judge(wire, retained=False, now=5.2).liveness == word
    else:
        with pytest.raises(Reject, match="policy: liveness"):
            door.judge(wire, retained=False, now=5.2)


@pytest.mark.parametrize("factor", get_args(GrantFactor))
@pytest.mark.parametrize("passed", get_args(PassedChecks))
def test_the_door_of_today_understands_the_device_of_today(passed: PassedChecks, factor: GrantFactor) -> None:
    door = GrantVerifier(Rules("front-door", KEYS))
    grant = door.judge(granted(door, passed, factor), retained=False, now=5.2)
    assert (grant.liveness_kind, grant.factor) == (passed, factor)
    assert grant.liveness == ("off" if passed == "off" else "live")
