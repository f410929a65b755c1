"""The owner's Ed25519 key, which signs the list of device keys: in a data folder, or in a file with a passphrase.

The file is one JSON object: the private key is sealed by AES-256-GCM, with a key that argon2id makes of the passphrase.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgeface.core.errors import EdgefaceError, UsageError, VaultError, system_reason
from edgeface.core.files import put_whole, read_at_most
from edgeface.core.settings import Id  # noqa: TC001 - pydantic evaluates the annotations of _Sealed
from edgeface.core.text import printable_path
from edgeface.security.pins import SALT_BYTES, Cost, slow_hash
from edgeface.security.signing_keys import PublicKey, Purpose, SigningKey, added, private_bytes, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.security.signing_keys import KeyRecord
    from edgeface.security.vault import Vault

OWNER = Purpose(
    "owner", "owner.json", "owner.private", "ed25519", "edgeface keys owner new", "edgeface keys owner rotate"
)
"""The owner's keys in a data folder."""

MIN_PASSPHRASE = 12
"""Characters of a passphrase."""
COST = Cost(memory=131_072, passes=4, lanes=1)
"""128 MiB and four passes: more than for a PIN, as whoever has the file may try for years (RFC 9106, 4.)."""

_MAX_FILE_BYTES = 4_000
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class _Sealed:
    """The content of an owner's file."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    edgeface_owner: Literal[1]
    kid: Id
    public: PublicKey
    memory: Annotated[int, Field(ge=8, le=1_048_576)]
    """KiB of argon2id."""
    passes: Annotated[int, Field(ge=1, le=64)]
    salt: Annotated[str, Field(max_length=64)]
    box: Annotated[str, Field(max_length=200)]
    """Nonce, sealed private key and tag."""


def file_text(key: SigningKey, passphrase: str, cost: Cost = COST) -> bytes:
    """The content of a file with the key, sealed with the passphrase; raises UsageError if that is too short."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(passphrase) < MIN_PASSPHRASE:
        raise UsageError(f"the passphrase of the owner key has {MIN_PASSPHRASE} characters or more")
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(_NONCE_BYTES)
    public = _base64(key.private.public_key().public_bytes_raw())
    box = AESGCM(_secret(passphrase, salt, cost)).encrypt(
        nonce, key.private.private_bytes_raw(), _about(key.kid, public)
    )
    fields = {
        "edgeface_owner": 1, "kid": key.kid, "public": public, "memory": cost.memory, "passes": cost.passes,
        "salt": _base64(salt), "box": _base64(nonce + box),
    }  # fmt: skip
    return json.dumps(fields).encode() + b"\n"


def write_file(path: Path, text: bytes) -> None:
    """Write an owner's file of mode 0600; raises UsageError if it exists, EdgefaceError if it cannot be written."""
    if path.exists():
        raise UsageError(f"{printable_path(path)}: exists; an owner key is not overwritten")
    try:
        put_whole(path, text, replace=False)
    except OSError as error:
        raise EdgefaceError(f"{printable_path(path)}: cannot be written ({system_reason(error)})") from error


def open_file(path: Path, passphrase: str) -> SigningKey:
    """The key in a file; raises VaultError if the file or the passphrase is wrong."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = _read_file(path)
    try:
        salt, box = (base64.b64decode(text, validate=True) for text in (sealed.salt, sealed.box))
        secret = _secret(passphrase, salt, Cost(sealed.memory, sealed.passes, 1))
        about = _about(sealed.kid, sealed.public)
        raw = AESGCM(secret).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], about)
        private = Ed25519PrivateKey.from_private_bytes(raw)
    except (InvalidTag, ValueError):
        raise VaultError(f"{printable_path(path)}: wrong passphrase, or the file was altered") from None
    if _base64(private.public_key().public_bytes_raw()) != sealed.public:
        raise VaultError(f"{printable_path(path)}: the key does not belong to its public key")
    return SigningKey(sealed.kid, private)


def active_owner(folder: Path, vault: Vault) -> SigningKey | None:
    """The owner key of a data folder, or None; raises VaultError if it was altered."""
    return active_among(read(folder, OWNER), vault)


def active_among(records: Sequence[KeyRecord], vault: Vault) -> SigningKey | None:
    """The active owner key of these, or None; raises VaultError if it was altered."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    record = next((record for record in records if record.state == "active"), None)
    if record is None:
        return None
    return SigningKey(record.kid, Ed25519PrivateKey.from_private_bytes(private_bytes(record, vault, OWNER)))


def imported(records: Sequence[KeyRecord], key: SigningKey, vault: Vault, wall: float) -> tuple[KeyRecord, ...]:
    """The owner's records with a key from a file: active if it is the first, next otherwise.

    Raises EdgefaceError if it cannot be added.
    """
    return added(records, key.kid, key.private.private_bytes_raw(), vault, wall, OWNER)


def authentic_owners(folder: Path, vault: Vault) -> dict[str, bytes]:
    """The public keys by kid whose private part is here: only what these have signed may be signed again.

    A public key alone proves nothing, since whoever may write the folder could have added it. Raises VaultError.
    """
    records = [record for record in read(folder, OWNER) if record.state != "retired"]
    for record in records:
        private_bytes(record, vault, OWNER)
    return {record.kid: base64.b64decode(record.public) for record in records}


def _read_file(path: Path) -> _Sealed:
    try:
        data = read_at_most(path, _MAX_FILE_BYTES)
        if len(data) <= _MAX_FILE_BYTES:
            return TypeAdapter(_Sealed).validate_json(data)
    except OSError as error:
        raise VaultError(f"{printable_path(path)}: cannot be read ({system_reason(error)})") from error
    except ValidationError:
        pass
    raise VaultError(f"{printable_path(path)}: not the file of an owner key")


def _secret(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    if len(salt) != SALT_BYTES:
        raise ValueError("not the salt of an owner's file")
    try:
        return slow_hash(passphrase, salt, cost)
    except EdgefaceError as error:
        raise EdgefaceError(
            f"the passphrase cannot be checked: are {cost.memory // 1024} MiB of memory free?"
        ) from error


def _about(kid: str, public: str) -> bytes:
    return f"edgeface owner v1 {kid} {public}".encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
