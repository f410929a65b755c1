"""The packed answers for devices: each gets the part of a site's people that the policy gives it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from edgeface.centre.tables.feed import PartChangedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.centre.answers import Answers
    from edgeface.centre.database import Transaction
    from edgeface.centre.tables.feed import Feed
    from edgeface.centre.tables.policies import DevicePart, Policies
    from edgeface.fleet.messages import Rows

    Finished = Callable[[str, Callable[[Transaction], Rows | None]], Rows | None]
    """Reads in a transaction, after what a crash has interrupted is finished."""


class Bodies:
    """Makes answers, once for all devices that get the same; any thread may use it."""

    def __init__(
        self,
        answers: Answers,
        feed: Feed,
        policies: Policies,
        finished: Finished,
        stamp: Callable[[str], object],
    ) -> None:
        """`stamp` gives what changes with every answer about a site."""
        self._answers, self._feed, self._policies = answers, feed, policies
        self._finished, self._stamp = finished, stamp

    def get(self, site: str, model: str, device: str, after: int | None) -> bytes | None:
        """The changes after a number, or the whole set; None where the device has to list again."""
        while True:
            part = self._policies.part_of(site, device)
            # The policy may change before the rows are read.
            with suppress(PartChangedError):
                made = partial(self._made, site, model, after, part)
                return self._answers.get(site, (model, part), after, self._stamp(site), made)

    def _made(self, site: str, model: str, after: int | None, part: DevicePart) -> bytes | None:
        def read(transaction: Transaction) -> Rows | None:
            if after is None:
                return self._feed.snapshot(transaction, site, model, part)
            return self._feed.changes(transaction, site, model, after, part)

        rows = self._finished(site, read)
        return None if rows is None else rows.packed()
