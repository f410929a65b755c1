"""The key pairs of a device, sealed in the data folder; the Ed25519 keys among them sign grants for doors."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgeface.core.clock import MAX_WALL
from edgeface.core.errors import EdgefaceError, VaultError, system_reason
from edgeface.core.files import read_at_most
from edgeface.core.settings import Id  # noqa: TC001 - pydantic evaluates the annotations of KeyRecord
from edgeface.core.text import printable_path
from edgeface.security.head import put_file
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from edgeface.core.clock import Clock
    from edgeface.security.vault import Vault

CHECK_SECONDS = 2.0
"""How often a running daemon checks the file for changes."""

MAX_FILE_BYTES = 256 * 1024
MAX_KEYS = 200

Text = Annotated[str, Field(max_length=1000)]
PublicKey = Annotated[str, Field(pattern="^[A-Za-z0-9+/]{43}=$")]
"""Base64 of 32 bytes."""
Algorithm = Literal["ed25519", "x25519"]


class Purpose(NamedTuple):
    """What the keys of one file are for."""

    noun: str
    """signing, sealing."""
    file: str
    """Name of the file in the data folder."""
    about: str
    """The context for which the vault seals a private key."""
    alg: Algorithm
    new: str
    """The command that creates a key."""
    rotate: str
    """The command that activates the next key."""

    @property
    def missing(self) -> str:
        """The problem of a data folder without an active key."""
        return f"no {self.noun} key ({self.new})"


SIGNING = Purpose("signing", "keys.json", "keys.private", "ed25519", "edgeface keys new", "edgeface keys rotate")
FILE = SIGNING.file
"""Name of the file with the signing keys."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key as it is stored in the file."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    kid: Id
    """The name of the key in every grant."""
    alg: Algorithm
    public: PublicKey
    private: Text | None
    """Base64 of 32 bytes, sealed by the vault; None once the key is retired."""
    created: Annotated[float, Field(ge=0, le=MAX_WALL, allow_inf_nan=False)]
    """Wall seconds."""
    state: Literal["next", "active", "retired"]


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A key that can sign."""

    kid: str
    private: Ed25519PrivateKey


class FileWatch:
    """Notices that a file has changed; used by one thread."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._stamp: object = ()
        self._checked = float("-inf")

    def changed(self) -> bool:
        """Whether the file has changed since the last call; True at the first. Checks at most every CHECK_SECONDS."""
        now = self._clock.monotonic()
        if now - self._checked < CHECK_SECONDS:
            return False
        self._checked, before = now, self._stamp
        self._stamp = _stamp(self._path)
        return self._stamp != before


class Signer:
    """Follows the active key in the file of a data folder; used by one thread."""

    def __init__(self, folder: Path, vault: Vault, clock: Clock) -> None:
        self._folder = folder
        self._vault = vault
        self._watch = FileWatch(folder / SIGNING.file, clock)
        self.key: SigningKey | None = None
        """None while there is no active key, or while signing is withheld."""
        self.withheld: str | None = None
        """Why nothing may be signed now, in one line; any thread may set it."""
        self._reason: str | None = None
        self.problem: str | None = None
        """Why there is no key, in one line."""

    def refresh(self) -> None:
        """Read the file if it has changed, at most every CHECK_SECONDS."""
        withheld = self.withheld
        if not self._watch.changed() and withheld == self._reason:
            return
        self.key, self._reason = None, withheld
        if withheld is not None:
            self.problem = withheld
            return
        try:
            self.key = active(read(self._folder), self._vault)
            self.problem = SIGNING.missing if self.key is None else None
        except EdgefaceError as error:
            self.problem = str(error)


def sign(payload: bytes, kid: str, private: Ed25519PrivateKey) -> bytes:
    """The signed envelope of a UTF-8 payload; the signature covers its exact bytes (RFC 8032)."""
    signature = _base64(private.sign(payload))
    envelope = {"payload": payload.decode(), "kid": kid, "alg": "ed25519", "sig": signature}
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def read(folder: Path, purpose: Purpose = SIGNING) -> tuple[KeyRecord, ...]:
    """The keys of a data folder, oldest first; empty without a file. Raises VaultError for an invalid file."""
    path = folder / purpose.file
    invalid = f"{printable_path(path)}: not a file of {purpose.noun} keys"
    try:
        data = read_at_most(path, MAX_FILE_BYTES)
        records = _parser().validate_json(data)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise VaultError(f"{printable_path(path)}: cannot be read ({system_reason(error)})") from error
    except ValidationError as error:
        raise VaultError(invalid) from error
    states = [record.state for record in records]
    kids = {record.kid for record in records}
    if len(data) > MAX_FILE_BYTES or len(kids) < len(records) or max(states.count("active"), states.count("next")) > 1:
        raise VaultError(invalid)
    if any(record.alg != purpose.alg for record in records):
        raise VaultError(invalid)
    return records


