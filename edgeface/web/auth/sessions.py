"""Sessions: in memory only, so that a restart signs everyone out."""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgeface.web.auth.accounts import digest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from edgeface.core.clock import Clock
    from edgeface.web.auth.accounts import Account, Role

IDLE_SECONDS = 30 * 60.0
"""A session ends this long after its last request."""
MAX_SECONDS = 12 * 3600.0
"""Any session ends after this time."""
CODE_SECONDS = 300.0
"""How long a one-time code is valid."""

MAX_OF_ACCOUNT = 20
"""Sessions of one account; one more ends the least recently used one, of the address with the most of them."""
MAX_SESSIONS = 200
"""Sessions in all; one more ends one of a viewer, as long as there are any."""

_MAX_CODES = 20


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is signed in."""

    account: Account
    csrf: str = field(repr=False)
    """Only the pages of this session have it; every request that changes something must carry it."""
    started: float
    """Monotonic seconds."""
    used: float
    """Monotonic seconds of the last request."""
    address: str = ""
    """Where it signed in, as limits count it: IPv6 only by its network."""
    device: str = ""
    """The browser and system in words; empty if they are not known."""
    id: str = ""
    """A name for the page, which reveals nothing of the cookie."""

    @property
    def owner(self) -> tuple[str, ...]:
        """Sessions with the same owner are counted together."""
        return self.account.kind, self.account.role, self.account.name


class Sessions:
    """Sessions and one-time codes, by the SHA-256 of the browser's secret.

    Used by the web's thread only, except `make_code`, which any thread may call.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._codes: OrderedDict[str, tuple[Role, float]] = OrderedDict()

    def begin(self, account: Account, address: str = "", device: str = "") -> str:
        """Start a session; gives the cookie's value. Too many end another one, but a viewer's never ends an admin's."""
        id_, now = secrets.token_urlsafe(32), self._clock.monotonic()
        for key in [key for key, session in self._open.items() if not _active(session, now)]:
            del self._open[key]
        csrf, public = secrets.token_urlsafe(32), secrets.token_hex(8)
        new = self._open[digest(id_)] = Session(account, csrf, now, now, address, device, public)
        own = {key: session for key, session in self._open.items() if session.owner == new.owner}
        if len(own) > MAX_OF_ACCOUNT:
            del self._open[_surplus(own)]
        if len(self._open) > MAX_SESSIONS:
            viewers = {key: session for key, session in self._open.items() if session.account.role == "viewer"}
            del self._open[_surplus(viewers or self._open)]
        return id_

    def find(self, id_: str) -> Session | None:
        """The session of a cookie, which this call extends; None if there is none, or it has ended."""
        session = self.peek(id_)
        if session is not None:
            self._open[digest(id_)] = replace(session, used=self._clock.monotonic())
            self._open.move_to_end(digest(id_))
        return session

    def peek(self, id_: str) -> Session | None:
        """The session of a cookie, as `find` gives it, without extending it."""
        session = self._open.get(digest(id_))
        return session if session is not None and _active(session, self._clock.monotonic()) else None

    def end(self, id_: str) -> None:
        """End a session, if there is one."""
        self._open.pop(digest(id_), None)

    def all(self) -> list[Session]:
        """The sessions that have not ended, most recently used first."""
        now = self._clock.monotonic()
        return [session for session in reversed(self._open.values()) if _active(session, now)]

    def end_those(self, ids: Collection[str]) -> int:
        """End the sessions with these names for the page; gives how many there were."""
        found = [key for key, session in self._open.items() if session.id in ids]
        for key in found:
            del self._open[key]
        return len(found)

    def make_code(self, role: Role) -> str:
        """Make a code for one sign-in within CODE_SECONDS."""
        code = secrets.token_urlsafe(32)
        self._codes[digest(code)] = role, self._clock.monotonic() + CODE_SECONDS
        while len(self._codes) > _MAX_CODES:
            self._codes.popitem(last=False)
        return code

    def use_code(self, code: str) -> Role | None:
        """The role that a code gives, once; None if the code is not valid."""
        role, until = self._codes.pop(digest(code), (None, 0.0))
        return role if self._clock.monotonic() < until else None


def _active(session: Session, now: float) -> bool:
    return now - session.used < IDLE_SECONDS and now - session.started < MAX_SECONDS


def _surplus(sessions: Mapping[str, Session]) -> str:
    """The session to end: the least recently used one of the owner with the most, at the address with the most."""
    owners = Counter(session.owner for session in sessions.values())
    places = Counter((session.owner, session.address) for session in sessions.values())
    counts = {key: (owners[one.owner], places[one.owner, one.address]) for key, one in sessions.items()}
    return max(counts, key=counts.__getitem__)
