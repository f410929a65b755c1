"""The embeddings of one track to a decision: match, unknown, uncertain or ignored."""

from __future__ import annotations

import math
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, get_args

from edgeface.core.errors import GalleryError
from edgeface.core.types import LEVELS, LevelBasis
from edgeface.faces.calibration import TARGETS
from edgeface.gallery.snapshot import unit_mean
from edgeface.gallery.unknowns import Likeness

if TYPE_CHECKING:
    from edgeface.core.settings import Level
    from edgeface.core.types import DecisionKind, Embedding, Look, Match
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


_BASES: tuple[LevelBasis, ...] = get_args(LevelBasis)


class Thresholds(NamedTuple):
    """Cosines that follow from the security level and the number of people who may be meant."""

    accept: float
    """At or above: this person. Infinity when no level can be guaranteed: no one can be matched."""
    near: float
    """Below: no one who is enrolled."""
    same: float
    """Below: not the face that the track has shown so far. It is what the level requires of one comparison."""
    level: Level | None = None
    """The level that `accept` guarantees; None if there is none."""
    basis: LevelBasis = "measured"
    people: int = 0
    """How many may be meant."""


def thresholds(
    table: CalibrationTable, level: Level, view: GallerySnapshot, group: frozenset[str] | None = None
) -> Thresholds:
    """The thresholds for the people of `group` who are enrolled; left out: everyone who is."""
    return thresholds_for(table, level, view.enrolled if group is None else len(view.enrolled_of(group)))


def thresholds_for(table: CalibrationTable, level: Level, people: int) -> Thresholds:
    """The thresholds of the strictest level, `level` at most, that can be guaranteed for so many people.

    Of one level, an estimated threshold serves only where no measured one is enough. If no level can be guaranteed, no
    one can be matched, and a face that may be of someone enrolled is not unknown.
    """
    for one in reversed(LEVELS[: LEVELS.index(level) + 1]):
        if (found := guaranteed(table, one, people, estimated=True)) is not None:
            accept, basis = found
            near = table.near(one, people, estimated=basis == "estimated")
            return Thresholds(accept, near, table.threshold(one, 1, estimated=True), one, basis, people)
    near = table.cosine(0.0)
    with suppress(GalleryError):
        near = table.near("low", people, estimated=True)
    return Thresholds(math.inf, near, same_unknown(table, 1), people=people)


def guaranteed(
    table: CalibrationTable, level: Level, people: int, *, estimated: bool
) -> tuple[float, LevelBasis] | None:
    """The cosine that guarantees a level for so many people, measured if possible; None if there is none.

    `estimated` allows rows beyond the data.
    """
    for basis in _BASES if estimated else _BASES[:1]:
        with suppress(GalleryError):
            return table.threshold(level, people, estimated=basis == "estimated"), basis
    return None


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
    looks: tuple[tuple[float, Look], ...] = ()
    """The looks that liveness was judged by, each with the time of its frame."""

    def add(
        self, embedding: Embedding, monotonic: float, same: float, *, covered: bool = False, look: Look | None = None
    ) -> Evidence:
        """Evidence with one more embedding, and the look at the same frame if there is one.

        A different face (cosine below `same`) starts new evidence, looks included: no one lends their life to another.
        """
        recent = self._after(monotonic - AGE)
        if not recent.embeddings or float(embedding @ recent.mean()) < same:
            recent = Evidence(since=monotonic)
        return Evidence(
            (*recent.embeddings, embedding)[-WINDOW:],
            (*recent.times, monotonic)[-WINDOW:],
            recent.since,
            (*recent.covered, monotonic)[-WINDOW:] if covered else recent.covered,
            recent.looks if look is None else (*recent.looks, (monotonic, look))[-WINDOW:],
        )

    def _after(self, monotonic: float) -> Evidence:
        """Evidence without the embeddings from before that time."""
        first = bisect_left(self.times, monotonic)
        if not first:
            return self
        looks = tuple(one for one in self.looks if one[0] >= monotonic)
        return Evidence(self.embeddings[first:], self.times[first:], self.since, self.covered, looks)

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
class Comparison:
    """The people that a track resembles most."""

    match: Match
    """Of the mean of the evidence."""
    newest: Match | None
    """Of the newest frame alone; None if the mean is below what was asked for."""

    @property
    def score(self) -> float:
        """The cosine that mean and newest frame both have with the nearest person; -1 if the frame shows another.

        Evidence may be of the face that was there before.
        """
        if self.newest is None or self.newest.person != self.match.person or math.isnan(self.newest.score):
            return -1.0
        return min(self.match.score, self.newest.score)

    @property
    def ambiguous(self) -> bool:
        """Whether the next person is too near to tell the two apart."""
        return self.match.margin is not None and self.match.margin < MARGIN

    def confirms(self, least: float) -> bool:
        """Whether the evidence and this very frame show one person, who is not ignored, with a cosine of `least`."""
        return self.score >= least and not self.ambiguous and not self.match.ignored