def active(records: Sequence[KeyRecord], vault: Vault) -> SigningKey | None:
    """The active signing key, or None; raises VaultError if it was altered or does not belong to its public key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    record = next((record for record in records if record.state == "active"), None)
    if record is None:
        return None
    return SigningKey(record.kid, Ed25519PrivateKey.from_private_bytes(private_bytes(record, vault, SIGNING)))


def public_keys(records: Sequence[KeyRecord]) -> tuple[bytes, ...]:
    """The public parts of the active and the next key, 32 bytes each."""
    return tuple(base64.b64decode(record.public) for record in records if record.state != "retired")


def private_bytes(record: KeyRecord, vault: Vault, purpose: Purpose) -> bytes:
    """The private part of a key, 32 bytes; raises VaultError if it was altered or does not belong to its public key."""
    try:
        raw = vault.unseal(base64.b64decode(record.private or ""), purpose.about)
        public = _private_class(purpose).from_private_bytes(raw).public_key()
    except ValueError:
        raise VaultError(f"{purpose.about}: key {record.kid} is not a key") from None
    if _base64(public.public_bytes_raw()) != record.public:
        raise VaultError(f"{purpose.about}: key {record.kid} does not belong to its public key")
    return raw


def new(
    records: Sequence[KeyRecord], kid: str, vault: Vault, wall: float, purpose: Purpose = SIGNING
) -> tuple[KeyRecord, ...]:
    """The keys with a new one, active if it is the first, next otherwise; raises EdgefaceError if none can be added."""
    return added(records, kid, _private_class(purpose).generate().private_bytes_raw(), vault, wall, purpose)


def added(
    records: Sequence[KeyRecord], kid: str, raw: bytes, vault: Vault, wall: float, purpose: Purpose
) -> tuple[KeyRecord, ...]:
    """The keys with this private one, 32 bytes, as `new`."""
    if any(record.state == "next" for record in records):
        raise EdgefaceError(f"there is a next key already: {purpose.rotate} activates it")
    if any(record.kid == kid for record in records):
        raise EdgefaceError(f"there is a key {kid} already: choose another name with --kid")
    if len(records) >= MAX_KEYS:
        raise EdgefaceError(f"there are {MAX_KEYS} keys already")
    sealed = _base64(vault.seal(raw, purpose.about))
    public = _base64(_private_class(purpose).from_private_bytes(raw).public_key().public_bytes_raw())
    state: Literal["next", "active"] = "next" if any(record.state == "active" for record in records) else "active"
    return (*records, KeyRecord(kid, purpose.alg, public, sealed, wall, state))


def rotate(records: Sequence[KeyRecord], purpose: Purpose = SIGNING) -> tuple[KeyRecord, ...]:
    """The keys with the next one active and the active one retired, without its private part."""
    if not any(record.state == "next" for record in records):
        raise EdgefaceError(f"there is no next key: {purpose.new} creates one")
    after = {"active": "retired", "next": "active", "retired": "retired"}
    turned = [replace(record, state=after[record.state]) for record in records]  # type: ignore[arg-type]  # all three are states
    return tuple(replace(record, private=None) if record.state == "retired" else record for record in turned)


def write(folder: Path, records: Sequence[KeyRecord], purpose: Purpose = SIGNING) -> None:
    """Write the file atomically; raises EdgefaceError if it cannot be written."""
    data = _parser().dump_json(tuple(records), indent=2) + b"\n"
    try:
        folder.stat()
        put_file(folder, open_vault(folder), purpose.file, data)
    except OSError as error:
        raise EdgefaceError(
            f"{printable_path(folder / purpose.file)}: cannot be written ({system_reason(error)})"
        ) from error


def _private_class(purpose: Purpose) -> type[Ed25519PrivateKey | X25519PrivateKey]:
    if purpose.alg == "x25519":
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        return X25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Values that change with the file; None if it cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _parser() -> TypeAdapter[tuple[KeyRecord, ...]]:
    return TypeAdapter(tuple[KeyRecord, ...])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
