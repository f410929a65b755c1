from __future__ import annotations

import base64
import importlib.util
import json
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.access import protocol
from edgeface.core.clock import thread_cpu
from edgeface.core.types import Claim
from edgeface.door import verifier
from edgeface.door.verifier import Grant, GrantVerifier, Memory, Minimum, Reject, Rules, verify
from edgeface.security.signing_keys import sign
from tests.support import grant_vectors
from tests.support.grant_vectors import verdict
from tools.vectors import make

ROOT = Path(__file__).parents[2]
VECTORS = json.loads(make.FILE.read_text())
HEAVY = bool(os.environ.get("EDGEFACE_HEAVY"))
"""Runs with as many cases as docs/trust.md states."""

KEY = Ed25519PrivateKey.generate()
KEYS = {"2026-11": KEY.public_key().public_bytes_raw()}
SECOND: dict[str, Any] = json.loads(make.second())
RULES = Rules("front-door", KEYS)
NONCE = "n" * 24


def fields(**changes: Any) -> dict[str, Any]:
    return {**json.loads(make.payload(nonce=NONCE)), **changes}


def signed(payload: str, kid: str = "2026-11") -> bytes:
    sig = base64.b64encode(KEY.sign(payload.encode())).decode()
    return json.dumps({"payload": payload, "kid": kid, "alg": "ed25519", "sig": sig}).encode()


def judged(envelope: bytes, rules: Rules = RULES, now: float = 10.0) -> str:
    """`accept`, or the reason of the rejection; the door's only nonce was published at 9.5."""
    try:
        verify(envelope, retained=False, now=now, rules=rules, memory=Memory({NONCE: 9.5}, set(), {}))
    except Reject as reject:
        return reject.reason
    return "accept"


def test_the_module_needs_only_the_standard_library_and_cryptography() -> None:
    script = (
        "import sys; before = set(sys.modules); import edgeface.door.verifier; "
        "print(' '.join(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "cryptography" in loaded
    assert loaded - set(sys.stdlib_module_names) <= {"cryptography", "_cffi_backend", "_openssl", "edgeface"}
    assert {name for name in done.stdout.split() if name.startswith("edgeface")} == {
        "edgeface",
        "edgeface.door",
        "edgeface.door.verifier",
    }


def test_the_documented_import_works() -> None:
    from edgeface import door

    assert door.Gate is door.GrantVerifier
    assert all(hasattr(door, name) for name in door.__all__)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_a_vector_is_judged_as_it_says(case: dict[str, Any]) -> None:
    assert verdict(verifier, VECTORS["keys"], case) == case["expect"]


def test_a_copy_of_the_one_file_judges_every_vector_with_cryptography_alone(tmp_path: Path) -> None:
    alone, packages = tmp_path / "alone", tmp_path / "packages"
    alone.mkdir()
    packages.mkdir()
    shutil.copy(verifier.__file__, alone)
    for name in ("cryptography", "_cffi_backend"):
        origin = Path(str(importlib.util.find_spec(name).origin))  # type: ignore[union-attr]
        path = origin.parent if origin.stem == "__init__" else origin
        (packages / path.name).symlink_to(path)
    script = [grant_vectors.__file__, str(alone), str(packages), str(make.FILE)]
    done = subprocess.run([sys.executable, "-I", "-S", *script], capture_output=True, text=True, check=False, cwd=alone)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "file": str(alone / "verifier.py"),
        "verdicts": [case["expect"] for case in VECTORS["cases"]],
    }
    foreign = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(packages)!r}); import edgeface"]
    assert "No module named 'edgeface'" in subprocess.run(foreign, capture_output=True, text=True, check=False).stderr


def test_the_vectors_are_those_that_the_tool_makes() -> None:
    assert make.FILE.read_text() == make.vectors()


def test_every_reason_has_a_vector_and_a_line_in_the_document() -> None:
    assert {case["expect"] for case in VECTORS["cases"]} == {"accept", *verifier.REASONS}
    explained = re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs/doors.md").read_text(), re.MULTILINE)
    assert set(verifier.REASONS) <= set(explained)


