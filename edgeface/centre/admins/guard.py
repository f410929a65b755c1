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
from edgeface.web.http.operation import PREFIX
from edgeface.web.http.problems import Problem
from edgeface.web.http.throttle import too_soon

if TYPE_CHECKING:
    from starlette.requests import Request

    from edgeface.centre.admins.rights import Role
    from edgeface.centre.context import CentreContext
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
    rights = request.app.state.rights

    def has_code(account: Any) -> bool:
        return bool(rights.use_code(account.name, given.code.replace(" ", "")))

    account, wait = await check_password(request, given.name, given.password, has_code)
    if wait:
        raise too_soon(wait, "too many wrong sign-ins")
    if account is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, detail="name, password or code is wrong; each code works once")
    auth = request.app.state.auth
    await run_in_threadpool(request.app.state.context.store.journal.add, account.name, "sign-in")
    await auth.note_use(account)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    auth.sign_in(request, response, account)
    return response


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
