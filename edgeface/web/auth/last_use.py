"""When each account was used last, in data/web_use.json: written rarely, since it decides nothing."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from edgeface.core.errors import system_reason
from edgeface.core.files import put_whole, read_at_most
from edgeface.web.auth.accounts import digest

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.web.auth.accounts import Account

log = logging.getLogger(__name__)

FILE = "web_use.json"
"""The name of the file in the data folder."""
WRITE_SECONDS = 3600.0
"""Seconds between two writes because of one account."""

_MAX_FILE_BYTES = 64 * 1024
_MAX_ENTRIES = 400
_TIMES: TypeAdapter[dict[str, float]] = TypeAdapter(dict[str, float])


class LastUse:
    """The times of the last use; any thread may use it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Read the file; one that cannot be read counts as empty."""
        self._path = folder / FILE
        self._clock = clock
        self._lock = threading.Lock()
        self._times = self._read()
        self._written: dict[str, float] = {}

    def note(self, account: Account) -> bool:
        """Note that an account is being used; returns whether `save` should be called."""
        key, now = _key(account), self._clock.monotonic()
        with self._lock:
            self._times[key] = self._clock.wall()
            due = now - self._written.get(key, float("-inf")) >= WRITE_SECONDS
            if due:
                self._written[key] = now
        return due

    def of(self, account: Account) -> float | None:
        """Wall seconds of an account's last use; None if it has not been used since it was made."""
        with self._lock:
            at = self._times.get(_key(account))
        return at if at is not None and at >= account.created else None

    def save(self) -> None:
        """Write the file; waits for the disk. A failure is logged: nothing depends on it."""
        with self._lock:
            newest = sorted(self._times.items(), key=lambda pair: pair[1])[-_MAX_ENTRIES:]
            self._times = dict(newest)
            try:
                put_whole(self._path, json.dumps(self._times).encode())
            except OSError as error:
                log.warning("%s cannot be written: %s", FILE, system_reason(error))

    def _read(self) -> dict[str, float]:
        try:
            return _TIMES.validate_json(read_at_most(self._path, _MAX_FILE_BYTES), strict=True)
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            log.warning("%s cannot be read (%s): the times of last use are lost", FILE, type(error).__name__)
            return {}


def _key(account: Account) -> str:
    # Names in plain text would be traces of a person who is forgotten and had an account.
    return digest(f"{account.kind} {account.name}")
