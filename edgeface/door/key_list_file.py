"""The owner's side of the list of device keys: the newest one in a data folder, as it was signed.

The file needs no seal: whoever reads it verifies the owner's signature, so no one else can add a key to it. The head of
the folder has its digest, so that an older list that was put back is not signed again: a revoked key would come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.errors import EdgefaceError, VaultError, system_reason
from edgeface.core.files import put_whole, read_at_most
from edgeface.core.text import counted, printable_path
from edgeface.door.key_list import MAX_BYTES, KeyList, KeyListError, read, signer, unverified
from edgeface.security.head import FILE as HEAD
from edgeface.security.head import HeadFile, mark_of, put_file
from edgeface.security.integrity import ACCEPT
from edgeface.security.signing_keys import sign
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgeface.security.signing_keys import SigningKey

FILE = "device-keys.json"
"""Name of the file in the data folder with the newest list."""
PUBLISHED = "device-keys.published"
"""Name of the file with the number of the list that the broker has accepted last."""

DEFAULT_SECONDS = 24 * 3_600
"""How long a list is valid unless asked otherwise."""
RENEW_AFTER = 1 / 3
"""The fraction of its life after which a list is renewed."""


def read_envelope(folder: Path) -> bytes | None:
    """The newest list as it was signed, unverified; None without one. Raises EdgefaceError."""
    path = folder / FILE
    try:
        return read_at_most(path, MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EdgefaceError(f"{printable_path(path)}: cannot be read ({system_reason(error)})") from error


def verified(envelope: bytes, owners: Mapping[str, bytes]) -> KeyList:
    """The list in an envelope; raises VaultError unless one of these keys has signed it."""
    try:
        return read(envelope, owners)
    except KeyListError as error:
        kid = signer(envelope) or "no one"
        raise VaultError(f"{FILE}: the list of device keys, signed by {kid}, is not the owner's: {error}") from error


def claimed(envelope: bytes) -> KeyList:
    """The list in an envelope, unverified; raises VaultError if it is none."""
    try:
        return unverified(envelope)
    except KeyListError as error:
        raise VaultError(f"{FILE}: {error}") from error


def signed(keys: KeyList, owner: SigningKey) -> bytes:
    """The envelope of a list; raises EdgefaceError if no door would accept it, for example because it is too long."""
    envelope = sign(keys.payload(), owner.kid, owner.private)
    try:
        read(envelope, {owner.kid: owner.private.public_key().public_bytes_raw()})
    except KeyListError as error:
        raise EdgefaceError(f"no door would accept this list: {error}") from error
    return envelope


def write_envelope(folder: Path, envelope: bytes) -> None:
    """Write the newest list atomically, and let the head of the folder know it, if it has one; raises EdgefaceError."""
    if not (folder / HEAD).exists():
        _write(folder / FILE, envelope)
        return
    try:
        put_file(folder, open_vault(folder), FILE, envelope)
    except OSError as error:
        raise _unwritable(folder / FILE, error) from error


def require_last(folder: Path) -> None:
    """Raise VaultError if the file is not the list that edgeface wrote last, as far as the folder's head knows.

    Raises VaultError also if the head was altered, and OSError if it cannot be read.
    """
    if not (folder / HEAD).exists():
        return
    vault = open_vault(folder)
    head = HeadFile(folder, vault).read()
    if head is not None and mark_of(vault, folder / FILE) not in head.marks_of(FILE):
        raise VaultError(f"{FILE}: was altered, put back or removed: read `edgeface keys list`, then {ACCEPT}")


def published(folder: Path) -> int:
    """The number of the list that the broker has accepted last; 0 if none is known."""
    try:
        text = read_at_most(folder / PUBLISHED, 32).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return 0
    return int(text) if text.isdigit() and len(text) < 18 else 0  # noqa: PLR2004 - as in key_list


def mark_published(folder: Path, number: int) -> None:
    """Note that the broker has accepted this list; raises EdgefaceError."""
    if published(folder) != number:
        _write(folder / PUBLISHED, f"{number}\n".encode())


def summary(keys: KeyList, wall: float) -> str:
    """A list in one line: its number, its devices, and when it expires."""
    hours = int((keys.expires - wall) // 3_600)
    when = f"expires in {counted(hours, 'hour')}" if keys.expires > wall else "EXPIRED"
    return f"list {keys.number} of {counted(len(keys.devices), 'device')}, {when}"


def renewal_due(keys: KeyList, wall: float) -> bool:
    """Whether a third of its life is over, or its times cannot be right."""
    return not keys.issued - 1 <= wall < keys.issued + (keys.expires - keys.issued) * RENEW_AFTER


def _write(path: Path, data: bytes) -> None:
    try:
        put_whole(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EdgefaceError:
    return EdgefaceError(f"{printable_path(path)}: cannot be written ({system_reason(error)})")
