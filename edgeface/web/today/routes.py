"""The page Today: its parts, its search by photo, its file, and the answer to the question about pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from edgeface.core.errors import PhotoError
from edgeface.core.event_kinds import kinds
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.config_edit import write_pictures
from edgeface.web.config_file import may_write
from edgeface.web.http.base_path import cookie_name, put_cookie
from edgeface.web.http.problems import Problem
from edgeface.web.http.time_zone import day_of, zone_name, zone_of
from edgeface.web.pages.faults import faults
from edgeface.web.pages.render import Form, action, context_of, number, page, render, see
from edgeface.web.texts import today_strings
from edgeface.web.today import export
from edgeface.web.today.cards import Deck
from edgeface.web.today.first_steps import HIDDEN, HIDDEN_SECONDS, Step, first_steps
from edgeface.web.today.photo import most_alike
from edgeface.web.today.search import VisitFilter, asked, every, find

if TYPE_CHECKING:
    from starlette.requests import Request

    from edgeface.gallery.gallery import Gallery
    from edgeface.journal.visits import Visit
    from edgeface.web.context import WebContext

KINDS = (*kinds("pipeline"), *kinds("people"), *kinds("door"))
"""Kinds of messages after which the page may look different."""


def today(request: Request, error: str | None = None) -> Response:
    """Who came: a card for each person and day."""
    context, shown = context_of(request), _shown(request)
    steps = _steps(request) if shown["newest"] and not shown["wanted"].parts else []
    named = {fault for step in steps for fault in step.faults}
    return render(
        request,
        "today.html",
        **shown,
        error=error,
        steps=steps,
        faults=[one for one in faults(context) if one not in named],
        cameras=list(context.configuration().face_cameras),
        kinds=list(KINDS),
        # The daemon may not have read the answer yet.
        ask_pictures=_asks(request) and "done" not in request.query_params,
        no_pictures=context.configuration().privacy.pictures == "none",
        picture_days=context.configuration().privacy.picture_days,
    )


def cards(request: Request) -> Response:
    """The cards alone, for the page's script."""
    return render(request, "visit_days.html", **_shown(request))


def steps(request: Request) -> Response:
    """The first steps alone, for the page's script."""
    return render(request, "first_steps.html", steps=_steps(request))


def hide_steps(request: Request, _: Form) -> Response:
    """Show the first steps no more in this browser."""
    answer = see("/")
    put_cookie(request, answer, cookie_name(request, HIDDEN), "hidden", HIDDEN_SECONDS)
    return answer


def _steps(request: Request) -> list[Step]:
    context = context_of(request)
    with context.gallery() as gallery:
        return first_steps(request, context, gallery)


def _shown(request: Request) -> dict[str, Any]:
    context, zone = context_of(request), zone_of(request)
    wanted = VisitFilter.of(request.query_params, zone)
    first, before = number(request, "first") or 0, number(request, "before")
    with context.gallery() as gallery:
        found = find(context, wanted, gallery, before)
        deck = Deck(context, gallery, zone, actions=request.state.role == "admin")
        days, more = deck.days(found.visits, first)
        last = _last_day(context, wanted, gallery, deck, found.earlier) if _is_empty_today(wanted, found.visits) else []
    query = urlencode(wanted.parts)
    return {
        "wanted": wanted,
        "found": found,
        "days": [*days, *last],
        "query": query,
        "more": None if more is None else urlencode([*wanted.parts, ("first", str(more))]),
        "older": None if found.older is None else urlencode([*wanted.parts, ("before", str(found.older))]),
        "zone": zone_name(zone),
        "now": context.clock.wall(),
        "this_day": day_of(context.clock.wall(), zone),
        "correctable": deck.correctable,
        "back": f"/?{query}" if query else "/",
        "newest": not first and before is None,
        "cut": bool(first),
    }


def _is_empty_today(wanted: VisitFilter, visits: list[Visit]) -> bool:
    return not visits and not wanted.day and not wanted.someone


def _last_day(context: WebContext, wanted: VisitFilter, gallery: Gallery, deck: Deck, day: str) -> list[Any]:
    """The last day on which someone came: it says more than an empty page."""
    if not day:
        return []
    earlier = VisitFilter(day=day, camera=wanted.camera, zone=wanted.zone)
    return deck.days(find(context, earlier, gallery).visits)[0]


def by_photo(request: Request, form: Form) -> Response:
    """Show the visits of whoever looks most like the face in a photo."""
    if len(form.files) != 1:
        text = today_strings.TODAY_PHOTO_ONE if form.files else today_strings.TODAY_PHOTO_MISSING
        return today(request, text)
    try:
        found = most_alike(context_of(request), form.files[0][1])
    except PhotoError as error:
        return today(request, today_strings.TODAY_PHOTO_UNUSABLE.format(reason=error))
    if not found:
        return today(request, today_strings.TODAY_PHOTO_NO_ONE)
    return see(f"/?{urlencode([('who', one.who) for one in found])}")


def csv(request: Request) -> Response:
    """The visits that match as CSV; all of them without a filter."""
    context, zone = context_of(request), zone_of(request)
    wanted = VisitFilter.of(request.query_params, zone)
    with context.gallery() as gallery:
        names, who = {one.id: one.name for one in gallery.people()}, asked(gallery, wanted)
    name = f"edgeface-{context.configuration().device}-visits-{day_of(context.clock.wall(), zone)}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    lines = export.lines(
        every(context, wanted, who), zone, lambda visit: names.get(visit.person or "", visit.name or "")
    )
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def answer_pictures(request: Request, form: Form) -> Response:
    """Keep pictures of visitors, or do not: written to config.yaml."""
    keep = form.text("answer")
    if keep not in {"yes", "no"}:
        raise Problem(400, detail="the answer must be yes or no")
    try:
        write_pictures(context_of(request), "all" if keep == "yes" else "none", request.state.account)
    except Problem as problem:
        return today(request, problem.detail)
    return see("/", "pictures_on" if keep == "yes" else "pictures_off")


def _asks(request: Request) -> bool:
    """Whether the question about pictures is open: config.yaml does not answer it, and can be written."""
    context = context_of(request)
    privacy = context.configuration().privacy
    return request.state.role == "admin" and "pictures" not in privacy.model_fields_set and may_write(context)


ROUTES = (
    Route("/", viewer(page(today))),
    Route("/today/visits", viewer(page(cards))),
    Route("/today/steps", viewer(page(steps, fresh=True))),
    Route("/today/steps/hide", viewer(action(hide_steps)), methods=["POST"]),
    Route("/today/photo", admin(action(by_photo, heavy=True)), methods=["POST"]),
    Route("/today/pictures", admin(action(answer_pictures)), methods=["POST"]),
    Route("/visits.csv", admin(page(csv))),
)
"""The page Today."""
