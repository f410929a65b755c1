"""What a centre that runs must do from time to time: renew its certificate, and do the upkeep of its store."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from edgeface.core.clock import synchronised
from edgeface.core.errors import EdgefaceError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from edgeface.centre.context import CentreContext

log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two runs."""


class Housekeeping:
    """Runs every hour; one thread at a time does it, and any may read what came of it."""

    def __init__(self, context: CentreContext, own: Sequence[ssl.SSLContext]) -> None:
        """`own` are the contexts that serve with the certificate of the centre's authority."""
        self._context, self._own = context, own
        self.succeeded: float | None = None
        """Wall seconds of the last time that all of it succeeded; None before the first."""
        self.problem: str | None = None
        """Why the last time failed; None if it did not."""

    async def run(self) -> None:
        """Do it every hour until this is cancelled."""
        while True:
            await run_in_threadpool(self.once)
            await asyncio.sleep(EVERY)

    def once(self) -> None:
        """Do all of it now; raises nothing.

        A database that is away does not keep the certificate from being renewed. Connections that are open keep the
        certificate with which they began.
        """
        problems = [problem for part in (self._certificates, self._upkeep) if (problem := _tried(part)) is not None]
        for problem in problems:
            log.error("upkeep: %s", problem)
        self.problem = problems[0] if problems else None
        if not problems:
            self.succeeded = self._context.clock.wall()

    def _certificates(self) -> None:
        for tls in self._own:
            self._context.authority.load_server(tls, self._context.settings.names)

    def _upkeep(self) -> None:
        done = self._context.store.upkeep.run(self._context.settings.periods, synced=synchronised())
        # None: another centre does it.
        if done is not None:
            log.info("upkeep: %s", done)


def _tried(part: Callable[[], None]) -> str | None:
    try:
        part()
    except (EdgefaceError, OSError) as error:
        return str(error)
    return None
