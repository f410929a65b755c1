"""The table of events: a partition a month, so that old ones are dropped at once; and forgetting."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from psycopg import sql

from edgeface.core.clock import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgeface.centre.database import Transaction

LONGEST_MONTH = 31 * DAY
"""Seconds."""
_LOCK = 0x65766E74  # "evnt"
_MONTHS = 12


def make_partitions(transaction: Transaction, wall: float, months: int) -> None:
    """Have a partition for the month of wall seconds, and for the next ones, `months` in all."""
    transaction.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    first = _month(wall)
    _make(transaction, range(first, first + months))


def make_partitions_for(transaction: Transaction, times: Iterable[float]) -> None:
    """Have the partitions in which these wall seconds lie."""
    wanted = {_month(one) for one in times}
    rows = transaction.execute(
        "SELECT to_regclass(name) FROM unnest(%s::text[]) name", ([_name(one) for one in wanted],)
    )
    if any(found is None for (found,) in rows):
        # Only then, as it keeps out everyone else who reads or writes events.
        transaction.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        _make(transaction, sorted(wanted))


def months_ahead(transaction: Transaction, wall: float) -> int:
    """How many months after the present one have a partition without a gap."""
    first = _month(wall) + 1
    names = [_name(month) for month in range(first, first + _MONTHS)]
    rows = transaction.execute("SELECT to_regclass(name) IS NULL FROM unnest(%s::text[]) name", (names,)).fetchall()
    return [*(missing for (missing,) in rows), True].index(True)


def forget(transaction: Transaction, people: Sequence[bytes]) -> None:
    """Delete what is sealed of people whose keys are destroyed; that something happened, when and where, stays."""
    transaction.execute("UPDATE events SET person = NULL, sealed = NULL WHERE person = ANY(%s)", (list(people),))


def _make(transaction: Transaction, months: Iterable[int]) -> None:
    for month in months:
        transaction.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} PARTITION OF events FOR VALUES FROM ({}) TO ({})").format(
                sql.Identifier(_name(month)), sql.Literal(_start(month)), sql.Literal(_start(month + 1))
            )
        )


def drop_partitions(transaction: Transaction, before: float) -> tuple[str, ...]:
    """Drop the partitions of the months that ended before wall seconds; returns their names.

    Events without a usable time go when they were received before that.
    """
    transaction.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    limit = _name(_month(before))
    rows = transaction.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'events'::regclass ORDER BY 1"
    ).fetchall()
    old = tuple(name for (name,) in rows if name < limit)
    for name in old:
        transaction.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    transaction.execute("DELETE FROM events_undated WHERE received < to_timestamp(%s)", (before,))
    return old


def _month(wall: float) -> int:
    day = datetime.fromtimestamp(wall, tz=timezone.utc)
    return day.year * _MONTHS + day.month - 1


def _name(month: int) -> str:
    return f"events_{month // _MONTHS:04}_{month % _MONTHS + 1:02}"


def _start(month: int) -> str:
    return f"{month // _MONTHS:04}-{month % _MONTHS + 1:02}-01 00:00:00+00"
