"""PostgreSQL: a pool of connections, and its errors as one line of ours."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager, suppress
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
_REASON_PATIENCE = 2
# Each attempt of the pool is logged by a service, and not printed by a command, which reports the reason once.
logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())
_LIMITS = (
    "SET lock_timeout = '20s'",
    "SET idle_in_transaction_session_timeout = '60s'",
)


class Database:
    """A pool of connections; any thread may use it."""

    def __init__(self, conninfo: str, connections: int) -> None:
        self._conninfo = conninfo
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
        with translated(), self._connection() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read one state of the database, whoever writes meanwhile."""
        with self.changing() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield connection

    @contextmanager
    def alone(self, lock: int) -> Iterator[bool]:
        """Hold an advisory lock of all processes, by a connection of its own; False if another one holds it."""
        with translated(), psycopg.connect(self._conninfo, autocommit=True) as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (lock,)).fetchone()
            try:
                yield bool(row and row[0])
            finally:
                # Here, since PostgreSQL notices the end of a connection only some time later.
                with suppress(psycopg.Error):
                    connection.execute("SELECT pg_advisory_unlock_all()")

    @contextmanager
    def _connection(self) -> Iterator[Transaction]:
        """A connection of the pool; raises FleetError with the reason if there is none in time."""
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self._pool.connection())
            except PoolTimeout as error:
                raise FleetError(f"the database does not answer{self._reason()}") from error
            yield connection

    def _reason(self) -> str:
        """Why no connection can be made, which the pool only logs; empty if one can."""
        try:
            psycopg.connect(self._conninfo, connect_timeout=_REASON_PATIENCE).close()
        except psycopg.Error as error:
            return f": {str(error).strip().splitlines()[0]}"
        return ""


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of PostgreSQL into a FleetError of one line, which quotes no values."""
    try:
        yield
    except psycopg.Error as error:
        text = error.diag.message_primary or str(error) or type(error).__name__
        raise FleetError(f"the database: {text.strip().splitlines()[0]}") from error


def _limited(connection: Transaction) -> None:
    for limit in _LIMITS:
        connection.execute(limit)
    connection.commit()
