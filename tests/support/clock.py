"""A clock that moves only when asked to."""

from dataclasses import dataclass


@dataclass(slots=True)
class FixedClock:
    """Stands still between two calls of `sleep`."""

    now: float = 0.0
    """Monotonic seconds."""
    epoch: float = 0.0
    """Wall time, in seconds since 1970, at monotonic zero."""

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.epoch + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
