"""The network to the centre is cut for 72 hours: each door gives the grants that it gives with the centre."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from edgeface.access.issuer import GrantIssuer
from edgeface.access.policy import AccessPolicy, AllowRule, Door
from edgeface.access.schedules import WeeklySchedule
from edgeface.core.types import Claim
from edgeface.faces.calibration import table_of
from edgeface.recognition.limits import with_limits
from edgeface.security import signing_keys
from edgeface.security.vault import open_vault
from tests.support.embeddings import unit
from tests.support.proxy import Proxy
from tools.faults.part import say
from tools.fleet_faults.stage import elapse, followed, stage
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgeface.gallery.snapshot import GallerySnapshot
    from tests.support.clock import FixedClock
    from tests.support.fleet_device import Device
    from tools.fleet_faults.stage import Stage

_PEOPLE, _STRANGERS, _DEVICES = 1_000, 200, 4
_HOURS, _EVERY = 72, 6
_FACES = 8
"""Faces for one issuer, which keeps those that open nothing for a while."""
_CAMERA = "porch"
_DOORS = {
    "main": Door(camera=_CAMERA, level="low", cooldown=0, allow=(AllowRule(group="everyone"),)),
    "laboratory": Door(camera=_CAMERA, level="normal", cooldown=0, allow=(AllowRule(group="staff"),)),
    "archive": Door(camera=_CAMERA, level="high", cooldown=0, allow=(AllowRule(person="p-7", schedule="day"),)),
}
_POLICY = AccessPolicy(
    _DOORS,
    {"staff": tuple(f"p-{n}" for n in range(100))},
    {"day": WeeklySchedule(zone="UTC", week={"mon-sun": ("07:00-19:00",)})},
)

Grants = dict[int, frozenset[str]]
"""The doors that open for each face."""


def run(options: Options) -> list[Row]:
    """Ask all doors every six hours of simulated time: for a day with the centre, cut off, and for a day afterwards."""
    with stage(options.folder) as centre, ExitStack() as stack:
        centre.put(range(_PEOPLE))
        proxy = stack.enter_context(Proxy(centre.running.server.device_port))
        devices = [centre.device(options.folder, f"door-{n}", port=proxy.port) for n in range(_DEVICES)]
        before: dict[tuple[str, float], Grants] = {}
        for device in devices:
            followed(device)
        for hour in range(0, 24, _EVERY):
            before |= {(device.configuration.device, hour): _grants(device) for device in devices}
            _pass_time(centre, devices, away=False)
        proxy.refuse()
        lost, asked, other = _compared(centre, devices, before, _HOURS, away=True)
        proxy.passes()
        _, again, afterwards = _compared(centre, devices, before, 24, away=False)
    opened = Counter(door for grants in before.values() for doors in grants.values() for door in doors)
    times = len(before) // _DEVICES
    return [
        Row(
            "centre away for 72 h",
            f"the network to {_DEVICES} devices is cut; {_PEOPLE:,} people and {_STRANGERS} strangers at three doors "
            f"of each, every {_EVERY} hours of simulated time, with restarts",
            f"{asked - other:,} of {asked:,} decisions as with the centre (and {again - afterwards:,} of {again:,} on "
            "the day after)",
            "every door as before",
            missed(
                as_before=not other,
                as_before_on_the_day_after=not afterwards,
                network_was_cut=lost,
                main_opened_for_all=opened["main"] == _DEVICES * times * _PEOPLE,
                laboratory_opened_for_staff=opened["laboratory"] == _DEVICES * times * len(_POLICY.groups["staff"]),
                archive_opened_by_day=opened["archive"] == _DEVICES * times // 2,
            ),
        )
    ]


def _compared(
    centre: Stage, devices: Iterable[Device], before: dict[tuple[str, float], Grants], hours: int, *, away: bool
) -> tuple[bool, int, int]:
    """Whether no device has reached the centre, how many decisions there were, and how many were others."""
    lost, asked, other = True, 0, 0
    for hour in range(0, hours, _EVERY):
        for device in devices:
            expected, found = before[device.configuration.device, hour % 24], _grants(device)
            asked += len(found) * len(_DOORS)
            other += sum(len(expected[n] ^ doors) for n, doors in found.items())
        lost &= _pass_time(centre, devices, away=away)
        say(f"after {hour + _EVERY} hours {'without' if away else 'with'} the centre: {other} of {asked} are others")
    return lost, asked, other


def _pass_time(centre: Stage, devices: Iterable[Device], *, away: bool) -> bool:
    """Let the time until the next question pass, with a restart of each device; whether each had a problem."""
    centre.set_back(-_EVERY / 24)
    followers = [elapse(device, _EVERY / 24, by=1 / 24 if away else _EVERY / 24) for device in devices]
    return all(follower.problems for follower in followers)


def _grants(device: Device) -> Grants:
    """The doors for which a device signs a grant when these faces stand in front of its camera."""
    with device.gallery() as gallery:
        view = gallery.snapshot(device.clock.wall())
    policy = with_limits(_POLICY, table_of(None), view)
    found: Grants = {}
    for first in range(0, _PEOPLE + _STRANGERS, _FACES):
        issuer = _issuer(device, policy)
        found |= {n: _granted(issuer, view, n, device.clock) for n in range(first, first + _FACES)}
    return found


def _issuer(device: Device, policy: AccessPolicy) -> GrantIssuer:
    vault = open_vault(device.data)
    if not (device.data / signing_keys.SIGNING.file).exists():
        signing_keys.write(device.data, signing_keys.new((), "first", vault, device.clock.wall()))
    signer = signing_keys.Signer(device.data, vault, device.clock)
    issuer = GrantIssuer(
        device.configuration.device, "boot", device.clock, signer=signer, policy=lambda: policy, synced=lambda: True
    )
    issuer.reload()
    return issuer


def _granted(issuer: GrantIssuer, view: GallerySnapshot, n: int, clock: FixedClock) -> frozenset[str]:
    found = view.match(unit(n))
    if found is None:
        return frozenset()
    for door in _DOORS:
        challenge = json.dumps({"nonce": secrets.token_urlsafe(18), "boot": "d00r"})
        issuer.on_message(door, "challenge", challenge.encode(), retained=False)
    claim = Claim(_CAMERA, n, clock.monotonic(), found.person, found.score, found.score, found.look_alike, 4, 1)
    issuer.claim(claim)
    doors = []
    issuer.review()
    while (pending := issuer.first()) is not None:
        if (granted := issuer.grant(pending)) is None:
            break
        doors.append(granted.door)
        issuer.review()
    return frozenset(doors)
