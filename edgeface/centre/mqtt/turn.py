"""Has one of several centres use the broker: a lock in the database, which ends with its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from edgeface.centre.database import translated

if TYPE_CHECKING:
    from edgeface.centre.database import Transaction

_LOCK = 0x6D717474  # "mqtt"
_TIMEOUT = 10
"""Seconds for the database to accept a connection."""


class Turn:
    """Used by one thread. Raises FleetError if the database fails; then another centre may have the turn."""

    def __init__(self, conninfo: str) -> None:
        with translated():
            self._connection: Transaction = psycopg.connect(conninfo, autocommit=True, connect_timeout=_TIMEOUT)

    def take(self) -> bool:
        """Whether it is this centre's turn, until `close`."""
        with translated():
            row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
        return row is not None and bool(row[0])

    def check(self) -> None:
        """Raise FleetError if the turn may be over."""
        with translated():
            self._connection.execute("SELECT 1")

    def close(self) -> None:
        """End the turn."""
        self._connection.close()
