"""Whoever the centre removes is erased; if they are many at once, someone is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from edgeface.cli.main import main
from edgeface.core.clock import DAY, SystemClock
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from edgeface.fleet.device.follower import Follower
    from tests.support.fleet_device import Device


@pytest.fixture
def crowd(device: Device) -> tuple[Device, list[bytes]]:
    """A device with 24 people of the centre."""
    people = [device.centre.put(f"p-{n:02}", unit(n)) for n in range(24)]
    device.done(2)
    return device, people


def alarms(follower: Follower) -> list[str]:
    return [one for one in follower.problems if "acknowledge" in one]


def rows(follower: Follower) -> list[dict[str, Any]]:
    """What a round writes to the journal."""
    found: list[dict[str, Any]] = []
    follower._record = lambda kind, facts: found.append({"kind": kind, **facts})
    return found


def test_a_list_with_nobody_erases_everyone_and_is_an_alarm(
    crowd: tuple[Device, list[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    device, people = crowd
    with device.opened() as (follower, book, applier):
        told = rows(follower)
        for one in people:
            device.centre.forget(one)
        follower.round(book, applier)
        assert device.stored == set()
        (line,) = alarms(follower)
        assert "24 of 24 people of house erased" in line
        assert told == [{"kind": "fleet_alarm", "found": "removed", "site": "house", "removed": 24, "people": 24}]
    # It outlasts a restart, and is told once.
    assert alarms(device.done()) == [line]
    with device.opened() as (follower, book, applier):
        told = rows(follower)
        follower.round(book, applier)
        assert told == []

        path = device.data.parent / "config.yaml"
        path.write_text(f"device: front\ndata: {device.data}\ncameras: {{porch: {{type: replay, path: clip.mp4}}}}\n")
        # The command goes by the clock of this machine.
        removal = book.file.removals(device.clock.wall())["house"]
        book.file.put_removal(removal.model_copy(update={"began": SystemClock().wall()}))
        assert main(["fleet", "acknowledge", "--config", str(path)]) == 0
        assert "house: acknowledged that 24 of 24 people were erased" in capsys.readouterr().out
        follower.round(book, applier)
        assert alarms(follower) == []


def test_many_in_small_steps_are_an_alarm_too(crowd: tuple[Device, list[bytes]]) -> None:
    device, people = crowd
    for at in range(0, 12, 4):
        assert alarms(device.done()) == []
        for one in people[at : at + 4]:
            device.centre.forget(one)
        device.clock.sleep(3600)
    assert len(alarms(device.done())) == 1
    device.clock.sleep(29 * DAY)
    device.centre.now += 29 * DAY
    assert len(alarms(device.rounds())) == 1
    device.clock.sleep(2 * DAY)
    assert alarms(device.rounds()) == []


def test_a_few_are_none(crowd: tuple[Device, list[bytes]]) -> None:
    device, people = crowd
    for one in people[:11]:
        device.centre.forget(one)
    assert alarms(device.done()) == []
    # Another day.
    device.clock.sleep(2 * DAY)
    device.centre.now += 2 * DAY
    device.centre.forget(people[11])
    assert alarms(device.done()) == []


def test_a_small_site_is_none(device: Device) -> None:
    people = [device.centre.put(f"p-{n:02}", unit(n)) for n in range(19)]
    device.done(2)
    for one in people:
        device.centre.forget(one)
    assert alarms(device.done()) == []
    assert device.stored == set()
