"""Endpoints, forms and templates of the pages."""

from __future__ import annotations

from functools import cache, wraps
from itertools import starmap
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, RedirectResponse

from edgeface import __version__
from edgeface.core import event_kinds
from edgeface.core.clock import rfc3339
from edgeface.web import strings
from edgeface.web.http import limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from jinja2 import Environment
    from markupsafe import Markup
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.web.context import WebContext

    Endpoint = Callable[[Request], Awaitable[Response]]

HERE = Path(__file__).parents[1]
STATIC = HERE / "static"

Value = TypeVar("Value")


class Form(NamedTuple):
    """A form as the browser sent it."""

    fields: Mapping[str, str]
    files: tuple[tuple[str, bytes], ...]
    """Name and content of each selected file."""

    def text(self, name: str) -> str:
        """A field without surrounding blanks; empty if it is missing."""
        return self.fields.get(name, "").strip()

    def maybe(self, name: str) -> str | None:
        """A field; None if it is empty."""
        return self.text(name) or None


def context_of(request: Request) -> WebContext:
    """The context that the handler works with."""
    context: WebContext = request.app.state.context
    return context


def page(work: Callable[[Request], Response]) -> Endpoint:
    """An endpoint from a function that runs in a worker thread."""

    @wraps(work)
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(work, request)

    return endpoint


def fresh(work: Callable[[Request], Response]) -> Endpoint:
    """As `page`, after asking the daemon for its current state."""

    @wraps(work)
    async def endpoint(request: Request) -> Response:
        await context_of(request).hub.fresh_state()
        return await run_in_threadpool(work, request)

    return endpoint


def action(work: Callable[[Request, Form], Response]) -> Endpoint:
    """An endpoint from a function that takes a form and runs in a worker thread."""

    @wraps(work)
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(work, request, await read_form(request))

    return endpoint


def upload(work: Callable[[Request, Form], Response]) -> Endpoint:
    """As `action`, for forms with photos, of which few are decoded at a time."""

    @wraps(work)
    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        async with limits.decoding(request).one():
            return await run_in_threadpool(work, request, form)

    return endpoint


async def read_form(request: Request) -> Form:
    """Read the fields and files of a form."""
    form = await limits.form(request)
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    sent = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    # A browser sends a file without a name if none was selected.
    return Form(fields, tuple([(one.filename, await one.read()) for one in sent if one.filename]))


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The page from a template; the `values` are escaped."""
    configuration = context_of(request).configuration()
    text = (
        environment()
        .get_template(template)
        .render(
            role=getattr(request.state, "role", None),
            csrf=getattr(request.state, "csrf", None),
            path=request.url.path,
            device=configuration.device,
            done=strings.DONE.get(request.query_params.get("done", "")),
            **values,
        )
    )
    return HTMLResponse(text, status, {"Cache-Control": "no-store"})


def see(path: str, done: str | None = None) -> RedirectResponse:
    """Redirect to another page, which confirms what was done: a key of strings.DONE."""
    return RedirectResponse(path if done is None else f"{path}?done={done}", 303)


def initials(name: str) -> str:
    """The initials of a name, two letters at most."""
    words = name.split()
    chosen = words[:1] if len(words) == 1 else [words[0], words[-1]] if words else []
    return "".join(word[0] for word in chosen).upper()


def when(wall: float) -> str:
    """A time in UTC, to the second."""
    return rfc3339(wall)[:19].replace("T", " ")


@cache
def environment() -> Environment:
    """The templates: everything is escaped, and an undefined name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["s"] = SimpleNamespace(**{key: value for key, value in vars(strings).items() if key.isupper()})
    made.globals["event_kinds"] = event_kinds.EVENT_KINDS
    made.globals["version"] = __version__
    made.filters.update(initials=initials, when=when, stamp=rfc3339, capitalize_first=_capital, coded=_coded)
    made.globals["label_of"] = lambda kind: event_kinds.of(kind).label
    return made


def _coded(text: str) -> Markup:
    """The text with its parts in backquotes as code."""
    from markupsafe import Markup, escape

    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def pairs(counts: Mapping[str, Value], words: Mapping[str, str]) -> list[tuple[str, Value]]:
    """The counts with their keys in words, highest first."""
    named = starmap(lambda key, count: (words.get(key, key), count), counts.items())
    return sorted(named, key=lambda pair: (-float(str(pair[1])), pair[0]))
