"""The page that erases several people at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.core.text import is_id
from edgeface.web.auth.guard import admin
from edgeface.web.http.problems import Problem
from edgeface.web.pages.render import Form, action, context_of, page, render, see
from edgeface.web.texts import strings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

MOST = 100
"""People who are erased together."""


def warn(request: Request) -> Response:
    """Who is erased, and how to confirm it."""
    return _warn(request, request.query_params.getlist("id"))


def forget(request: Request, form: Form) -> Response:
    """Erase the people if their number was typed as confirmation."""
    who = form.text("ids").split()
    if form.text("confirm") != str(len(who)):
        return _warn(request, who, strings.FORGET_MISTYPED.format(id=len(who)))
    proof = context_of(request).people.erase(*who)
    return render(request, "forgotten.html", who=None, proof=proof, back="/people")


def _warn(request: Request, who: Sequence[str], error: str | None = None) -> Response:
    chosen = list(dict.fromkeys(who))
    if not chosen:
        return see("/people")
    if len(chosen) > MOST or not all(map(is_id, chosen)):
        raise Problem(404)
    with context_of(request).gallery() as gallery:
        missing = next((one for one in chosen if not gallery.knows(one)), None)
        if missing is not None:
            raise Problem(404, detail=f"{missing}: no one is enrolled with this id; nothing was erased")
        people = [gallery.person(one) for one in chosen]
    return render(request, "forget_several.html", people=people, error=error)


ROUTES = [
    Route("/forget", admin(page(warn))),
    Route("/forget", admin(action(forget)), methods=["POST"]),
]
"""The page about several people."""
