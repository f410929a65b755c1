"""What the centre does by itself: forgets whose consent has ended, and deletes what is no longer needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.centre import consistency
from edgeface.centre.tables import devices, events, sites
from edgeface.core.clock import DAY
from edgeface.core.text import counted
from edgeface.gallery.snapshot import day

if TYPE_CHECKING:
    from edgeface.centre.database import Database
    from edgeface.centre.keys.keyring import Keyring
    from edgeface.centre.records import Periods
    from edgeface.centre.tables.people import People
    from edgeface.core.clock import Clock

BY = "expiry"
"""Who forgets those whose consent has ended, in the history."""
_LOCK = 0x75706B70  # "upkp": whoever does the upkeep holds this advisory lock


class Done(NamedTuple):
    """What one run did."""

    people: int = 0
    months: int = 0
    sites: int = 0
    codes: int = 0
    waited: bool = False
    """Whether no one was forgotten because the clock is not known to be right."""

    def __str__(self) -> str:
        """One line."""
        parts = [
            (self.people, f"{counted(self.people, 'person', 'people')} forgotten whose consent has ended"),
            (self.months, f"events of {counted(self.months, 'month')} deleted"),
            (self.sites, f"history of {counted(self.sites, 'site')} shortened"),
            (self.codes, f"{counted(self.codes, 'old code')} deleted"),
            (self.waited, "no one forgotten: the clock is not known to be right"),
        ]
        return "; ".join(text for count, text in parts if count) or "nothing to do"


class Upkeep:
    """Each step is a transaction of its own; any thread may use it, and several processes at once."""

    def __init__(self, database: Database, keyring: Keyring, people: People, clock: Clock) -> None:
        self._database, self._keyring, self._people, self._clock = database, keyring, people, clock

    def run(self, periods: Periods, *, synced: bool) -> Done | None:
        """Do all that is due; None if another process does it now. Raises FleetError, and the next run continues.

        No one is forgotten unless the clock is `synced`: one that jumps ahead must not delete enrollments.
        """
        with self._database.alone(_LOCK) as first:
            if not first:
                return None
            self.settle()
            people = self.forget_expired(periods.grace_days) if synced else 0
            self.make_partitions()
            months = len(self.drop_events(periods.event_months)) if periods.event_months else 0
            shortened = self.end_history(periods.history_days) if periods.history_days else 0
            return Done(people, months, shortened, self.drop_codes(), not synced)

    def settle(self) -> None:
        """Have the keyring forget what a crash may have left open; raises OlderDatabaseError for another database."""
        with self._database.changing() as transaction:
            consistency.lock_sites(transaction)
            consistency.require_present(transaction, self._keyring)

    def forget_expired(self, grace_days: int = 0) -> int:
        """Forget everyone whose consent ended so many days ago; returns how many."""
        wall = self._clock.wall()
        today = day(wall - grace_days * DAY)
        count = 0
        for site in self._sites():
            with self._database.changing() as transaction:
                sites.locked(transaction, site)
                every = self._people.records(transaction, site)
                ended = [one.person for one in every if one.expires is not None and one.expires <= today]
                count += len(self._people.forget(transaction, site, ended, BY, wall)) if ended else 0
        return count

    def make_partitions(self, months: int = 2) -> None:
        """Have a partition of `events` for this month and the next ones."""
        with self._database.changing() as transaction:
            events.make_partitions(transaction, self._clock.wall(), months)

    def drop_events(self, months: int) -> tuple[str, ...]:
        """Delete the events of months that ended so many months ago; returns the partitions that are gone."""
        with self._database.changing() as transaction:
            return events.drop_partitions(transaction, self._clock.wall() - months * events.LONGEST_MONTH)

    def end_history(self, days: int) -> int:
        """Delete the history that is older than so many days; returns at how many sites there was any.

        A device that has followed no later change has to list again.
        """
        shortened = 0
        for site in self._sites():
            with self._database.changing() as transaction:
                shortened += sites.end_history(transaction, site, self._clock.wall() - days * DAY)
        return shortened

    def raise_floor(self, site: str, floor: int) -> None:
        """Have devices that are below a change number list again, and delete the history below it."""
        with self._database.changing() as transaction:
            sites.raise_floor(transaction, site, floor)

    def drop_codes(self) -> int:
        """Delete the codes that are too old to be used; returns how many."""
        with self._database.changing() as transaction:
            return devices.drop_codes(transaction, self._clock.wall())

    def _sites(self) -> list[str]:
        with self._database.changing() as transaction:
            return [one.site for one in sites.all_sites(transaction)]
