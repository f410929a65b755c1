"""The accounts of the web: names, roles and hashes in data/web.json."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgeface.core.errors import ConfigError, GalleryError, UsageError
from edgeface.core.files import read_at_most
from edgeface.core.settings import Id  # noqa: TC001 - pydantic evaluates the annotations of Account
from edgeface.core.sqlite import translated
from edgeface.core.text import printable, printable_path
from edgeface.mqtt.settings import is_loopback
from edgeface.security.head import put_file
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from argon2 import PasswordHasher

    from edgeface.config.configuration import Configuration

log = logging.getLogger(__name__)

FILE = "web.json"
"""The name of the file in the data folder."""

Role = Literal["viewer", "admin"]
Kind = Literal["token", "password", "code"]

MIN_PASSWORD = 12
"""Characters of a password (NIST SP 800-63B-4 requires 15 for a password alone; here tries are limited, too)."""
MAX_PASSWORD_BYTES = 1024

_TOKEN_PREFIX = "edgeface_"  # noqa: S105 - it is no token
_MAX_FILE_BYTES = 256 * 1024
_MAX_ACCOUNTS = 100
# argon2id with 19 MiB, three passes, one lane: OWASP's minimum of memory, and one more pass.
_MEMORY, _PASSES, _LANES = 19_456, 3, 1


@dataclass(frozen=True, slots=True)
class Account:
    """A person or a program that may use the web."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    name: Id
    role: Role
    kind: Kind
    hash: Annotated[str, Field(max_length=300)] = field(repr=False)
    """SHA-256 of a token in hex, or argon2id's own form."""
    created: float
    """Wall seconds."""


def require_account(configuration: Configuration) -> None:
    """Raise ConfigError if other machines can reach the page and no one has an account."""
    web = configuration.web
    if web is not None and not is_loopback(web.host) and not read(configuration.data):
        raise ConfigError(
            f"web.host: other machines can reach {web.host}, and no one has an account:"
            " edgeface web password --role admin, or web token"
        )


class Accounts:
    """The accounts that are in the file now; used by the web's thread only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: object = ()
        self._all: tuple[Account, ...] = ()

    def all(self) -> tuple[Account, ...]:
        """All accounts; none while the file cannot be used."""
        seen = _stamp(self._folder / FILE)
        if seen != self._seen:
            self._seen = seen
            try:
                self._all = read(self._folder)
            except ConfigError as error:
                log.error("no one can sign in: %s", error)
                self._all = ()
        return self._all

    def holds(self, account: Account) -> bool:
        """Whether an account is still the same as when it signed in."""
        return account.kind == "code" or account in self.all()

    def by_token(self, token: str) -> Account | None:
        """The account of a token; None if the token is not valid."""
        given = digest(token)
        return next((one for one in self.all() if one.kind == "token" and one.hash == given), None)

    def with_password(self, name: str) -> Account | None:
        """The account with this name and a password; None if there is none."""
        return next((one for one in self.all() if one.kind == "password" and one.name == name), None)


def is_password(account: Account | None, password: str) -> bool:
    """Whether this is the account's password; takes 50 ms and 19 MiB, the same if there is no such account."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        _hasher().verify(_unused_hash() if account is None else account.hash, password)
    except (VerificationError, InvalidHashError):
        return False
    return account is not None


def read(folder: Path) -> tuple[Account, ...]:
    """The accounts of a data folder; none without a file. Raises ConfigError if the file cannot be used."""
    path = folder / FILE
    try:
        return _parser().validate_json(read_at_most(path, _MAX_FILE_BYTES))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"{printable_path(path)}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise ConfigError(f"{printable_path(path)}: not a file of accounts; move it elsewhere") from error


def write(folder: Path, accounts: Sequence[Account]) -> None:
    """Replace all accounts. Raises GalleryError if that fails, or there are too many."""
    if len(accounts) > _MAX_ACCOUNTS:
        raise GalleryError(f"at most {_MAX_ACCOUNTS} accounts are possible: revoke some (edgeface web list)")
    text = json.dumps([asdict(one) for one in accounts], indent=1)
    with translated(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        put_file(folder, open_vault(folder), FILE, f"{text}\n".encode())


def make_token(folder: Path, name: str, role: Role, wall: float) -> str:
    """Give an account a new token; no file has it, so it cannot be shown again."""
    token = f"{_TOKEN_PREFIX}{secrets.token_urlsafe(32)}"
    _put(folder, Account(name, role, "token", digest(token), wall))
    return token


def set_password(folder: Path, name: str, role: Role, password: str, wall: float) -> None:
    """Set an account's password. Raises UsageError if it is too short or too long."""
    if len(password) < MIN_PASSWORD or len(password.encode()) > MAX_PASSWORD_BYTES:
        raise UsageError(f"a password has at least {MIN_PASSWORD} characters, and at most {MAX_PASSWORD_BYTES} bytes")
    _put(folder, Account(name, role, "password", _hasher().hash(password), wall))


def revoke(folder: Path, name: str) -> int:
    """Delete an account's token and password; gives their number. Raises GalleryError if it has none."""
    before = read(folder)
    after = [one for one in before if one.name != name]
    if len(after) == len(before):
        raise GalleryError(f"{printable(name)}: no such account (edgeface web list)")
    write(folder, after)
    return len(before) - len(after)


def _put(folder: Path, account: Account) -> None:
    others = [one for one in read(folder) if (one.name, one.kind) != (account.name, account.kind)]
    write(folder, [*others, account])


def _stamp(path: Path) -> object:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size


def digest(secret: str) -> str:
    """SHA-256 in hex, for secrets of 32 random bytes: they cannot be guessed, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


@cache
def _parser() -> TypeAdapter[tuple[Account, ...]]:
    return TypeAdapter(tuple[Account, ...])


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY, parallelism=_LANES)


@cache
def _unused_hash() -> str:
    """The hash of a random password."""
    return _hasher().hash(secrets.token_urlsafe(32))
