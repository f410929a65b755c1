"""The X25519 keys to which doors seal second factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.errors import EdgefaceError
from edgeface.security.signing_keys import FileWatch, Purpose, private_bytes, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.security.signing_keys import KeyRecord
    from edgeface.security.vault import Vault

SEALING = Purpose(
    "sealing", "sealing.json", "sealing.private", "x25519", "edgeface keys new --seal", "edgeface keys rotate --seal"
)


class SealingKeys:
    """Follows the keys in the file of a data folder; used by one thread."""

    def __init__(self, folder: Path, vault: Vault, clock: Clock) -> None:
        self._folder = folder
        self._vault = vault
        self._watch = FileWatch(folder / SEALING.file, clock)
        self.private: Mapping[str, bytes] = {}
        """The private parts by kid, 32 bytes each: the active key, and the next one, which some doors may have."""
        self.problem: str | None = None
        """Why there is no key, in one line."""

    def refresh(self) -> None:
        """Read the file if it has changed, at most every CHECK_SECONDS of signing_keys."""
        if not self._watch.changed():
            return
        self.private = {}
        try:
            self.private = usable(read(self._folder, SEALING), self._vault)
            self.problem = None if self.private else SEALING.missing
        except EdgefaceError as error:
            self.problem = str(error)


def usable(records: Sequence[KeyRecord], vault: Vault) -> dict[str, bytes]:
    """The private parts of the active and the next key by kid; raises VaultError if one is not what it was."""
    return {record.kid: private_bytes(record, vault, SEALING) for record in records if record.state != "retired"}
