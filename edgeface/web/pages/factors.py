"""The forms about second factors on the page of a person."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.core.errors import GalleryError
from edgeface.people.factors import FactorService
from edgeface.web.auth.guard import admin
from edgeface.web.pages.people import person, who_of
from edgeface.web.pages.render import Form, action, context_of, see

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    Work = Callable[[FactorService, str, Form], str]


def _form(work: Work) -> Callable[[Request, Form], Response]:
    """A handler that shows the person's page again, with what was done: a key of DONE_FACTORS."""

    @wraps(work)
    def handle(request: Request, form: Form) -> Response:
        who = who_of(request)
        try:
            done = work(FactorService(context_of(request).people), who, form)
        except GalleryError as error:
            return person(request, str(error))
        return see(f"/people/{who}", done)

    return handle


def set_pin(service: FactorService, who: str, form: Form) -> str:
    """Set the PIN, with a number or without."""
    service.set_pin(who, form.text("pin"), form.maybe("number"))
    return "pin"


def set_duress(service: FactorService, who: str, form: Form) -> str:
    """Set the duress PIN."""
    service.set_duress(who, form.text("pin"))
    return "duress"


def add_card(service: FactorService, who: str, form: Form) -> str:
    """Add a card."""
    service.add_card(who, form.text("uid"))
    return "card"


def remove(service: FactorService, who: str, form: Form) -> str:
    """Remove a factor."""
    service.remove(who, form.text("factor"))
    return "unfactored"


def unlock(service: FactorService, who: str, _: Form) -> str:
    """Forget the wrong PINs."""
    service.unlock(who)
    return "unlocked"


def draw_code(request: Request, _: Form) -> Response:
    """Draw a code, and show it this one time."""
    who = who_of(request)
    try:
        code = FactorService(context_of(request).people).draw_code(who)
    except GalleryError as error:
        return person(request, str(error))
    return person(request, code=code)


_ONE = "/people/{person}/factors"
ROUTES = [
    Route(f"{_ONE}/code", admin(action(draw_code)), methods=["POST"]),
    *(
        Route(f"{_ONE}/{name}", admin(action(_form(work))), methods=["POST"])
        for name, work in (
            ("pin", set_pin),
            ("duress", set_duress),
            ("card", add_card),
            ("remove", remove),
            ("unlock", unlock),
        )
    ),
]
"""The forms about second factors."""
