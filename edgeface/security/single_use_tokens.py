"""Random tokens for links that work once: make, find, redeem, expire. Only a digest of each is stored.

Pure functions of their input; who uses them keeps the records in a sealed file of their own, and writes it before the
answer to a redeemed token is sent. Times are wall seconds: a link outlives a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from edgeface.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOKEN_BYTES = 24
"""Random bytes of a token: 192 bits, 32 characters in an address."""
AHEAD_SECONDS = 300.0
"""How far in the future a token may have been made: with a clock that has been set back further, it is refused."""

_MAX_TOKEN = 64


class TokenRecord(Settings):
    """What is stored of a token, which cannot be found from it."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]
    """SHA-256 of the token, in hex: 192 random bits need no slow hash."""
    made: float
    expires: float
    facts: dict[str, str] = Field(default_factory=dict, repr=False)
    """What the token is for."""

    @property
    def id(self) -> str:
        """A short name that is no secret."""
        return self.digest[:12]

    def holds(self, wall: float) -> bool:
        """Whether the token is valid now."""
        return self.made - AHEAD_SECONDS <= wall < self.expires


def make(facts: Mapping[str, str], wall: float, seconds: float) -> tuple[str, TokenRecord]:
    """A new token, in letters that an address may have, which nothing gives again; and its record."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, TokenRecord(digest=digest(token), made=wall, expires=wall + seconds, facts=dict(facts))


def digest(token: str) -> str:
    """What is stored of a token; any text has one."""
    return hashlib.sha256(token[: _MAX_TOKEN + 1].encode("utf-8", "replace")).hexdigest()


def find(records: Iterable[TokenRecord], token: str, wall: float) -> TokenRecord | None:
    """The record of a token; None if it is unknown, used or no longer valid."""
    wanted = digest(token)
    found = [one for one in records if hmac.compare_digest(one.digest, wanted)]
    return next((one for one in found if one.holds(wall)), None)


def redeem(
    records: Iterable[TokenRecord], token: str, wall: float
) -> tuple[TokenRecord | None, tuple[TokenRecord, ...]]:
    """As `find`, and the records to store next: without this token, and without those that have expired."""
    kept = unexpired(records, wall)
    found = find(kept, token, wall)
    return found, tuple(one for one in kept if one is not found)


def unexpired(records: Iterable[TokenRecord], wall: float) -> tuple[TokenRecord, ...]:
    """The records that are valid now."""
    return tuple(one for one in records if one.holds(wall))
