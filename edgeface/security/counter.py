"""The generation of the data folder and the TPM's counter: whether the whole folder was put back.

A counter in a TPM wears out, so it does not count commits. The head knows what the counter was when it was last
advanced; a folder that is put back knows a lower value. Before it is advanced, the head gets the intention, on the
disk: a process that is killed in between leaves a head that fits the counter before and after.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import VaultError, system_reason
from edgeface.core.files import alone
from edgeface.core.sqlite import reading_only
from edgeface.security import content as contents
from edgeface.security.head import DATABASES, LIST_FILES, TPM, Alarm, HeadFile
from edgeface.security.integrity import ROLLED_BACK, Found
from edgeface.security.tpm import ForeignCounterError, TpmCounter, TpmError

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.security.head import Head
    from edgeface.security.vault import Vault

_log = logging.getLogger(__name__)

SET_UP = "edgeface audit tpm"
"""The command that makes the counter."""
SOON = 600.0
"""Seconds between two increments when people, factors, keys or passes have changed."""
LATE = 6 * 3600.0
"""Seconds between two increments when anything else has: 1,460 a year at most. Makers of TPMs state from 100,000 writes
to 500,000 (ST33GTPMISPI, data brief DB4278)."""

# What decides who may pass a door. Attempts are not in it: whoever types wrong PINs would wear the TPM out.
_TABLES = ("people", "templates", "factors", "gone", "negatives")
_FILES = ("keys.json", "sealing.json", "passes", *LIST_FILES)


class CounterReport(NamedTuple):
    """What the TPM's counter tells about the data folder."""

    value: int | None = None
    """Of the counter; None if it cannot be read."""
    found: Found | None = None
    """The folder was put back, or the TPM was replaced."""
    problem: str | None = None
    """Why it tells nothing now, in one line; grants wait for it."""


class GenerationCounter:
    """The TPM's counter of a data folder; any thread and process may use it."""

    def __init__(self, folder: Path, vault: Vault, tpm: TpmCounter) -> None:
        self._folder, self._vault, self.tpm = folder, vault, tpm
        self._head = HeadFile(folder, vault)

    def compare(self) -> CounterReport:
        """Whether the folder is as new as the counter shows; never raises."""
        try:
            # Whoever advances it holds the lock, so that both are of one moment.
            with alone(self._folder):
                return self._compare(self._head.read())
        except VaultError:
            return CounterReport()  # every comparison of the files names a head that was altered
        except OSError as error:
            return CounterReport(problem=f"the data folder cannot be read ({system_reason(error)})")

    def advance(self) -> int:
        """Count up, so that every older copy of the folder is known as one; returns the value.

        Raises TpmError, also if `compare` finds something, OSError and VaultError.
        """
        with alone(self._folder) as lock:
            head = self._read()
            report = self._compare(head)
            if report.value is None or report.found is not None:
                raise TpmError(report.found.line if report.found is not None else str(report.problem))
            # Higher by one if a process was killed after it had counted.
            self._head.count(report.value, head.number, advancing=True)
            value = self.tpm.increment(lock)
            self._head.count(value, head.number, advancing=False)
        return value

    def begin(self) -> int:
        """Make the counter if there is none, and take the folder as the newest; returns the value.

        Raises TpmError, OSError, and VaultError without a head.
        """
        with alone(self._folder) as lock:
            head = self._read()
            if self.require() is None:
                self.tpm.define()
            value = self.tpm.increment(lock)
            self._head.count(value, head.number, advancing=False)
        return value

    def require(self) -> int | None:
        """The value of the counter, None if there is none; raises TpmError if `begin` could not make or use it."""
        try:
            return self.tpm.read()
        except ForeignCounterError as error:
            raise TpmError(
                f"{error}: if nothing else uses it, tpm2_nvundefine {self.tpm.index} -C o removes it"
            ) from error

    def essence(self, head: Head) -> object:
        """What changes with the people, factors, keys and passes; None if it cannot be read now."""
        with suppress(VaultError, sqlite3.Error, OSError):
            path = self._folder / DATABASES["gallery"]
            if not path.exists():
                return [head.files[name] for name in _FILES]
            with closing(reading_only(path)) as connection:
                content = contents.stored(connection, self._vault, "gallery")
            sums = content.sums if content is not None else {}
            return [*(head.files[name] for name in _FILES), *(sums.get(table) for table in _TABLES)]
        return None

    def _compare(self, head: Head | None) -> CounterReport:
        known = head.counter if head is not None else 0
        try:
            value = self.tpm.read()
        except ForeignCounterError as error:
            return CounterReport(found=_replaced(f"{error}: it was cleared or replaced"))
        except TpmError as error:
            return CounterReport(problem=str(error))
        if value is None and not known:
            return CounterReport(problem=f"the TPM has no counter of this data folder yet ({SET_UP})")
        if value is None or value < known:
            at = "is gone" if value is None else f"is at {value}"
            return CounterReport(value, _replaced(f"was cleared or replaced: its counter {at}, and was at {known}"))
        if value > known + (head is not None and head.advancing):
            was = f"it knows {known} of the TPM's counter, which is at {value}" if known else "it knows no TPM counter"
            return CounterReport(value, Found(ROLLED_BACK, f"the data folder was put back: {was}"))
        return CounterReport(value)

    def _read(self) -> Head:
        head = self._head.read()
        if head is None:
            raise VaultError("the data folder has no head yet: start edgeface once, so that it is made")
        return head


def open_counter(folder: Path, vault: Vault, *, used: bool) -> GenerationCounter | None:
    """The counter of a data folder if the configuration has it `used`."""
    return GenerationCounter(folder, vault, TpmCounter(vault)) if used else None


class CounterSchedule:
    """When the counter is due; used by one thread."""

    def __init__(self, counter: GenerationCounter, now: float) -> None:
        """Nothing is due before SOON seconds have passed, so that a daemon that keeps crashing wears out no TPM."""
        self._counter = counter
        self._at = now
        self._number: int | None = None
        self._essence: object = None
        self._changed = True

    def due(self, head: Head, now: float) -> bool:
        """Whether the counter should be advanced."""
        if head.number == head.counted:
            return False
        if head.number != self._number:
            essence = self._counter.essence(head)
            # What has changed before this run began is unknown.
            self._changed = self._changed or essence != self._essence
            self._number, self._essence = head.number, essence
        return now - self._at >= (SOON if self._changed else LATE)

    def advance(self, now: float) -> str | None:
        """Advance it; returns the problem, in one line, if that is not possible now."""
        self._at = now
        try:
            value = self._counter.advance()
        except (TpmError, VaultError, OSError) as error:
            return str(error)
        self._changed = False
        _log.info("the TPM's counter is at %d", value)
        return None


def _replaced(says: str) -> Found:
    return Found(Alarm(TPM, "replaced"), says)
