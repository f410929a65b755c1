"""The keys that sign grants for doors: Ed25519, kept sealed in the data folder, and the verb that changes them."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgeface.clock import SystemClock, rfc3339
from edgeface.errors import EdgefaceError, VaultError
from edgeface.files import alone, put_whole, read_at_most
from edgeface.listing import complain, say
from edgeface.names import printable, printable_path
from edgeface.schema import Id
from edgeface.vault import open_vault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from edgeface.clock import Clock
    from edgeface.vault import Vault

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
class Record:
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
class Key:
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
        self.key: Key | None = None
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


def read(folder: Path) -> tuple[Record, ...]:
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


def active(records: Sequence[Record], vault: Vault) -> Key | None:
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
    return Key(record.kid, private)


def new(records: Sequence[Record], kid: str, vault: Vault, wall: float) -> tuple[Record, ...]:
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
    return (*records, Record(kid, "ed25519", public, sealed, wall, state))


def rotate(records: Sequence[Record]) -> tuple[Record, ...]:
    """The keys with the next one active, and the active one retired without its private part."""
    if not any(record.state == "next" for record in records):
        raise EdgefaceError("there is no next key: edgeface keys new makes one")
    after = {"active": "retired", "next": "active", "retired": "retired"}
    turned = [replace(record, state=after[record.state]) for record in records]  # type: ignore[arg-type]  # they are
    return tuple(replace(record, private=None) if record.state == "retired" else record for record in turned)


def write(folder: Path, records: Sequence[Record]) -> None:
    """Write the file whole; EdgefaceError when it cannot be."""
    data = _parser().dump_json(tuple(records), indent=2) + b"\n"
    try:
        put_whole(folder / FILE, data)
    except OSError as error:
        raise EdgefaceError(f"{printable_path(folder / FILE)}: cannot be written ({error.strerror})") from error


def run_keys(arguments: argparse.Namespace) -> int:
    """`edgeface keys`: show them, make one, or let the next one sign."""
    from edgeface.config import data_folder

    folder = data_folder(arguments)
    if arguments.action == "show":
        _show(read(folder))
        return 0
    wall = SystemClock().wall()
    vault = open_vault(folder)
    # Read, changed and written by one process at a time: a key that was retired must not come back.
    with alone(folder):
        records, changed = _changed(read(folder), arguments, vault, wall)
        write(folder, records)
    _note(folder, wall, {"action": arguments.action, "kid": changed.kid})
    say(f"{changed.kid}: {changed.state}")
    _show(records)
    return 0


def _changed(
    records: Sequence[Record], arguments: argparse.Namespace, vault: Vault, wall: float
) -> tuple[Sequence[Record], Record]:
    """The records after `new` or `rotate`, and the one that it was about."""
    if arguments.action == "rotate":
        rotated = rotate(records)
        return rotated, next(record for record in rotated if record.state == "active")
    kid = arguments.kid or rfc3339(wall)[:7]
    _require_id(kid)
    made = new(records, kid, vault, wall)
    return made, made[-1]


def _require_id(kid: str) -> None:
    try:
        TypeAdapter(Id).validate_python(kid)
    except ValidationError:
        raise EdgefaceError(f"{printable(kid)}: not a key's name: a-z, 0-9, - and _, at most 64") from None


def _show(records: Sequence[Record]) -> None:
    if not records:
        say("no signing key (edgeface keys new)")
        return
    width = max(len(record.kid) for record in records)
    for record in records:
        say(f"{record.kid:{width}}  {record.state:7}  {rfc3339(record.created)[:10]}  {record.public}")
    say("")
    say("# in the door.yaml of every door:")
    say("keys:")
    for record in records:
        if record.state != "retired":
            say(f'  "{record.kid}": {record.public}')


def _note(folder: Path, wall: float, facts: dict[str, Any]) -> None:
    from edgeface.journal import Journal

    with closing(Journal(folder / "journal.db")) as journal:
        if not journal.note("keys", wall, facts):
            complain(f"done, but not in the audit trail: {journal.problem}")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What tells one state of a file from another; None when it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _parser() -> TypeAdapter[tuple[Record, ...]]:
    return TypeAdapter(tuple[Record, ...])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
