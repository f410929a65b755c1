"""Requests that wait for a change: any number of them, without a thread or a connection to the database for each."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from edgeface.core.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from edgeface.centre.records import Device
    from edgeface.centre.store import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Seconds between two looks for devices that were revoked while they wait."""


class Waiting:
    """The changes that requests wait for; used by one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seqs: dict[str, int] = {}
        self._joined: dict[str, float] | None = None
        self._changed = asyncio.Event()
        self._closed = False
        self.count = 0
        """The requests that wait now."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the store; at the end, nothing waits any more."""
        loop = asyncio.get_running_loop()

        def told(site: str, seq: int) -> None:
            with suppress(RuntimeError):  # the loop has just ended
                loop.call_soon_threadsafe(self._learn, site, seq)

        end = self._store.on_change(told)
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            end()
            looking.cancel()
            self.close()

    def close(self) -> None:
        """End every wait, those to come as well."""
        self._closed = True
        self._wake()

    async def wait(self, site: str, after: int, device: Device, seconds: float) -> None:
        """Wait until the site has a change above `after`, the device is no longer one, or the time is over.

        Read the changes first, and again afterwards.
        """
        until = asyncio.get_running_loop().time() + seconds
        self.count += 1
        try:
            while not self._closed and self._seqs.get(site, 0) <= after and self._is_known(device):
                left = until - asyncio.get_running_loop().time()
                if left <= 0:
                    return
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), left)
        finally:
            self.count -= 1

    def _is_known(self, device: Device) -> bool:
        # A device that has joined again has another certificate.
        return self._joined is None or self._joined.get(device.device) == device.joined

    def _learn(self, site: str, seq: int) -> None:
        self._seqs[site] = seq
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self.count:
                # What is known may be old when the next one comes.
                self._joined = None
                continue
            try:
                found = await run_in_threadpool(self._store.devices)
            except FleetError as error:
                log.warning("devices that wait cannot be checked: %s", error)
                continue
            self._joined = {one.device: one.joined for one in found if one.revoked is None}
            self._wake()
