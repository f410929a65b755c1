"""One operation of the REST interface: who may call it, what it takes, what it gives, and what does the work."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from edgeface.people.enrollment import RejectedError
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.http import limits
from edgeface.web.http.bodies import checked
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel
    from starlette.datastructures import QueryParams
    from starlette.requests import Request

    from edgeface.web.api.models import ApiModel
    from edgeface.web.http.bodies import Body
    from edgeface.web.site import WebContext

PREFIX = "/api/v1"

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One request, read and checked."""

    site: WebContext
    path: Mapping[str, str]
    query: Any
    """The query model's object; None without one."""
    body: Any
    """What the operation's body reads; None without one."""
    if_match: str | None


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is no JSON object of a model."""

    type: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string", "format": "binary"})


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """What the routes, the document and the tests are made from."""

    method: Method
    path: str
    """Below PREFIX, with {names} in it."""
    role: Literal["viewer", "admin"]
    tag: str
    summary: str
    work: Callable[[Call], Response] | None
    """Runs in a worker thread; None for a route that is only described here."""
    answers: Mapping[int, type[BaseModel] | Media]
    query: type[ApiModel] | None = None
    body: Body | None = None
    errors: tuple[int, ...] = ()
    """Statuses of its own problems, besides those that follow from the rest."""
    tagged: bool = False
    """The answer has an ETag, and If-None-Match is obeyed."""
    guarded: bool = False
    """If-Match is obeyed."""
    heavy: bool = False
    """It decodes photos: few at a time."""
    fresh: bool = False
    """It wants the state as it is now."""

    @property
    def id(self) -> str:
        """Its name in the document."""
        return re.sub(r"[^a-z]+", "_", f"{self.method.lower()}{self.path}").strip("_")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names in the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    def endpoint(self) -> Any:
        """What Starlette calls, behind the role."""

        async def endpoint(request: Request) -> Response:
            query = None if self.query is None else _query(self.query, request)
            body = None if self.body is None else await self.body.read(request)
            site: WebContext = request.app.state.site
            if self.fresh:
                await site.hub.report()
            call = Call(site, request.path_params, query, body, request.headers.get("if-match"))
            response = await self._worked(request, call)
            return _tagged(request, response) if self.tagged else response

        endpoint.__name__ = self.id
        return (admin if self.role == "admin" else viewer)(endpoint)

    async def _worked(self, request: Request, call: Call) -> Response:
        if not self.heavy:
            return await run_in_threadpool(self._work, call)
        async with limits.decoding(request).one():
            return await run_in_threadpool(self._work, call)

    def _work(self, call: Call) -> Response:
        if self.work is None:
            raise TypeError(f"{self.id} is only described")
        try:
            return self.work(call)
        except RejectedError as error:
            raise Problem(422, detail=str(error), more={"errors": list(error.lines)}) from None


def reply(shape: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The shape as JSON."""
    return Response(shape.model_dump_json(), status, dict(headers or {}), "application/json")


def missing(what: str) -> Problem:
    """The problem of something that is not there."""
    return Problem(HTTPStatus.NOT_FOUND, detail=what)


def require_writable(problem: str | None) -> None:
    """Refuse a change where nothing can be written; `problem` is the gallery's."""
    if problem is not None:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail=problem)


def etag(body: bytes) -> str:
    """The strong validator of an answer."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def require_match(given: str | None, shape: BaseModel) -> None:
    """Refuse a change of something that is no longer as who asks has seen it."""
    if given is not None and not _names(given, etag(shape.model_dump_json().encode())):
        raise Problem(HTTPStatus.PRECONDITION_FAILED, detail="it has been changed meanwhile: read it again")


def _names(header: str, tag: str) -> bool:
    given = [one.strip() for one in header.split(",")]
    return "*" in given or tag in given


def _tagged(request: Request, response: Response) -> Response:
    if response.status_code != HTTPStatus.OK:
        return response
    tag = etag(bytes(response.body))
    wanted = request.headers.get("if-none-match", "").replace("W/", "")
    if wanted and _names(wanted, tag):
        return Response(None, HTTPStatus.NOT_MODIFIED, {"ETag": tag})
    response.headers["ETag"] = tag
    return response


def _query(model: type[ApiModel], request: Request) -> Any:
    return checked(model, dict(_values(model, request.query_params)), request, strict=False)


def _values(model: type[ApiModel], given: QueryParams) -> Mapping[str, Any]:
    several = {name for name, info in model.model_fields.items() if "list" in str(info.annotation)}
    found: dict[str, Any] = {}
    for name in given:
        values = given.getlist(name)
        if name not in several and len(values) > 1:
            raise Problem(422, detail="a parameter is given twice")
        found[name] = values if name in several else values[0]
    return found


def cursor_of(*parts: str | float) -> str:
    """The place after the item with these keys."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def after(cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """The keys that `cursor_of` was given, of these types; None for the start. Problem 422 for what it did not make."""
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(types):
        raise Problem(422, detail="cursor: not one that this interface gave")
    return tuple(parts)
