"""Events of devices, a partition a month, so that old ones are dropped at once."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from edgeface.centre.database import Transaction

_LOCK = 0x65766E74  # "evnt"
_MONTHS = 12


def make_partitions(transaction: Transaction, wall: float, months: int) -> None:
    """Have a partition for the month of wall seconds, and for the next ones, `months` in all."""
    transaction.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    today = datetime.fromtimestamp(wall, tz=timezone.utc)
    first = today.year * _MONTHS + today.month - 1
    for month in range(first, first + months):
        transaction.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF events FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(_name(month)), sql.Literal(_start(month)), sql.Literal(_start(month + 1))
            )
        )


def drop_partitions(transaction: Transaction, before: float) -> tuple[str, ...]:
    """Drop the partitions of the months that ended before wall seconds; returns their names."""
    transaction.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    until = datetime.fromtimestamp(before, tz=timezone.utc)
    limit = _name(until.year * _MONTHS + until.month - 1)
    rows = transaction.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'events'::regclass ORDER BY 1"
    ).fetchall()
    old = tuple(name for (name,) in rows if name < limit)
    for name in old:
        transaction.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    return old


def _name(month: int) -> str:
    return f"events_{month // _MONTHS:04}_{month % _MONTHS + 1:02}"


def _start(month: int) -> str:
    return f"{month // _MONTHS:04}-{month % _MONTHS + 1:02}-01 00:00:00+00"
