"""The first steps on the page Today: from a new device to someone who is recognised, each step with its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from edgeface.core.errors import GalleryError
from edgeface.core.text import counted
from edgeface.journal.rows import facts_of
from edgeface.notify.settings import WebPushTarget
from edgeface.web.http.base_path import cookie_name
from edgeface.web.pages.faults import DeviceFault, broker_faults, camera_fault
from edgeface.web.texts import notify_strings, strings, today_strings

if TYPE_CHECKING:
    from starlette.requests import Request

    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import Person
    from edgeface.notify.notifier import Notifier
    from edgeface.web.context import WebContext

State: TypeAlias = Literal["done", "todo", "problem"]

HIDDEN = "-steps"
"""The cookie by which a browser has hidden the steps."""
HIDDEN_SECONDS = 400 * 86_400
"""How long a browser remembers that the steps are hidden: the longest that browsers allow (RFC 6265bis, 5.5)."""
_NO_MATCH = ("unknown", "uncertain")
_MATCHES = 20
"""The newest matches that are read: those of people who were forgotten count no more."""


class Step(NamedTuple):
    """One step."""

    key: str
    """A key of today_strings.STEP_TITLES."""
    state: State
    lines: list[str]
    """Its state in words."""
    path: str = ""
    """The page that its button opens; empty without a button."""
    label: str = ""
    """The button's text."""
    faults: tuple[DeviceFault, ...] = ()
    """Why it does not work."""


def first_steps(request: Request, context: WebContext, gallery: Gallery) -> list[Step]:
    """All steps that the role may see; none if they are done, or hidden in this browser.

    A camera or broker that has worked before and fails now does not bring them back.
    """
    if request.cookies.get(cookie_name(request, HIDDEN)):
        return []
    matched = _matched(context, gallery)
    steps = [_person(gallery, request.state.role)]
    steps.append(_match(context, matched, enrolled=steps[0].state == "done"))
    if request.state.role == "admin":
        steps.append(_connection(context))
    if all(one.state == "done" or (one.state == "problem" and _worked(context)) for one in steps):
        return []
    return [_cameras(context), *steps]


def _cameras(context: WebContext) -> Step:
    reports = context.hub.state.get("cameras", {})
    now = {name: reports.get(name, {}) for name in context.configuration().face_cameras}
    shown = context.configuration().camera_name
    found = [camera_fault(shown(name), report) for name, report in now.items() if report]
    faults = tuple(fault for fault in found if fault is not None)
    if faults:
        return Step("camera", "problem", [], "/health", strings.LIVE_REMEDIES, faults)
    lines = []
    for name, report in now.items():
        status = report.get("status", "starting")
        what = strings.LIVE_FPS.format(fps=report["fps"]) if status == "online" else strings.STATUSES[status]
        lines.append(f"{shown(name)}: {what}")
    lines = lines or [today_strings.STEP_NO_CAMERA]
    works = bool(now) and all(report.get("status") in {"online", "ended"} for report in now.values())
    return Step("camera", "done" if works else "todo", lines, "/live", strings.LIVE)


def _person(gallery: Gallery, role: str) -> Step:
    people = sum(not one.ignored for one in gallery.people())
    if people:
        line = today_strings.STEP_PERSON_DONE.format(people=counted(people, *strings.PERSON))
        return Step("person", "done", [line], "/people", strings.PEOPLE)
    if role != "admin":
        return Step("person", "todo", [today_strings.STEP_PERSON_ADMIN])
    return Step("person", "todo", [today_strings.STEP_PERSON_TODO], "/enroll", today_strings.STEP_PERSON_DO)


def _match(context: WebContext, matched: tuple[Person, str] | None, *, enrolled: bool) -> Step:
    if matched is not None:
        person, camera = matched
        line = today_strings.STEP_MATCH_DONE.format(
            name=person.name, camera=context.configuration().camera_name(camera)
        )
        return Step("match", "done", [line], f"/people/{person.id}", person.name)
    line = today_strings.STEP_MATCH_TODO if enrolled else today_strings.STEP_MATCH_FIRST
    newest = context.journal.rows(kinds=("enrolled", *_NO_MATCH), last=1)
    if enrolled and newest and newest[0].row.kind in _NO_MATCH:
        line = today_strings.STEP_MATCH_UNKNOWN
    return Step("match", "todo", [line], "/live", strings.LIVE)


def _matched(context: WebContext, gallery: Gallery) -> tuple[Person, str] | None:
    """Who was recognised last and is still enrolled, and at which camera."""
    for entry in reversed(context.journal.rows(kinds=("match",), last=_MATCHES)):
        facts = {} if entry.redacted or entry.altered else facts_of(entry)
        try:
            return gallery.person(str(facts.get("person", ""))), str(facts.get("camera", ""))
        except GalleryError:
            continue
    return None


def _connection(context: WebContext) -> Step:
    """Home Assistant by the broker, or a phone by notifications: one of them is enough."""
    mqtt, faults = context.configuration().mqtt, tuple(broker_faults(context))
    if mqtt is not None and not faults and context.hub.state.get("mqtt") is not None:
        line = today_strings.STEP_BROKER_DISCOVERY if mqtt.discovery else today_strings.STEP_BROKER
        return Step("connect", "done", [line], "/health", strings.HEALTH)
    notifier = context.notifier()
    if notifier is not None and _reaches_someone(context, notifier):
        return Step("connect", "done", [today_strings.STEP_PHONE], "/notifications", notify_strings.NOTIFY)
    if faults:
        return Step("connect", "problem", [], "/health", strings.LIVE_REMEDIES, faults)
    return Step("connect", "todo", list(today_strings.STEP_CONNECT_TODO), "/notifications", notify_strings.NOTIFY)


def _reaches_someone(context: WebContext, notifier: Notifier) -> bool:
    """Whether a target of notifications works, and a browser has been added if that is what it sends to."""
    notify, state = context.configuration().notify, notifier.facts()["targets"]
    working = [one for name, one in notify.targets.items() if not state.get(name, {}).get("problem")] if notify else []
    if any(not isinstance(one, WebPushTarget) for one in working):
        return True
    browsers = notifier.browsers.browsers() if working else None
    return browsers is not None and bool(browsers.subscriptions)


def _worked(context: WebContext) -> bool:
    """Whether the broker has ever acknowledged a message: the oldest ones are published first."""
    return any(entry.published for entry in context.journal.rows(kinds=("started",), first=1))
