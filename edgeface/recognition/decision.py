"""The embeddings of one track to a decision: match, unknown, uncertain or ignored."""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edgeface.core.errors import GalleryError
from edgeface.core.types import LEVELS
from edgeface.faces.calibration import TARGETS
from edgeface.gallery.snapshot import unit_mean
from edgeface.gallery.unknowns import Likeness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.core.settings import Level
    from edgeface.core.types import DecisionKind, Embedding, Match
    from edgeface.faces.calibration import CalibrationTable
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.recognition.settings import Recognition

WINDOW = 10
"""Embeddings kept for each track. The mean of five frames already averages out most noise: FNMR at FMR 1e-5 falls from
11 % for one photo and one frame to 0.01 % for three photos and five frames (docs/accuracy.md)."""

AGE = 15.0
"""Seconds after which an embedding leaves the window: five checks of a face that is known."""

MARGIN = 0.08
"""How far the best person must be above the next one, in cosine. Above an accepted score, only look-alikes are closer
to each other than this; for them, no name is the right answer."""

# Two ids are proposed for a merge at so many times the false match rate of a visit: this finds two thirds of the
# people who got a second id (docs/decisions/0022-unknowns.md).
_PROPOSED = 3


class Thresholds(NamedTuple):
    """Cosines that follow from the security level and the size of the gallery."""

    accept: float
    """At or above: this person. Infinity when the level cannot be guaranteed: no one can be matched."""
    near: float
    """Below: no one who is enrolled."""
    same: float
    """Below: not the face that the track has shown so far. It is what the level requires of one comparison."""
    levels: tuple[tuple[Level, float], ...] = ()
    """What each level accepts, the least strict first; a level that cannot be guaranteed is missing."""

    def level(self, score: float, *, look_alike: bool = False) -> Level | None:
        """The strictest level that a score reaches; with a look-alike enrolled, the strictest below high."""
        reached = (level for level, accept in reversed(self.levels) if score >= accept)
        return next((level for level in reached if not (look_alike and level == "high")), None)

    def falls_short(self, score: float, level: Level) -> bool:
        """Whether a score does not reach a level that can be guaranteed."""
        accept = dict(self.levels).get(level)
        return accept is not None and score < accept


def thresholds(table: CalibrationTable, level: Level, view: GallerySnapshot) -> Thresholds:
    """The thresholds for a gallery of this size. Raises GalleryError if the table cannot guarantee the level for it."""
    people = view.enrolled
    accept, near = table.threshold(level, people), table.near(level, people)
    return Thresholds(accept, near, table.threshold(level, 1), tuple(_levels(table, people)))


def same_unknown(table: CalibrationTable, count: int) -> float:
    """The cosine from which two visits of unknowns are the same person, among so many of them.

    One in 100 new people gets the id of someone else. Where the table shows no rate so low, its last row holds, and the
    share grows with `count`: that no one is the same as before would be worse (docs/decisions/0022-unknowns.md).
    """
    return table.cosine(TARGETS["low"] / max(1, count))


def likeness(table: CalibrationTable, count: int) -> Likeness:
    """The cosines that decide about `count` unknowns."""
    shown = max(TARGETS["low"] / max(1, count), table.lowest)
    return Likeness(same_unknown(table, count), table.cosine(_PROPOSED * shown))


