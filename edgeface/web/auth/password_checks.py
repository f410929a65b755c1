"""The order in which passwords are checked: one at a time, and those of the busiest addresses last."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeface.web.http.limits import too_many

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edgeface.core.clock import Clock

MAX_OF_ADDRESS = 4
"""Checks of one address that may wait."""
MAX_WAITING = 64
"""Checks that may wait; one more sends the least urgent one away."""
RECENT_SECONDS = 10.0
"""Checks of this time count against their address and their account."""

_MAX_RECENT = 1000


@dataclass(eq=False, slots=True)
class _Check:
    address: str
    account: str
    """Empty for all names that no account has."""
    known: bool
    number: int
    turn: asyncio.Future[None] = field(repr=False)


class PasswordChecks:
    """Runs one check at a time, since each takes 19 MiB; for one event loop.

    First come those from an address at which the account has signed in before, then those whose address and account had
    the fewest recent checks; among equals the newest, as the oldest of a flood have been waiting for too long anyway.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._busy = False
        self._number = 0
        self._waiting: list[_Check] = []
        self._recent: deque[tuple[float, str, str]] = deque(maxlen=_MAX_RECENT)

    @asynccontextmanager
    async def one(self, address: str, account: str, *, known: bool) -> AsyncIterator[None]:
        """Wait for the turn of a check, and hold it. Raises Problem 503 if too many wait."""
        check = _Check(address, account, known, self._number, asyncio.get_running_loop().create_future())
        self._number += 1
        await self._turn_of(check)
        self._recent.append((self._clock.monotonic(), address, account))
        try:
            yield
        finally:
            self._next()

    async def _turn_of(self, check: _Check) -> None:
        if not self._busy:
            self._busy = True
            return
        if sum(one.address == check.address for one in self._waiting) >= MAX_OF_ADDRESS:
            raise too_many("2")
        self._waiting.append(check)
        if len(self._waiting) > MAX_WAITING:
            least = max(self._waiting, key=self._rank)
            self._waiting.remove(least)
            least.turn.set_exception(too_many("2"))
        try:
            await check.turn
        except asyncio.CancelledError:
            if check in self._waiting:
                self._waiting.remove(check)
            elif not check.turn.cancelled() and check.turn.exception() is None:
                # It was this one's turn already.
                self._next()
            raise

    def _next(self) -> None:
        # A check whose request has just been cancelled removes itself.
        waiting = [one for one in self._waiting if not one.turn.done()]
        self._busy = bool(waiting)
        if waiting:
            first = min(waiting, key=self._rank)
            self._waiting.remove(first)
            first.turn.set_result(None)

    def _rank(self, check: _Check) -> tuple[bool, int, int]:
        """The lowest comes first."""
        since = self._clock.monotonic() - RECENT_SECONDS
        recent = [(address, account) for at, address, account in self._recent if at > since]
        count = sum((address == check.address) + (account == check.account) for address, account in recent)
        return not check.known, count, -check.number
