"""The page that corrects an event, and the removal of the negative templates that it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.core.errors import GalleryError
from edgeface.core.text import is_id
from edgeface.people.corrections import probe_of
from edgeface.people.enrollment import EnrollOptions, OverridableError
from edgeface.web.auth.guard import FIELD, admin
from edgeface.web.http.problems import Problem
from edgeface.web.pages.doubt import overrides, question
from edgeface.web.pages.people import CHOICE
from edgeface.web.pages.render import Form, action, context_of, page, render, see
from edgeface.web.texts import strings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.core.types import Probe
    from edgeface.gallery.gallery import Gallery
    from edgeface.web.context import WebContext

STORED_WITHIN = 3.0
"""Seconds after which an event without a probe cannot be corrected: probes are stored a little later than events."""
_AGAIN = 0.25


def ask(request: Request, person: str = "", name: str = "", error: str | None = None) -> Response:
    """What the event shows, and the two corrections."""
    context, event = context_of(request), request.path_params["event"]
    with context.gallery() as gallery:
        probe = _probe(context, gallery, event)
        people = [one for one in gallery.people() if not one.ignored]
    return render(
        request,
        "correct.html",
        probe=probe,
        named=next((one.name for one in people if one.id == probe.person), probe.person),
        others=[one for one in people if one.id != probe.person] if len(people) <= CHOICE else [],
        days=context.configuration().privacy.negative_days,
        person=person,
        name=name,
        error=error,
    )


def _probe(context: WebContext, gallery: Gallery, event: str) -> Probe:
    """The probe of an event; that of a new event is stored within a second or two."""
    deadline = context.clock.monotonic() + STORED_WITHIN
    while True:
        try:
            return probe_of(context.configuration(), gallery, event, context.clock.wall())
        except GalleryError as missing:
            if context.clock.monotonic() >= deadline:
                raise Problem(404, detail=str(missing)) from None
        context.clock.sleep(_AGAIN)


def deny(request: Request, form: Form) -> Response:
    """The face is not the person in the event."""
    person = form.text("person")
    try:
        context_of(request).people.deny(request.path_params["event"], person)
    except GalleryError as error:
        return ask(request, error=str(error))
    return see(f"/people/{person}", "denied")


def identify(request: Request, form: Form) -> Response:
    """The face is this person: one from the list, or a new one."""
    chosen, new, name = form.text("person"), form.text("id"), form.text("name")
    if chosen and new:
        return ask(request, new, name, strings.CORRECT_BOTH)
    event, options = request.path_params["event"], EnrollOptions(**overrides(form))
    try:
        person = chosen or context_of(request).people.id_of(new, name)
        context_of(request).people.identify(event, person, None if chosen else name or None, options)
    except OverridableError as error:
        fields = {key: value for key, value in form.fields.items() if key != FIELD}
        return question(request, error, f"/events/{event}/correct/is", fields, (), "/events")
    except GalleryError as error:
        return ask(request, new, name, str(error))
    return see(f"/people/{person}", "identified")


def restore(request: Request, _: Form) -> Response:
    """Remove a negative template."""
    who = request.path_params["person"]
    if not is_id(who):
        raise Problem(404)
    context_of(request).people.restore(who, request.path_params["event"])
    return see(f"/people/{who}", "undone")


_ONE = "/events/{event}/correct"
ROUTES = [
    Route(_ONE, admin(page(ask))),
    Route(f"{_ONE}/not", admin(action(deny)), methods=["POST"]),
    Route(f"{_ONE}/is", admin(action(identify)), methods=["POST"]),
    Route("/people/{person}/negatives/{event}/remove", admin(action(restore)), methods=["POST"]),
]
"""The pages about corrections."""
