"""The page behind a self-enrollment link: a consent text, and photos from the person's own phone; without sign-in."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.routing import Route

from edgeface.core.errors import GalleryError
from edgeface.people.enrollment import RejectedError
from edgeface.people.self_enrollment import text_version
from edgeface.web.auth.guard import public, require_same_origin
from edgeface.web.http import limits
from edgeface.web.http.clients import source
from edgeface.web.http.problems import Problem
from edgeface.web.http.throttle import LinkThrottle
from edgeface.web.pages.render import Form, context_of, read_form, render
from edgeface.web.texts import self_enrollment_strings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.security.single_use_tokens import TokenRecord

PORTS = {"https": 443, "http": 80}


class Joining:
    """Who tries tokens, and which links are sending photos: `request.app.state.joining`; for the web's thread only."""

    def __init__(self, clock: Clock) -> None:
        self.throttle = LinkThrottle(clock)
        self._sending: set[str] = set()

    @contextmanager
    def only(self, link: str) -> Iterator[None]:
        """Hold a link. Raises Problem 429 while another request of it holds it."""
        if link in self._sending:
            raise Problem(429, detail=self_enrollment_strings.JOIN_BUSY, headers={"Retry-After": "5"})
        self._sending.add(link)
        try:
            yield
        finally:
            self._sending.remove(link)


def consent_text(configuration: Configuration) -> str:
    """What the person agrees to."""
    return configuration.privacy.consent_text or self_enrollment_strings.JOIN_CONSENT


@public
async def show(request: Request) -> Response:
    """The consent text and the form."""
    return await run_in_threadpool(ask, request, await _link(request))


@public
async def send(request: Request) -> Response:
    """Take the photos. The body is read only for a link that is valid, one request of it at a time."""
    require_same_origin(request)
    link = await _link(request)
    joining: Joining = request.app.state.joining
    with joining.only(link.id):
        form = await read_form(request)
        async with limits.decoding(request).one():
            return await run_in_threadpool(_propose, request, form, link)


def ask(request: Request, link: TokenRecord, error: str | None = None, lines: Sequence[str] = ()) -> Response:
    """The form, with why nothing was taken."""
    text = consent_text(context_of(request).configuration())
    return render(
        request,
        "join.html",
        name=link.facts.get("name") or link.facts["person"],
        text=text,
        text_version=text_version(text),
        error=error,
        lines=lines,
        taken=None,
    )


def _propose(request: Request, form: Form, link: TokenRecord) -> Response:
    context = context_of(request)
    if form.maybe("agree") is None:
        return ask(request, link, self_enrollment_strings.JOIN_AGREE_FIRST)
    version = text_version(consent_text(context.configuration()))
    if form.text("text") != version:
        return ask(request, link, self_enrollment_strings.JOIN_TEXT_CHANGED)
    if not form.files:
        return ask(request, link, self_enrollment_strings.JOIN_NO_PHOTOS)
    try:
        done = context.self_enrollments.propose(request.path_params["token"], form.files, version)
    except RejectedError as error:
        return ask(request, link, self_enrollment_strings.JOIN_REJECTED, error.lines)
    except GalleryError as error:
        raise Problem(409, detail=str(error)) from None
    return render(request, "join.html", taken=done.taken, lines=done.rejected, error=None)


async def _link(request: Request) -> TokenRecord:
    """The link of the request. Raises Problem 421 at another address, 429 after too many wrong ones, 404 for none."""
    context = context_of(request)
    if not is_at(request, context.configuration().https_page):
        raise Problem(421, detail=self_enrollment_strings.JOIN_ELSEWHERE)
    joining: Joining = request.app.state.joining
    address = source(request.client)
    if wait := joining.throttle.wait(address):
        headers = {"Retry-After": str(math.ceil(wait))}
        raise Problem(429, detail=self_enrollment_strings.JOIN_TRIES, headers=headers)
    found = await run_in_threadpool(context.self_enrollments.find, request.path_params["token"])
    if found is None:
        joining.throttle.failed(address)
        raise Problem(404, detail=self_enrollment_strings.JOIN_GONE)
    return found


def is_at(request: Request, page: str | None) -> bool:
    """Whether a request was made to this https address: over TLS, or by a trusted proxy that may have ended it."""
    if page is None or not (request.url.scheme == "https" or request.scope.get("edgeface.any_scheme")):
        return False
    wanted, host = urlsplit(page), urlsplit(f"//{request.headers.get('host', '')}")
    try:
        return (host.hostname, host.port or PORTS["https"]) == (wanted.hostname, wanted.port or PORTS["https"])
    except ValueError:
        return False


ROUTES = [
    Route("/join/{token}", show),
    Route("/join/{token}", send, methods=["POST"]),
]
"""The page behind a link."""
