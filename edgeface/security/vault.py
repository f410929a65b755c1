"""Seals personal data before it is written: AES-256-GCM, with a key whose custody is stated honestly.

The key is one line of text, `edgeface-key-1:TIER:BASE64`, which includes its custody:

tpm2        sealed to this machine's TPM 2 by systemd-creds; a stolen card alone opens nothing
host        sealed by systemd-creds to a key on the same disk: obfuscation only
credential  given by systemd from a place only the administrator knows
file        next to the data: obfuscation only
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from edgeface.core.errors import VaultError, system_reason
from edgeface.core.files import put_whole, read_at_most
from edgeface.core.text import printable_path

PROTECTS = {
    "tpm2": "sealed to this machine's TPM: a stolen card alone opens nothing, but a stolen machine may still run",
    "host": "sealed to a key on the same disk: obfuscation only, a stolen card holds both",
    "credential": "loaded by systemd: as safe as the place it is loaded from",
    "file": "next to the data: obfuscation only, a stolen card holds both",
}
"""What each custody protects against."""

Tier = Literal["tpm2", "host", "credential", "file"]

CREDENTIAL = "edgeface-key"
"""Name of the systemd credential with the key."""
FILE = "key"
"""Name of the key file in the data folder, used without a credential."""
MARK = "key.id"
"""Name of the file with the id of the key that sealed the data folder; not secret."""

_MAGIC = "edgeface-key-1"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_MAX_FILE_BYTES = 256


@dataclass(frozen=True, slots=True)
class VaultKey:
    """A key with its custody."""

    tier: Tier
    secret: bytes = field(repr=False)

    def text(self) -> bytes:
        """The line that `parse` reads."""
        return f"{_MAGIC}:{self.tier}:{base64.b64encode(self.secret).decode()}\n".encode()


class Vault:
    """Seals and opens bytes, and makes tags and links that only the owner of the key can make; any thread may use it.

    Three keys are derived from the one by HMAC-SHA256 (NIST SP 800-108r1, counter-free, one block each), so that a
    tag reveals nothing about sealed data.
    """

    def __init__(self, key: VaultKey) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.tier: Tier = key.tier
        self.id = _derive(key.secret, "id").hex()[:8]
        """Identifies the key; not secret."""
        self._aead: AESGCM = AESGCM(_derive(key.secret, "seal"))
        self._tags = _derive(key.secret, "tag")
        self._chain = _derive(key.secret, "chain")

    def seal(self, plain: bytes, about: str) -> bytes:
        """Encrypt for the context `about` (`gallery.person`), which `unseal` must repeat.

        Returns 96 random bits of nonce, the ciphertext, 128 bits of tag (NIST SP 800-38D, 8.2.2: 2^32 seals per key).
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, about.encode())

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Decrypt what `seal` returned; raises VaultError if it was altered, or sealed with another key or context."""
        from cryptography.exceptions import InvalidTag

        if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            raise VaultError(f"{about}: too short to be sealed data")
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about.encode())
        except InvalidTag:
            raise VaultError(f"{about}: it was altered, or sealed with another key than {self.id}") from None

    def tag(self, text: str) -> bytes:
        """16 bytes that are the same for the same text, to find a sealed record by."""
        return hmac.digest(self._tags, text.encode(), "sha256")[:16]

    def link(self, before: bytes, *parts: bytes) -> bytes:
        """The next link of a chain, 32 bytes: HMAC-SHA256 over the previous link and the parts, with their lengths."""
        joined = b"".join(len(part).to_bytes(8, "big") + part for part in (before, *parts))
        return hmac.digest(self._chain, joined, "sha256")


def open_vault(folder: Path) -> Vault:
    """The vault of a data folder; creates a key file in a folder that has no key yet.

    Raises VaultError, with nothing written, if the key is missing, invalid, unreadable, or not the key that sealed the
    folder.
    """
    try:
        key = find_key(folder) or _new_key(folder)
        vault = Vault(key)
        _require_same(folder, vault)
    except OSError as error:
        raise VaultError(f"{printable_path(folder)}: the key cannot be used: {system_reason(error)}") from error
    return vault


def find_key(folder: Path) -> VaultKey | None:
    """The key of a data folder: the systemd credential or the key file, or None.

    A key that is also next to the data has the custody `file`, whatever its label says.
    """
    given, kept = _credential(), folder / FILE
    local = parse(read_at_most(kept, _MAX_FILE_BYTES), kept) if kept.exists() else None
    if given is None:
        return local
    key = parse(read_at_most(given, _MAX_FILE_BYTES), given)
    return local if local is not None and local.secret == key.secret else key


def parse(data: bytes, path: Path) -> VaultKey:
    """Read the line of a key; raises VaultError, which quotes none of it, if it is not one."""
    try:
        magic, tier, text = data.decode("ascii").strip().split(":")
        secret = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise VaultError(f"{printable_path(path)}: not an edgeface key") from None
    if magic != _MAGIC or tier not in get_args(Tier) or len(secret) != _KEY_BYTES:
        raise VaultError(f"{printable_path(path)}: not an edgeface key")
    return VaultKey(tier, secret)  # type: ignore[arg-type]  # checked above


def _credential() -> Path | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / CREDENTIAL if folder else None
    return path if path is not None and path.exists() else None


def _new_key(folder: Path) -> VaultKey:
    if (folder / MARK).exists():
        # Another process may have created both in the meantime.
        if (made := find_key(folder)) is not None:
            return made
        known = _marked(folder)
        raise VaultError(
            f"{printable_path(folder)}: key {known} is missing: put {FILE} back, or let systemd load {CREDENTIAL}"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    put_whole(folder / FILE, VaultKey("file", secrets.token_bytes(_KEY_BYTES)).text(), replace=False)
    # Another process may have been first; then its key is used.
    return parse(read_at_most(folder / FILE, _MAX_FILE_BYTES), folder / FILE)


def _require_same(folder: Path, vault: Vault) -> None:
    if not (folder / MARK).exists():
        put_whole(folder / MARK, f"{vault.id}\n".encode(), replace=False)
    known = _marked(folder)
    if not hmac.compare_digest(known, vault.id):
        raise VaultError(f"{printable_path(folder)}: sealed with key {known}, but the key here is {vault.id}")


def _marked(folder: Path) -> str:
    text = read_at_most(folder / MARK, _MAX_FILE_BYTES).decode("ascii", "replace").strip()
    return "".join(sign if sign in "0123456789abcdef" else "?" for sign in text)[:8]


def _derive(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"edgeface {purpose} 1".encode(), hashlib.sha256)
