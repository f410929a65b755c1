"""The keyring: the keys of people and epochs, in two copies outside the database and its backups."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Keyring:
    """Two copies of all keys, in two folders; any thread may use it, and several processes at once."""

    @staticmethod
    def create(first: Path, second: Path) -> None:
        """Make both copies; raises FleetError if either folder has one."""
        raise NotImplementedError

    def __init__(self, first: Path, second: Path, secret: bytes | None = None) -> None:
        """Open both copies; `secret` opens the enrolling keys. Raises FleetError if the copies do not fit."""

    def close(self) -> None:
        """Close the files."""
        raise NotImplementedError
