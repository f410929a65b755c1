"""The accounts of the web: names, roles and hashes in data/web.json."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgeface.core.clock import DAY
from edgeface.core.errors import ConfigError, GalleryError, UsageError, system_reason
from edgeface.core.files import alone, read_at_most, stamp
from edgeface.core.settings import Id  # noqa: TC001 - pydantic evaluates the annotations of Account
from edgeface.core.sqlite import translated
from edgeface.core.text import printable, printable_path
from edgeface.mqtt.settings import is_loopback
from edgeface.security.head import put_file
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from argon2 import PasswordHasher

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock

log = logging.getLogger(__name__)

FILE = "web.json"
"""The name of the file in the data folder."""

Role = Literal["viewer", "admin", "recognise"]
"""What an account may do; `recognise` is for programs that identify faces in pictures and do nothing else."""
Kind = Literal["token", "password", "code", "ingress"]
"""`code` and `ingress` are in no file: a one-time code, and a user of Home Assistant."""

MIN_PASSWORD = 12
"""Characters of a password (NIST SP 800-63B-4 requires 15 for a password alone; here tries are limited, too)."""
MAX_PASSWORD_BYTES = 1024

CLOCK_SLACK = 300.0
"""Seconds by which the clock may be behind the day on which a token was made; then it counts as reset."""
MAX_DAYS = 3650
"""Days after which a token may expire at the latest."""

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
    expires: float | None = None
    """Wall seconds; None: never."""

    def valid(self, wall: float) -> bool:
        """Whether it may be used now; with a clock that was reset, nothing that expires may be."""
        return self.expires is None or self.created - CLOCK_SLACK <= wall < self.expires


def grantable(by: Account) -> tuple[Role, ...]:
    """The roles that an administrator may give to accounts and tokens.

    Home Assistant's users cannot give the role admin: the account would keep it after they have lost theirs.
    """
    return tuple(role for role in get_args(Role) if role != "admin" or by.kind != "ingress")


def require_account(configuration: Configuration) -> None:
    """Raise ConfigError if other machines can reach the page and no one has an account."""
    web = configuration.web
    if web is None or is_loopback(web.host) or web.ingress.enabled:
        return
    if not read(configuration.data):
        raise ConfigError(
            f"web.host: other machines can reach {web.host}, and no one has an account:"
            " edgeface web password --role admin, or web token"
        )


class Accounts:
    """The accounts that are in the file now; used by the web's thread only."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        """The data folder."""
        self._clock = clock
        self._seen: object = ()
        self._all: tuple[Account, ...] = ()

    def all(self) -> tuple[Account, ...]:
        """All accounts, expired ones too; none while the file cannot be used."""
        seen = stamp(self.folder / FILE)
        if seen != self._seen:
            self._seen = seen
            try:
                self._all = read(self.folder)
            except ConfigError as error:
                log.error("no one can sign in: %s", error)
                self._all = ()
        return self._all

    def holds(self, account: Account) -> bool:
        """Whether an account is still the same as when it signed in, and has not expired."""
        return account.kind in {"code", "ingress"} or (account.valid(self._clock.wall()) and account in self.all())

    def by_token(self, token: str) -> Account | None:
        """The account of a token; None if the token is not valid."""
        given = digest(token)
        found = next((one for one in self.all() if one.kind == "token" and one.hash == given), None)
        return found if found is not None and found.valid(self._clock.wall()) else None

    def passwords(self) -> list[Account]:
        """The accounts with a password, by name."""
        return sorted((one for one in self.all() if one.kind == "password"), key=lambda one: one.name)

    def with_password(self, name: str) -> Account | None:
        """The account with this name and a password; None if there is none."""
        return next((one for one in self.passwords() if one.name == name), None)


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
        raise ConfigError(f"{printable_path(path)}: cannot be read ({system_reason(error)})") from error
    except ValidationError as error:
        raise ConfigError(f"{printable_path(path)}: not a file of accounts; move it elsewhere") from error


def write(folder: Path, accounts: Sequence[Account]) -> None:
    """Replace all accounts. Raises GalleryError if that fails, or there are too many."""
    if len(accounts) > _MAX_ACCOUNTS:
        raise GalleryError(f"at most {_MAX_ACCOUNTS} accounts are possible: revoke some (edgeface web list)")
    # An older edgeface reads a file in which nothing expires.
    objects = [{key: value for key, value in asdict(one).items() if value is not None} for one in accounts]
    text = json.dumps(objects, indent=1)
    with translated(folder):
        put_file(folder, open_vault(folder), FILE, f"{text}\n".encode())


def make_token(
    folder: Path, name: str, role: Role, wall: float, *, days: int | None = None, replace: bool = True
) -> str:
    """Give an account a new token, which expires after `days`; no file has it, so it cannot be shown again.

    Raises GalleryError if there is a token of this name and it may not be replaced.
    """
    if days is not None and not 0 < days <= MAX_DAYS:
        raise UsageError(f"a token expires after 1 to {MAX_DAYS} days")
    token = f"{_TOKEN_PREFIX}{secrets.token_urlsafe(32)}"
    expires = None if days is None else wall + days * DAY
    _put(folder, Account(name, role, "token", digest(token), wall, expires), replace=replace)
    return token


def set_password(folder: Path, name: str, role: Role, password: str, wall: float, *, replace: bool = True) -> Account:
    """Set an account's password; gives the account.

    Raises UsageError if it is too short or too long, or for the role of programs, and GalleryError if the account
    exists and may not be replaced.
    """
    require_password(password)
    if role == "recognise":
        raise UsageError("the role recognise is for programs: make a token")
    account = Account(name, role, "password", _hasher().hash(password), wall)
    _put(folder, account, replace=replace)
    return account


def require_password(password: str) -> None:
    """Raise UsageError if a password is too short or too long."""
    if len(password) < MIN_PASSWORD or len(password.encode()) > MAX_PASSWORD_BYTES:
        raise UsageError(f"a password has at least {MIN_PASSWORD} characters, and at most {MAX_PASSWORD_BYTES} bytes")


def revoke(folder: Path, name: str) -> int:
    """Delete an account's token and password; gives their number. Raises GalleryError if it has none."""
    with _changing(folder):
        before = read(folder)
        after = [one for one in before if one.name != name]
        if len(after) == len(before):
            raise GalleryError(f"{printable(name)}: no such account (edgeface web list)")
        write(folder, after)
        return len(before) - len(after)


def remove(folder: Path, name: str, kind: Kind) -> Account:
    """Delete an account's token or its password; gives what was deleted.

    Raises GalleryError if it has none, or if no administrator with a password would be left.
    """
    with _changing(folder):
        before = read(folder)
        found = next((one for one in before if (one.name, one.kind) == (name, kind)), None)
        if found is None:
            raise GalleryError(f"{printable(name)}: no such account")
        after = [one for one in before if one is not found]
        if _is_admin(found) and not any(_is_admin(one) for one in after):
            raise GalleryError(f"{printable(name)} is the last administrator: add another one first")
        write(folder, after)
        return found


def _is_admin(account: Account) -> bool:
    return (account.kind, account.role) == ("password", "admin")


def _put(folder: Path, account: Account, *, replace: bool) -> None:
    with _changing(folder):
        before = read(folder)
        others = [one for one in before if (one.name, one.kind) != (account.name, account.kind)]
        if len(others) < len(before) and not replace:
            raise GalleryError(f"{account.name}: this name is taken")
        write(folder, [*others, account])


@contextmanager
def _changing(folder: Path) -> Iterator[None]:
    """Hold the file against the changes of other threads and processes."""
    with translated(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(folder):
            yield


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
