"""Who is signed in: in memory only, so that a restart signs everybody out."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.core.clock import Clock
    from edgeface.web.auth.accounts import Account, Role

IDLE = 30 * 60.0
"""Seconds after its last request at which a session ends."""
LONGEST = 12 * 3600.0
"""Seconds after which any session ends."""
CODE_SECONDS = 300.0
"""How long a one-time code can be used."""

_MOST = 200
_MOST_CODES = 20


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is signed in."""

    account: Account
    csrf: str = field(repr=False)
    """Shown to the pages of this session only: what changes something must say it."""
    begun: float
    """Monotonic seconds."""
    seen: float


class Sessions:
    """Sessions and one-time codes, by the SHA-256 of what the browser holds.

    They belong to the web's thread, but for `make_code`, which any may call.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._codes: OrderedDict[str, tuple[Role, float]] = OrderedDict()

    def begin(self, account: Account) -> str:
        """Open a session, and give what the cookie holds."""
        self._tidy()
        id_, now = secrets.token_urlsafe(32), self._clock.monotonic()
        self._open[_digest(id_)] = Session(account, secrets.token_urlsafe(32), now, now)
        while len(self._open) > _MOST:
            self._open.popitem(last=False)
        return id_

    def find(self, id_: str) -> Session | None:
        """Give the session of a cookie, which lives on by this; None when there is none, or it has ended."""
        key, now = _digest(id_), self._clock.monotonic()
        session = self._open.get(key)
        if session is None or not _lives(session, now):
            self._open.pop(key, None)
            return None
        self._open[key] = replace(session, seen=now)
        self._open.move_to_end(key)
        return session

    def holds(self, id_: str) -> Session | None:
        """Give the session of a cookie as `find` does, which does not live on by this."""
        session = self._open.get(_digest(id_))
        return session if session is not None and _lives(session, self._clock.monotonic()) else None

    def end(self, id_: str) -> None:
        """Close a session, if there is one."""
        self._open.pop(_digest(id_), None)

    def make_code(self, role: Role) -> str:
        """Make a code that signs somebody in once, within CODE_SECONDS."""
        code = secrets.token_urlsafe(32)
        self._codes[_digest(code)] = role, self._clock.monotonic() + CODE_SECONDS
        while len(self._codes) > _MOST_CODES:
            self._codes.popitem(last=False)
        return code

    def use_code(self, code: str) -> Role | None:
        """The role that a code gives, which is used up by this; None when it gives none."""
        role, until = self._codes.pop(_digest(code), (None, 0.0))
        return role if self._clock.monotonic() < until else None

    def _tidy(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, session in self._open.items() if not _lives(session, now)]:
            del self._open[key]


def _lives(session: Session, now: float) -> bool:
    return now - session.seen < IDLE and now - session.begun < LONGEST


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
