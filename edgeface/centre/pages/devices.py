"""The pages about devices: all of them, the codes with which they join, and what to do about a lost one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.centre.admins.guard import rights_in
from edgeface.centre.lost import find_device, lose
from edgeface.centre.pages.render import account_of, centre_of, render, require
from edgeface.centre.views.overview import device_states, sites_of
from edgeface.core.errors import GalleryError
from edgeface.fleet import join_code
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.pages.render import Form, action, page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.centre.records import Device


def devices(request: Request, error: str | None = None, form: Form | None = None) -> Response:
    """All devices of the sites that the account may see, and the form for a code."""
    context, rights = centre_of(request), rights_in(request)
    return render(
        request,
        "devices.html",
        states=device_states(context.store, rights),
        sites=[one.site for one in context.store.sites() if rights.allow(one.site, "admin")],
        now=context.clock.wall(),
        error=error,
        form=form or Form({}, ()),
    )


def make_code(request: Request, form: Form) -> Response:
    """Make a code, and show it this once."""
    import segno

    context, device = centre_of(request), form.text("device")
    wanted = [one.site for one in context.store.sites() if form.maybe(f"site-{one.site}") is not None]
    # A device that has this name is replaced, at all its sites.
    for site in (*wanted, *sites_of(context.store, device)):
        require(request, site, "admin")
    if not wanted:
        return devices(request, "choose at least one site", form)
    try:
        secret = context.store.make_code(wanted, device, account_of(request))
    except GalleryError as error:
        return devices(request, str(error), form)
    code, settings = join_code.new(context.authority.fingerprint, secret).text(), context.settings
    return render(
        request,
        "code.html",
        device=device,
        sites=wanted,
        code=code,
        command=f"edgeface fleet join https://{settings.names[0]}:{settings.devices.port}",
        minutes=join_code.SECONDS // 60,
        picture=segno.make_qr(code).svg_data_uri(scale=4, border=3, light="#fff"),
    )


def ask(request: Request, error: str | None = None) -> Response:
    """What follows if a device is declared lost."""
    return render(request, "lost.html", device=_losable(request), error=error)


def lost(request: Request, form: Form) -> Response:
    """Refuse a device from now on, if its name was typed."""
    device = _losable(request)
    if form.text("confirm") != device.device:
        return ask(request, f"type {device.device} to confirm")
    report = lose(centre_of(request).store, device.device, account_of(request))
    return render(request, "lost_report.html", report=report)


def _losable(request: Request) -> Device:
    """The device in the path. Raises UnknownError, and Problem 403 unless the account is an admin of all its sites."""
    rights = rights_in(request)
    known = {one.device.device for one in device_states(centre_of(request).store, rights)}
    name = request.path_params["device"]
    # Whoever may not see a device does not learn that there is one.
    found = find_device(centre_of(request).store, name if name in known else "")
    for site in found.sites:
        require(request, site, "admin")
    return found


ROUTES = [
    Route("/devices", viewer(page(devices))),
    Route("/devices/code", admin(action(make_code)), methods=["POST"]),
    Route("/devices/{device}/lost", admin(page(ask))),
    Route("/devices/{device}/lost", admin(action(lost)), methods=["POST"]),
]
"""The pages about devices."""
