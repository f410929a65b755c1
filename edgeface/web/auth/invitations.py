"""Invitations: links with which people make an account of their own; in memory only, so a restart ends them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.core.errors import UsageError
from edgeface.web.auth.accounts import digest, grantable

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.clock import Clock
    from edgeface.web.auth.accounts import Account, Role

SECONDS = 24 * 3600.0
"""How long an invitation is valid."""
MAX_OPEN = 20
"""Invitations that may be open at a time."""

_BYTES = 32


def roles(by: Account) -> tuple[Role, ...]:
    """The roles that an administrator may invite people as."""
    return tuple(role for role in grantable(by) if role != "recognise")


@dataclass(frozen=True, slots=True)
class Invitation:
    """One account that someone may make; its secret is known to the receiver of the link only."""

    id: str
    """A name for the page, which reveals nothing."""
    role: Role
    by: Account
    """Who made it."""
    until: float
    """Monotonic seconds."""


class Invitations:
    """The open invitations, by the SHA-256 of their secrets; used by the web's thread only.

    One ends after SECONDS, when it is used or revoked, when the daemon stops, and when the account that made it is
    removed or gets another password.
    """

    def __init__(self, clock: Clock, holds: Callable[[Account], bool]) -> None:
        """`holds` returns whether an account is still the same."""
        self._clock = clock
        self._holds = holds
        self._open: dict[str, Invitation] = {}

    def make(self, role: Role, by: Account) -> str:
        """Make an invitation; gives its secret, 256 random bits.

        Raises UsageError if `by` may not invite people in this role, or if too many invitations are open.
        """
        if role not in roles(by):
            raise UsageError(f"you can invite people as {' or '.join(roles(by))}")
        if len(self.open()) >= MAX_OPEN:
            raise UsageError(f"{MAX_OPEN} invitations are open: revoke one first")
        secret = secrets.token_urlsafe(_BYTES)
        until = self._clock.monotonic() + SECONDS
        self._open[digest(secret)] = Invitation(secrets.token_hex(8), role, by, until)
        return secret

    def open(self) -> list[Invitation]:
        """Those that can be used now, oldest first."""
        self._open = {key: one for key, one in self._open.items() if self._valid(one)}
        return list(self._open.values())

    def left(self, invitation: Invitation) -> float:
        """Seconds until an invitation ends."""
        return max(0.0, invitation.until - self._clock.monotonic())

    def find(self, secret: str) -> Invitation | None:
        """The invitation of a secret; None if it is unknown, used, revoked or too old."""
        found = self._open.get(digest(secret))
        return found if found is not None and self._valid(found) else None

    def take(self, secret: str) -> Invitation | None:
        """As `find`, and the invitation is used."""
        found = self.find(secret)
        self._open.pop(digest(secret), None)
        return found

    def give_back(self, secret: str, invitation: Invitation) -> None:
        """Make an invitation usable again, after the account could not be made."""
        self._open[digest(secret)] = invitation

    def revoke(self, id_: str) -> Invitation | None:
        """End an invitation; gives it, or None if it is not open."""
        key, found = next(((key, one) for key, one in self._open.items() if one.id == id_), ("", None))
        self._open.pop(key, None)
        return found

    def _valid(self, invitation: Invitation) -> bool:
        return self._clock.monotonic() < invitation.until and self._holds(invitation.by)
