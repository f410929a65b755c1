"""The keys that sign grants for doors: Ed25519, kept sealed in the data folder, and the verb that changes them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgeface.core.errors import EdgefaceError, VaultError
from edgeface.core.files import put_whole, read_at_most
from edgeface.core.settings import Id  # noqa: TC001 - pydantic evaluates the annotations of KeyRecord
from edgeface.core.text import printable_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from edgeface.core.clock import Clock
    from edgeface.security.vault import Vault

FILE = "keys.json"
"""Name of the file in the data folder."""

LOOK = 2.0
"""Seconds between two looks of a running daemon at the file."""

_ABOUT = "keys.private"
_LARGEST = 256 * 1024
_MOST = 200
# Wall seconds at the end of the year 9999, the last that a date can be made of.
_LATEST = 253_402_300_799

Text = Annotated[str, Field(max_length=1000)]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key as the file has it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    kid: Id
    """Names the key in every grant."""
    alg: Literal["ed25519"]
    public: Text
    """Base64 of 32 bytes."""
    private: Text | None
    """Base64 of 32 bytes under the vault's seal; None once the key is retired."""
    created: Annotated[float, Field(ge=0, le=_LATEST, allow_inf_nan=False)]
    """Wall seconds."""
    state: Literal["next", "active", "retired"]


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """The key that signs."""

    kid: str
    private: Ed25519PrivateKey


class Signer:
    """The active key of a data folder, as the file has it now; one thread uses it."""

    def __init__(self, folder: Path, vault: Vault, clock: Clock) -> None:
        self._folder = folder
        self._vault = vault
        self._clock = clock
        self._seen: object = ()
        self._looked = float("-inf")
        self.key: SigningKey | None = None
        """None while there is none to sign with."""
        self.problem: str | None = None
        """Why there is none, in one line."""

    def refresh(self) -> None:
        """Look at the file if the last look was LOOK seconds ago, and read it if it has changed."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        seen = _stamp(self._folder / FILE)
        if seen == self._seen:
            return
        self._seen, self.key, self.problem = seen, None, "no signing key (edgeface keys new)"
        try:
            self.key = active(read(self._folder), self._vault)
        except EdgefaceError as error:
            self.problem = str(error)
        if self.key is not None:
            self.problem = None


def sign(payload: bytes, kid: str, private: Ed25519PrivateKey) -> bytes:
    """The envelope of a payload, which is UTF-8: the signature is over its bytes as they stand (RFC 8032)."""
    signature = base64.b64encode(private.sign(payload)).decode()
    envelope = {"payload": payload.decode(), "kid": kid, "alg": "ed25519", "sig": signature}
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def read(folder: Path) -> tuple[KeyRecord, ...]:
    """The keys of a data folder, the oldest first; none when there is no file, VaultError when it is no such file."""
    path = folder / FILE
    try:
        data = read_at_most(path, _LARGEST)
        records = _parser().validate_json(data)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise VaultError(f"{printable_path(path)}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise VaultError(f"{printable_path(path)}: not a file of signing keys") from error
    states = [record.state for record in records]
    kids = {record.kid for record in records}
    if len(data) > _LARGEST or len(kids) < len(records) or max(states.count("active"), states.count("next")) > 1:
        raise VaultError(f"{printable_path(path)}: not a file of signing keys")
    return records


def active(records: Sequence[KeyRecord], vault: Vault) -> SigningKey | None:
    """The key that signs; VaultError when it is not what was sealed, or not the public key's own."""
    record = next((record for record in records if record.state == "active"), None)
    if record is None:
        return None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        private = Ed25519PrivateKey.from_private_bytes(vault.unseal(base64.b64decode(record.private or ""), _ABOUT))
    except ValueError:
        raise VaultError(f"{_ABOUT}: key {record.kid} is no key") from None
    if _base64(private.public_key().public_bytes_raw()) != record.public:
        raise VaultError(f"{_ABOUT}: key {record.kid} is not that of its public key")
    return SigningKey(record.kid, private)


def new(records: Sequence[KeyRecord], kid: str, vault: Vault, wall: float) -> tuple[KeyRecord, ...]:
    """The keys with one more: the first is active at once, a later one is next; EdgefaceError when it cannot be."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if any(record.state == "next" for record in records):
        raise EdgefaceError("there is a next key already: edgeface keys rotate makes it the active one")
    if any(record.kid == kid for record in records):
        raise EdgefaceError(f"there is a key {kid} already: name another with --kid")
    if len(records) >= _MOST:
        raise EdgefaceError(f"there are {_MOST} keys already")
    private = Ed25519PrivateKey.generate()
    sealed = _base64(vault.seal(private.private_bytes_raw(), _ABOUT))
    public = _base64(private.public_key().public_bytes_raw())
    state: Literal["next", "active"] = "next" if any(record.state == "active" for record in records) else "active"
    return (*records, KeyRecord(kid, "ed25519", public, sealed, wall, state))


def rotate(records: Sequence[KeyRecord]) -> tuple[KeyRecord, ...]:
    """The keys with the next one active, and the active one retired without its private part."""
    if not any(record.state == "next" for record in records):
        raise EdgefaceError("there is no next key: edgeface keys new makes one")
    after = {"active": "retired", "next": "active", "retired": "retired"}
    turned = [replace(record, state=after[record.state]) for record in records]  # type: ignore[arg-type]  # they are
    return tuple(replace(record, private=None) if record.state == "retired" else record for record in turned)


def write(folder: Path, records: Sequence[KeyRecord]) -> None:
    """Write the file whole; EdgefaceError when it cannot be."""
    data = _parser().dump_json(tuple(records), indent=2) + b"\n"
    try:
        put_whole(folder / FILE, data)
    except OSError as error:
        raise EdgefaceError(f"{printable_path(folder / FILE)}: cannot be written ({error.strerror})") from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells one state of a file from another; None when it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _parser() -> TypeAdapter[tuple[KeyRecord, ...]]:
    return TypeAdapter(tuple[KeyRecord, ...])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
