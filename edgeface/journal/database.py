"""The journal file on a disk that may fill up, disappear or fail: opened, set aside if damaged, and retried."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import uuid
from typing import TYPE_CHECKING, TypeVar

from edgeface.core.errors import EdgefaceError, VaultError
from edgeface.core.events import event_id, to_json
from edgeface.core.sqlite import transaction
from edgeface.core.text import printable_path
from edgeface.journal import rows
from edgeface.journal.rows import JournalRow
from edgeface.security.vault import MARK, open_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from edgeface.core.clock import Clock
    from edgeface.security.vault import Vault

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


def noted(kind: str, at: float, facts: Mapping[str, Any]) -> JournalRow:
    """An action or a decision as a row with a new id."""
    return JournalRow(event_id(at, uuid.uuid4().hex, 0), kind, at, to_json(dict(facts)))


class JournalFile:
    """One connection behind one lock; errors are in `problem`, and the next `attempt` opens the file again."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Raises VaultError if the key is missing or a different one; an unusable disk is no error here."""
        self._path = path
        self._lock = threading.RLock()
        self._clock = clock
        self._vault: Vault | None = None
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._unrecorded: str | None = None
        self.problem: str | None = None
        """The problem with the disk or the file in one line, or None."""
        self.failures = 0
        """Number of attempts that failed."""
        self.set_aside: str | None = None
        """Name of the corrupt file that this journal set aside."""
        try:
            self._vault = open_vault(path.parent)
        except VaultError as error:
            # If nothing has been sealed yet, the disk that rejects a new key is the problem, not the key.
            if not isinstance(error.__cause__, OSError) or os.path.exists(path.parent / MARK):  # noqa: PTH110 - Path.exists raises in a folder that we may not read
                raise

    def attempt(self, work: Callable[[sqlite3.Connection, Vault], _T], otherwise: _T) -> _T:
        """Return the result of `work`, or `otherwise` if the disk or the file fails."""
        with self._lock:
            try:
                result = work(*self._open())
            except (sqlite3.Error, OSError, EdgefaceError) as error:
                self._failed(error)
                return otherwise
            if self.problem is not None:
                _log.info("the journal is working again")
                self.problem = None
            return result

    def close(self) -> None:
        """Close the file; all later attempts fail."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._disconnect()
        # SQLITE_CORRUPT and SQLITE_NOTADB are the ones that Python raises as plain DatabaseError.
        if type(error) is sqlite3.DatabaseError:
            try:
                self._set_aside(error)
            except OSError as failed:
                error = failed
        text = f"the journal {printable_path(self._path)} cannot be used: {error}"
        if text != self.problem:
            _log.error("%s; events continue without it", text)
        self.problem = text

    def _open(self) -> tuple[sqlite3.Connection, Vault]:
        if self._closed:
            raise OSError("it was closed")
        if self._vault is None:
            self._vault = open_vault(self._path.parent)
        if self._connection is None:
            try:
                self._connection = self._connect(self._vault)
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:
                    raise
                self._set_aside(error)
                self._connection = self._connect(self._vault)
        return self._connection, self._vault

    def _connect(self, vault: Vault) -> sqlite3.Connection:
        connection = rows.connect(self._path)
        try:
            rows.prepare(connection, vault, self._path.parent)
            if self._unrecorded is not None:
                with transaction(connection):
                    row = noted("started", self._clock.wall(), {"set_aside": self._unrecorded})
                    rows.append(connection, vault, [row])
                self._unrecorded = None
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: Exception) -> None:
        number = 1
        while (target := self._path.with_name(f"{self._path.name}.corrupt-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            source = self._path.with_name(self._path.name + suffix)
            if source.exists():
                source.rename(target.with_name(target.name + suffix))
        self.set_aside = self._unrecorded = target.name
        _log.error(
            "the journal %s is corrupt (%s): set aside as %s, a new one was created", self._path, error, target.name
        )

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
