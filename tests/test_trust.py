"""trust.yaml is true as far as a machine can see: each promise has tests, and the tests exist."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tools.faults import trust
from tools.faults.table import between

ENTRIES = trust.load()
GOOD = trust.Entry(
    "P1",
    "a threat",
    "a control",
    "0",
    ("tests/test_trust.py::test_nothing_is_wrong_with_it",),
    "0",
    "2026-11-22",
    "shown",
)


def test_nothing_is_wrong_with_it() -> None:
    assert trust.faults(ENTRIES) == []


def test_a_threat_is_told_once() -> None:
    threats = [entry.threat for entry in ENTRIES]
    assert len(threats) == len(set(threats))
    assert len(threats) >= 20


def test_the_document_shows_it_as_it_is() -> None:
    document = trust.DOCUMENT.read_text(encoding="utf-8")
    assert between(document, trust.MARK, trust.rendered(ENTRIES)) == document, "run python -m tools.faults.trust"


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (replace(GOOD, promise="P6"), "P6 is not a promise"),
        (replace(GOOD, status="done"), "done is not a status"),
        (replace(GOOD, tests=()), "no test"),
        (replace(GOOD, tests=("tests/test_trust.py::test_nowhere",)), "test_nowhere does not exist"),
        (replace(GOOD, tests=("tests/test_nowhere.py::test_it",)), "tests/test_nowhere.py::test_it does not exist"),
        (replace(GOOD, figure=""), "no figure with a date"),
        (replace(GOOD, date="soon"), "no figure with a date"),
        (replace(GOOD, status="open", tests=()), "open, but no reason is given"),
    ],
)
def test_what_is_not_so_is_found(broken: trust.Entry, fault: str) -> None:
    others = [replace(GOOD, promise=promise) for promise in trust.PROMISES]
    assert trust.faults([*others, GOOD]) == []
    [found] = trust.faults([*others, broken])
    assert found.endswith(fault)


def test_a_promise_without_a_test_is_found() -> None:
    entries = [replace(GOOD, promise=promise) for promise in trust.PROMISES[1:]]
    assert trust.faults(entries) == ["P1 has no entry", "P1 has no test"]
    open_one = replace(GOOD, status="open", tests=(), reason="not built")
    assert trust.faults([open_one, *entries]) == ["P1 has no test"]


def test_a_parametrised_test_is_looked_up_by_its_name() -> None:
    assert trust.exists("tests/test_trust.py::test_what_is_not_so_is_found[broken0-P6]")
    assert not trust.exists("tests/test_trust.py::GOOD")


def test_an_entry_with_other_keys_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trust.yaml"
    path.write_text("- {promise: P1, threat: a, control: b, target: c, tests: [], figure: '', date: '', state: open}\n")
    with pytest.raises(ValueError, match="an entry must have these keys"):
        trust.load(path)


@pytest.mark.parametrize("unit", sorted((trust.ROOT / "systemd").glob("*.service")), ids=lambda unit: unit.stem)
def test_a_unit_exposes_little(unit: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    command = [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def test_the_recognition_service_gets_no_devices_and_asks_no_one_outside() -> None:
    lines = (trust.ROOT / "systemd" / "edgeface-serve.service").read_text(encoding="utf-8").splitlines()
    assert {"PrivateDevices=yes", "IPAddressDeny=any", "CapabilityBoundingSet=", "User=edgeface"} <= set(lines)
    assert not [line for line in lines if line.startswith(("DeviceAllow=", "SupplementaryGroups="))]


@pytest.mark.parametrize(
    ("unit", "devices"),
    [
        ("edgeface", {"char-video4linux rw", "char-media rw", "char-dma_heap rw"}),
        ("edgeface-door", {"char-gpiochip rw"}),
    ],
)
def test_a_unit_has_its_own_user_and_only_the_devices_that_it_needs(unit: str, devices: set[str]) -> None:
    lines = (trust.ROOT / "systemd" / f"{unit}.service").read_text(encoding="utf-8").splitlines()
    closed = {"CapabilityBoundingSet=", "DevicePolicy=closed", "SystemCallFilter=@system-service"}
    assert {f"User={unit}", f"Group={unit}"} | closed <= set(lines)
    assert {line.partition("=")[2] for line in lines if line.startswith("DeviceAllow=")} == devices
