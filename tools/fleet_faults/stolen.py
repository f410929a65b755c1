"""A stolen device after `lost`: it gets no new row, its waiting request is cut, and no door accepts its grants."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from edgeface.centre.lost import lose
from edgeface.core.errors import FleetError
from edgeface.door.key_list import read
from edgeface.door.verifier import GrantVerifier, Rules
from edgeface.fleet import sealing
from edgeface.fleet.device.client import CentreClient
from edgeface.fleet.messages import EpochKey, Rows
from tests.support.centre_server import SITE
from tests.support.key_lists import Owner, listed
from tools.faults import grants
from tools.faults.part import say
from tools.fleet_faults.stage import BY, MODEL, followed, stage
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.fleet.device.records import SiteFile
    from tests.support.fleet_device import Device
    from tools.fleet_faults.stage import Stage

_PEOPLE, _NEW, _GRANTS = 500, 200, 1_000
_MOST_SECONDS = 10.0
_WAIT = 30


def run(options: Options) -> list[Row]:
    """Lose one of two devices while it waits for news, change people, and let it try everything."""
    with stage(options.folder) as centre:
        centre.put(range(_PEOPLE))
        stolen, good = (centre.device(options.folder, name) for name in ("stolen", "good"))
        followed(stolen)
        followed(good)
        had = stolen.stored
        cut = _cut(centre, stolen)
        centre.put(range(_PEOPLE, _PEOPLE + _NEW))
        problems = followed(stolen).problems
        new = len(stolen.stored - had)
        opened = _opened(stolen, good)
        followed(good)
        served = good.matched == {f"p-{n}" for n in range(_PEOPLE + _NEW)}
    accepted, others = _grants()
    say(f"cut after {cut:.1f} s; {new} new rows; opened {opened} of a copied answer; {'; '.join(problems)}")
    faults = missed(
        cut_within_10_s=cut <= _MOST_SECONDS, no_new_rows=not new, no_copied_row_opened=not opened,
        refusal_told=any(problems), others_go_on=served, no_grant_accepted=not accepted,
        grants_of_others_accepted=others == _GRANTS,
    )  # fmt: skip
    return [
        Row(
            "stolen device after lost",
            f"{_PEOPLE} people, {_NEW} new ones afterwards, {_GRANTS:,} grants",
            f"{new} new rows, {opened} opened of {_NEW} that it copies from another device, waiting request cut after "
            f"{cut:.1f} s, {accepted} grants accepted",
            "0 new rows, cut <= 10 s, 0 grants",
            faults,
        )
    ]


def _cut(centre: Stage, device: Device) -> float:
    """Seconds from `lost` until a request that waits for news is refused; 30 if it never is."""
    asked, refused = threading.Event(), []

    def wait() -> None:
        for client, site in _client(device):
            asked.set()
            try:
                client.get(f"/sites/{SITE}/changes?model={MODEL}&after={site.seq}&wait={_WAIT}", Rows, wait=_WAIT)
            except FleetError:
                refused.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    asked.wait()
    while not centre.running.server.waiting:
        time.sleep(0.01)
    began = time.monotonic()
    lose(centre.store, "stolen", BY)
    thread.join()
    return refused[0] - began if refused else float(_WAIT)


def _client(device: Device) -> Iterator[tuple[CentreClient, SiteFile]]:
    """The connection that a device would make, with what it knows of the site."""
    with ExitStack() as stack:
        _, book, _ = stack.enter_context(device.opened())
        identity, fleet = book.file.identity(), device.configuration.fleet
        if identity is not None and fleet is not None:
            yield stack.enter_context(closing(CentreClient(fleet.centres, identity.context()))), book.sites[SITE]


def _opened(stolen: Device, good: Device) -> int:
    """The rows that the stolen device's keys open of an answer, and of an epoch key, that are for another device."""
    for client, site in _client(good):
        answer = client.get(f"/sites/{SITE}/changes?model={MODEL}&after={site.seq}", Rows)
        epoch = client.get(f"/sites/{SITE}/epoch", EpochKey)
    found = 0
    with stolen.opened() as (_, book, _):
        identity, site = book.file.identity(), book.sites[SITE]
        keys = [site.epoch_key]
        if identity is not None:
            keys += _unwrapped(identity.keys.sealing, epoch)
    for row in answer.rows:
        for key in keys:
            for number in {site.epoch, answer.epoch}:
                found += _opens(key, number, row.person, row.key or b"")
    return found


def _unwrapped(private: bytes, epoch: EpochKey) -> list[bytes]:
    try:
        return [sealing.unwrap_epoch(private, SITE, epoch.epoch, epoch.wrapped)]
    except FleetError:
        return []


def _opens(key: bytes, epoch: int, person: bytes, wrapped: bytes) -> bool:
    try:
        sealing.unwrap_key(key, SITE, epoch, person, wrapped)
    except FleetError:
        return False
    return True


def _grants() -> tuple[int, int]:
    """The grants that a door accepts of the stolen device, and of the other, after the owner's list without it."""
    owner = Owner()
    stolen, good = grants.Device(kid="stolen-1"), grants.Device(kid="good-1")
    first = owner.list(listed("stolen", stolen.private), listed("good", good.private))
    keys = read(first, owner.public)
    gate = GrantVerifier(Rules(grants.DOOR, keys.signing_keys(grants.DOOR)))
    if not _accepted(gate, stolen, 1):
        return _GRANTS, 0
    after = keys.revoking("stolen")
    if after is None:
        return _GRANTS, 0
    gate.replace_keys(read(owner.sign(after), owner.public).signing_keys(grants.DOOR))
    return _accepted(gate, stolen, _GRANTS), _accepted(gate, good, _GRANTS)


def _accepted(gate: GrantVerifier, device: grants.Device, count: int) -> int:
    found = 0
    for n in range(count):
        now = 1000.0 + n
        envelope = device.grant(grants.nonce(gate.challenge(now)), 100)
        found += grants.opens(gate, envelope, now)
    return found
