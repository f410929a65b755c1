"""PostgreSQL: a pool of connections, and its errors as one line of ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from edgeface.core.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Iterator

Transaction = psycopg.Connection[tuple[Any, ...]]
"""A connection inside an open transaction."""

_PATIENCE = 10.0
"""Seconds to wait for a connection."""
_LIMITS = (
    "SET lock_timeout = '20s'",
    "SET idle_in_transaction_session_timeout = '60s'",
)


class Database:
    """A pool of connections; any thread may use it."""

    def __init__(self, conninfo: str, connections: int) -> None:
        with translated():
            self._pool: ConnectionPool[Transaction] = ConnectionPool(
                conninfo,
                min_size=1,
                max_size=connections,
                open=False,
                timeout=_PATIENCE,
                configure=_limited,
                # After a restart of the database, no caller gets a connection that is dead.
                check=ConnectionPool.check_connection,
            )
            self._pool.open()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    @contextmanager
    def changing(self) -> Iterator[Transaction]:
        """Commit everything written inside, or nothing; raises FleetError if the database fails.

        An error of the commit itself leaves open whether it happened.
        """
        with translated(), self._pool.connection() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read one state of the database, whoever writes meanwhile."""
        with self.changing() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of PostgreSQL into a FleetError of one line, which quotes no values."""
    try:
        yield
    except PoolTimeout as error:
        raise FleetError("the database does not answer") from error
    except psycopg.Error as error:
        text = error.diag.message_primary or str(error) or type(error).__name__
        raise FleetError(f"the database: {text.strip().splitlines()[0]}") from error


def _limited(connection: Transaction) -> None:
    for limit in _LIMITS:
        connection.execute(limit)
    connection.commit()
