"""The enrollment pages: from photos, with the browser's camera, and at a camera of the device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeface.core.errors import GalleryError, PhotoError
from edgeface.core.text import MAX_NAME, cleaned
from edgeface.people.enrollment import EnrollOptions, OverridableError, RejectedError
from edgeface.people.guided import SHOTS
from edgeface.web.auth.guard import admin
from edgeface.web.pages import doubt
from edgeface.web.pages.guided import Guidance, Progress
from edgeface.web.pages.render import Form, action, context_of, page, render, see
from edgeface.web.texts import strings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request

    from edgeface.people.service import EnrollResult


def ask(
    request: Request, form: Form | None = None, error: str | None = None, bad: Sequence[tuple[str, str]] = ()
) -> Response:
    """The form, with what was sent and why it was rejected; `bad` is what `doubt.refused` gives."""
    return render(
        request,
        "enroll.html",
        form=form or Form({}, ()),
        error=error,
        bad=bad,
        cameras=list(context_of(request).configuration().face_cameras),
    )


def enroll(request: Request, form: Form) -> Response:
    """Enroll a person from the photos in the form."""
    try:
        person = context_of(request).people.id_of(form.maybe("id"), form.maybe("name"))
        options = EnrollOptions(
            given=form.maybe("given"),
            expires=form.maybe("expires"),
            different_people=form.maybe("different_people") is not None,
        )
        done = context_of(request).people.enroll(person, form.text("name") or None, form.files, options)
    except OverridableError as error:
        return doubt.ask(request, error, options, "/enroll")
    except RejectedError as error:
        if error.skippable:
            return doubt.keep_good(request, error, options, "/enroll")
        return ask(request, form, str(error), doubt.refused(error))
    except GalleryError as error:
        return ask(request, form, str(error))
    return _enrolled(request, done)


def _enrolled(request: Request, done: EnrollResult) -> Response:
    """What was done, with the advice if there is any."""
    (person,) = done.people
    if done.notes or done.rejected:
        return render(request, "enrolled.html", person=person.id, notes=done.notes, rejected=done.rejected)
    return see(f"/people/{person.id}", "enrolled")


def more(request: Request, form: Form) -> Response:
    """Enroll the good photos that wait, with those in the form."""
    waiting: doubt.WaitingPlans = request.app.state.waiting
    found = waiting.take(form.text("plan"))
    if found is None:
        return ask(request, error=strings.DOUBT_GONE)
    options = replace(found.options, skip_bad=False)
    try:
        return _enrolled(request, context_of(request).people.enroll_more(found.plan, form.files, options))
    except OverridableError as error:
        return doubt.ask(request, error, options, "/enroll")
    except RejectedError as error:
        if error.skippable:
            return doubt.keep_good(request, error, options, "/enroll")
        return ask(request, error=str(error), bad=doubt.refused(error))
    except GalleryError as error:
        return ask(request, error=str(error))


def anyway(request: Request, form: Form) -> Response:
    """Enroll the photos that wait for this answer."""
    waiting: doubt.WaitingPlans = request.app.state.waiting
    found = waiting.take(form.text("plan"))
    if found is None:
        return ask(request, error=strings.DOUBT_GONE)
    try:
        done = context_of(request).people.enroll_plan(found.plan, found.options)
    except OverridableError as error:
        return doubt.ask(request, error, found.options, "/enroll")
    except GalleryError as error:
        return ask(request, error=str(error))
    return see(f"/people/{done.people[0].id}", "enrolled")


def new_id(request: Request) -> Response:
    """The id that a new person with this name would get, for the page's script; empty without a name."""
    name = request.query_params.get("name", "")[:MAX_NAME]
    made = context_of(request).people.id_of(None, name) if cleaned(name) else ""
    return JSONResponse({"id": made})


def begin(request: Request, form: Form) -> Response:
    """Start an enrollment at a camera of the device."""
    try:
        person = context_of(request).people.id_of(form.maybe("id"), form.maybe("name"))
        wanted = Progress(
            person, form.maybe("name"), form.text("camera"), form.maybe("given"), form.maybe("expires"),
            different_people=form.maybe("different_people") is not None,
        )  # fmt: skip
        guidance(request).start(wanted)
    except GalleryError as error:
        return ask(request, form, str(error))
    return see("/enroll/camera")


def guide(request: Request, error: str | None = None) -> Response:
    """The instructions for the person at the camera."""
    return render(request, "guide.html", now=guidance(request).progress, wanted=SHOTS, error=error)


def progress(request: Request) -> Response:
    """The same for the page's script."""
    now = guidance(request).progress
    if now is None:
        return JSONResponse({"state": None})
    return JSONResponse(
        {"state": now.state, "advice": now.advice, "taken": now.taken, "count": now.count, "poses": now.poses}
    )


def finish(request: Request, form: Form) -> Response:
    """Enroll from the shots."""
    try:
        done = guidance(request).finish(**doubt.overrides(form))
    except OverridableError as error:
        path, given = "/enroll/camera", {name: "1" for name, on in doubt.overrides(form).items() if on}
        return doubt.question(request, error, f"{path}/finish", given, doubt.new_faces(error), path)
    except (GalleryError, PhotoError) as error:
        return guide(request, str(error))
    return see(f"/people/{done.people[0].id}", "enrolled")


def cancel(request: Request, _: Form) -> Response:
    """Cancel, and keep nothing."""
    guidance(request).cancel()
    return see("/enroll", "cancelled")


def guidance(request: Request) -> Guidance:
    """The application's guidance."""
    found: Guidance = request.app.state.guidance
    return found


ROUTES = [
    Route("/enroll", admin(page(ask))),
    Route("/enroll", admin(action(enroll, heavy=True)), methods=["POST"]),
    Route("/enroll/id", admin(page(new_id))),
    Route("/enroll/more", admin(action(more, heavy=True)), methods=["POST"]),
    Route("/enroll/anyway", admin(action(anyway)), methods=["POST"]),
    Route("/enroll/camera", admin(page(guide))),
    Route("/enroll/camera", admin(action(begin)), methods=["POST"]),
    Route("/enroll/camera/progress", admin(page(progress))),
    Route("/enroll/camera/finish", admin(action(finish)), methods=["POST"]),
    Route("/enroll/camera/cancel", admin(action(cancel)), methods=["POST"]),
]
"""The enrollment pages."""
