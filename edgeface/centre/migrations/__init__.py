"""Brings the database to the newest schema: numbered SQL files, each applied once."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from edgeface.core.errors import FleetError
from edgeface.core.sqlite import NEWER

if TYPE_CHECKING:
    from edgeface.centre.database import Transaction

_LOCK = 0x65646765  # "edge": every centre that starts takes this advisory lock


def migrate(transaction: Transaction) -> None:
    """Apply what is missing; raises FleetError for the schema of a newer edgeface, which stays unchanged."""
    steps = _steps()
    transaction.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    transaction.execute("CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, at timestamptz)")
    row = transaction.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()
    version = int(row[0]) if row else 0
    if version > len(steps):
        raise FleetError(
            f"the database was written by a newer edgeface (schema {version}, this one knows {len(steps)}): {NEWER}"
        )
    for number, sql in enumerate(steps[version:], version + 1):
        transaction.execute(sql.encode())
        transaction.execute("INSERT INTO schema_version VALUES (%s, now())", (number,))


def _steps() -> list[str]:
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql")]
    return [file.read_text() for file in sorted(files, key=lambda file: file.name)]
