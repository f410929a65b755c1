"""The format of the list of device keys: vectors, hostile bytes, and changes."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.door import key_list
from edgeface.door.key_list import (
    FAULTS,
    MAX_BYTES,
    MAX_REVOKED,
    KeyList,
    KeyListError,
    ListedDevice,
    Seen,
    judge,
    read,
    signer,
    unverified,
)
from edgeface.door.trusted_keys import PROBLEMS
from edgeface.mqtt.client import MAX_PACKET_BYTES
from edgeface.security.signing_keys import sign
from tests.door.test_verifier import JSON, mutated, same
from tests.support.key_lists import Owner, listed
from tools.vectors import key_list as make

ROOT = Path(__file__).parents[2]
VECTORS = json.loads(make.FILE.read_text())
HEAVY = bool(os.environ.get("EDGEFACE_HEAVY"))
OWNER = Owner()
OWNERS = {kid: base64.b64decode(key) for kid, key in VECTORS["owners"].items()}


def fault(envelope: bytes, owner: Owner = OWNER) -> str:
    """`accept`, or why the list is refused."""
    try:
        read(envelope, owner.public)
    except KeyListError as error:
        return error.fault
    return "accept"


def verdict(case: dict[str, Any]) -> tuple[str, dict[str, str] | None]:
    envelope = case["envelope"].encode() if "envelope" in case else base64.b64decode(case["envelope_base64"])
    seen = {}
    if case["seen"]:
        before = (case["seen_envelope"] or "").encode()
        owner = OWNERS.get(signer(before), b"")
        digest = hashlib.sha256(before).hexdigest()
        seen = {base64.b64encode(owner).decode(): Seen(case["seen"], digest, 0.0)}
    try:
        keys = judge(envelope, OWNERS, seen, case["now"])
    except KeyListError as error:
        return error.fault, None
    return "accept", {kid: base64.b64encode(raw).decode() for kid, raw in keys.signing_keys(case["door"]).items()}


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_a_vector_is_judged_as_it_says(case: dict[str, Any]) -> None:
    assert verdict(case) == (case["expect"], case["signing"])


def test_the_vectors_are_those_that_the_tool_makes() -> None:
    assert make.FILE.read_text() == make.vectors()


def test_every_fault_has_a_vector_a_line_in_the_document_and_words_for_the_state() -> None:
    # A vector has neither a wrong clock nor a disk.
    assert {case["expect"] for case in VECTORS["cases"]} == {"accept", *FAULTS} - {"clock", "memory"}
    explained = re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs/doors.md").read_text(), re.MULTILINE)
    assert set(FAULTS) <= set(explained)
    assert PROBLEMS.keys() == set(FAULTS)


@pytest.mark.needs_node
def test_another_language_agrees_on_every_vector() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    command = [node, str(ROOT / "tests" / "support" / "key_list_vectors.mjs"), str(make.FILE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[case["expect"], case["signing"]] for case in VECTORS["cases"]]


def test_the_module_loads_nothing_heavy() -> None:
    script = "import sys, edgeface.door.key_list; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert not {"numpy", "cv2", "pydantic", "paho"} & {name.partition(".")[0] for name in done.stdout.split()}


def test_the_longest_list_fits_into_a_packet() -> None:
    assert MAX_BYTES + 200 < MAX_PACKET_BYTES


IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,10}", fullmatch=True)


@st.composite
def lists(draw: st.DrawFn) -> KeyList:
    """Any list that is right."""
    names = draw(st.lists(IDS, max_size=4, unique=True))
    devices = tuple(listed(name, kid=f"k{number}") for number, name in enumerate(names))
    doors = draw(st.lists(IDS, max_size=3, unique=True))
    devices = tuple(replace(one, doors=tuple(doors)) for one in devices)
    issued = draw(st.integers(1, 200_000_000_000))
    seconds = draw(st.integers(1, 366 * 86_400))
    revoked = draw(st.lists(IDS.map(lambda kid: f"r{kid}"), max_size=5, unique=True))
    return KeyList(draw(st.integers(1, 2**53 - 1)), issued, issued + seconds, devices, tuple(revoked))


@settings(max_examples=300 if HEAVY else 50)
@given(lists())
def test_a_list_comes_back_as_it_was_written(keys: KeyList) -> None:
    envelope = OWNER.sign(keys)
    assert read(envelope, OWNER.public) == keys
    assert unverified(envelope) == keys
    assert signer(envelope) == OWNER.kid


@settings(max_examples=2_000 if HEAVY else 300)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_garbage_is_one_error(wire: bytes) -> None:
    assert fault(wire) in {"malformed", "unknown_owner"}
    assert signer(wire) == ""
    with pytest.raises(KeyListError):
        unverified(wire)


@settings(max_examples=2_000 if HEAVY else 300)
@given(st.sampled_from(["v", "number", "issued", "expires", "devices", "revoked", "more"]), JSON)
def test_a_signed_payload_with_a_hostile_value_is_one_error(key: str, value: Any) -> None:
    payload = json.dumps({**json.loads(make.payload()), key: value})
    found = fault(sign(payload.encode(), OWNER.kid, OWNER.private))
    assert found in {"accept", "malformed"}
    if not isinstance(value, int | list) or isinstance(value, bool):
        assert found == "malformed"


@settings(max_examples=2_000 if HEAVY else 300)
@given(st.sampled_from(["device", "signing", "sealing", "doors", "more"]), JSON)
def test_a_signed_device_with_a_hostile_value_is_one_error(key: str, value: Any) -> None:
    payload = make.payload(devices=[make.device("front", **{key: value})])
    right = (
        (key == "sealing" and value is None)
        or (key == "doors" and isinstance(value, list))
        or (key == "device" and value)
    )
    assert fault(sign(payload.encode(), OWNER.kid, OWNER.private)) in (
        {"accept", "malformed"} if right else {"malformed"}
    )


@settings(max_examples=2_000 if HEAVY else 200)
@given(st.dictionaries(st.sampled_from(["payload", "kid", "alg", "sig", "x"]), JSON))
def test_an_envelope_of_any_values_is_one_error(envelope: dict[str, Any]) -> None:
    wire = json.dumps(envelope).encode()
    assert fault(wire) != "accept"
    assert isinstance(signer(wire), str)


def test_no_mutation_of_a_good_list_is_accepted() -> None:
    chance = random.Random(20261130)
    good = OWNER.list(listed("front"), listed("back"))
    accepted, wrong = 0, []
    for _ in range(100_000 if HEAVY else 2_000):
        wire = mutated(good, chance)
        if fault(wire) == "accept":
            accepted += 1
            wrong += [] if same(wire, good) else [wire]
    assert wrong == []
    assert accepted < 1_000


def test_deep_nesting_and_long_numbers_are_malformed() -> None:
    assert fault(b"[" * 11_999) == "malformed"
    assert fault(sign(b'{"v":' + b"9" * 5_000 + b"}", OWNER.kid, OWNER.private)) == "malformed"


def test_revoking_a_device_removes_its_keys_and_names_them() -> None:
    keys = KeyList(1, 1, 2, (listed("front"), listed("stolen")))
    after = keys.revoking("stolen")
    assert after is not None
    assert ([one.device for one in after.devices], after.revoked) == (["front"], ("stolen-1",))
    assert after.sealing_key("stolen", "door") is None
    assert keys.revoking("nothing") is None


def test_revoking_one_key_leaves_the_others_of_the_device() -> None:
    front = listed("front")
    two = replace(front, signing=(*front.signing, listed("front", kid="front-2").signing[0]))
    after = KeyList(1, 1, 2, (two,)).revoking("front-1")
    assert after is not None
    assert ([key.kid for key in after.devices[0].signing], after.revoked) == (["front-2"], ("front-1",))
    last = after.revoking("front-2")
    assert last is not None
    assert last.devices == ()
    sealing = KeyList(1, 1, 2, (front,)).revoking("s1")
    assert sealing is not None
    assert (sealing.devices[0].sealing, sealing.revoked) == (None, ())


def test_revoking_a_signing_key_takes_no_sealing_key_of_the_same_name_from_other_devices() -> None:
    front, yard = listed("front", kid="2026-11"), listed("yard")
    (front, yard) = (replace(one, sealing=replace(one.sealing, kid="2026-11")) for one in (front, yard))  # type: ignore[type-var]  # both have one
    two = replace(front, signing=(*front.signing, *listed("front", kid="2026-12").signing))
    after = KeyList(1, 1, 2, (two, yard)).revoking("2026-11")
    assert after is not None
    assert [one.sealing for one in after.devices] == [None, yard.sealing]
    assert [[key.kid for key in one.signing] for one in after.devices] == [["2026-12"], ["yard-1"]]


def test_a_device_that_is_added_again_replaces_its_keys() -> None:
    keys = KeyList(1, 1, 2, (listed("front"), listed("back"))).adding(listed("front", kid="front-2"))
    assert ([one.device for one in keys.devices], keys.revoked) == (["back", "front"], ("front-1",))
    assert fault(OWNER.sign(keys.renewed(1_000, 60))) == "accept"


def test_the_oldest_revoked_are_dropped_first_and_the_number_rises_with_the_time() -> None:
    keys = KeyList(1, 1, 2, (), tuple(f"r{number}" for number in range(MAX_REVOKED)))
    after = replace(keys, devices=(listed("front"),)).revoking("front")
    assert after is not None
    assert (len(after.revoked), after.revoked[0], after.revoked[-1]) == (MAX_REVOKED, "r1", "front-1")
    assert (keys.renewed(5_000, 60).number, replace(keys, number=9_000).renewed(5_000, 60).number) == (5_000, 9_001)


def test_a_door_gets_the_keys_that_are_listed_for_it() -> None:
    everywhere, garage = listed("front"), listed("back", doors=("garage",))
    keys = KeyList(1, 1, 2, (everywhere, garage))
    assert (set(keys.signing_keys("garage")), set(keys.signing_keys("main"))) == ({"front-1", "back-1"}, {"front-1"})
    assert (keys.sealing_key("back", "garage"), keys.sealing_key("back", "main")) == (garage.sealing, None)
    assert isinstance(everywhere, ListedDevice)
    assert key_list.AHEAD_SECONDS < 3_600
