"""A track's embeddings to one decision: match, unknown, uncertain, ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edgeface.gallery.snapshot import unit_mean

if TYPE_CHECKING:
    from edgeface.core.settings import Level
    from edgeface.core.types import DecisionKind, Embedding, Match
    from edgeface.recognition.settings import Recognition

WINDOW = 10
"""Embeddings kept a track. The mean of five frames already has the gain of averaging: FNMR at FMR 1e-5 falls from
11 % for one photo and one frame to 0.01 % for three photos and five frames (docs/accuracy.md)."""

MARGIN = 0.08
"""How far the best person must stand above the next one, in cosine. Two different people are less alike than this
below an accepted score in all but look-alikes, for whom silence is the right answer."""


class Gallery(Protocol):
    """What a decision needs of the gallery."""

    def match(self, embedding: Embedding) -> Match | None:
        """The nearest person; None when nobody is enrolled."""
        ...


class Thresholds(NamedTuple):
    """Cosines that follow from the level and the gallery's size (levels.py)."""

    accept: float
    """At or above: this person. Infinity when the level cannot be shown: nobody is matched."""
    near: float
    """Below: nobody enrolled."""
    same: float
    """Below: not the face that the track has shown so far."""
    levels: tuple[tuple[Level, float], ...] = ()
    """What each level accepts, the laxest first; a level that cannot be shown is not there."""

    def level(self, score: float) -> Level | None:
        """The strictest level that a score reaches."""
        return next((level for level, accept in reversed(self.levels) if score >= accept), None)

    def falls_short(self, score: float, level: Level) -> bool:
        """Whether a score does not reach a level that can be shown."""
        accept = dict(self.levels).get(level)
        return accept is not None and score < accept


@dataclass(frozen=True, slots=True)
class Decision:
    """What a track's evidence says."""

    kind: DecisionKind
    match: Match | None
    """The nearest person, whether accepted or not; None with an empty gallery."""
    frames: int
    reason: str | None = None
    """Why it is uncertain: near_threshold or two_people."""

    @property
    def person(self) -> str | None:
        """The person that is said, if one is."""
        return self.match.person if self.match is not None and self.kind == "match" else None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The latest good embeddings of one track."""

    embeddings: tuple[Embedding, ...] = ()
    since: float = 0.0
    until: float = 0.0
    """Monotonic seconds of the first good frame of this face, which may have left the window, and of the last."""

    def add(self, embedding: Embedding, monotonic: float, same: float) -> Evidence:
        """Evidence with one more embedding; it starts afresh when the face is not the same (cosine below `same`)."""
        if not self.embeddings or float(embedding @ self.mean()) < same:
            return Evidence((embedding,), monotonic, monotonic)
        return Evidence((*self.embeddings, embedding)[-WINDOW:], self.since, monotonic)

    def mean(self) -> Embedding:
        """The mean direction of the embeddings, of length one; there must be one."""
        return unit_mean(self.embeddings)

    @property
    def frames(self) -> int:
        """Good frames behind it."""
        return len(self.embeddings)

    @property
    def seconds(self) -> float:
        """The time from the first good frame to the last."""
        return self.until - self.since


def decide(evidence: Evidence, gallery: Gallery, thresholds: Thresholds, rules: Recognition) -> Decision | None:
    """Decide from a track's evidence; None while there is too little of it."""
    if evidence.frames < rules.frames or evidence.seconds < rules.seconds:
        return None
    match = gallery.match(evidence.mean())
    if match is not None and match.score >= thresholds.accept:
        return _near_somebody(match, evidence.frames, rules)
    if evidence.frames < rules.unknown_frames:
        return None
    if match is None or match.score < thresholds.near:
        return Decision("unknown", match, evidence.frames)
    # More frames may still lift a poor start over the threshold, so doubt is said late.
    patient = evidence.frames >= min(2 * rules.unknown_frames, WINDOW)
    return Decision("uncertain", match, evidence.frames, "near_threshold") if patient else None


def _near_somebody(match: Match, frames: int, rules: Recognition) -> Decision | None:
    if match.margin is None or match.margin >= MARGIN:
        return Decision("ignored" if match.ignored else "match", match, frames)
    patient = frames >= min(rules.unknown_frames, WINDOW)
    return Decision("uncertain", match, frames, "two_people") if patient else None
