"""The people pages: the list, and one person with the forms that change them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from edgeface.config.levels import enrolled, levels_in_force
from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.text import is_id, is_unknown_id
from edgeface.gallery.agreement import two_people
from edgeface.gallery.proposal_file import waiting
from edgeface.gallery.snapshot import NEVER, day
from edgeface.people.corrections import negatives
from edgeface.people.enrollment import DoubtError, EnrollOptions, OverridableError, RejectedError
from edgeface.people.factors import factors_of
from edgeface.people.rules import level_threshold, limits
from edgeface.people.templates import listed
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.http.problems import Problem
from edgeface.web.pages import doubt
from edgeface.web.pages.faults import with_names
from edgeface.web.pages.render import Form, action, context_of, number, page, render, see
from edgeface.web.texts import strings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from starlette.requests import Request

    from edgeface.config.levels import LevelInForce
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import Person
    from edgeface.web.context import WebContext

_PAGE = 50
_PAIRS = 50
CHOICE = 200
"""People that a list to choose from may have; with more, the id is typed."""


class PersonCard(NamedTuple):
    """A person on the pages."""

    person: Person
    pictures: int
    seen: tuple[float, str] | None
    """Wall seconds and camera of the last match."""
    expired: bool


def people(request: Request) -> Response:
    """The list of people, look-alikes first."""
    context, wanted = context_of(request), request.query_params.get("q", "").strip()
    wall = context.clock.wall()
    with context.gallery() as gallery:
        snapshot, everyone = gallery.snapshot(wall), gallery.people()
        threshold = level_threshold(context.configuration(), snapshot)[0]
        stored = {one.id: one.look_alikes for one in everyone}
        folded = wanted.casefold()
        found = [p for p in everyone if folded in p.id or folded in p.name.casefold()]
        first = min(number(request, "first") or 0, len(found))
        listed_here, known = found[first : first + _PAGE], limits(context.configuration())
        shown = [_shown(context, gallery, p, day(wall)) for p in listed_here]
        splits = {p.id: two_people(gallery.embeddings(p.id), known) for p in listed_here}
    return render(
        request,
        "people.html",
        shown=shown,
        count=len(everyone),
        enrolled=snapshot.enrolled,
        **_waiting(request),
        levels=_levels(context, enrolled(everyone, day(wall))),
        alike=[pair for pair in context.alike.of(snapshot, threshold) if pair[1] not in stored[pair[0]]][:_PAIRS],
        divided={who: split for who, split in splits.items() if split is not None},
        wanted=wanted,
        before=max(0, first - _PAGE) if first else None,
        after=first + _PAGE if first + _PAGE < len(found) else None,
    )


def _levels(context: WebContext, people: AbstractSet[str]) -> list[LevelInForce]:
    """The levels in force, with the display names of the cameras."""
    configuration = context.configuration()
    found = levels_in_force(configuration, people)
    return [one._replace(place=with_names(one.place, configuration)) for one in found]


def _waiting(request: Request) -> dict[str, Any]:
    """How many self-enrollments wait for the admin, or why that is not known: people are shown all the same."""
    if request.state.role != "admin":
        return {"proposals": 0, "unreadable": None}
    try:
        return {"proposals": waiting(context_of(request).configuration().data), "unreadable": None}
    except VaultError as error:
        return {"proposals": 0, "unreadable": str(error)}


def person(
    request: Request, error: str | None = None, bad: Sequence[tuple[str, str]] = (), code: str | None = None
) -> Response:
    """One person, with the reason why the last change was rejected, or the code that was just drawn."""
    context, who = context_of(request), who_of(request)
    with context.gallery() as gallery:
        own = _existing(gallery, who)
        shown = _shown(context, gallery, own, day(context.clock.wall()))
        others = [p for p in gallery.people() if p.id != who and p.ignored == own.ignored]
        snapshot = gallery.snapshot()
        threshold = level_threshold(context.configuration(), snapshot)[0]
        alike = [(who, *one) for one in snapshot.alike_to(who, threshold) if one[0] not in own.look_alikes]
        known = limits(context.configuration())
        values = {
            "others": others[:CHOICE],
            "typed": len(others) > CHOICE,
            "split": two_people(gallery.embeddings(who), known),
            "templates": listed(gallery, known, who),
            "negatives": negatives(gallery, who) if request.state.role == "admin" else [],
            "factors": factors_of(gallery, who) if request.state.role == "admin" else None,
            "code": code,
        }
    return render(
        request,
        "person.html",
        one=shown,
        alike=alike,
        error=error,
        bad=bad,
        **values,
    )


def rename(request: Request, form: Form) -> Response:
    """Change the display name."""
    who = who_of(request)
    context_of(request).people.change(who, name=form.text("name"))
    return see(f"/people/{who}", "renamed")


def consent(request: Request, form: Form) -> Response:
    """Record the days of consent."""
    who = who_of(request)
    expires = NEVER if form.maybe("never") else form.maybe("expires")
    try:
        context_of(request).people.change(who, given=form.maybe("given"), expires=expires)
    except GalleryError as error:
        return person(request, str(error))
    return see(f"/people/{who}", "consent")


def photos(request: Request, form: Form) -> Response:
    """Add templates from more photos."""
    who, context = who_of(request), context_of(request)
    with context.gallery() as gallery:
        known = gallery.person(who)
    options = EnrollOptions(ignored=known.ignored)
    try:
        context.people.enroll(who, None, form.files, options)
    except OverridableError as error:
        return doubt.ask(request, error, options, f"/people/{who}")
    except RejectedError as error:
        if error.skippable:
            return doubt.keep_good(request, error, options, f"/people/{who}")
        return person(request, str(error), doubt.refused(error))
    except GalleryError as error:
        return person(request, str(error))
    return see(f"/people/{who}", "added")


def merge(request: Request, form: Form) -> Response:
    """Merge two ids of one person."""
    who, into = who_of(request), form.text("into")
    if form.text("confirm") != who:
        return person(request, strings.FORGET_MISTYPED.format(id=who))
    try:
        proof = context_of(request).people.merge(who, into, anyway=form.maybe("anyway") is not None)
    except DoubtError as error:
        with context_of(request).gallery() as gallery:
            new = [f"/faces/{who}/{n}" for n in range(len(gallery.pictures(who)))]
        fields = {"into": into, "confirm": who}
        return doubt.question(request, error, f"/people/{who}/merge", fields, new, f"/people/{who}")
    except GalleryError as error:
        return person(request, str(error))
    if proof.traces or proof.still_named:
        return render(request, "forgotten.html", who=who, proof=proof, back="/people")
    return see(f"/people/{into}", "merged")


def remove_template(request: Request, form: Form) -> Response:
    """Remove one template."""
    who = who_of(request)
    try:
        context_of(request).people.remove_template(who, form.text("template"))
    except GalleryError as error:
        return person(request, str(error))
    return see(f"/people/{who}", "removed")


def warn(request: Request, error: str | None = None) -> Response:
    """What is erased when a person is forgotten."""
    context, who = context_of(request), who_of(request)
    with context.gallery() as gallery:
        own = _existing(gallery, who)
        threshold = level_threshold(context.configuration(), gallery.snapshot())[0]
        counts = {
            "templates": own.templates + own.foreign,
            "pictures": len(gallery.pictures(who)),
            "unknowns": len(gallery.unknowns_like([who], threshold)),
        }
    return render(request, "forget.html", who=who, name=own.name, counts=counts, error=error)


def forget(request: Request, form: Form) -> Response:
    """Erase a person if the id was typed as confirmation."""
    who = who_of(request)
    if form.text("confirm") != who:
        return warn(request, strings.FORGET_MISTYPED.format(id=who))
    proof = context_of(request).people.erase(who)
    return render(request, "forgotten.html", who=who, proof=proof, back="/people")


def face(request: Request) -> Response:
    """A kept picture of a person or an unknown; 0 is the newest."""
    who, number = request.path_params["who"], request.path_params["number"]
    if not is_id(who) and not is_unknown_id(who):
        raise Problem(404)
    with context_of(request).gallery() as gallery:
        kept = gallery.pictures(who)
    if number >= len(kept):
        raise Problem(404)
    return Response(kept[number][1], media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _existing(gallery: Gallery, who: str) -> Person:
    try:
        return gallery.person(who)
    except GalleryError as error:
        raise Problem(404, detail=str(error)) from error


def who_of(request: Request) -> str:
    """The id in the path. Raises Problem 404 if it is none."""
    who: str = request.path_params["person"]
    if not is_id(who):
        raise Problem(404)
    return who


def _shown(context: WebContext, gallery: Gallery, one: Person, today: str) -> PersonCard:
    return PersonCard(one, len(gallery.pictures(one.id)), _last_seen(context, one.id), one.expired(today))


def _last_seen(context: WebContext, who: str) -> tuple[float, str] | None:
    """Wall seconds and camera of a person's last match; None if the journal has none."""
    for entry in context.journal.rows(who=who, kinds=("match",), last=1):
        if not entry.redacted and not entry.altered:
            return entry.row.at, str(json.loads(entry.row.payload).get("camera", ""))
    return None


_ONE = "/people/{person}"
ROUTES = [
    Route("/people", viewer(page(people))),
    Route(_ONE, viewer(page(person))),
    Route(f"{_ONE}/rename", admin(action(rename)), methods=["POST"]),
    Route(f"{_ONE}/consent", admin(action(consent)), methods=["POST"]),
    Route(f"{_ONE}/photos", admin(action(photos, heavy=True)), methods=["POST"]),
    Route(f"{_ONE}/merge", admin(action(merge)), methods=["POST"]),
    Route(f"{_ONE}/templates/remove", admin(action(remove_template)), methods=["POST"]),
    Route(f"{_ONE}/forget", admin(page(warn))),
    Route(f"{_ONE}/forget", admin(action(forget)), methods=["POST"]),
    Route("/faces/{who}/{number:int}", viewer(page(face))),
]
"""The pages about people."""
