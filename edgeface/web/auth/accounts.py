"""Who may use the page: names, roles and hashes in data/web.json."""

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
from edgeface.core.files import put_whole, read_at_most
from edgeface.core.settings import Id  # noqa: TC001 - pydantic evaluates the annotations of Account
from edgeface.core.sqlite import translated
from edgeface.core.text import printable, printable_path
from edgeface.mqtt.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from argon2 import PasswordHasher

    from edgeface.config.configuration import Configuration

log = logging.getLogger(__name__)

FILE = "web.json"
"""Name of the file in the data folder."""

Role = Literal["viewer", "admin"]
Kind = Literal["token", "password", "code"]

SHORTEST = 12
"""Characters of a password (NIST SP 800-63B-4 asks for 15 where it stands alone; here tries are limited, too)."""
LONGEST = 1024

_PREFIX = "edgeface_"
_LARGEST = 256 * 1024
_MOST = 100
# argon2id with 19 MiB, three passes, one lane: OWASP's least memory, and one pass more.
_MEMORY, _PASSES, _LANES = 19_456, 3, 1


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody, or some program, that may use the page."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    name: Id
    role: Role
    kind: Kind
    hash: Annotated[str, Field(max_length=300)] = field(repr=False)
    """SHA-256 of a token in hex, or argon2id's own form."""
    created: float
    """Wall seconds."""

    @classmethod
    def once(cls, role: Role) -> Account:
        """Who signs in by a one-time code: there is no such account in the file."""
        return cls("code", role, "code", "", 0.0)


def require_account(configuration: Configuration) -> None:
    """Raise ConfigError when other machines can reach the page and nobody has an account for it."""
    web = configuration.web
    if web is not None and not is_loopback(web.host) and not read(configuration.data):
        raise ConfigError(
            f"web.host: other machines can reach {web.host}, and nobody has an account:"
            " edgeface web password --role admin, or web token"
        )


class Accounts:
    """The accounts as the file has them now; it belongs to the web's thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: object = ()
        self._all: tuple[Account, ...] = ()

    def all(self) -> tuple[Account, ...]:
        """Everybody; nobody while the file cannot be used."""
        seen = _stamp(self._folder / FILE)
        if seen != self._seen:
            self._seen = seen
            try:
                self._all = read(self._folder)
            except ConfigError as error:
                log.error("nobody can sign in: %s", error)
                self._all = ()
        return self._all

    def holds(self, account: Account) -> bool:
        """Whether an account is still as it was when it signed in."""
        return account.kind == "code" or account in self.all()

    def by_token(self, token: str) -> Account | None:
        """Whose token it is; None when it is nobody's."""
        digest = _digest(token)
        return next((one for one in self.all() if one.kind == "token" and one.hash == digest), None)

    def with_password(self, name: str) -> Account | None:
        """The account of this name that has a password; None when there is none."""
        return next((one for one in self.all() if one.kind == "password" and one.name == name), None)


def right(account: Account | None, password: str) -> bool:
    """Whether it is the account's password; it takes as long when there is no such account. 50 ms, and 19 MiB."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        _hasher().verify(_nobody() if account is None else account.hash, password)
    except (VerificationError, InvalidHashError):
        return False
    return account is not None


def read(folder: Path) -> tuple[Account, ...]:
    """The accounts of a data folder; none when there is no file, ConfigError when it is no such file."""
    path = folder / FILE
    try:
        return _parser().validate_json(read_at_most(path, _LARGEST))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigError(f"{printable_path(path)}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise ConfigError(f"{printable_path(path)}: not a file of accounts; move it away") from error


def write(folder: Path, accounts: Sequence[Account]) -> None:
    """Put other accounts into the place of all; GalleryError when that fails, or they are too many."""
    if len(accounts) > _MOST:
        raise GalleryError(f"at most {_MOST} accounts are kept: revoke some (edgeface web list)")
    text = json.dumps([asdict(one) for one in accounts], indent=1)
    with translated(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        put_whole(folder / FILE, f"{text}\n".encode())


def make_token(folder: Path, name: str, role: Role, wall: float) -> str:
    """Give an account a new token, which is in no file and cannot be shown again."""
    token = f"{_PREFIX}{secrets.token_urlsafe(32)}"
    _put(folder, Account(name, role, "token", _digest(token), wall))
    return token


def set_password(folder: Path, name: str, role: Role, password: str, wall: float) -> None:
    """Give an account this password; UsageError when it is too short or too long."""
    if len(password) < SHORTEST or len(password.encode()) > LONGEST:
        raise UsageError(f"a password has at least {SHORTEST} characters, and at most {LONGEST} bytes")
    _put(folder, Account(name, role, "password", _hasher().hash(password), wall))


def revoke(folder: Path, name: str) -> int:
    """Take an account's tokens and its password away; gives how many, GalleryError when it has none."""
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


def _digest(token: str) -> str:
    # 32 random bytes cannot be guessed, so that a slow hash would add nothing.
    return hashlib.sha256(token.encode()).hexdigest()


@cache
def _parser() -> TypeAdapter[tuple[Account, ...]]:
    return TypeAdapter(tuple[Account, ...])


@cache
def _hasher() -> PasswordHasher:
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise ConfigError("passwords need argon2-cffi: pip install 'edgeface[web]'") from error
    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY, parallelism=_LANES)


@cache
def _nobody() -> str:
    """The hash of a password that nobody has."""
    return _hasher().hash(secrets.token_urlsafe(32))