def compare(evidence: Evidence, people: KnownPeople, least: float) -> Comparison | None:
    """Find the nearest people; those of the newest frame only if the mean reaches `least`. None without people."""
    match = people.match(evidence.mean())
    if match is None:
        return None
    return Comparison(match, people.match(evidence.newest) if match.score >= least else None)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the evidence of a track shows."""

    kind: DecisionKind
    match: Match | None
    """The nearest person, accepted or not; None with an empty gallery."""
    frames: int
    reason: str | None = None
    """Why it is uncertain: near_threshold or two_people."""

    @property
    def person(self) -> str | None:
        """The person of a match."""
        return self.match.person if self.match is not None and self.kind == "match" else None

    def near(self, person: str) -> bool:
        """Whether it is uncertain, with this person the nearest, and only for want of a higher score."""
        return self.reason == "near_threshold" and self.match is not None and self.match.person == person


def decide(evidence: Evidence, people: KnownPeople, thresholds: Thresholds, rules: Recognition) -> Decision | None:
    """Decide from the evidence of a track and the nearest person, if there is one; None while there is too little."""
    if not ready(evidence, rules):
        return None
    return judge(evidence.frames, compare(evidence, people, thresholds.accept), thresholds, rules)


def ready(evidence: Evidence, rules: Recognition) -> bool:
    """Whether there is enough evidence for any decision."""
    return evidence.frames >= rules.frames and evidence.seconds >= rules.seconds


def judge(frames: int, seen: Comparison | None, thresholds: Thresholds, rules: Recognition) -> Decision | None:
    """Decide from so many frames that are ready, and the people who are nearest; None while there are too few."""
    if seen is not None and seen.match.score >= thresholds.accept:
        return _accepted(frames, seen, thresholds, rules)
    if frames < rules.unknown_frames:
        return None
    if seen is None or seen.match.score < thresholds.near:
        return Decision("unknown", None if seen is None else seen.match, frames)
    return _near(seen.match, frames, rules)


def _accepted(frames: int, seen: Comparison, thresholds: Thresholds, rules: Recognition) -> Decision | None:
    """The decision about a mean above the threshold, which two people may reach, or the face that was there before."""
    match = seen.match
    # One of two who have the same face cannot be told from the other with the certainty that level high promises.
    unsure = match.look_alike and thresholds.level == "high"
    if unsure or seen.ambiguous:
        late = frames >= min(rules.unknown_frames, WINDOW)
        return Decision("uncertain", match, frames, "two_people") if late else None
    if match.ignored:
        return Decision("ignored", match, frames)
    if seen.score < thresholds.accept:
        return _near(match, frames, rules)
    return Decision("match", match, frames)


def _near(match: Match, frames: int, rules: Recognition) -> Decision | None:
    """Uncertain, but late: more frames may still lift a poor start over the threshold."""
    late = frames >= min(2 * rules.unknown_frames, WINDOW)
    return Decision("uncertain", match, frames, "near_threshold") if late else None
