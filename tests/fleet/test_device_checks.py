"""`edgeface doctor` on a device of a fleet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.cli.fleet import doctor
from edgeface.core.clock import SystemClock
from edgeface.fleet import device_checks
from tests.support.clock import FixedClock
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet_device import Device


def now(device: Device) -> None:
    """Go by the clock of this machine, as the command does."""
    device.centre.now = SystemClock().wall()
    device.clock = FixedClock(epoch=device.centre.now)


def found(device: Device) -> dict[str, str]:
    """What is said, with its mark."""
    return {one.says: one.mark for one in device_checks.findings(device.configuration)}


def marks(device: Device, word: str) -> list[str]:
    return [mark for says, mark in found(device).items() if word in says]


def test_a_device_that_follows_is_well(device: Device) -> None:
    now(device)
    device.centre.put("alice", unit(1))
    device.done(2)
    assert set(found(device).values()) == {"ok"}
    assert marks(device, "house: 1 person, the lease ends in 29 days") or marks(device, "ends in 30 days")
    assert marks(device, "answers") == ["ok"]
    assert marks(device, "the certificate ends in 28 days") == ["ok"]


def test_a_short_lease_is_a_problem_on_the_page_too(device: Device) -> None:
    now(device)
    device.centre.lease = 6 * 86_400
    device.centre.put("alice", unit(1))
    follower = device.done(2)
    assert marks(device, "the lease ends in 5 days") == ["bad"]
    assert "the lease of house ends in" in str(follower.problems)


def test_what_is_wrong_is_named(device: Device) -> None:
    now(device)
    device.enroll("alice", 9)
    device.centre.put("alice", unit(1))
    device.done(2)
    device.enroll("dora", 7)
    device.centre.refuse |= {"proposals": 503, "epoch": 403}
    device.rounds()
    assert marks(device, "an id that someone else has here") == ["bad"]
    assert marks(device, "1 change made here") == ["note"]
    assert marks(device, "the centre refuses (403)") == ["bad"]


def test_a_centre_that_is_away_and_a_device_that_has_not_joined(device: Device, tmp_path: Path) -> None:
    now(device)
    away = device.configuration.model_copy(
        update={"fleet": device.configuration.fleet.model_copy(update={"centres": ("https://127.0.0.1:1",)})}  # type: ignore[union-attr]
    )
    assert marks(replace(device, configuration=away), "cannot be reached") == ["bad"]
    elsewhere = device.configuration.model_copy(update={"data": tmp_path / "other"})
    assert found(replace(device, configuration=elsewhere)) == {"this device has not joined": "bad"}


def test_the_command_has_it(device: Device, tmp_path: Path) -> None:
    assert [one.says for one in doctor._fleet(device.configuration)]
    bare = device.configuration.model_copy(update={"data": tmp_path / "other", "fleet": None})
    assert list(doctor._fleet(bare)) == []
