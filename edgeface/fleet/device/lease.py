"""For how long a device may match the people of a site without another answer of the centre."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from edgeface.fleet.messages import MAX_WAIT, FleetMessage
from edgeface.gallery.leases import LeaseReader, StoredLease

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.security.vault import Vault

CHARGED = 600.0
"""Seconds of running time for which a lease is charged when it is stored; it is stored again before they are over."""

Seconds = Annotated[float, Field(strict=False)]


class DeviceLease(FleetMessage):
    """Two limits: it is over when either says so, and only the centre extends it."""

    until: Seconds
    """Wall seconds of its end, by the centre's clock."""
    left: Seconds
    """Seconds that the device may still run."""
    highest: Seconds
    """The latest wall seconds that were ever seen; an earlier time shows that the clock is wrong."""

    @classmethod
    def granted(cls, seconds: float, now: float) -> "DeviceLease":
        """A lease of so many seconds, which the centre grants at `now` wall seconds of its own clock."""
        return cls(until=now + seconds, left=seconds, highest=now)

    def after(self, seconds: float, wall: float) -> "DeviceLease":
        """The lease when the device has run for more seconds, and its clock shows `wall`."""
        return self.model_copy(update={"left": self.left - max(0.0, seconds), "highest": max(self.highest, wall)})

    def remaining(self, wall: float) -> float:
        """Seconds until it is over; a clock that was set back does not count, only the time that the device has run."""
        return min(self.left, self.until - wall) if wall >= self.highest else self.left

    @property
    def stored(self) -> StoredLease:
        """What programs that do not count running time go by."""
        return StoredLease(self.until, self.left, self.highest)

    def is_over(self, wall: float) -> bool:
        """Whether the people of the site may no longer be matched."""
        return self.remaining(wall) <= 0


class PublishedLeases:
    """The leases as everyone in this process goes by them: they end by themselves, and nothing needs to be stored.

    One thread publishes; any thread may call it, also while that one is stuck.
    """

    def __init__(self, folder: "Path", vault: "Vault", clock: "Clock") -> None:
        self._stored, self._clock = LeaseReader(folder, vault), clock
        self._counted: tuple[float, Mapping[str, DeviceLease]] | None = None

    def publish(self, leases: "Mapping[str, DeviceLease]") -> None:
        """Go by these leases, as they are now, by site."""
        self._counted = self._clock.monotonic(), leases

    def shortest(self, wall: float) -> float:
        """Seconds until the first of them is over; as long as the centre may wait if there is none."""
        leases = () if self._counted is None else self._counted[1].values()
        return min((one.remaining(wall) for one in leases), default=MAX_WAIT)

    def __call__(self, wall: float) -> frozenset[str]:
        """The sites whose lease is not over; before the first were published, by what fleet.db has."""
        if self._counted is None:
            return self._stored(wall)
        at, leases = self._counted
        elapsed = self._clock.monotonic() - at
        return frozenset(name for name, one in leases.items() if not one.after(elapsed, wall).is_over(wall))
