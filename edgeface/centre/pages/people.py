"""The pages about people of a site: the list, one person with the form that changes them, and forgetting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.centre.enrolling import Enrolling, Facts
from edgeface.centre.pages.render import PAGE, account_of, centre_of, render, site_of
from edgeface.centre.records import JournalQuery
from edgeface.core.errors import ChangedError, GalleryError
from edgeface.core.text import counted
from edgeface.gallery.snapshot import NEVER, check_days, day
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.http.problems import Problem
from edgeface.web.pages.render import Form, action, number, page, see

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.centre.admins.rights import Role
    from edgeface.centre.records import PersonRecord

MOST_FORGOTTEN = 200
"""People that one page forgets."""


def people(request: Request, error: str | None = None) -> Response:
    """The people of a site, by id."""
    site, context = site_of(request), centre_of(request)
    wanted = request.query_params.get("q", "").strip()[:100]
    every, folded = context.store.people(site), wanted.casefold()
    found = [one for one in every if folded in one.id or folded in one.name.casefold() or folded in one.groups]
    first = min(number(request, "first") or 0, max(0, len(found) - 1) // PAGE * PAGE)
    return render(
        request,
        "people.html",
        site=context.store.site(site),
        shown=found[first : first + PAGE],
        found=len(found),
        wanted=wanted,
        today=day(context.clock.wall()),
        before=max(0, first - PAGE) if first else None,
        after=first + PAGE if first + PAGE < len(found) else None,
        error=error,
    )


def person(request: Request, error: str | None = None, form: Form | None = None) -> Response:
    """One person: facts, changes, and the devices that have them."""
    own, context = enrolling(request), centre_of(request)
    found = own.find(request.path_params["person"])
    changes = JournalQuery(sites=(own.site,), person=found.person, what=("enroll", "change", "accept"), limit=PAGE)
    return render(
        request,
        "person.html",
        site=context.store.site(own.site),
        one=found,
        changes=context.store.journal.query(changes),
        proof=context.store.proof(own.site),
        today=day(context.clock.wall()),
        error=error,
        form=form,
    )


def change(request: Request, form: Form) -> Response:
    """Change name, groups and consent, unless someone else did meanwhile."""
    own, who = enrolling(request, "admin"), request.path_params["person"]
    own.find(who)
    try:
        check_days(form.maybe("given"), form.maybe("expires"))
        facts = Facts(
            name=form.maybe("name"),
            groups=groups(form),
            ignored=form.maybe("ignored") is not None,
            consent=form.maybe("given"),
            expires=form.maybe("expires") or NEVER,
        )
        own.put(who, facts, {}, seq=form.whole("seq") or 0)
    except (GalleryError, ChangedError) as error:
        return person(request, str(error), form)
    return see(f"/sites/{own.site}/people/{who}", "changed")


def groups(form: Form) -> tuple[str, ...]:
    """The groups that a form names, with commas or blanks between them."""
    return tuple(dict.fromkeys(form.text("groups").replace(",", " ").split()))


def ask(request: Request, form: Form | None = None, error: str | None = None) -> Response:
    """Who is to be forgotten, and what that means."""
    own = enrolling(request, "admin")
    ids = request.query_params.getlist("id") if form is None else form.text("ids").split()
    if not ids:
        return people(request, "select the people to forget first")
    return render(
        request,
        "forget.html",
        site=own.context.store.site(own.site),
        people=_chosen(own, ids),
        devices=[one for one in own.context.store.proof(own.site).devices if not one.revoked],
        error=error,
    )


def forget(request: Request, form: Form) -> Response:
    """Forget those people, all or none, if that was confirmed; then show who has not signed that."""
    own = enrolling(request, "admin")
    found = _chosen(own, form.text("ids").split())
    if form.text("confirm") != confirmation(found):
        return ask(request, form, f"type {confirmation(found)} to confirm")
    store = own.context.store
    store.forget_all(own.site, [one.person for one in found], own.by)
    text = counted(len(found), "person was", "people were")
    return render(request, "proof.html", proof=store.proof(own.site), forgotten=(text, [one.id for one in found]))


def confirmation(found: Sequence[PersonRecord]) -> str:
    """What must be typed: the id of a single person, or the number of several."""
    return found[0].id if len(found) == 1 else str(len(found))


def enrolling(request: Request, role: Role = "viewer") -> Enrolling:
    """The people of the path's site. Raises Problem 403 without the role there, UnknownError without the site."""
    return Enrolling(centre_of(request), site_of(request, role), account_of(request))


def _chosen(own: Enrolling, ids: Sequence[str]) -> list[PersonRecord]:
    if not 0 < len(ids) <= MOST_FORGOTTEN:
        raise Problem(422, detail=f"select 1 to {MOST_FORGOTTEN} people")
    return own.find_all(list(dict.fromkeys(ids)))


_PEOPLE = "/sites/{site}/people"
_PERSON = f"{_PEOPLE}/{{person}}"
_FORGET = "/sites/{site}/forget"
ROUTES = [
    Route(_PEOPLE, viewer(page(people))),
    Route(_PERSON, viewer(page(person))),
    Route(_PERSON, admin(action(change)), methods=["POST"]),
    Route(_FORGET, admin(page(ask))),
    Route(_FORGET, admin(action(forget)), methods=["POST"]),
]
"""The pages about people."""
