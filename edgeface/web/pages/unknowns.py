"""The pages about people who are not enrolled: enroll, ignore, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from edgeface.core.errors import GalleryError
from edgeface.core.text import is_unknown_id
from edgeface.people.enrollment import DoubtError, EnrollOptions, OverridableError
from edgeface.people.proposals import proposals
from edgeface.web.auth.guard import FIELD, admin, viewer
from edgeface.web.http.problems import Problem
from edgeface.web.pages.doubt import overrides, question
from edgeface.web.pages.render import Form, action, back_to, context_of, number, page, render, see
from edgeface.web.texts import strings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


_PAGE = 50


def unknowns(request: Request) -> Response:
    """A card for each unknown of a part of the list, the last one seen first."""
    context = context_of(request)
    with context.gallery() as gallery:
        stored = gallery.unknowns()
        first = min(number(request, "first") or 0, len(stored))
        found = [(one, len(gallery.pictures(one.id))) for one in stored[first : first + _PAGE]]
        pairs = [(pair, [len(gallery.pictures(one.id)) for one in pair[:2]]) for pair in proposals(gallery)[:_PAIRS]]
    return render(
        request,
        "unknowns.html",
        found=found,
        pairs=pairs,
        days=context.configuration().unknown.days,
        before=max(0, first - _PAGE) if first else None,
        after=first + _PAGE if first + _PAGE < len(stored) else None,
    )


def merge(request: Request, form: Form) -> Response:
    """Make two ids of one person the one that was seen first."""
    who, other = _id(request), form.text("other")
    try:
        context_of(request).people.merge_unknowns(who, other, anyway=form.maybe("anyway") is not None)
    except DoubtError as error:
        with context_of(request).gallery() as gallery:
            new = [f"/faces/{one}/{n}" for one in (who, other) for n in range(min(1, len(gallery.pictures(one))))]
        back = back_to(form, "/unknowns")
        return question(request, error, f"/unknowns/{who}/merge", {"other": other, "back": back}, new, back)
    except GalleryError as error:
        raise Problem(404, detail=str(error)) from None
    return see(back_to(form, "/unknowns"), "merged")


def apart(request: Request, form: Form) -> Response:
    """Record that two ids are two people."""
    try:
        context_of(request).people.keep_apart(_id(request), form.text("other"))
    except GalleryError as error:
        raise Problem(404, detail=str(error)) from None
    return see(back_to(form, "/unknowns"), "two_unknowns")


def ask(request: Request, person: str = "", name: str = "", error: str | None = None) -> Response:
    """The form that enrolls an unknown."""
    return _render(request, "unknown_enroll.html", person=person, name=name, error=error)


def enroll(request: Request, form: Form) -> Response:
    """Enroll an unknown as a person."""
    who, given, name = _id(request), form.text("id"), form.text("name")
    try:
        person = context_of(request).people.id_of(given, name)
        options = EnrollOptions(
            given=form.maybe("given"),
            expires=form.maybe("expires"),
            **overrides(form),
            different_people=form.maybe("different_people") is not None,
        )
        context_of(request).people.enroll_unknown(who, person, name or None, options)
    except OverridableError as error:
        return _doubt(request, error, form, "enroll")
    except GalleryError as error:
        return ask(request, given, name, str(error))
    return see(back_to(form, f"/people/{person}"), "enrolled")


def ignore(request: Request, form: Form) -> Response:
    """Put an unknown on the ignore list."""
    who = _id(request)
    options = EnrollOptions(anyway=form.maybe("anyway") is not None)
    try:
        context_of(request).people.ignore_unknown(who, options)
    except OverridableError as error:
        return _doubt(request, error, form, "ignore")
    return see(back_to(form, "/unknowns"), "ignored")


def warn(request: Request, error: str | None = None) -> Response:
    """What is erased when an unknown is deleted."""
    return _render(request, "unknown_delete.html", error=error)


def delete(request: Request, form: Form) -> Response:
    """Erase an unknown if the id was typed as confirmation."""
    who = _id(request)
    if form.text("confirm") != who:
        return warn(request, strings.FORGET_MISTYPED.format(id=who))
    proof = context_of(request).people.erase(who)
    return render(request, "forgotten.html", who=who, proof=proof, back="/unknowns")


def _doubt(request: Request, error: OverridableError, form: Form, verb: str) -> Response:
    """Ask whether an unknown is added anyway, with the same form."""
    who = _id(request)
    with context_of(request).gallery() as gallery:
        new = [f"/faces/{who}/{n}" for n in range(len(gallery.pictures(who)))]
    fields = {name: value for name, value in form.fields.items() if name != FIELD}
    return question(request, error, f"/unknowns/{who}/{verb}", fields, new, back_to(form, "/unknowns"))


def _render(request: Request, template: str, **values: Any) -> Response:
    """A page about one unknown."""
    who = _id(request)
    with context_of(request).gallery() as gallery:
        own = gallery.find_unknown(who)
        if own is None:
            raise Problem(404, detail=f"{who}: no such unknown; it may have been enrolled or deleted")
        pictures = len(gallery.pictures(who))
    return render(request, template, one=own, pictures=pictures, **values)


def _id(request: Request) -> str:
    who: str = request.path_params["unknown"]
    if not is_unknown_id(who):
        raise Problem(404)
    return who


_ONE = "/unknowns/{unknown}"
_PAIRS = 12
"""Pairs shown at a time, the most alike."""
ROUTES = [
    Route("/unknowns", viewer(page(unknowns))),
    Route(f"{_ONE}/enroll", admin(page(ask))),
    Route(f"{_ONE}/enroll", admin(action(enroll)), methods=["POST"]),
    Route(f"{_ONE}/ignore", admin(action(ignore)), methods=["POST"]),
    Route(f"{_ONE}/merge", admin(action(merge)), methods=["POST"]),
    Route(f"{_ONE}/apart", admin(action(apart)), methods=["POST"]),
    Route(f"{_ONE}/delete", admin(page(warn))),
    Route(f"{_ONE}/delete", admin(action(delete)), methods=["POST"]),
]
"""The pages about unknowns."""
