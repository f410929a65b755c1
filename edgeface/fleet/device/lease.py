"""For how long a device may match the people of a site without another answer of the centre."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from edgeface.fleet.messages import FleetMessage
from edgeface.gallery.leases import StoredLease

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


@dataclass(frozen=True, slots=True)
class CountedLeases:
    """The leases of all sites at one moment; they end by themselves, and nothing needs to be stored."""

    monotonic: float
    """When they were counted last."""
    leases: Mapping[str, DeviceLease]

    def holding(self, wall: float, monotonic: float) -> frozenset[str]:
        """The sites whose lease is not over at this moment."""
        elapsed = monotonic - self.monotonic
        return frozenset(name for name, one in self.leases.items() if not one.after(elapsed, wall).is_over(wall))
