"""The page with the models of a site's devices, and the rings in which they change over."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from starlette.routing import Route

from edgeface.centre.models.known import find_model, known_models
from edgeface.centre.models.ring import LateError, Ring, set_ring
from edgeface.centre.pages.render import account_of, centre_of, render, site_of
from edgeface.core.errors import FleetError, UsageError
from edgeface.fleet.messages import MOST_WITHOUT
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.pages.render import Form, action, page, see

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.centre.context import CentreContext

_DEVICE = "device-"
"""What the name of a box begins with; the name of the device follows."""
_WHOLE = 100


class _Known(NamedTuple):
    """A model that the centre knows."""

    name: str
    own: bool
    """Whether it is the one in centre.yaml."""
    lacking: int
    """People of the site who have no template of it."""


def models(request: Request, error: str | None = None, form: Form | None = None, *, late: bool = False) -> Response:
    """The models of the centre and of each device; `late` offers to continue although devices have not changed over."""
    site, context = site_of(request), centre_of(request)
    return render(
        request,
        "models.html",
        site=context.store.site(site),
        known=_known(context, site),
        devices=context.store.rings.models(site),
        form=form or Form({}, ()),
        late=late,
        error=error,
    )


def move(request: Request, form: Form) -> Response:
    """Have devices use a model."""
    site = site_of(request, "admin")
    try:
        set_ring(centre_of(request), _ring(centre_of(request), site, form), account_of(request))
    except (UsageError, FleetError) as error:
        return models(request, str(error), form, late=isinstance(error, LateError))
    return see(f"/sites/{site}/models", "ring")


def _known(context: CentreContext, site: str) -> list[_Known]:
    names = known_models(context.settings)
    return [_Known(name, n == 0, len(context.store.crops.lacking(site, name))) for n, name in enumerate(names)]


def _ring(context: CentreContext, site: str, form: Form) -> Ring:
    """The ring that a form asks for. Raises UsageError for one that is not complete, UnknownError for a model."""
    which = form.text("which")
    devices = tuple(name.removeprefix(_DEVICE) for name in form.fields if name.startswith(_DEVICE))
    if which not in {"devices", "share", "all"}:
        raise UsageError("choose which devices change over")
    if which == "devices" and not devices:
        raise UsageError("choose at least one device")
    share = _number(form, "share", 1, _WHOLE, "the share") if which == "share" else _WHOLE
    return Ring(
        model=find_model(context.settings, form.text("model")),
        site=site,
        devices=devices if which == "devices" else None,
        share=share / _WHOLE,
        without=_number(form, "without", 0, MOST_WITHOUT, "the number of people") if form.maybe("without") else 0,
        anyway=form.maybe("anyway") is not None,
        finish=form.maybe("finish") is not None,
    )


def _number(form: Form, name: str, least: int, most: int, what: str) -> int:
    found = form.whole(name)
    if found is None or not least <= found <= most:
        raise UsageError(f"{what}: give a whole number from {least} to {most}")
    return found


_MODELS = "/sites/{site}/models"
ROUTES = [
    Route(_MODELS, viewer(page(models))),
    Route(_MODELS, admin(action(move)), methods=["POST"]),
]
"""The page with the models of a site."""
