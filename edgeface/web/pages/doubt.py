"""What was refused waits for an answer: perhaps another person, one too many for a level, or some photos are bad."""

from __future__ import annotations

import base64
import secrets
import threading
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core.text import is_unknown_id
from edgeface.people.enrollment import DoubtError
from edgeface.web.pages.render import context_of, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.core.clock import Clock
    from edgeface.people.enrollment import EnrollOptions, OverridableError, Plan, RejectedError
    from edgeface.web.pages.render import Form

WAIT_SECONDS = 300.0
"""Seconds for which photos wait for an answer."""
_MOST = 4
_SHOWN = 3


class WaitingPlan(NamedTuple):
    """Photos that wait for an answer: only their embeddings and small pictures are kept."""

    at: float
    plan: Plan
    options: EnrollOptions
    """With what the answer allows."""


class WaitingPlans:
    """The plans that wait for an answer, a few at a time; any thread may call it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._plans: dict[str, WaitingPlan] = {}

    def put(self, plan: Plan, options: EnrollOptions) -> str:
        """Keep a plan, and return the token that takes it."""
        with self._lock:
            self._forget_old()
            while len(self._plans) >= _MOST:
                del self._plans[next(iter(self._plans))]
            token = secrets.token_urlsafe(16)
            self._plans[token] = WaitingPlan(self._clock.monotonic(), plan, options)
            return token

    def take(self, token: str) -> WaitingPlan | None:
        """The plan of a token, once; None if it is unknown or has waited too long."""
        with self._lock:
            self._forget_old()
            return self._plans.pop(token, None)

    def _forget_old(self) -> None:
        oldest = self._clock.monotonic() - WAIT_SECONDS
        self._plans = {token: one for token, one in self._plans.items() if one.at >= oldest}


def question(
    request: Request, error: OverridableError, action: str, fields: Mapping[str, str], new: Iterable[str], back: str
) -> Response:
    """Ask whether to add anyway: `fields` and the error's option are sent to `action`.

    `new` are addresses of pictures of the new face, which are shown next to the person's if it may be another one.
    """
    values: dict[str, Any] = {"error": error.lines, "who": None, "merging": False}
    if isinstance(error, DoubtError):
        values = _compared(request, error, new)
    fields = {**fields, error.option: "1"}
    return render(request, "doubt.html", action=action, fields=fields, back=back, **values)


def _compared(request: Request, error: DoubtError, new: Iterable[str]) -> dict[str, Any]:
    """The first doubt, the person's pictures and the new ones."""
    who, why = next(iter(error.doubts.items()))
    with context_of(request).gallery() as gallery:
        own = None if is_unknown_id(who) or not gallery.knows(who) else gallery.person(who)
        enrolled = sorted(gallery.pictures_of_templates(who).values()) or range(len(gallery.pictures(who)))
    return {
        "error": [why],
        "who": who,
        "own": own,
        "merging": is_unknown_id(who),
        "pictures": enrolled[:_SHOWN],
        "new": list(new)[:_SHOWN],
    }


def overrides(form: Form) -> dict[str, Any]:
    """What the form insists on."""
    return {name: form.maybe(name) is not None for name in ("anyway", "accept_limits")}


def new_faces(error: OverridableError) -> list[str]:
    """The pictures of what was refused, which are stored nowhere, as addresses."""
    candidates = error.plan.candidates if error.plan is not None else ()
    return [address(jpeg) for one in candidates for jpeg in one.pictures]


def address(jpeg: bytes) -> str:
    """A picture that is stored nowhere, as an address; empty for none."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""


def ask(request: Request, error: OverridableError, options: EnrollOptions, back: str) -> Response:
    """Ask about photos, which wait meanwhile."""
    assert error.plan is not None  # noqa: S101 - photos always have a plan
    waiting: WaitingPlans = request.app.state.waiting
    token = waiting.put(error.plan, options.insisting(error.option))
    return question(request, error, "/enroll/anyway", {"plan": token}, new_faces(error), back)


def refused(error: RejectedError) -> list[tuple[str, str]]:
    """Each rejected photo: why, and the address of a small picture, which is empty if it cannot be decoded."""
    pictures = [] if error.plan is None else [address(preview) for preview in error.plan.previews]
    return list(zip_longest(error.lines, pictures, fillvalue=""))


def keep_good(request: Request, error: RejectedError, options: EnrollOptions, back: str) -> Response:
    """Name the photos that cannot be used; the good ones wait meanwhile for an answer."""
    assert error.plan is not None  # noqa: S101 - photos always have a plan
    waiting: WaitingPlans = request.app.state.waiting
    token = waiting.put(error.plan, replace(options, skip_bad=True))
    (person,) = error.plan.candidates
    return render(
        request,
        "refused.html",
        error=str(error),
        name=person.name or person.person,
        bad=refused(error),
        good=[address(jpeg) for jpeg in person.pictures],
        count=len(person.embeddings),
        plan=token,
        back=back,
    )
