"""What a device believes of its doors' reports: the shared cases, forgeries, repetitions, alarms and a restart."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.access.protocol import MAX_MESSAGE_BYTES, Nonces, read_result
from edgeface.access.reports.desk import FAULT_SECONDS, STATE_SECONDS, DoorReports
from edgeface.access.reports.envelope import ReportError, key_id, open_report, sign_report
from edgeface.access.reports.limit import MAX_RESULTS_PER_MINUTE
from tests.support.clock import FixedClock
from tools.vectors import results

VECTORS = json.loads(results.FILE.read_text())
KEY = base64.b64decode(VECTORS["result_key"])
PRIVATE = Ed25519PrivateKey.generate()


def nonces(*published: str) -> Nonces:
    known = Nonces()
    for one in published or VECTORS["nonces"]:
        assert known.on_message(json.dumps({"nonce": one, "boot": "d"}).encode(), 0.0)
    return known


def desk(clock: FixedClock | None = None) -> DoorReports:
    """A device that has sent the grants of the cases and has seen nothing of the door."""
    return DoorReports(VECTORS["door"], "front", VECTORS["boot"], clock or FixedClock(1000.0))


def granted(seq: int) -> str | None:
    nonce: str | None = VECTORS["grants"].get(str(seq))
    return nonce


def take(one: DoorReports, case: dict[str, Any], key: bytes | None = KEY) -> str:
    """accept, or why the report does not count."""
    sent = case["message"].encode() if "message" in case else base64.b64decode(case["message_base64"])
    before = one.facts()["unproven"]
    if case["kind"] == "result":
        taken = one.on_result(sent, key, nonces(), granted) is not None
    else:
        taken = one.on_state(sent, key, nonces()) is not None
    after = one.facts()["unproven"]
    faults = [fault for fault, count in after.items() if count > before.get(fault, 0)]
    assert len(faults) == (0 if taken else 1)
    return "accept" if taken else faults[0]


def seen() -> DoorReports:
    """As `desk`, with the reports of the door that `seen` has."""
    one = desk()
    for boot, seq in VECTORS["seen"].items():
        case = results.case("", "", results.message(boot=boot, seq=seq))
        assert take(one, case) == "accept"
    return one


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_a_report_is_judged_as_the_case_says(case: dict[str, Any]) -> None:
    assert take(seen(), case) == case["expect"]


def test_the_cases_are_those_that_the_tool_makes() -> None:
    assert results.FILE.read_text() == results.vectors()


def test_a_result_counts_once() -> None:
    one, case = desk(), results.case("", "", results.message())
    assert take(one, case) == "accept"
    assert take(one, case) == "replayed"
    assert take(one, results.case("", "", results.message(seq=42))) == "accept"
    assert take(one, case) == "replayed"


def test_old_reports_of_many_runs_of_the_door_let_no_newer_one_count_twice() -> None:
    one, case = desk(), results.case("", "", results.message(boot="now"))
    assert take(one, case) == "accept"
    for number in range(20):
        stale = results.case("", "", results.message(boot=f"old{number}", newest="o" * 24, device="other"))
        assert take(one, stale) == "stale"
        unknown = results.case("", "", results.message(boot=f"old{number}", grant_seq=999))
        assert take(one, unknown) == "unknown_grant"
        assert take(one, results.case("", "", results.state(boot=f"old{number}", newest="o" * 24), "state")) == "stale"
    assert take(one, case) == "replayed"


def test_a_signed_result_is_read_without_a_key_and_by_an_old_device() -> None:
    text = results.message().encode()
    found = desk().on_result(text, None, nonces(), granted)
    assert found is not None
    assert not found.proven
    assert found.result == read_result(text, "front-door") == (True, None, "front", VECTORS["boot"], 7)
    assert len(text) <= MAX_MESSAGE_BYTES, "an old device reads no more"
    proven = desk().on_result(text, KEY, nonces(), granted)
    assert proven is not None
    assert proven.proven


def test_reports_that_do_not_count_are_a_problem_for_ten_minutes_and_stale_ones_are_none() -> None:
    clock = FixedClock(1000.0)
    one = desk(clock)
    found = [take(one, results.case("", "", results.state(newest="o" * 24), "state")), one.problem]
    assert found == ["stale", None]
    assert take(one, results.case("", "", '{"v":1}')) == "unsigned"
    assert one.problem == "result_key has not signed 1 of the door's reports, or they came twice (last: unsigned)"
    clock.sleep(FAULT_SECONDS)
    assert one.problem is None


@settings(max_examples=400)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_no_mutation_of_a_good_report_changes_what_it_says(at: int, byte: int) -> None:
    good = results.message().encode()
    changed = bytearray(good)
    changed[at % len(good)] = byte
    try:
        facts = open_report(bytes(changed), KEY, "result", "front-door")
    except ReportError:
        return
    assert facts == open_report(good, KEY, "result", "front-door")


@settings(max_examples=300)
@given(st.binary(max_size=1200) | st.text(alphabet='[]{}":,0123456789.eE-nulltrfas\\', max_size=1200).map(str.encode))
def test_any_bytes_are_no_report(data: bytes) -> None:
    for key in (KEY, None):
        assert desk().on_result(data, key, nonces(), granted) is None
    assert desk().on_state(data, KEY, nonces()) is None
    with pytest.raises(ReportError):
        open_report(data, KEY, "result", "front-door")


KEYS = ("contact", "alarms", "doorbell", "boot", "seq", "newest", "kind", "v")
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_signed_values_of_any_type_raise_nothing(changes: dict[str, Any]) -> None:
    facts = {**results.FIRST, "kind": "state", "contact": "open", "alarms": {}, "doorbell": None, **changes}
    message = sign_report(facts, facts, PRIVATE)
    public = PRIVATE.public_key().public_bytes_raw()
    assert key_id(public) in message.decode()
    for key in (public, None):
        rows = desk().on_state(message, key, nonces())
        assert rows is None or rows == []


def state(boot: str = "d1", **changes: Any) -> bytes:
    facts: dict[str, Any] = {"v": 1, "boot": boot, "contact": "shut", "alarms": {"held": 0, "forced": 0}, **changes}
    return json.dumps(facts).encode()


def rows(one: DoorReports, text: bytes) -> list[tuple[str, int]]:
    found = one.on_state(text, None, nonces())
    assert found is not None
    return [(kind, facts["number"]) for kind, facts in found]


def test_an_alarm_is_recorded_once_however_often_it_is_reported() -> None:
    one = desk()
    assert rows(one, state()) == []
    forced = state(contact="forced", alarms={"held": 0, "forced": 1})
    assert rows(one, forced) == [("door_forced", 1)]
    assert rows(one, forced) == []
    assert rows(one, state()) == []
    assert rows(one, state(alarms={"held": 1, "forced": 3}, doorbell={"count": 2})) == [
        ("door_forced", 3), ("door_held", 1), ("doorbell", 2),
    ]  # fmt: skip
    assert one.facts()["alarms"] == {"door_forced": 3, "door_held": 1, "doorbell": 2}
    assert rows(one, state("d2", alarms={"held": 1, "forced": 0})) == [("door_held", 1)]
    assert rows(one, state(alarms={"held": 1, "forced": 3})) == [], "the run before"


def test_an_alarm_that_an_earlier_run_has_recorded_is_not_recorded_again() -> None:
    first = desk()
    found = first.on_state(state(alarms={"held": 2, "forced": 1}), None, nonces())
    assert found is not None
    again = desk()
    again.remember([*found, ("door_held", {"door": "back-door", "door_boot": "d1", "number": 9}), ("doorbell", {})])
    assert rows(again, state(alarms={"held": 2, "forced": 1})) == []
    assert rows(again, state(alarms={"held": 3, "forced": 1})) == [("door_held", 3)]
    assert again.facts()["alarms"] == {"door_held": 1}


def test_a_flood_of_alarms_is_counted_and_few_are_recorded() -> None:
    clock = FixedClock(1000.0)
    one = desk(clock)
    found = [row for n in range(1, 101) for row in rows(one, state(doorbell={"count": n}))]
    assert len(found) == MAX_RESULTS_PER_MINUTE
    assert one.facts()["alarms"] == {"doorbell": 100}
    flapping = [row for n in range(1000) for row in rows(one, state(f"b{n}", alarms={"held": 1}))]
    assert flapping == []
    clock.sleep(60)
    assert rows(one, state("new", alarms={"held": 1})) == [("door_held", 1)]


def test_a_contact_is_unknown_when_its_door_is_silent() -> None:
    clock = FixedClock(1000.0)
    one = desk(clock)
    assert one.facts()["contact"] is None
    rows(one, state())
    clock.sleep(STATE_SECONDS - 1)
    assert one.facts()["contact"] == "shut"
    clock.sleep(1)
    assert one.facts()["contact"] == "unknown"


def test_an_unsigned_or_forged_alarm_is_no_alarm_where_there_is_a_key() -> None:
    one = desk()
    assert one.on_state(state(contact="forced", alarms={"forced": 1}), KEY, nonces()) is None
    forged = sign_report({}, {**results.FIRST, "kind": "state", "contact": "forced", "alarms": {"forced": 1}}, PRIVATE)
    assert one.on_state(forged, KEY, nonces()) is None
    assert one.facts()["contact"] is None
    assert one.facts()["unproven"] == {"unsigned": 1, "key": 1}
    proven = one.on_state(results.state().encode(), KEY, nonces())
    assert proven == [
        ("door_forced", {"door": "front-door", "number": 1, "door_boot": results.DOOR_BOOT, "proven": True}),
        ("doorbell", {"door": "front-door", "number": 3, "door_boot": results.DOOR_BOOT, "proven": True}),
    ]
