"""What `edgeface doctor` checks of a device of a fleet; it asks the centre once, and writes nothing."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.core.clock import DAY, SystemClock
from edgeface.core.errors import EdgefaceError, system_reason
from edgeface.core.text import counted
from edgeface.doctor.finding import Finding
from edgeface.fleet.device.book import Book
from edgeface.fleet.device.client import AwayError, CentreClient
from edgeface.fleet.device.fleet_file import FleetFile
from edgeface.fleet.device.status import SOON, removed_line
from edgeface.fleet.messages import EpochKey
from edgeface.gallery.leases import FILE
from edgeface.security.vault import Vault, find_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.fleet.device.identity import DeviceIdentity
    from edgeface.fleet.device.records import SiteFile

_TIMEOUT = 5.0
_JOIN = "edgeface fleet join URL CODE"


def findings(configuration: Configuration) -> Iterator[Finding]:
    """What is to be said about this device's part in a fleet."""
    try:
        yield from _findings(configuration)
    except EdgefaceError as error:
        yield Finding("fleet", str(error), "bad", "sudo edgeface doctor")
    except OSError as error:
        yield Finding("fleet", f"{configuration.data}: {system_reason(error)}", "note", "sudo edgeface doctor")


def _findings(configuration: Configuration) -> Iterator[Finding]:
    key = find_key(configuration.data) if (configuration.data / FILE).exists() else None
    if key is None:
        yield Finding("fleet", "this device has not joined", "bad", _JOIN)
        return
    wall = SystemClock().wall()
    with closing(FleetFile(configuration.data, Vault(key))) as file:
        book, identity, removals = Book(file), file.identity(), file.removals(wall)
    if identity is None:
        yield Finding("fleet", "this device has not joined", "bad", _JOIN)
        return
    yield _centre(configuration, identity, wall)
    yield _certificate(identity, wall)
    for site in book.sites.values():
        yield _site(site, wall)
    for one in removals.values():
        if one.is_alarm:
            yield Finding("fleet", removed_line(one).removeprefix("fleet: "), "bad")
    yield from _waiting(book)


def _centre(configuration: Configuration, identity: DeviceIdentity, wall: float) -> Finding:
    if configuration.fleet is None:
        return Finding("fleet", "the configuration has no fleet any more: no one new comes, and leases end", "note")
    if wall >= identity.ends:
        return Finding("fleet", "the centre was not asked: the certificate of this device has ended", "note")
    site = identity.sites[0].site
    with closing(CentreClient(configuration.fleet.centres, identity.context(), _TIMEOUT, _TIMEOUT)) as client:
        try:
            client.get(f"/sites/{site}/epoch", EpochKey, largest=10_000)
        except AwayError as error:
            return Finding("fleet", str(error), "bad", "is the centre running, and its port for devices reachable?")
        except EdgefaceError as error:
            return Finding("fleet", str(error), "bad", f"{_JOIN} --again, if this device is to stay")
    return Finding("fleet", f"{identity.device}: the centre {client.centres[0]} answers")


def _certificate(identity: DeviceIdentity, wall: float) -> Finding:
    left = identity.ends - wall
    remedy = f"{_JOIN} --again" if left <= 0 else ""
    says = "the certificate has ended" if left <= 0 else f"the certificate ends in {_days(left)}"
    return Finding("fleet", says, "bad" if left < SOON else "ok", remedy, {"certificate_days": round(left / DAY, 1)})


def _site(site: SiteFile, wall: float) -> Finding:
    left = 0.0 if site.lease is None else max(0.0, site.lease.remaining(wall))
    says = f"{site.site}: {counted(max(0, site.count), 'person', 'people')}, the lease ends in {_days(left)}"
    if site.lease is None or left == 0:
        says = f"{site.site}: no lease, so no one of the centre is matched"
    if site.barred:
        says += "; the centre refuses this device"
    remedy = "is the daemon running, and the centre reachable?" if left < SOON else ""
    return Finding(
        "fleet", says, "bad" if left < SOON or site.barred else "ok", remedy, {"lease_days": round(left / DAY, 1)}
    )


def _waiting(book: Book) -> Iterator[Finding]:
    """What a person has to decide, here or at the centre."""
    taken = sum(one.state == "taken" for one in book.people.values())
    if taken:
        whose = counted(taken, "person of the centre has", "people of the centre have")
        yield Finding("fleet", f"{whose} an id that someone else has here", "bad", "edgeface fleet status")
    if book.waiting:
        waiting = counted(len(book.waiting), "change", "changes")
        yield Finding("fleet", f"{waiting} made here not yet accepted by the centre", "note", "edgeface fleet status")


def _days(seconds: float) -> str:
    return counted(int(seconds // DAY), "day")
