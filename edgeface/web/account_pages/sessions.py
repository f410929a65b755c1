"""The page of the open sessions: everyone sees and ends their own, an administrator all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from starlette.routing import Route

from edgeface.web.account_pages.base import auth_of, record, show
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.http.problems import Problem
from edgeface.web.pages.render import see

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.web.auth.accounts import Account
    from edgeface.web.auth.sessions import Session


class ShownSession(NamedTuple):
    """A session on the page."""

    session: Session
    since: float
    """Wall seconds."""
    used: float
    """Wall seconds."""
    own: bool
    """Whether it is the one of this request."""


async def sessions(request: Request) -> Response:
    """The open sessions, most recently used first."""
    auth = auth_of(request)
    now, wall, own = auth.clock.monotonic(), auth.clock.wall(), auth.session(request)
    shown = [
        ShownSession(one, wall - (now - one.started), wall - (now - one.used), own is not None and one.id == own.id)
        for one in _visible(request)
    ]
    return await show(request, "sessions.html", sessions=shown)


async def end(request: Request) -> Response:
    """End one session; one's own signs out."""
    auth, own = auth_of(request), auth_of(request).session(request)
    found = next((one for one in _visible(request) if one.id == request.path_params["session"]), None)
    if found is None:
        raise Problem(404)
    _end(request, [found])
    if own is None or found.id != own.id:
        return see("/sessions", "session_ended")
    response = see("/login")
    auth.sign_out(request, response)
    return response


async def end_others(request: Request) -> Response:
    """End all other sessions of this account."""
    _end(request, [one for one in _others(request) if _is_own(request, one)])
    return see("/sessions", "sessions_ended")


async def end_all(request: Request) -> Response:
    """End all sessions of all accounts but this one."""
    _end(request, _others(request))
    return see("/sessions", "sessions_ended")


def _visible(request: Request) -> list[Session]:
    """The sessions that the account may see."""
    auth = auth_of(request)
    every = [one for one in auth.sessions.all() if auth.accounts.holds(one.account)]
    return [one for one in every if request.state.role == "admin" or _is_own(request, one)]


def _others(request: Request) -> list[Session]:
    own = auth_of(request).session(request)
    return [one for one in _visible(request) if own is None or one.id != own.id]


def _is_own(request: Request, session: Session) -> bool:
    holder: Account = request.state.holder
    return session.account == holder


def _end(request: Request, ended: Iterable[Session]) -> None:
    """End sessions, and record how many of which account."""
    counts: dict[str, int] = {}
    for one in ended:
        counts[one.account.name] = counts.get(one.account.name, 0) + auth_of(request).sessions.end_those({one.id})
    for name, count in counts.items():
        record(request, "sessions ended", account=name, count=count)


ROUTES = [
    Route("/sessions", viewer(sessions)),
    Route("/sessions/end-others", viewer(end_others), methods=["POST"]),
    Route("/sessions/end-all", admin(end_all), methods=["POST"]),
    Route("/sessions/{session}/end", viewer(end), methods=["POST"]),
]
"""The page of the sessions."""
