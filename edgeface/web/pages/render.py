"""Endpoints, forms and templates of the pages."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache, partial, wraps
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import HTMLResponse, RedirectResponse

from edgeface import __version__
from edgeface.core import event_kinds
from edgeface.core.clock import rfc3339
from edgeface.core.installed.container import for_here
from edgeface.core.text import counted
from edgeface.faces.photo_face import PHOTO_SIDE
from edgeface.web.auth.login import local
from edgeface.web.http import limits
from edgeface.web.http.base_path import base_path
from edgeface.web.languages.catalogues import language
from edgeface.web.pages.faults import with_names
from edgeface.web.texts import (
    account_strings,
    camera_strings,
    door_strings,
    factor_strings,
    level_strings,
    notify_strings,
    photo_strings,
    self_enrollment_strings,
    settings_strings,
    strings,
    today_strings,
    unknown_strings,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from jinja2 import Environment
    from markupsafe import Markup
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.web.auth.guard import AuthService
    from edgeface.web.context import WebContext
    from edgeface.web.http.problems import Problem

    Endpoint = Callable[[Request], Awaitable[Response]]

HERE = Path(__file__).parents[1]
STATIC = HERE / "static"
_MAX_DIGITS = 15
_TEXTS = (
    account_strings,
    camera_strings,
    strings,
    door_strings,
    factor_strings,
    level_strings,
    notify_strings,
    photo_strings,
    self_enrollment_strings,
    settings_strings,
    today_strings,
    unknown_strings,
)

Value = TypeVar("Value")


_DIGITS = 18
"""Of the largest numbers that fit into 64 bits, whatever they begin with."""


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

    def whole(self, name: str) -> int | None:
        """A field as a whole number from 0 on; None for anything else, and for one that no database takes."""
        text = self.text(name)
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def context_of(request: Request) -> WebContext:
    """The context that the handler works with."""
    context: WebContext = request.app.state.context
    return context


def page(work: Callable[[Request], Response], *, fresh: bool = False) -> Endpoint:
    """An endpoint from a function that runs in a worker thread; `fresh` asks the daemon for its current state first."""

    @wraps(work)
    async def endpoint(request: Request) -> Response:
        if fresh:
            await context_of(request).hub.fresh_state()
        return await run_in_threadpool(work, request)

    return endpoint


def action(work: Callable[[Request, Form], Response], *, heavy: bool = False) -> Endpoint:
    """As `page`, from a function that also takes a form; `heavy` ones decode photos, and few of them run at a time."""

    @wraps(work)
    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        async with limits.decoding(request).one() if heavy else nullcontext():
            return await run_in_threadpool(work, request, form)

    return endpoint


async def read_form(request: Request) -> Form:
    """Read a form, within the limits on bodies. Raises Problem."""
    form = await limits.form(request)
    # Half of a surrogate pair, which the charset of a form can bring, cannot be shown as UTF-8.
    fields = {
        name: value.encode("utf-8", "replace").decode() for name, value in form.multi_items() if isinstance(value, str)
    }
    sent = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    # A browser sends a file without a name if none was selected.
    return Form(fields, tuple([(one.filename, await one.read()) for one in sent if one.filename]))


def render(request: Request, template: str, **values: Any) -> HTMLResponse:
    """The page from a template; the `values` are escaped. With an `error` among them the status is 409."""
    made = environment().get_template(template)
    configuration = context_of(request).configuration()
    text = made.render(
        role=getattr(request.state, "role", None),
        csrf=getattr(request.state, "csrf", None),
        path=request.url.path,
        ingress=request.scope.get("edgeface.user") is not None,
        device=configuration.device,
        camera_name=configuration.camera_name,
        with_names=partial(with_names, configuration=configuration),
        done=_done(request.query_params.get("done", "")),
        language=language.get(),
        **values,
    )
    return HTMLResponse(text, 409 if values.get("error") else 200, {"Cache-Control": "no-store"})


def back_to(form: Form, path: str) -> str:
    """The page that a form names in `back`, if it is one of ours; otherwise `path`."""
    return local(form.text("back")) if form.text("back") else path


def _done(key: str) -> str | None:
    texts = {
        **strings.DONE,
        **account_strings.DONE_ACCOUNTS,
        **factor_strings.DONE_FACTORS,
        **notify_strings.DONE_NOTIFY,
        **self_enrollment_strings.DONE_JOIN,
        **settings_strings.DONE_SETTINGS,
        **today_strings.DONE_TODAY,
    }
    return texts.get(key)


def _section(path: str) -> tuple[str, str] | None:
    """The page that an error page at a path leads back to, and its title."""
    sections = {
        **strings.PAGES,
        "/sessions": account_strings.SESSIONS,
        "/accounts": account_strings.ACCOUNTS,
        "/tokens": account_strings.TOKENS,
        "/settings": settings_strings.SETTINGS,
    }
    return next((pair for pair in sections.items() if pair[0] != "/" and path.startswith(f"{pair[0]}/")), None)


def see(path: str, done: str | None = None) -> RedirectResponse:
    """Redirect to another page, which confirms what was done: a key of strings.DONE."""
    return RedirectResponse(path if done is None else f"{path}{'&' if '?' in path else '?'}done={done}", 303)


def problem_page(request: Request, problem: Problem) -> Response:
    """The page of an error, with the navigation that the role may use; runs in the event loop."""
    auth: AuthService = request.app.state.auth
    session = auth.session(request)
    if session is not None:
        request.state.role, request.state.csrf = session.account.role, session.csrf
    path, status = request.url.path, problem.status
    own_title = problem.title != HTTPStatus(status).phrase
    again = request.method == "GET" and status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    response = render(
        request,
        "problem.html",
        title=problem.title if own_title else account_strings.PROBLEM_TITLES.get(status, problem.title),
        text="" if own_title else account_strings.PROBLEM_TEXTS.get(status, ""),
        detail=problem.detail,
        again=quote(path) if again and not path.startswith("//") else None,
        section=_section(path),
    )
    response.status_code = status
    response.headers.update(problem.headers)
    return response


def initials(name: str) -> str:
    """The initials of a name, two letters at most."""
    words = name.split()
    return "".join(word[0] for word in words[:1] + words[1:][-1:]).upper()


def when(wall: float, show: str = "") -> str:
    """A time in UTC, to the second; with `show`, its `day` or its `clock` only, to the minute."""
    text = rfc3339(wall)[:19].replace("T", " ")
    return {"day": text[:10], "clock": text[11:16]}.get(show, text)


class _Texts:
    """The texts of all modules for the templates, in the language of the request."""

    def __getattr__(self, name: str) -> Any:
        for texts in _TEXTS:
            if name.isupper() and hasattr(texts, name):
                return getattr(texts, name)
        raise AttributeError(name)


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
    made.globals["s"] = _Texts()
    made.globals["base"] = base_path.get
    made.globals["event_kinds"] = event_kinds.EVENT_KINDS
    made.globals["photo_limits"] = {
        "most": limits.MAX_FILES,
        "bytes": limits.MAX_UPLOAD_BYTES,
        "megabytes": limits.MAX_UPLOAD_BYTES // 1_000_000,
        "side": PHOTO_SIDE,
    }
    made.globals["version"] = __version__
    made.filters.update(initials=initials, when=when, stamp=rfc3339, coded=_coded)
    made.filters["counted"] = lambda number, noun: counted(number, *noun)
    made.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    made.globals["label_of"] = lambda kind: strings.KIND_LABELS.get(kind, kind)
    return made


def _coded(text: str) -> Markup:
    """The text with its parts in backquotes as code; in a container, commands are those for a container."""
    from markupsafe import Markup, escape

    parts = [escape(part) for part in for_here(text).split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def number(request: Request, name: str) -> int | None:
    """A number of at most 15 digits in the query; None without one."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def pairs(counts: Mapping[str, Value], words: Mapping[str, str]) -> list[tuple[str, Value]]:
    """The counts with their keys in words, highest first."""
    named = [(words.get(key, key), count) for key, count in counts.items()]
    return sorted(named, key=lambda pair: (-float(str(pair[1])), pair[0]))