def _levels(table: CalibrationTable, people: int) -> Iterator[tuple[Level, float]]:
    for level in LEVELS:
        with suppress(GalleryError):
            yield level, table.threshold(level, people)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The latest good embeddings of one track."""

    embeddings: tuple[Embedding, ...] = ()
    times: tuple[float, ...] = ()
    """Monotonic seconds of each."""
    since: float = 0.0
    """Monotonic seconds of the first good frame of this face, which may have left the window."""
    covered: tuple[float, ...] = ()
    """Times of the frames that must not become templates: the face is covered, or was not checked."""

    def add(self, embedding: Embedding, monotonic: float, same: float, *, covered: bool = False) -> Evidence:
        """Evidence with one more embedding; a different face (cosine below `same`) starts new evidence."""
        recent = self._after(monotonic - AGE)
        if not recent.embeddings or float(embedding @ recent.mean()) < same:
            recent = Evidence(since=monotonic)
        return Evidence(
            (*recent.embeddings, embedding)[-WINDOW:],
            (*recent.times, monotonic)[-WINDOW:],
            recent.since,
            (*recent.covered, monotonic)[-WINDOW:] if covered else recent.covered,
        )

    def _after(self, monotonic: float) -> Evidence:
        """Evidence without the embeddings from before that time."""
        first = bisect_left(self.times, monotonic)
        if not first:
            return self
        return Evidence(self.embeddings[first:], self.times[first:], self.since, self.covered)

    def mean(self) -> Embedding:
        """The mean direction of the embeddings, of length one; there must be at least one."""
        return unit_mean(self.embeddings)

    @property
    def uncovered(self) -> tuple[Embedding, ...]:
        """The embeddings that may become templates."""
        return tuple(e for e, time in zip(self.embeddings, self.times, strict=True) if time not in self.covered)

    @property
    def frames(self) -> int:
        """Good frames behind it."""
        return len(self.embeddings)

    @property
    def seconds(self) -> float:
        """The time from the first good frame to the last."""
        return self.times[-1] - self.since if self.times else 0.0

    @property
    def newest(self) -> Embedding:
        """The embedding of the newest good frame; there must be one."""
        return self.embeddings[-1]


class KnownPeople(Protocol):
    """What a decision asks of the gallery."""

    def match(self, embedding: Embedding) -> Match | None:
        """Find the nearest person and the runner-up."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the evidence of a track shows."""

    kind: DecisionKind
    match: Match | None
    """The nearest person, accepted or not; None with an empty gallery."""
    frames: int
    reason: str | None = None
    """Why it is uncertain: near_threshold or two_people."""
    newest: float = -1.0
    """Of a match: the cosine that the newest frame alone has with the person."""

    @property
    def person(self) -> str | None:
        """The person of a match."""
        return self.match.person if self.match is not None and self.kind == "match" else None

    def near(self, person: str) -> bool:
        """Whether it is uncertain, with this person the nearest, and only for want of a higher score."""
        return self.reason == "near_threshold" and self.match is not None and self.match.person == person


def decide(evidence: Evidence, people: KnownPeople, thresholds: Thresholds, rules: Recognition) -> Decision | None:
    """Decide from the evidence of a track and the nearest person, if there is one; None while there is too little."""
    if evidence.frames < rules.frames or evidence.seconds < rules.seconds:
        return None
    match = people.match(evidence.mean())
    if match is not None and match.score >= thresholds.accept:
        return _accepted(match, evidence, people, thresholds, rules)
    if evidence.frames < rules.unknown_frames:
        return None
    if match is None or match.score < thresholds.near:
        return Decision("unknown", match, evidence.frames)
    return _near(match, evidence.frames, rules)


def _accepted(
    match: Match, evidence: Evidence, people: KnownPeople, thresholds: Thresholds, rules: Recognition
) -> Decision | None:
    """The decision about a mean above the threshold, which two people may reach, or the face that was there before."""
    frames = evidence.frames
    # One of two who have the same face cannot be told from the other with the certainty that level high promises.
    unsure = match.look_alike and rules.level == "high"
    if unsure or (match.margin is not None and match.margin < MARGIN):
        late = frames >= min(rules.unknown_frames, WINDOW)
        return Decision("uncertain", match, frames, "two_people") if late else None
    if match.ignored:
        return Decision("ignored", match, frames)
    # Evidence may be of the face that was there before: the newest frame must show the person, too, and no one else.
    alone = people.match(evidence.newest)
    if alone is None or alone.person != match.person or alone.score < thresholds.accept:
        return _near(match, frames, rules)
    return Decision("match", match, frames, newest=alone.score)


def _near(match: Match, frames: int, rules: Recognition) -> Decision | None:
    """Uncertain, but late: more frames may still lift a poor start over the threshold."""
    late = frames >= min(2 * rules.unknown_frames, WINDOW)
    return Decision("uncertain", match, frames, "near_threshold") if late else None
