"""The key of a site that signs its people's facts, in a file of its own next to each copy of the keyring."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edgeface.core.errors import FleetError, system_reason
from edgeface.core.files import put_whole, read_at_most

if TYPE_CHECKING:
    from pathlib import Path

_PLAIN, _SEALED = b"edgeface enrolling key 1 plain ", b"edgeface enrolling key 1 sealed "
_SALT, _NONCE = 16, 12
_MOST = 1024


class EnrollingKeys:
    """Reads and makes the enrolling keys in the folders of a keyring."""

    def __init__(self, folders: tuple[Path, Path], secret: bytes | None) -> None:
        self._folders = folders
        self._secret = secret
        self._opened: dict[str, Ed25519PrivateKey] = {}

    def make(self, site: str) -> None:
        """Make the key of a site and write it to both folders; one that exists stays as it is. Raises FleetError."""
        paths = self._paths(site)
        kept = next((path for path in paths if path.exists()), None)
        try:
            data = self._written() if kept is None else read_at_most(kept, _MOST)
            for path in paths:
                put_whole(path, data, replace=False)
        except OSError as error:
            raise FleetError(f"{error.filename or paths[0]}: {system_reason(error)}") from error

    def key(self, site: str) -> Ed25519PrivateKey:
        """The key of a site; raises FleetError if it is missing, or sealed with another secret."""
        if site not in self._opened:
            path = self._paths(site)[0]
            try:
                data = read_at_most(path, _MOST)
            except OSError as error:
                raise FleetError(f"{path}: {system_reason(error)}") from error
            self._opened[site] = self._read(path, data)
        return self._opened[site]

    def _paths(self, site: str) -> tuple[Path, ...]:
        return tuple(folder / f"enrolling-{site}.key" for folder in self._folders)

    def _written(self) -> bytes:
        raw = Ed25519PrivateKey.generate().private_bytes_raw()
        if self._secret is None:
            return _PLAIN + raw
        salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
        return _SEALED + salt + nonce + AESGCM(_stretched(self._secret, salt)).encrypt(nonce, raw, _SEALED)

    def _read(self, path: Path, data: bytes) -> Ed25519PrivateKey:
        try:
            if data.startswith(_PLAIN):
                return Ed25519PrivateKey.from_private_bytes(data[len(_PLAIN) :])
            if not data.startswith(_SEALED):
                raise FleetError(f"{path}: not an enrolling key")
            if self._secret is None:
                raise FleetError(f"{path}: sealed; give the centre its key file or passphrase")
            rest = data[len(_SEALED) :]
            salt, nonce, box = rest[:_SALT], rest[_SALT : _SALT + _NONCE], rest[_SALT + _NONCE :]
            raw = AESGCM(_stretched(self._secret, salt)).decrypt(nonce, box, _SEALED)
            return Ed25519PrivateKey.from_private_bytes(raw)
        except (InvalidTag, ValueError):
            raise FleetError(f"{path}: damaged, or sealed with another key file or passphrase") from None


def _stretched(secret: bytes, salt: bytes) -> bytes:
    """Argon2id with 64 MiB (RFC 9106, 4, second choice): a passphrase may be short."""
    return hash_secret_raw(secret, salt, time_cost=3, memory_cost=65536, parallelism=4, hash_len=32, type=Type.ID)
