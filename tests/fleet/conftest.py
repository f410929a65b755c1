"""A device with a data folder, and a small centre that it has joined."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.config.configuration import Configuration, Fleet
from edgeface.core.errors import EdgefaceError
from edgeface.faces.embedder import embedder_name
from edgeface.fleet import join_code
from edgeface.fleet.device.follower import Follower
from edgeface.fleet.device.joining import join
from edgeface.gallery.gallery import Gallery
from edgeface.security.vault import open_vault
from tests.support.clock import FixedClock
from tests.support.fleet import SmallCentre

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.fleet.device.applying import Applier
    from edgeface.fleet.device.book import Book


@dataclass
class Device:
    """One device, whose thread is the test's own: `rounds` does what the thread would."""

    configuration: Configuration
    clock: FixedClock
    centre: SmallCentre
    step: Callable[[str], None] = lambda _: None
    synced: bool = True

    @property
    def data(self) -> Path:
        return self.configuration.data

    @property
    def model(self) -> str:
        return embedder_name(self.configuration.embedder.model)

    def join(self, **more: Any) -> None:
        code = join_code.parse(self.centre.code())
        join(self.data, open_vault(self.data), self.configuration.device, self.centre.url, code, **more)

    def follower(self) -> Follower:
        return Follower(
            lambda: self.configuration, open_vault(self.data), self.model, self.clock,
            synced=lambda: self.synced, wait=0.0, step=self.step,
        )  # fmt: skip

    @contextmanager
    def opened(self) -> Iterator[tuple[Follower, Book, Applier]]:
        """A follower after its start, without its thread."""
        follower = self.follower()
        with ExitStack() as stack:
            book, applier = follower._opened(stack)
            follower._end_leases(book, applier)
            yield follower, book, applier
            for site in book.sites.values():
                book.file.put_site(site)
            if follower._client is not None:
                follower._client.close()

    def rounds(self, count: int = 1) -> Follower:
        """Start, do so many rounds, stop; raises nothing, as the thread."""
        with self.opened() as (follower, book, applier):
            for _ in range(count):
                follower.round(book, applier)
        return follower

    def done(self, count: int = 1) -> Follower:
        """The same, without problems."""
        follower = self.rounds(count)
        if follower._problem is not None:
            raise EdgefaceError(follower._problem)
        return follower

    @contextmanager
    def gallery(self) -> Iterator[Gallery]:
        with closing(Gallery.open(self.data, self.model)) as gallery:
            yield gallery

    @property
    def matched(self) -> set[str]:
        """Who the next snapshot has."""
        with self.gallery() as gallery:
            return {one.id for one in gallery.snapshot(self.clock.wall()).people}

    @property
    def stored(self) -> set[str]:
        """Who is in the gallery at all."""
        with self.gallery() as gallery:
            return {one.id for one in gallery.people()}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCentre]:
    centre = SmallCentre(tmp_path / "centre", embedder_name(Configuration().embedder.model))
    with centre.serving():
        yield centre


@pytest.fixture
def device(tmp_path: Path, small: SmallCentre) -> Device:
    settings = Configuration(device="front", data=tmp_path / "data", fleet=Fleet(centres=(small.url,)))
    made = Device(settings, FixedClock(epoch=small.now), small)
    made.join()
    return made
