"""One operation of the REST interface: who may call it, what it takes, what it answers, and the function that does it.

ETags and cursors are here too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from edgeface.core.text import closest, printable
from edgeface.people.enrollment import OverridableError, RejectedError
from edgeface.web.auth.guard import BY_ROLE
from edgeface.web.http import limits
from edgeface.web.http.bodies import checked
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from pydantic import BaseModel
    from starlette.datastructures import QueryParams
    from starlette.requests import Request

    from edgeface.gallery.gallery import Gallery
    from edgeface.web.api.models import ApiModel, Page
    from edgeface.web.auth.accounts import Role
    from edgeface.web.context import WebContext
    from edgeface.web.http.bodies import Body

    Work = Callable[["Call"], Response | Awaitable[Response]]
    Key = tuple[Any, ...]

Item = TypeVar("Item")
PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One request, read and checked."""

    request: Request
    query: Any
    """An object of the query model; None without one."""
    body: Any
    """The result of the operation's body reader; None without one."""

    @property
    def context(self) -> WebContext:
        """The context that the operation works with."""
        context: WebContext = self.request.app.state.context
        return context

    @property
    def path(self) -> Mapping[str, str]:
        """The parameters in the path."""
        return self.request.path_params


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is not a model's JSON object."""

    type: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string", "format": "binary"})


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """The source of the routes, the OpenAPI document and the tests."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    """Below PREFIX, with {names} in it."""
    role: Role
    """The least that the caller needs."""
    tag: str
    summary: str
    work: Work
    """Runs in a worker thread; a coroutine function runs in the event loop."""
    answers: Mapping[int, type[BaseModel] | Media]
    query: type[ApiModel] | None = None
    body: Body | None = None
    errors: tuple[int, ...] = ()
    """Statuses of its own problems, in addition to those that follow from the rest."""
    tagged: bool = False
    """The answer has an ETag, and If-None-Match is honoured."""
    guarded: bool = False
    """If-Match is honoured."""
    heavy: bool = False
    """It decodes photos: few run at a time."""
    fresh: bool = False
    """It needs the current state."""

    @property
    def id(self) -> str:
        """Its name in the document."""
        return re.sub(r"[^a-z]+", "_", f"{self.method.lower()}{self.path}").strip("_")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names in the path."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    def endpoint(self) -> Any:
        """Starlette's endpoint, which checks the role first."""

        async def endpoint(request: Request) -> Response:
            query = None
            _require_known(self.query, request.query_params)
            if self.query is not None:
                query = checked(self.query, _values(self.query, request.query_params), request, strict=False)
            body = None if self.body is None else await self.body.read(request)
            call = Call(request, query, body)
            if self.fresh:
                await call.context.hub.fresh_state()
            response = await self._run(call)
            return _tagged(request, response) if self.tagged else response

        endpoint.__name__ = self.id
        return BY_ROLE[self.role](endpoint)

    async def _run(self, call: Call) -> Response:
        work: Any = self.work
        if iscoroutinefunction(work):
            response: Response = await work(call)
            return response
        async with limits.decoding(call.request).one() if self.heavy else nullcontext():
            return await run_in_threadpool(_answer, work, call)


def _answer(work: Callable[[Call], Response], call: Call) -> Response:
    try:
        return work(call)
    except OverridableError as error:
        detail = f'{error} ("{error.option}": true, if you are sure)'
        raise Problem(409, detail=detail, more={"errors": list(error.lines)}) from None
    except RejectedError as error:
        alike = ' ("different_people": true, if they are two people who look alike)' if error.others else ""
        raise Problem(
            422 if error.lines else 409, detail=f"{error}{alike}", more={"errors": list(error.lines)}
        ) from None


def reply(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The model as JSON."""
    return Response(model.model_dump_json(), status, dict(headers or {}), "application/json")


@contextmanager
def writable_gallery(call: Call) -> Iterator[Gallery]:
    """Open the gallery. Raises Problem 503 if it cannot be written."""
    with call.context.gallery() as gallery:
        require_disk(gallery.problem)
        yield gallery


def require_disk(problem: str | None) -> None:
    """Raise Problem 503 if the gallery or the journal has this problem with its file."""
    if problem is not None:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail=problem)


def etag(data: bytes) -> str:
    """The ETag of an answer or a file; it identifies the content and reveals nothing of it."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def require_match(call: Call, now: BaseModel | bytes, *, required: bool = False) -> None:
    """Raise Problem 412 if If-Match names another version than `now`, 428 if it is required and missing."""
    if_match = call.request.headers.get("if-match")
    if required and not if_match:
        detail = "If-Match must have the ETag of the version that you change, so that no other change is lost"
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, detail=detail)
    tag = etag(now if isinstance(now, bytes) else now.model_dump_json().encode())
    if if_match is not None and not _names(if_match, tag):
        detail = "changed by someone else in the meantime: load it again, then retry"
        raise Problem(HTTPStatus.PRECONDITION_FAILED, detail=detail, headers={"ETag": tag})


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


def _require_known(model: type[ApiModel] | None, given: Iterable[str]) -> None:
    """Raise Problem 400 for a parameter that the operation does not have: a misspelled filter would select all."""
    known = () if model is None else tuple(model.model_fields)
    for name in given:
        if name not in known:
            current = [one for one in known if not _is_deprecated(model, one)]
            meant = closest(name, current)
            hint = f": did you mean '{meant}'?" if meant else f"; known are {', '.join(current) or 'none'}"
            raise Problem(400, detail=f"unknown parameter '{printable(name)}'{hint}")


def _is_deprecated(model: type[ApiModel] | None, name: str) -> bool:
    extra = None if model is None else model.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("deprecated"))


def _values(model: type[ApiModel], given: QueryParams) -> Mapping[str, Any]:
    several = {name for name, info in model.model_fields.items() if "list" in str(info.annotation)}
    found: dict[str, Any] = {}
    for name in given:
        values = given.getlist(name)
        if name not in several and len(values) > 1:
            raise Problem(422, detail="a parameter is given twice")
        found[name] = values if name in several else values[0]
    return found


def part(
    items: Iterable[Item], page: Page, key: Callable[[Item], Key], types: tuple[type, ...]
) -> tuple[list[Item], str | None]:
    """The items of one page of a list that is sorted by `key`, and the cursor of the next page.

    `types` are those of the key's values. Raises Problem 422 if the cursor is not ours.
    """
    start = None if page.cursor is None else key_of(page.cursor, types)
    rest = [one for one in items if start is None or key(one) > start]
    shown = rest[: page.limit]
    return shown, cursor_of(key(shown[-1])) if len(rest) > len(shown) else None


def cursor_of(key: Key) -> str:
    """The cursor of the page after an item with this key."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def key_of(cursor: str, types: tuple[type, ...]) -> Key:
    """The key of a cursor; raises Problem 422 if the cursor is not ours."""
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        keys = None
    if not isinstance(keys, list) or tuple(map(type, keys)) != types:
        raise Problem(422, detail="cursor: use `next` of an earlier answer")
    return tuple(keys)
