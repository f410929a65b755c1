"""The journal's file on a disk that may fill up, go away or rot: opened, put aside when it is damaged, tried again."""

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
    """What was done or decided, as a row with an id of its own."""
    return JournalRow(event_id(at, uuid.uuid4().hex, 0), kind, at, to_json(dict(facts)))


class JournalFile:
    """One connection behind one lock; what goes wrong is in `problem`, and the next `attempt` opens the file again."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """VaultError when the key is missing or another one; a disk that cannot be used is no error here."""
        self.path = path
        self.lock = threading.RLock()
        self._clock = clock
        self._vault: Vault | None = None
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._unnoted: str | None = None
        self.problem: str | None = None
        self.failures = 0
        self.set_aside: str | None = None
        try:
            self._vault = open_vault(path.parent)
        except VaultError as error:
            # Where nothing has been sealed yet, a disk that takes no key is in the way, and not the key.
            if not isinstance(error.__cause__, OSError) or os.path.exists(path.parent / MARK):  # noqa: PTH110 - Path.exists raises where a folder is closed to us
                raise

    @property
    def vault(self) -> Vault | None:
        """None until the disk has given the key."""
        return self._vault

    def attempt(self, work: Callable[[sqlite3.Connection, Vault], _T], otherwise: _T) -> _T:
        """Give what `work` gives, or `otherwise` when the disk or the file is in the way."""
        with self.lock:
            try:
                result = work(*self._opened())
            except (sqlite3.Error, OSError, EdgefaceError) as error:
                self._failed(error)
                return otherwise
            if self.problem is not None:
                _log.info("the journal works again")
                self.problem = None
            return result

    def close(self) -> None:
        """Close the file; every later attempt fails."""
        with self.lock:
            self._closed = True
            self._shut()

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        self._shut()
        # SQLITE_CORRUPT and SQLITE_NOTADB are the ones that Python raises as plain DatabaseError.
        if type(error) is sqlite3.DatabaseError:
            try:
                self._put_aside(error)
            except OSError as stays:
                error = stays
        text = f"the journal {printable_path(self.path)} cannot be used: {error}"
        if text != self.problem:
            _log.error("%s; events go on without it", text)
        self.problem = text

    def _opened(self) -> tuple[sqlite3.Connection, Vault]:
        if self._closed:
            raise OSError("it is closed")
        if self._vault is None:
            self._vault = open_vault(self.path.parent)
        if self._connection is None:
            try:
                self._connection = self._connected(self._vault)
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:
                    raise
                self._put_aside(error)
                self._connection = self._connected(self._vault)
        return self._connection, self._vault

    def _connected(self, vault: Vault) -> sqlite3.Connection:
        connection = rows.connect(self.path)
        try:
            rows.prepare(connection, vault)
            if self._unnoted is not None:
                with transaction(connection):
                    row = noted("started", self._clock.wall(), {"set_aside": self._unnoted})
                    rows.append(connection, vault, [row])
                self._unnoted = None
        except BaseException:
            connection.close()
            raise
        return connection

    def _put_aside(self, error: Exception) -> None:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.corrupt-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                source.rename(aside.with_name(aside.name + suffix))
        self.set_aside = self._unnoted = aside.name
        _log.error("the journal %s is corrupt (%s): put aside as %s, a new one is begun", self.path, error, aside.name)

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
