"""The pages about the device: live view, doors, health and sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import JSONResponse
from starlette.routing import Route

from edgeface.access.policy import kinds_of
from edgeface.core import board
from edgeface.core.event_kinds import kinds, of
from edgeface.web.auth.guard import public, viewer
from edgeface.web.auth.login import kept_name, local, needs_name
from edgeface.web.http.problems import Problem
from edgeface.web.pages import rows
from edgeface.web.pages.faults import camera_remedy, disk_of, faults
from edgeface.web.pages.render import context_of, page, pairs, render, see
from edgeface.web.texts import camera_strings, factor_strings, liveness_strings, strings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.access.policy import Door
    from edgeface.web.context import WebContext
    from edgeface.web.pages.rows import EventLine

_RECENT = 8
"""Rows of the journal on the live page and on each door's card."""
_DOOR_ROWS = 400
"""Rows that are read for the doors' cards."""
_AWAY = frozenset({"offline", "stalled"})
"""States of a camera with a reason and an advice."""
_NONCE_SECONDS = 60.0
"""Age of a nonce up to which a door's controller counts as connected."""


class DoorCard(NamedTuple):
    """A door on the doors page."""

    name: str
    door: Door
    facts: dict[str, Any]
    """Its part of the state."""
    limit: dict[str, Any]
    """What it accepts, from its part of the state."""
    refused: list[tuple[str, int]]
    """Refusals by reason, in words."""
    factors: list[tuple[str, int]]
    """Refused second factors by reason, in words."""
    tone: str
    """ok, warn or bad."""
    last: list[EventLine]

    @property
    def contact_tone(self) -> str:
        """bad, warn or empty: how the state of the contact is shown."""
        return {"forced": "bad", "held": "warn", "unknown": "warn"}.get(self.facts.get("contact") or "", "")

    @property
    def kinds(self) -> list[str]:
        """The kinds of second factors that the door takes."""
        return sorted(kinds_of(self.door))


def live(request: Request) -> Response:
    """Each camera with its picture; problems come first."""
    context = context_of(request)
    configuration, reports = context.configuration(), context.hub.state.get("cameras", {})
    return render(
        request,
        "live.html",
        cameras={
            name: (camera, reports.get(name, {}), _why(reports.get(name, {})))
            for name, camera in configuration.face_cameras.items()
        },
        faults=faults(context),
        words={
            "labels": strings.LABELS,
            "reasons": {**strings.REASONS, **camera_strings.LIVE_WHY},
            "not_judged": camera_strings.LIVE_NOT_JUDGED,
            "score": strings.LIVE_SCORE,
            "prompts": liveness_strings.PROMPTS,
            "arrows": liveness_strings.ARROWS,
            "correct": {"not": strings.LIVE_NOT, "is": strings.LIVE_IS} if _may_correct(request) else None,
        },
        lines=[one for one in rows.find(context.journal, rows.EventFilter()).lines if not of(one.kind).quiet][:_RECENT],
        head=context.journal.facts()["seq"] or 0,
    )


def camera(request: Request) -> Response:
    """The state of a camera in words, for the script of the live page."""
    context, name = context_of(request), request.path_params["camera"]
    if name not in context.configuration().face_cameras:
        raise Problem(404)
    return JSONResponse(_why(context.hub.state.get("cameras", {}).get(name, {})))


def _why(report: Mapping[str, Any]) -> dict[str, Any]:
    """A camera's state in words and, if it gives no picture, its own reason and the advice.

    The reason is exactly what capture reports, in English; the rest is in the language of the request.
    """
    status, problem = report.get("status"), report.get("problem")
    word = strings.STATUSES.get(status or "", status)
    return {
        "tone": "ok" if status == "online" else "bad" if status in _AWAY else "",
        "word": word,
        "text": camera_strings.LIVE_STATUS.format(status=word) if status and status != "online" else None,
        "problem": problem,
        "advice": camera_remedy(problem) if problem or status in _AWAY else None,
    }


def _may_correct(request: Request) -> bool:
    possible = context_of(request).configuration().privacy.correction_days > 0
    return possible and request.state.role == "admin"


def doors(request: Request) -> Response:
    """Each door; those that cannot open come first."""
    context = context_of(request)
    last = [rows.line_of(entry) for entry in reversed(context.journal.rows(kinds=kinds("door"), last=_DOOR_ROWS))]
    cards = [_card(context, name, door, last) for name, door in context.configuration().doors.items()]
    order = ("bad", "warn", "ok")
    return render(
        request,
        "doors.html",
        doors=sorted(cards, key=lambda card: order.index(card.tone)),
        unsynced=context.hub.state.get("clock") == "unsynced",
    )


def _card(context: WebContext, name: str, door: Door, last: list[EventLine]) -> DoorCard:
    facts: dict[str, Any] = dict(context.hub.state.get("doors", {}).get(name, {}))
    age = facts.get("nonce_age")
    tone = "bad" if facts.get("problem") else "warn" if age is None or age > _NONCE_SECONDS else "ok"
    own = [line for line in last if line.door == name][:_RECENT]
    factors = pairs(facts.get("factors", {}).get("refused", {}), factor_strings.FACTOR_REASONS)
    words = {**strings.REFUSALS, **factor_strings.FACTOR_REFUSALS, **liveness_strings.REFUSALS}
    refused = pairs(facts.get("refused", {}), words)
    return DoorCard(name, door, facts, facts.get("limit") or {}, refused, factors, tone, own)


def health(request: Request) -> Response:
    """The state, problems first."""
    context = context_of(request)
    state = context.hub.state
    uptime = int(state.get("uptime", 0))
    return render(
        request,
        "health.html",
        state=state,
        faults=faults(context),
        cameras={
            name: (camera, pairs(camera.get("not_judged", {}), strings.REASONS))
            for name, camera in state.get("cameras", {}).items()
        },
        uptime={"days": uptime // 86_400, "hours": uptime // 3600 % 24, "minutes": uptime // 60 % 60},
        disk=disk_of(context.configuration().data),
        memory=board.peak_rss() / 1e6,
        broker=context.configuration().mqtt is not None,
        waiting=context.journal.unpublished_count(),
        head=context.journal.facts(),
    )


@public
async def login(request: Request) -> Response:
    """The sign-in form, unless Home Assistant has signed the user in; the query says why the last try failed."""
    query, auth = request.query_params, request.app.state.auth
    if request.scope.get("edgeface.user") is not None:
        return see("/")
    wait = query.get("wait", "")
    return render(
        request,
        "login.html",
        wrong="wrong" in query,
        program="program" in query,
        named=needs_name(auth),
        name=kept_name(request),
        wait=wait if wait.isascii() and wait.isdigit() else None,
        after=local(query.get("next", "/")),
    )


ROUTES = [
    Route("/live", viewer(page(live))),
    Route("/live/{camera}", viewer(page(camera))),
    Route("/doors", viewer(page(doors, fresh=True))),
    Route("/health", viewer(page(health, fresh=True))),
    Route("/login", login),
]
"""The pages about the device."""