@pytest.mark.needs_node
def test_another_language_agrees_on_every_vector() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    command = [node, str(ROOT / "tests" / "support" / "door_vectors.mjs"), str(make.FILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [case["expect"] for case in VECTORS["cases"]]


def test_a_rejected_grant_is_shown_only_if_a_known_key_has_signed_it() -> None:
    memory = Memory({}, set(), {})
    for envelope, shown in ((signed(json.dumps(fields())), True), (make.good().encode(), False)):
        with pytest.raises(Reject) as caught:
            verify(envelope, retained=False, now=0.0, rules=RULES, memory=memory)
        assert (caught.value.grant is not None) == shown


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33)])
def test_a_key_of_another_length_is_none(raw: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Rules("front-door", {"k": raw})


@pytest.mark.parametrize("y", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18, *(y | 1 << 255 for y in (0, 1))])
def test_a_key_that_fits_forged_signatures_is_none(y: int) -> None:
    with pytest.raises(ValueError, match="forged"):
        Rules("front-door", {"k": y.to_bytes(32, "little")})


def test_what_such_a_key_would_have_accepted() -> None:
    # A = the neutral element: R = S B holds for S = 0 and R = A, whatever is signed.
    neutral = (1).to_bytes(32, "little")
    rules = replace(RULES)
    object.__setattr__(rules, "keys", {"2026-11": neutral})
    forged = json.loads(signed(json.dumps(fields(person="mallory"))))
    forged["sig"] = base64.b64encode(neutral + bytes(32)).decode()
    assert judged(json.dumps(forged).encode(), rules) == "accept"


def mutated(good: bytes, chance: random.Random) -> bytes:
    """One to three small changes."""
    data = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        if len(data) < 2:
            break
        at, other = chance.randrange(len(data)), chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at] = chance.choice(b'0123456789{}[]":,\\ eEtf-+.\x00\xff')
        elif kind == 2:
            del data[at : at + chance.randint(1, 8)]
        elif kind == 3:
            data[at:at] = data[other : other + chance.randint(1, 20)]
        else:
            del data[max(at, 1) :]
    return bytes(data)


def same(wire: bytes, good: bytes) -> bool:
    """Whether it is the same JSON, with other white space."""
    try:
        return bool(json.loads(wire) == json.loads(good))
    except (ValueError, RecursionError):
        return False


def test_no_mutation_of_a_good_envelope_is_accepted() -> None:
    chance, good = random.Random(20261122), signed(json.dumps(fields()))
    assert judged(good) == "accept"
    accepted, wrong = 0, []
    for _ in range(100_000 if HEAVY else 2_000):
        wire = mutated(good, chance)
        verdict = judged(wire)
        accepted += verdict == "accept"
        if verdict == "accept" and not same(wire, good):
            wrong.append(wire)
    assert wrong == []
    assert accepted < 1_000, "most of the mutations change something"


@pytest.mark.parametrize("added", [" {0}", "{0} ", "\n{0}", "{0}\t"])
def test_white_space_around_the_payload_is_covered_by_the_signature(added: str) -> None:
    envelope = json.loads(signed(json.dumps(fields())))
    envelope["payload"] = added.format(envelope["payload"])
    assert judged(json.dumps(envelope).encode()) == "signature"


@settings(max_examples=2_000 if HEAVY else 300)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_garbage_is_refused_and_nothing_else_is_raised(wire: bytes) -> None:
    assert judged(wire) in {"malformed", "unknown_key"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=2_000 if HEAVY else 300)
@given(st.sampled_from(sorted(SECOND)), JSON, st.sampled_from([1, 2]))
def test_a_signed_payload_with_a_hostile_value_raises_nothing_but_reject(key: str, value: Any, version: int) -> None:
    known = fields() if version == 1 else {**SECOND, "nonce": NONCE}
    payload = json.dumps({**known, key: value})
    verdict = judged(signed(payload))
    assert verdict in {"accept", *verifier.REASONS}
    if not isinstance(value, int | str) or isinstance(value, bool):
        assert verdict == "malformed"


