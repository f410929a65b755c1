"""Seals what is personal before it is written: AES-256-GCM, under a key whose custody is named honestly.

The key is one line of text, `edgeface-key-1:TIER:BASE64`, and carries the name of its custody with it:

tpm2        sealed to this machine's TPM 2 by systemd-creds; a stolen card alone opens nothing
host        sealed by systemd-creds to a key on the same disk: obfuscation only
credential  given by systemd from where only the administrator knows
file        beside the data: obfuscation only
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

from edgeface.core.errors import VaultError
from edgeface.core.files import put_whole, read_at_most
from edgeface.core.text import printable_path

PROTECTS = {
    "tpm2": "sealed to this machine's TPM: a stolen card alone opens nothing, a stolen machine may still run",
    "host": "sealed to a key on the same disk: obfuscation only, whoever has the card has both",
    "credential": "given by systemd: as safe as the place from which it is loaded",
    "file": "lies beside the data: obfuscation only, whoever has the card has both",
}
"""What each custody is worth."""

Tier = Literal["tpm2", "host", "credential", "file"]

CREDENTIAL = "edgeface-key"
"""Name of the systemd credential that holds the key."""
FILE = "key"
"""Name of the key's file in the data folder, where no credential is given."""
MARK = "key.id"
"""Name of the file that says which key the data folder was written with; it is no secret."""

_MAGIC = "edgeface-key-1"
_BYTES = 32
_NONCE = 12
_TAG = 16
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class VaultKey:
    """The key as it is kept."""

    tier: Tier
    secret: bytes = field(repr=False)

    def text(self) -> bytes:
        """The line that `parse` reads."""
        return f"{_MAGIC}:{self.tier}:{base64.b64encode(self.secret).decode()}\n".encode()


class Vault:
    """Seals and opens bytes, and makes tags and digests that only the key's owner can make; any thread may use it.

    Three keys are derived from the one by HMAC-SHA256 (NIST SP 800-108r1, counter-free, one block each), so that a
    tag tells nothing about what is sealed.
    """

    def __init__(self, key: VaultKey) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.tier: Tier = key.tier
        self.id = _derive(key.secret, "id").hex()[:8]
        """Names the key; it is no secret."""
        self._aead: AESGCM = AESGCM(_derive(key.secret, "seal"))
        self._tags = _derive(key.secret, "tag")
        self._chain = _derive(key.secret, "chain")

    def seal(self, plain: bytes, about: str) -> bytes:
        """Encrypt; `about` says what it is (`gallery.person`), and `unseal` must say the same.

        96 random bits of nonce, the ciphertext, 128 bits of tag (NIST SP 800-38D, 8.2.2: 2^32 seals a key).
        """
        nonce = os.urandom(_NONCE)
        return nonce + self._aead.encrypt(nonce, plain, about.encode())

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """Decrypt what `seal` gave; VaultError when it was altered, or sealed by another key, or is something else."""
        from cryptography.exceptions import InvalidTag

        if len(sealed) < _NONCE + _TAG:
            raise VaultError(f"{about}: not what was sealed: it is too short")
        try:
            return self._aead.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except InvalidTag:
            raise VaultError(f"{about}: it was altered, or sealed with another key than {self.id}") from None

    def tag(self, text: str) -> bytes:
        """16 bytes that are the same for the same text, to look a sealed record up by."""
        return hmac.digest(self._tags, text.encode(), "sha256")[:16]

    def link(self, before: bytes, *parts: bytes) -> bytes:
        """Give a chain's next link, 32 bytes: HMAC-SHA256 over the link before it and the parts, with their lengths."""
        joined = b"".join(len(part).to_bytes(8, "big") + part for part in (before, *parts))
        return hmac.digest(self._chain, joined, "sha256")


def open_vault(folder: Path) -> Vault:
    """The vault of a data folder; a folder that has no key yet gets a file of its own.

    VaultError when the key is missing, is not a key, or is not the one that the folder was written with; nothing is
    written then. OSError is told as VaultError.
    """
    try:
        key = find_key(folder) or _new_key(folder)
        vault = Vault(key)
        _require_same(folder, vault)
    except OSError as error:
        raise VaultError(f"{printable_path(folder)}: the key cannot be used: {error.strerror or error}") from error
    return vault


def find_key(folder: Path) -> VaultKey | None:
    """The key of a data folder: systemd's credential, or the folder's file; None where there is neither.

    A key that also lies beside the data is in the custody of a file, whatever its label says.
    """
    given, kept = _credential(), folder / FILE
    beside = parse(read_at_most(kept, _LONGEST), kept) if kept.exists() else None
    if given is None:
        return beside
    key = parse(read_at_most(given, _LONGEST), given)
    return beside if beside is not None and beside.secret == key.secret else key


def parse(data: bytes, path: Path) -> VaultKey:
    """Read a key's line; VaultError, without a byte of it, when it is none."""
    try:
        magic, tier, text = data.decode("ascii").strip().split(":")
        secret = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise VaultError(f"{printable_path(path)}: not a key of edgeface's") from None
    if magic != _MAGIC or tier not in get_args(Tier) or len(secret) != _BYTES:
        raise VaultError(f"{printable_path(path)}: not a key of edgeface's")
    return VaultKey(tier, secret)  # type: ignore[arg-type]  # it is one of Tier's


def _credential() -> Path | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / CREDENTIAL if folder else None
    return path if path is not None and path.exists() else None


def _new_key(folder: Path) -> VaultKey:
    if (folder / MARK).exists():
        # Another process may have made both since we looked.
        if (made := find_key(folder)) is not None:
            return made
        known = _marked(folder)
        raise VaultError(
            f"{printable_path(folder)}: key {known} is missing: put {FILE} back, or let systemd load {CREDENTIAL}"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    put_whole(folder / FILE, VaultKey("file", secrets.token_bytes(_BYTES)).text(), replace=False)
    # Another process may have been first: whoever was, its key counts.
    return parse(read_at_most(folder / FILE, _LONGEST), folder / FILE)


def _require_same(folder: Path, vault: Vault) -> None:
    if not (folder / MARK).exists():
        put_whole(folder / MARK, f"{vault.id}\n".encode(), replace=False)
    known = _marked(folder)
    if not hmac.compare_digest(known, vault.id):
        raise VaultError(f"{printable_path(folder)}: written with key {known}, and this is key {vault.id}")


def _marked(folder: Path) -> str:
    text = read_at_most(folder / MARK, _LONGEST).decode("ascii", "replace").strip()
    return "".join(sign if sign in "0123456789abcdef" else "?" for sign in text)[:8]


def _derive(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"edgeface {purpose} 1".encode(), hashlib.sha256)
