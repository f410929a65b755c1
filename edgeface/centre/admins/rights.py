"""What an account of the centre may do at which sites, and its second factor; an account without an entry may nothing.

Names, roles and hashes are in web.json as on a device (edgeface/web/auth/accounts.py); this file has the rest, sealed.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edgeface.core.errors import VaultError
from edgeface.core.files import alone, put_whole, read_at_most
from edgeface.core.settings import Id  # noqa: TC001 - pydantic evaluates the annotations of Rights
from edgeface.security.vault import open_vault
from edgeface.web.auth import accounts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.core.clock import Clock

FILE = "centre_rights.sealed"
"""The name of the file in the data folder."""
STEP_SECONDS = 30
"""Seconds for which a code of the second factor is shown (RFC 6238)."""
WINDOW = 1
"""Steps by which the clock of the phone may differ."""

Role = Literal["viewer", "admin"]

_ABOUT = "centre.rights"
_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rights:
    """What one account may do."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Id
    kind: Literal["token", "password"]
    role: Role
    sites: tuple[Id, ...] | None = None
    """The sites to which the role applies; None: all, and what belongs to no site."""
    totp: Annotated[str, Field(max_length=64)] = field(default="", repr=False)
    """The secret of the second factor in base32; empty for a token, which has none."""
    step: int = 0
    """The latest step whose code was used: each code works once."""

    def allow(self, site: str | None, role: Role) -> bool:
        """Whether the account has this role at a site; None is what belongs to no site."""
        return self.role in {role, "admin"} and (self.sites is None or site in self.sites)


NOTHING = Rights("nobody", "token", "viewer", ())
"""Of an account without an entry."""


class RightsFile:
    """The rights in a data folder; any thread may use it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock

    def of(self, name: str, kind: str) -> Rights:
        """The rights of an account; NOTHING without an entry. Raises VaultError if the file cannot be used."""
        found = (one for one in _read(self._folder) if (one.name, one.kind) == (name, kind))
        return next(found, NOTHING)

    def all(self) -> tuple[Rights, ...]:
        """The rights of everyone."""
        return _read(self._folder)

    def use_code(self, name: str, code: str) -> bool:
        """Whether this is the code that the account's phone shows; it works once."""
        import pyotp

        with alone(self._folder):
            known = _read(self._folder)
            found = next((one for one in known if (one.name, one.kind) == (name, "password") and one.totp), None)
            now = int(self._clock.wall()) // STEP_SECONDS
            # An account that does not exist takes as long.
            totp = pyotp.TOTP(pyotp.random_base32() if found is None else found.totp)
            right = [
                step
                for step in range(now - WINDOW, now + WINDOW + 1)
                if secrets.compare_digest(totp.generate_otp(max(0, step)).encode(), code.encode())
            ]
            if found is None or not right or right[-1] <= found.step:
                return False
            used = replace(found, step=right[-1])
            _write(self._folder, [used if one is found else one for one in known])
        return True


def make_password(
    folder: Path, name: str, role: Role, sites: tuple[str, ...] | None, password: str, wall: float
) -> str:
    """Give an account a password and a new second factor; returns the address that a phone reads as a QR code.

    Raises UsageError for a password that is too short.
    """
    import pyotp

    accounts.require_password(password)
    secret = pyotp.random_base32()
    # First what an account may do: without it, it may nothing.
    _put(folder, Rights(name, "password", role, sites, secret))
    accounts.set_password(folder, name, role, password, wall)
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="edgeface centre")


def make_token(
    folder: Path, name: str, role: Role, sites: tuple[str, ...] | None, wall: float, days: int | None
) -> str:
    """Give a program a new token, which cannot be shown again."""
    _put(folder, Rights(name, "token", role, sites))
    return accounts.make_token(folder, name, role, wall, days=days)


def revoke(folder: Path, name: str) -> int:
    """Delete an account's token and password with its rights; gives their number. Raises GalleryError without any."""
    count = accounts.revoke(folder, name)
    with alone(folder):
        _write(folder, [one for one in _read(folder) if one.name != name])
    return count


def _put(folder: Path, rights: Rights) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(folder):
        others = [one for one in _read(folder) if (one.name, one.kind) != (rights.name, rights.kind)]
        _write(folder, [*others, rights])


def _read(folder: Path) -> tuple[Rights, ...]:
    try:
        sealed = read_at_most(folder / FILE, _MAX_BYTES)
    except FileNotFoundError:
        return ()
    try:
        return _parser().validate_json(open_vault(folder).unseal(sealed, _ABOUT))
    except ValidationError:
        raise VaultError(f"{FILE}: not the rights of accounts") from None


def _write(folder: Path, rights: Sequence[Rights]) -> None:
    plain = json.dumps([asdict(one) for one in rights]).encode()
    put_whole(folder / FILE, open_vault(folder).seal(plain, _ABOUT))


@cache
def _parser() -> TypeAdapter[tuple[Rights, ...]]:
    return TypeAdapter(tuple[Rights, ...])
