"""The centre's REST interface: candidates for the face in a photo, for a human."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from edgeface.centre.admins.guard import by, centre, require_right, rights_of
from edgeface.centre.search.candidates import NOTE, REASON, USUAL, Inquiry
from edgeface.centre.search.candidates import candidates as search
from edgeface.centre.search.messages import MOST, MOST_SITES
from edgeface.core.errors import UsageError
from edgeface.core.settings import Id
from edgeface.web.api.models import ApiModel
from edgeface.web.http.bodies import form_body
from edgeface.web.http.operation import Call, Operation, reply
from edgeface.web.http.problems import Problem
from edgeface.web.http.throttle import Buckets, too_soon

if TYPE_CHECKING:
    from starlette.responses import Response

    from edgeface.core.clock import Clock


def _number(text: object) -> object:
    """A form has only text."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() else text


def _names(text: object) -> object:
    return text.replace(",", " ").split() if isinstance(text, str) else text


class Inquire(ApiModel):
    """The fields of a search, except its photo."""

    reason: Annotated[str, Field(min_length=REASON[0], max_length=REASON[1])]
    """Why the search is needed, in one line; the journal keeps it."""
    sites: Annotated[list[Id], Field(max_length=MOST_SITES), BeforeValidator(_names)] = Field(default_factory=list)
    """Names of sites with commas between them; left out: all at which the caller is an administrator."""
    most: Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_number)] = USUAL
    """The number of candidates."""


class Candidate(ApiModel):
    """Someone who looks like the face in the photo."""

    site: str
    id: str
    name: str
    score: float
    """Cosine of the templates, -1 to 1."""
    likeness: str
    """The score in words."""


class Candidates(ApiModel):
    """The people who look most like the face, the best first."""

    candidates: list[Candidate]
    note: str
    """What the list does not say."""


class Rate:
    """How often each account may search; any thread may use it."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._buckets, self._clock = Buckets(per_minute, 60 / per_minute), clock
        self._lock = threading.Lock()

    def take(self, account: str) -> None:
        """Count a search; raises Problem 429 if there were too many."""
        with self._lock:
            wait = self._buckets.wait(account, self._clock.monotonic())
            if wait:
                raise too_soon(wait, "too many searches of this account")
            self._buckets.take(account)


def candidates(call: Call) -> Response:
    """Name people who look like the face in a photo, for a human: candidates, never a match."""
    inquiry = inquiry_of(call)
    if len(call.body.files) > 1:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail="send one photo")
    call.request.app.state.searches.take(inquiry.by)
    found = search(centre(call), inquiry, call.body.files[0][1])
    shown = [
        Candidate(site=one.site, id=one.id, name=one.name, score=one.score, likeness=one.likeness) for one in found
    ]
    return reply(Candidates(candidates=shown, note=NOTE))


def inquiry_of(call: Call) -> Inquiry:
    """What a form asks for. Raises Problem 403 for a site at which the caller is no administrator, 422 for a reason."""
    given, rights = call.body.fields, rights_of(call)
    for site in given.sites:
        require_right(call, site, "admin")
        centre(call).store.site(site)
    try:
        return Inquiry(by(call), given.reason, tuple(given.sites) or rights.sites, given.most)
    except UsageError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail=str(error)) from None


OPERATIONS = (
    Operation("POST", "/candidates", "admin", "people", "Name people who look like the face in a photo, for a human",
              candidates, {200: Candidates}, body=form_body(Inquire, "photo"), errors=(403, 404, 429, 503), heavy=True),
)  # fmt: skip
"""All operations of the search."""
