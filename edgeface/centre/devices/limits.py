"""Limits for each device: none keeps the centre from serving the others, whatever it sends.

Each centre counts for itself, so several together allow as many times as much.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

from edgeface.centre.devices.certificates import KEY
from edgeface.web.http.throttle import Buckets, too_soon

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.core.clock import Clock
    from edgeface.web.http.problems import Problem

    Handler = Callable[[Request], Awaitable[Response]]

Kind = Literal["requests", "lists", "proposals", "renewals"]

AT_A_TIME = 3
"""Requests of one certificate: a device asks one thing at a time, and reconnecting may leave two waits behind."""
BUSY_SECONDS = 5.0
"""Seconds after which to ask again if there are more."""


class _Rate(NamedTuple):
    burst: int
    seconds: float
    """Until the next one is allowed."""


RATES: dict[Kind, _Rate] = {
    # Two for each change, and more changes than an admin makes.
    "requests": _Rate(1000, 0.1),
    # A device lists when it joins, when it was away for long, and when a digest differs: once at a time.
    "lists": _Rate(30, 120.0),
    # As many as may wait, each of which the device asks about once an hour, and new ones.
    "proposals": _Rate(600, 6.0),
    # Once in 20 days.
    "renewals": _Rate(10, 360.0),
}


class DeviceLimits:
    """Counts the requests of each device; used by one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running: Counter[bytes] = Counter()
        self._buckets = {kind: Buckets(*rate) for kind, rate in RATES.items()}

    @contextmanager
    def one(self, certificate: bytes) -> Iterator[None]:
        """Serve one request of a certificate's fingerprint. Raises Problem 429 if there are too many."""
        self.spend("requests", certificate)
        if self._running[certificate] >= AT_A_TIME:
            raise too_soon(BUSY_SECONDS, f"{AT_A_TIME} requests of this device are served already")
        self._running[certificate] += 1
        try:
            yield
        finally:
            self._running[certificate] -= 1
            if not self._running[certificate]:
                del self._running[certificate]

    def spend(self, kind: Kind, key: object) -> None:
        """Count one of a kind. Raises Problem 429 if there were too many."""
        wait = self._buckets[kind].wait(key, self._clock.monotonic())
        if wait:
            raise too_soon(wait, f"too many {kind} of this device")
        self._buckets[kind].take(key)


def limited(handler: Handler) -> Handler:
    """A handler that serves a few requests of each device at a time; before the database is asked who it is."""

    async def served(request: Request) -> Response:
        certificate = request.scope.get(KEY)
        if certificate is None:
            return await handler(request)
        limits: DeviceLimits = request.app.state.limits
        with limits.one(certificate.fingerprint):
            return await handler(request)

    return served


def too_many(why: str) -> Problem:
    """Problem 429 for what only a decision of an admin changes."""
    return too_soon(RATES["proposals"].seconds * RATES["proposals"].burst, why)
