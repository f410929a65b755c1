"""The head turns that doors ask of visits: who is asked, to which sides, and who has failed."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from edgeface.core.types import ChallengeRequest, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.access.door_state import VisitKey
    from edgeface.core.clock import Clock
    from edgeface.core.types import ChallengeReport, Claim

TURNS = 2
"""Turns of one challenge, each to a side that is drawn independently: a video that guesses one side passes half the
time, one that guesses two a quarter."""

ATTEMPTS = 2
"""Failures after which the person is refused for a while."""

CHALLENGE_SECONDS = 18.0
"""The longest that a challenge takes, with some time for its last frame."""

# The first report, and the claim of a visit that has passed, come with the next frame.
_ANSWER_SECONDS = 2.0
# Failures older than this no longer count.
_FORGET_SECONDS = 60.0
_MAX_FACES = 256

FaceKey = tuple[str, str]
"""A camera, and the person whose face was shown."""


@dataclass(slots=True)
class _Failures:
    count: int
    at: float


class Challenges:
    """All challenges of a device; one thread uses it, and `request` reaches the vision thread."""

    def __init__(self, clock: Clock, request: Callable[[ChallengeRequest], None]) -> None:
        self._clock = clock
        self._request = request
        self._number = 0
        self._asked: dict[str, tuple[ChallengeRequest, float]] = {}
        self._failures: OrderedDict[FaceKey, _Failures] = OrderedDict()

    def ask(self, claim: Claim) -> bool:
        """Ask the visit of a claim for head turns.

        False if its camera is asking someone already, or if the claim is older than the face's last failure: whoever
        has left must not fail again.
        """
        failures = self._failures.get((claim.camera, claim.person))
        if self._busy(claim.camera) or (failures is not None and claim.monotonic <= failures.at):
            return False
        self._number += 1
        turns = tuple(secrets.choice(get_args(Turn)) for _ in range(TURNS))
        final = self._failed(claim.camera, claim.person) >= ATTEMPTS - 1
        request = ChallengeRequest(self._number, claim.camera, claim.visit, claim.person, turns, final)
        self._asked[claim.camera] = request, self._clock.monotonic() + _ANSWER_SECONDS
        self._request(request)
        return True

    def asks(self, visit: VisitKey) -> bool:
        """Whether this visit is being asked now."""
        camera, number, person = visit
        request = self._asked[camera][0] if self._busy(camera) else None
        return request is not None and (request.visit, request.person) == (number, person)

    def on_report(self, report: ChallengeReport) -> bool:
        """Take note of the progress of a challenge, or of its end; True if this was its last failure."""
        request = report.request
        asked = self._asked.get(request.camera)
        if asked is None or asked[0] != request:
            return False
        if report.result is None:
            self._asked[request.camera] = request, self._clock.monotonic() + CHALLENGE_SECONDS
            return False
        key = request.camera, request.person
        if report.result == "passed":
            # A claim from before the end may still be on its way: it is no reason to ask again.
            self._asked[request.camera] = request, self._clock.monotonic() + _ANSWER_SECONDS
            self._failures.pop(key, None)
            return False
        del self._asked[request.camera]
        self._failures[key] = _Failures(self._failed(*key) + 1, self._clock.monotonic())
        self._failures.move_to_end(key)
        if len(self._failures) > _MAX_FACES:
            self._failures.popitem(last=False)
        return request.final

    def failed_at(self, camera: str, person: str) -> float | None:
        """When this face failed for the last time, in monotonic seconds; None if it may be asked again."""
        failures = self._failures.get((camera, person))
        return failures.at if failures is not None and failures.count >= ATTEMPTS else None

    def _busy(self, camera: str) -> bool:
        asked = self._asked.get(camera)
        return asked is not None and self._clock.monotonic() <= asked[1]

    def _failed(self, camera: str, person: str) -> int:
        """Failures that still count; after ATTEMPTS of them and the cooldown, it starts again."""
        failures = self._failures.get((camera, person))
        recent = failures is not None and self._clock.monotonic() - failures.at <= _FORGET_SECONDS
        return failures.count % ATTEMPTS if failures is not None and recent else 0
