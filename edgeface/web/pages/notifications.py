"""The pages about notifications: targets and browsers, and the page behind a link in a message."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.responses import FileResponse
from starlette.routing import Route

from edgeface.core.errors import EdgefaceError, GalleryError
from edgeface.core.text import cleaned
from edgeface.notify.settings import WebPushTarget
from edgeface.notify.subscriptions import Subscription
from edgeface.web.auth.guard import admin, public, require_same_origin
from edgeface.web.http.problems import Problem
from edgeface.web.pages.render import STATIC, Form, action, context_of, page, render, see
from edgeface.web.texts import notify_strings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.notify.subscriptions import SubscriptionFile

log = logging.getLogger(__name__)

_LABEL = 60


def overview(request: Request, error: str | None = None) -> Response:
    """Each target with its counts, and the browsers."""
    notifier = context_of(request).notifier()
    known, key = None, None
    if notifier is not None and _has_push(request):
        known, key = notifier.browsers.browsers(), notifier.browsers.public()
    facts = None if notifier is None else notifier.facts()
    browsers = () if known is None else known.subscriptions
    return render(request, "notifications.html", facts=facts, browsers=browsers, key=key, error=error)


def add_browser(request: Request, form: Form) -> Response:
    """Add the browser that sends this form."""
    try:
        subscription = Subscription(
            endpoint=form.text("endpoint"),
            p256dh=form.text("p256dh"),
            auth=form.text("auth"),
            label=cleaned(form.text("label"))[:_LABEL],
            added=context_of(request).clock.wall(),
        )
        _browsers(request).add(subscription)
    except ValidationError:
        return overview(request, "The browser has sent no address of a push service.")
    except EdgefaceError as error:
        return overview(request, str(error))
    context_of(request).record("config", {"web": "a browser for notifications was added"})
    return see("/notifications", "browser_added")


def remove_browser(request: Request, _: Form) -> Response:
    """Remove a browser."""
    _browsers(request).remove([request.path_params["browser"]])
    return see("/notifications", "browser_removed")


def send_test(request: Request, _: Form) -> Response:
    """Send a test to every target."""
    notifier = context_of(request).notifier()
    if notifier is None:
        raise Problem(404, detail=notify_strings.NOTIFY_NONE)
    notifier.send_test()
    return see("/notifications", "test_sent")


def stranger(request: Request) -> Response:
    """The page behind a link in a message: it shows nothing about the person but the buttons."""
    notifier, token = context_of(request).notifier(), request.path_params["token"]
    unknown = None if notifier is None else notifier.links.find(token)
    return render(request, "stranger.html", unknown=unknown, token=token, ignored=False, error=None)


def ignore(request: Request) -> Response:
    """Put the stranger of a link on the ignore list, once and without sign-in; the body is not read."""
    require_same_origin(request)
    context = context_of(request)
    notifier, token = context.notifier(), request.path_params["token"]
    unknown = None if notifier is None else notifier.links.take(token)
    error = None
    if unknown is not None:
        try:
            # Doubts, such as a look-alike who is enrolled, are for an admin to decide.
            context.people.ignore_unknown(unknown)
        except GalleryError as refused:
            log.warning("a link could not have %s ignored: %s", unknown, refused)
            error = notify_strings.STRANGER_DOUBT
    return render(request, "stranger.html", unknown=None, token="", ignored=unknown is not None, error=error)


@public
async def service_worker(_: Request) -> FileResponse:
    """The script that shows messages while no page is open; its folder is what it may serve."""
    return FileResponse(STATIC / "service-worker.js", media_type="text/javascript")


def _has_push(request: Request) -> bool:
    notify = context_of(request).configuration().notify
    return notify is not None and any(isinstance(one, WebPushTarget) for one in notify.targets.values())


def _browsers(request: Request) -> SubscriptionFile:
    notifier = context_of(request).notifier()
    if notifier is None or not _has_push(request):
        raise Problem(404, detail=notify_strings.NOTIFY_NO_PUSH)
    return notifier.browsers


ROUTES = [
    Route("/notifications", admin(page(overview))),
    Route("/notifications/browsers", admin(action(add_browser)), methods=["POST"]),
    Route("/notifications/browsers/{browser}/remove", admin(action(remove_browser)), methods=["POST"]),
    Route("/notifications/test", admin(action(send_test)), methods=["POST"]),
    Route("/stranger/{token}", public(page(stranger))),
    Route("/stranger/{token}", public(page(ignore)), methods=["POST"]),
    Route("/service-worker.js", service_worker),
]
"""The pages about notifications."""
