"""Sign-in with password and second factor, and the rights of each request."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from edgeface.centre.admins.rights import NOTHING, Rights
from edgeface.web.api.models import ApiModel
from edgeface.web.auth.accounts import MAX_PASSWORD_BYTES
from edgeface.web.auth.guard import public, require_same_origin, viewer
from edgeface.web.auth.login import check_password
from edgeface.web.http.bodies import json_body
from edgeface.web.http.clients import source
from edgeface.web.http.operation import PREFIX
from edgeface.web.http.problems import Problem
from edgeface.web.http.throttle import Buckets, too_soon

if TYPE_CHECKING:
    from starlette.requests import Request

    from edgeface.centre.admins.rights import RightsFile, Role
    from edgeface.centre.context import CentreContext
    from edgeface.core.clock import Clock
    from edgeface.web.auth.accounts import Account
    from edgeface.web.auth.guard import AuthService
    from edgeface.web.http.operation import Call


class SignIn(ApiModel):
    """A password with its second factor."""

    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=MAX_PASSWORD_BYTES)]
    code: Annotated[str, Field(max_length=16)]
    """What the authenticator shows now; each code works once."""


@public
async def sign_in(request: Request) -> Response:
    """Begin a session for an account with a password; a refusal does not say which part was wrong."""
    require_same_origin(request)
    given: SignIn = await json_body(SignIn).read(request)
    account, wait = await checked_account(request, given.name, given.password, given.code)
    if wait:
        raise too_soon(wait, "too many wrong sign-ins")
    if account is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, detail="name, password or code is wrong; each code works once")
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    await begin_session(request, response, account)
    return response


async def checked_account(request: Request, name: str, password: str, code: str) -> tuple[Account | None, float]:
    """The account of a name if password and code are right, or None and the seconds to wait before the next try."""
    rights: RightsFile = request.app.state.rights

    def has_code(account: Account) -> bool:
        return rights.use_code(account.name, code.replace(" ", ""))

    account, wait = await check_password(request, name, password, has_code)
    if account is None and not wait:
        await _note_failure(request, name)
    return account, wait


class FailedSignIns:
    """Which failed sign-ins get a row in the journal, which keeps every row; for the web's thread only.

    That does not depend on whether the account exists: the time of an answer would tell it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pairs, self._addresses, self._every = Buckets(1, 60.0), Buckets(5, 60.0), Buckets(60, 10.0)

    def due(self, name: str, address: str) -> bool:
        """Whether to note a failure now: one a minute of a name and an address, and few of an address and of all."""
        kinds = (self._pairs, (name, address)), (self._addresses, address), (self._every, None)
        waits = [buckets.wait(key, self._clock.monotonic()) for buckets, key in kinds]
        if any(waits):
            return False
        for buckets, key in kinds:
            buckets.take(key)
        return True


async def _note_failure(request: Request, name: str) -> None:
    """Note a failed sign-in, with its name only if there is such an account: people type passwords there, too."""
    if not request.app.state.failures.due(name, source(request.client)):
        return
    known = request.app.state.auth.accounts.with_password(name) is not None
    facts = {"failed": "wrong password or code", "account": name} if known else {"failed": "no such account"}
    await run_in_threadpool(request.app.state.context.store.journal.add, "", "sign-in", None, facts)


async def begin_session(request: Request, response: Response, account: Account) -> None:
    """Begin a session that is in the journal; any session that the browser had ends."""
    store = request.app.state.context.store
    await run_in_threadpool(store.journal.add, account.name, "sign-in")
    auth: AuthService = request.app.state.auth
    await auth.note_use(account)
    auth.sign_in(request, response, account)


@viewer
async def sign_out(request: Request) -> Response:
    """End the session."""
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    request.app.state.auth.sign_out(request, response)
    return response


def rights_of(call: Call) -> Rights:
    """What the caller may do."""
    return rights_in(call.request)


def rights_in(request: Request) -> Rights:
    """What the caller of a request may do."""
    holder = request.state.holder
    found: Rights = request.app.state.rights.of(holder.name, holder.kind)
    # An account that another program has made has no rights here.
    return found if found.role == holder.role else NOTHING


def require_right(call: Call, site: str | None, role: Role) -> None:
    """Raise Problem 403 unless the caller has a role at a site; None is what belongs to no site."""
    if not rights_of(call).allow(site, role):
        where = "all sites" if site is None else "this site"
        raise Problem(HTTPStatus.FORBIDDEN, detail=f"this requires the {role} role for {where}")


def centre(call: Call) -> CentreContext:
    """The context of the centre's application, which is another than that of a device's page."""
    context: Any = call.context
    found: CentreContext = context
    return found


def by(call: Call) -> str:
    """The account that a change is recorded with."""
    return str(call.request.state.account)


ROUTES = [
    Route(f"{PREFIX}/sign-in", sign_in, methods=["POST"]),
    Route(f"{PREFIX}/sign-out", sign_out, methods=["POST"]),
]
"""GET /session has the CSRF token, which each change of a session needs in X-CSRF-Token."""
