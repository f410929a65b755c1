"""Counts the time that a device runs against the leases of its sites, and ends those that are over."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edgeface.fleet.device.lease import CHARGED

if TYPE_CHECKING:
    from edgeface.core.clock import Clock
    from edgeface.fleet.device.applying import Applier
    from edgeface.fleet.device.book import Book
    from edgeface.fleet.device.lease import PublishedLeases

log = logging.getLogger(__name__)


class LeaseCounter:
    """Charges the leases for the time that the device runs; used by the thread that owns fleet.db."""

    def __init__(self, published: PublishedLeases, clock: Clock) -> None:
        self._published, self._clock = published, clock
        self._ticked, self._saved = clock.monotonic(), -CHARGED

    def begin(self) -> None:
        """Fleet.db was opened: what was charged in advance may have been stored without that at the last end."""
        self._saved = -CHARGED

    def count(self, book: Book, applier: Applier) -> None:
        """Charge the leases for the time since the last call, and end those that are over."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        elapsed, self._ticked = now - self._ticked, now
        for name, site in book.sites.items():
            book.sites[name] = site.charged(elapsed, wall)
        self._published.publish(book.leases())
        if now - self._saved >= CHARGED:
            for site in list(book.sites.values()):
                book.put_site(site)
            self._saved = now
        self.end(book, applier)

    def end(self, book: Book, applier: Applier) -> None:
        """Stop matching everyone whose lease is over or was never granted."""
        self._published.publish(book.leases())
        wall = self._clock.wall()
        for name, site in list(book.sites.items()):
            over = site.lease is None or site.lease.is_over(wall)
            if over and any(one.needs_lease for one in book.of(name).values()):
                log.error("fleet: the lease of %s is over: its people are no longer matched", name)
                applier.lapse(name)
