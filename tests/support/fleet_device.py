"""A device of a fleet whose thread is the test's own."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeface.core.errors import EdgefaceError
from edgeface.faces.embedder import embedder_name
from edgeface.fleet import join_code
from edgeface.fleet.device.follower import Follower
from edgeface.fleet.device.joining import join
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.security.vault import open_vault
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.fleet.device.applying import Applier
    from edgeface.fleet.device.book import Book
    from tests.support.clock import FixedClock


@dataclass
class Device:
    """One device, whose thread is the test's own: `rounds` does what the thread would."""

    configuration: Configuration
    clock: FixedClock
    centre: Any
    """What it joins; it has `code` and `url`."""
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
            follower._counter.end(book, applier)
            yield follower, book, applier
            follower.end(book)

    def rounds(self, count: int = 1) -> Follower:
        """Start, do so many rounds, stop; raises nothing, as the thread."""
        with self.opened() as (follower, book, applier):
            # A certificate that is due is renewed in a round of its own.
            follower._renewed = follower._clock.monotonic()
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

    def enroll(self, person: str, seed: int) -> None:
        """Enroll someone here, as the command line does."""
        with self.gallery() as gallery:
            wall = self.clock.wall()
            gallery.enroll(person, person.title(), [Template(unit(seed), self.model, "photo", wall)], wall)

    def matched_by(self, follower: Follower) -> set[str]:
        """Who the next snapshot of a daemon with this follower has."""
        with self.gallery() as gallery:
            gallery.leases = follower.leases
            return {one.id for one in gallery.snapshot(self.clock.wall()).people}

    @property
    def matched(self) -> set[str]:
        """Who the next snapshot of a program without a daemon has."""
        with self.gallery() as gallery:
            return {one.id for one in gallery.snapshot(self.clock.wall()).people}

    @property
    def stored(self) -> set[str]:
        """Who is in the gallery at all."""
        with self.gallery() as gallery:
            return {one.id for one in gallery.people()}
