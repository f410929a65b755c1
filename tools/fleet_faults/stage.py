"""PostgreSQL, a centre that serves devices over TLS, and devices, whose clocks are moved by hand."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface.centre.records import Entry
from edgeface.config.configuration import Configuration, Fleet
from edgeface.faces.embedder import embedder_name
from tests.support.centre_server import HOST, SITE, Running, centre, serving
from tests.support.clock import FixedClock
from tests.support.embeddings import unit
from tests.support.fleet_device import Device
from tests.support.postgres import Postgres, memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from edgeface.centre.records import DeviceProof
    from edgeface.centre.store import Store
    from edgeface.fleet.device.follower import Follower

DAY = 86_400.0
MODEL = embedder_name(Configuration().embedder.model)
BY = "fleet-faults"
_BATCH = 1_000
_STILL = 2


@dataclass(frozen=True)
class Invitation:
    """What a device joins with: it takes a new code each time."""

    stage: Stage
    device: str
    url: str

    def code(self) -> str:
        """A code for this device."""
        return self.stage.running.code(self.device, *self.stage.sites)


@dataclass
class Stage:
    """One centre with its database; person `n` has the id `p-n` and the face `unit(n)`."""

    running: Running
    postgres: Postgres
    conninfo: str
    sites: tuple[str, ...] = (SITE,)
    persons: dict[int, bytes] = field(default_factory=dict)
    """The centre's number of each person."""

    @property
    def store(self) -> Store:
        """The centre's."""
        return self.running.context.store

    @property
    def url(self) -> str:
        """Where devices connect."""
        return f"https://{HOST}:{self.running.server.device_port}"

    @property
    def folders(self) -> tuple[Path, Path]:
        """The centre's data folder, and that of the second copy of the keyring."""
        return self.running.context.settings.data, self.running.context.settings.keyring

    def set_back(self, days: float) -> None:
        """Have the centre's clock show the time so many days ago."""
        self.running.clock.epoch -= days * DAY

    def put(self, numbers: Iterable[int], **facts: Any) -> None:
        """Enroll or change people; `face` is the seed of their face, if it is another."""
        face = facts.pop("face", None)
        entries = [
            Entry(
                **{
                    "id": f"p-{n}", "name": f"Person {n}", "embeddings": {MODEL: unit(n if face is None else face)},
                    "person": self.persons.setdefault(n, _number(n)), **facts,
                }
            )
            for n in numbers
        ]  # fmt: skip
        for start in range(0, len(entries), _BATCH):
            self.store.put_all(SITE, entries[start : start + _BATCH], BY)

    def forget(self, numbers: Iterable[int]) -> None:
        """Forget people at the centre."""
        for n in numbers:
            self.store.forget(SITE, self.persons.pop(n), BY)

    def device(self, folder: Path, name: str = "front", *, port: int | None = None) -> Device:
        """A device that has joined; with `port`, through a proxy. Its clock shows the centre's time."""
        url = self.url if port is None else f"https://{HOST}:{port}"
        settings = Configuration(device=name, data=folder / name, fleet=Fleet(centres=(url,)))
        made = Device(settings, FixedClock(epoch=self.running.clock.wall()), Invitation(self, name, url))
        made.join()
        return made

    def proof(self, device: str = "front") -> DeviceProof:
        """What a device has signed."""
        return next(one for one in self.store.proof(SITE).devices if one.device == device)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A centre with the site `tower` and without people, at the time of this machine."""
    # In memory, if there is room: 5,000 keys are destroyed in seconds there, and in minutes on a busy disk.
    place = Path(tempfile.mkdtemp(prefix="edgeface-fleet-", dir=memory() or folder))
    postgres = Postgres()
    try:
        postgres.start()
        conninfo = postgres.create("centre")
        with centre(conninfo, place) as context, serving(context, place) as running:
            yield Stage(running, postgres, conninfo)
    finally:
        postgres.close()
        shutil.rmtree(place)


def followed(device: Device, most: int = 12) -> Follower:
    """Start the device, do rounds until nothing is left to follow, and stop it."""
    with device.opened() as (follower, book, applier):
        still = 0
        for _ in range(most):
            before = book.sites[SITE].seq
            follower.round(book, applier)
            # A round may renew the certificate, and nothing else.
            still = still + 1 if before == book.sites[SITE].seq else 0
            if still == _STILL:
                break
    return follower


def but_the_alarm(problems: Iterable[str]) -> tuple[str, ...]:
    """The problems without the alarm about many people who were erased at once, which is right here."""
    return tuple(one for one in problems if "erased since" not in one)


def moved(device: Device, centre: Stage) -> Device:
    """The device, which looks for the centre at its present port from now on."""
    fleet = Fleet(centres=(centre.url,))
    device.configuration = device.configuration.model_copy(update={"fleet": fleet})
    return device


def elapse(device: Device, days: float, by: float = 0.5, back: float = 0.0) -> Follower:
    """Run for so many days; each time, the clock is then set back by `back` days."""
    with device.opened() as (follower, book, applier):
        for _ in range(round(days / by)):
            device.clock.sleep(by * DAY)
            device.clock.epoch -= back * DAY
            follower.round(book, applier)
    return follower


def doors(device: Device, numbers: Iterable[int]) -> dict[int, tuple[str, float] | None]:
    """What a door gets for these faces: the nearest person, and the cosine."""
    with device.gallery() as gallery:
        view = gallery.snapshot(device.clock.wall())
    found = {n: view.match(unit(n)) for n in numbers}
    return {n: None if one is None else (one.person, round(one.score, 4)) for n, one in found.items()}


_random = itertools.count()


def _number(n: int) -> bytes:
    return f"{n:08d}{next(_random):08d}".encode()
