"""The page that enrolls a person from photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.centre.enrolling import Facts
from edgeface.centre.pages.people import enrolling, groups
from edgeface.centre.pages.render import centre_of, render
from edgeface.core.errors import ChangedError, GalleryError
from edgeface.gallery.snapshot import check_days
from edgeface.people.enrollment import DoubtError, EnrollOptions, OverridableError, RejectedError
from edgeface.web.auth.guard import admin
from edgeface.web.pages.render import Form, action, page, see

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def ask(request: Request, form: Form | None = None, error: GalleryError | ChangedError | str | None = None) -> Response:
    """The form, with what was sent and why it was refused, and what would carry it out all the same."""
    own = enrolling(request, "admin")
    rejected = error if isinstance(error, RejectedError) else None
    given = form or Form({"id": request.query_params.get("id", "")[:64]}, ())
    options = {
        "skip_bad": rejected is not None and rejected.skippable,
        "different_people": rejected is not None and bool(rejected.others),
        "anyway": isinstance(error, DoubtError),
    }
    return render(
        request,
        "enroll.html",
        site=centre_of(request).store.site(own.site),
        form=given,
        error=str(error) if error else None,
        lines=() if not isinstance(error, (RejectedError, OverridableError)) else error.lines,
        options={name: on or given.maybe(name) is not None for name, on in options.items()},
    )


def enroll(request: Request, form: Form) -> Response:
    """Enroll a person from the photos in the form, or replace the template of one."""
    own = enrolling(request, "admin")
    options = EnrollOptions(
        skip_bad=form.maybe("skip_bad") is not None,
        anyway=form.maybe("anyway") is not None,
        different_people=form.maybe("different_people") is not None,
    )
    if not form.files:
        return ask(request, form, "choose at least one photo")
    try:
        check_days(form.maybe("given"), form.maybe("expires"))
        facts = Facts(
            form.maybe("name"), groups(form) or None, consent=form.maybe("given"), expires=form.maybe("expires")
        )
        done = own.from_photos(form.maybe("id"), facts, form.files, options, keep_crops=form.maybe("crops") is not None)
    except (GalleryError, ChangedError) as error:
        return ask(request, form, error)
    if done.notes or done.left_out:
        return render(request, "enrolled.html", site=own.site, result=done)
    return see(f"/sites/{own.site}/people/{done.person.id}", "enrolled")


_ENROLL = "/sites/{site}/enroll"
ROUTES = [
    Route(_ENROLL, admin(page(ask))),
    Route(_ENROLL, admin(action(enroll, heavy=True)), methods=["POST"]),
]
"""The page of an enrollment."""