@settings(max_examples=2_000 if HEAVY else 200)
@given(st.dictionaries(st.sampled_from(["payload", "kid", "alg", "sig", "x"]), JSON))
def test_an_envelope_of_any_values_raises_nothing_but_reject(envelope: dict[str, Any]) -> None:
    assert judged(json.dumps(envelope).encode()) != "accept"


@pytest.mark.parametrize("deep", ["[" * 7_999, '{"a":' * 1_599, '{"payload":' + "[" * 7_000 + "]" * 900])
def test_deep_nesting_is_malformed(deep: str) -> None:
    assert judged(deep.encode()) == "malformed"
    assert judged(signed("[" * 3_000)) == "malformed"


def test_a_number_of_thousands_of_digits_is_malformed() -> None:
    assert judged(signed(json.dumps(fields()).replace('"seq": 7', f'"seq": {"9" * 5000}'))) == "malformed"


def test_a_grant_opens_once() -> None:
    door = GrantVerifier(RULES)
    nonce = json.loads(door.challenge(5.0))["nonce"]
    wire = signed(json.dumps(fields(nonce=nonce)))
    assert door.judge(wire, retained=False, now=5.5).person == "alice"
    for now in (5.6, 8.9):
        with pytest.raises(Reject, match="replayed"):
            door.judge(wire, retained=False, now=now)


def test_the_door_understands_the_device_and_the_device_the_door() -> None:
    door, nonces = GrantVerifier(RULES), protocol.Nonces()
    assert nonces.on_message(door.challenge(5.0), 5.0)
    claim = Claim("porch", 3, 4.9, "alice", 0.712, 0.7, False, 4, 1, "high")
    stamp = protocol.GrantStamp("front-door", "front", "5f0c", 1, nonces.take(), 140)
    grant = door.judge(sign(protocol.payload(stamp, claim), "2026-11", KEY), retained=False, now=5.2)
    assert (grant.person, grant.score, grant.level, grant.frames, grant.age_ms) == ("alice", 7120, "high", 4, 140)


@pytest.mark.parametrize("version", [1, 2])
def test_the_door_understands_both_versions_of_the_device(version: int) -> None:
    minimum = Minimum(factor=("card", "pin") if version == 2 else (), level_basis="estimated")
    door = GrantVerifier(replace(RULES, minimum=minimum))
    nonces = protocol.Nonces()
    message = json.loads(door.challenge(5.0))
    if version == 1:
        del message["reads"]
    nonces.on_message(json.dumps(message).encode(), 5.0)
    claim = Claim("porch", 3, 4.9, "alice", 0.712, 0.7, False, 4, 1, "high", "estimated", "pin")
    stamp = protocol.GrantStamp("front-door", "front", "5f0c", 1, nonces.take(), 140, nonces.version)
    grant = door.judge(sign(protocol.payload(stamp, claim), "2026-11", KEY), retained=False, now=5.2)
    known = (grant.factor, grant.liveness_kind, grant.level_basis)
    assert known == (("none", "off", "measured") if version == 1 else ("pin", "off", "estimated"))


def test_a_refusal_uses_nothing_up() -> None:
    door = GrantVerifier(replace(RULES, minimum=Minimum(frames=5)))
    nonce = json.loads(door.challenge(5.0))["nonce"]
    with pytest.raises(Reject, match="policy: frames"):
        door.judge(signed(json.dumps(fields(nonce=nonce, frames=4))), retained=False, now=5.1)
    assert door.judge(signed(json.dumps(fields(nonce=nonce, frames=5))), retained=False, now=5.2).seq == 7


def test_the_gate_of_another_run_knows_no_nonce_of_this_one() -> None:
    first, second = GrantVerifier(RULES), GrantVerifier(RULES)
    message = json.loads(first.challenge(5.0))
    assert set(message) == {"nonce", "boot", "reads"}
    assert message["reads"] == [1, 2]
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,128}", message["nonce"])
    assert message["boot"] != second.boot
    with pytest.raises(Reject, match="nonce"):
        second.judge(signed(json.dumps(fields(nonce=message["nonce"]))), retained=False, now=5.1)


