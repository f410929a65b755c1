"""The thread itself: it waits for news, ends at once, and comes back when the centre does."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.config.configuration import Configuration, Fleet
from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError, FleetError
from edgeface.core.installed import parts
from edgeface.daemon.fleet_member import FleetMember
from edgeface.fleet.device import follower as follower_module
from edgeface.fleet.device.client import AwayError, CentreClient, RefusedError
from edgeface.fleet.device.follower import Follower
from edgeface.fleet.messages import EpochKey, Rows
from edgeface.security.vault import open_vault
from tests.support.clock import FixedClock
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.fleet.device.identity import DeviceIdentity
    from tests.support.fleet_device import Device


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def following(device: Device, **options: Any) -> Follower:
    clock = SystemClock()
    device.centre.now = clock.wall()
    vault = open_vault(device.data)
    return Follower(lambda: device.configuration, vault, device.model, clock, synced=lambda: True, **options)


def test_a_change_is_applied_while_the_centre_keeps_the_request(device: Device) -> None:
    follower = following(device)
    follower.start()
    try:
        until(lambda: "GET changes" in device.centre.asked)
        device.centre.put("alice", unit(1))
        until(lambda: len(device.centre.receipts) > 1, 5)
        assert device.stored == {"alice"}
    finally:
        begun = time.monotonic()
        follower.stop()
    # The request would have waited for 30 s.
    assert time.monotonic() - begun < 2
    assert not follower._thread.is_alive()


def test_when_the_centre_is_away_it_asks_again_ever_more_rarely(device: Device) -> None:
    device.centre.refuse["snapshot"] = 503
    with device.opened() as (follower, book, applier):
        delays = [follower.round(book, applier) for _ in range(12)]
    assert all(0.5 * most <= delay <= most for delay, most in zip(delays[:4], (1, 2, 4, 8), strict=True))
    assert all(150 <= delay <= 300 for delay in delays[-3:])
    assert len(set(delays[-3:])) == 3


def test_an_idle_connection_that_was_closed_is_no_problem(device: Device) -> None:
    device.centre.put("alice", unit(1))
    with device.opened() as (follower, book, applier):
        follower.round(book, applier)
        assert follower._client is not None
        assert follower._client._connection is not None
        follower._client._connection.sock.close()
        device.centre.put("bob", unit(2))
        follower.round(book, applier)
        assert follower.problems == ()
    assert device.matched == {"alice", "bob"}


def identity_of(device: Device) -> DeviceIdentity:
    with device.opened() as (_, book, _):
        identity = book.file.identity()
    assert identity is not None
    return identity


def test_the_next_centre_is_asked_while_one_is_away(device: Device) -> None:
    client = CentreClient(["https://127.0.0.1:9", device.centre.url], identity_of(device).context(), timeout=5)
    with pytest.raises(FleetError, match=r"127\.0\.0\.1:9 cannot be reached"):
        client.get("/sites/house/epoch", EpochKey)
    assert client.get("/sites/house/epoch", EpochKey).epoch == 1
    client.close()


def test_an_answer_that_is_too_large_is_refused(device: Device) -> None:
    for number in range(20):
        device.centre.put(f"person-{number}", unit(number))
    client = CentreClient([device.centre.url], identity_of(device).context())
    with pytest.raises(FleetError, match="more than 1000 bytes"):
        client.get(f"/sites/house/snapshot?model={device.model}", Rows, largest=1000)
    assert len(client.get(f"/sites/house/snapshot?model={device.model}", Rows).rows) == 20
    client.close()


def test_without_its_certificate_a_device_is_refused(device: Device) -> None:
    device.centre.devices.clear()
    client = CentreClient([device.centre.url], identity_of(device).context())
    with pytest.raises(RefusedError, match="no device of this centre"):
        client.get("/sites/house/epoch", EpochKey)
    client.close()


def test_a_daemon_takes_up_what_join_writes_meanwhile(device: Device) -> None:
    device.centre.put("alice", unit(1))
    with device.opened() as (follower, book, applier):
        follower.round(book, applier)
        device.join(again=True)
        device.centre.put("bob", unit(2))
        follower.round(book, applier)
        assert follower.problems == ()
    assert device.matched == {"alice", "bob"}


def member(configuration: Configuration, clock: FixedClock) -> FleetMember:
    return FleetMember(lambda: configuration, open_vault(configuration.data), clock, lambda: None)


def test_without_a_fleet_a_daemon_loads_nothing_of_it(tmp_path: Path) -> None:
    one = member(Configuration(data=tmp_path), FixedClock())
    one.start()
    one.stop()
    assert one.facts() is None
    assert one.problems == ()


def test_a_device_that_has_left_the_configuration_still_counts_its_lease(device: Device) -> None:
    device.centre.put("alice", unit(1))
    device.done()
    alone = device.configuration.model_copy(update={"fleet": None})
    clock = FixedClock(epoch=device.clock.wall() + 31 * 86_400)
    one = member(alone, clock)
    one.start()
    one.stop()
    assert device.matched == set()


def test_without_the_package_the_daemon_does_not_start(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parts.PARTS, "fleet", ("no_such_module",))
    with pytest.raises(ConfigError, match="no_such_module is not installed"):
        member(device.configuration, device.clock)


def test_a_device_that_has_not_joined_says_so(tmp_path: Path) -> None:
    settings = Configuration(data=tmp_path, fleet=Fleet(centres=("https://centre:8444",)))
    one = member(settings, FixedClock())
    one.start()
    until(lambda: one.problems)
    one.stop()
    assert one.problems == ("fleet: this device has not joined: edgeface fleet join URL",)
    assert one.facts() == {"joined": False, "sites": {}, "proposals": 0, "conflicts": 0}


def test_an_answer_that_takes_too_long_is_cut_off(device: Device) -> None:
    slow = CentreClient([device.centre.url], identity_of(device).context(), timeout=5.0, most=0.3)

    def late(rows: Rows) -> Rows:
        time.sleep(1.5)
        return rows

    device.centre.alter = late
    begun = time.monotonic()
    with closing(slow), pytest.raises(AwayError):
        slow.get(f"/sites/house/snapshot?model={device.model}", Rows)
    assert time.monotonic() - begun < 1.2


def test_pages_without_end_do_not_keep_leases_from_being_counted(device: Device) -> None:
    seqs = count(2)

    def endless(rows: Rows) -> Rows:
        return rows.model_copy(update={"more": True, "seq": next(seqs), "rows": ()})

    device.centre.put("alice", unit(1))
    device.done()
    device.centre.alter = endless
    device.centre.seq = 1000
    with device.opened() as (follower, book, applier):
        assert follower.round(book, applier) == 0.0
        assert device.centre.asked.count("GET changes") < 5
        device.clock.sleep(31 * 86_400.0)
        follower.round(book, applier)
    assert device.matched == set()


def test_a_thread_that_meets_an_unexpected_error_still_ends_leases(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.centre.put("alice", unit(1))
    device.done()
    monkeypatch.setattr(follower_module, "RESTART_DELAY", 0.02)

    def broken(*_: object, **__: object) -> Rows:
        raise AssertionError

    follower = device.follower()
    monkeypatch.setattr(follower, "_asked", broken)
    follower.start()
    try:
        until(lambda: "unexpected error" in str(follower.problems))
        device.clock.sleep(31 * 86_400.0)
        until(lambda: not device.stored)
    finally:
        follower.stop()


def test_one_site_that_is_refused_keeps_no_other_from_being_followed(device: Device) -> None:
    with device.opened() as (follower, book, applier):
        follower.round(book, applier)
        book.put_site(book.sites["house"].model_copy(update={"site": "attic", "epoch": -1}))
        book.sites = dict(sorted(book.sites.items()))
        device.centre.put("alice", unit(1))
        follower.round(book, applier)
        assert "not for this device" in str(follower.problems)
    assert device.matched == {"alice"}


def test_a_round_without_news_is_followed_by_a_pause(device: Device) -> None:
    device.done()
    with device.opened() as (follower, book, applier):
        assert follower.round(book, applier) > 0
