"""The condition of the database and the keyring, as metrics and alerts show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.centre.tables import events
from edgeface.core.errors import FleetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.centre.database import Database, Transaction
    from edgeface.centre.keys.keyring import Keyring

_STANDBYS = "SELECT count(*) FROM pg_stat_replication WHERE application_name NOT IN ('pg_basebackup', 'pg_receivewal')"
_ARCHIVER = (
    "SELECT extract(epoch FROM last_archived_time)::float8, coalesce(last_failed_time > last_archived_time,"
    " last_failed_time IS NOT NULL) FROM pg_stat_archiver WHERE current_setting('archive_mode') <> 'off'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCondition:
    """What the database tells about itself."""

    proposals: Mapping[str, tuple[int, float]]
    """By site: how many proposals wait, and the wall seconds at which the oldest arrived."""
    months_ahead: int
    """Months after the present one for which `events` has a partition."""
    standbys: int
    """Servers that receive the write-ahead log now."""
    archived: float | None
    """Wall seconds at which the write-ahead log was last archived; None if it never was, or is not."""
    archive_fails: bool | None
    """Whether the last attempt to archive it failed; None if it is not archived."""


class Condition:
    """Reads the condition; any thread may use it."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database, self._keyring = database, keyring

    def database(self, wall: float) -> DatabaseCondition:
        """That of the database at wall seconds; raises FleetError if it does not answer."""
        with self._database.reading() as transaction:
            archived, fails = transaction.execute(_ARCHIVER).fetchone() or (None, None)
            (standbys,) = transaction.execute(_STANDBYS).fetchone() or (0,)
            return DatabaseCondition(
                proposals=_proposals(transaction),
                months_ahead=events.months_ahead(transaction, wall),
                standbys=standbys,
                archived=archived,
                archive_fails=fails,
            )

    def keyring_copies(self) -> int:
        """How many copies of the keyring are sound, 2 at best; raises nothing."""
        try:
            return self._keyring.sound_copies()
        except FleetError:
            return 0


def _proposals(transaction: Transaction) -> dict[str, tuple[int, float]]:
    rows = transaction.execute(
        "SELECT site, count(*), min(at) FROM proposals WHERE state = 'waiting' GROUP BY site"
    ).fetchall()
    return {site: (count, oldest) for site, count, oldest in rows}