def test_what_a_gate_remembers_is_bounded_and_an_old_boot_stays_out() -> None:
    door = GrantVerifier(RULES)

    def open_for(now: float, **changes: Any) -> Grant:
        nonce = json.loads(door.challenge(now))["nonce"]
        return door.judge(signed(json.dumps(fields(nonce=nonce, **changes))), retained=False, now=now)

    for n in range(200):
        open_for(float(n), device=f"d{n}", boot="b")
        open_for(float(n), boot=f"b{n}", seq=0)
    assert len(door._nonces) == 64
    assert door._used <= set(door._nonces)
    assert len(door._seen) == 64
    assert len(door._seen["front"]) == 8
    for old in ("b192", "b198"):
        with pytest.raises(Reject, match="replayed"):
            open_for(300.0, boot=old, seq=99)
    assert open_for(301.0, boot="b199", seq=1).seq == 1


@dataclass(frozen=True)
class Sent:
    """A message in transit, and the facts about it."""

    wire: bytes
    retained: bool
    mine: bool
    published: float
    captured: float
    age: float
    boot: int
    seq: int


class Street:
    """A door, a device that restarts, and a network that delays, repeats, reorders and stores, on a simulated clock."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.door = GrantVerifier(RULES)
        self.now, self.boot, self.seq = 100.0, 0, 0
        self.published: list[tuple[str, float]] = []
        self.flying: list[Sent] = []
        self.past: list[Sent] = []
        self.boots: list[int] = []
        self.newest = -1
        self.spent: set[float] = set()
        self.opened: list[Sent] = []
        self.fresh = 0

    def step(self) -> None:
        self.now += self.chance.choice((0.0131, 0.3071, 0.7013, 1.0037, 2.5011))
        self.published.append((json.loads(self.door.challenge(self.now))["nonce"], self.now))
        acts = (self.sign, self.sign, self.deliver, self.deliver, self.deliver, self.repeat, self.restart)
        self.chance.choice(acts)()

    def sign(self) -> None:
        nonce, published = self.chance.choice(self.published[-4:])
        age = self.chance.choice((0.1, 0.4, 1.9, 3.2))
        mine, self.seq = self.chance.random() < 0.8, self.seq + 1
        changes = {
            "aud": "front-door" if mine else "back-door",
            "boot": f"b{self.boot}",
            "seq": self.seq,
            "nonce": nonce,
        }
        wire = signed(json.dumps(fields(**changes, age_ms=round(age * 1000))))
        retained = self.chance.random() < 0.1
        captured = self.now - age
        self.flying.append(Sent(wire, retained, mine, published, captured, age, self.boot, self.seq))

    def deliver(self) -> None:
        if self.flying:
            self.arrive(self.flying.pop(self.chance.randrange(len(self.flying))))

    def repeat(self) -> None:
        if self.past:
            self.arrive(self.chance.choice(self.past))

    def restart(self) -> None:
        if self.chance.random() < 0.2:
            self.boot, self.seq = self.boot + 1, 0

    def arrive(self, sent: Sent) -> None:
        in_time = self.now - sent.published + sent.age <= 3.0
        # A door cannot tell which of two boots is the later one, but a boot that another has followed is over.
        new = sent.boot not in self.boots or (sent.boot == self.boots[-1] and sent.seq > self.newest)
        fresh = in_time and new and sent.published not in self.spent and sent.mine and not sent.retained
        try:
            self.door.judge(sent.wire, retained=sent.retained, now=self.now)
        except Reject:
            assert not fresh
        else:
            assert fresh
            assert self.now - sent.captured <= 3.0 + 1e-9
            self.newest = sent.seq
            self.boots.append(sent.boot)
            self.spent.add(sent.published)
            self.opened.append(sent)
        self.past.append(sent)


def test_nothing_old_opens_and_everything_fresh_does() -> None:
    opened = 0
    for seed in range(10_000 if HEAVY else 300):
        street = Street(seed)
        for _ in range(30):
            street.step()
        opened += len(street.opened)
    assert opened > (10_000 if HEAVY else 300)


def test_a_verdict_costs_less_than_a_millisecond() -> None:
    wire, spent = signed(json.dumps(fields())), []
    for _ in range(400):
        began = thread_cpu()
        assert judged(wire) == "accept"
        spent.append(thread_cpu() - began)
    assert sorted(spent)[200] < 1e-3
