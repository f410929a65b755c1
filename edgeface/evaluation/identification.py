"""Open-set identification: visits of people who are enrolled and of people who are not, decided as recognition does.

FPIR: the share of visits of people who are not enrolled that match someone; FNIR: the share of visits of enrolled
people that do not match them, or match someone else (ISO/IEC 19795-1; NIST FRTE 1:N). A visit is decided again with
each good frame: a match needs the mean of the frames and the newest frame to have the same nearest person, both at the
threshold, and the mean's lead over the next person (edgeface/recognition/decision.py). Pure functions of arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.evaluation.impostors import FIRST_DECISION, unit
from edgeface.evaluation.rates import Interval, bootstrap
from edgeface.recognition.decision import MARGIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ints = NDArray[np.integer]
    Flags = NDArray[np.bool_]


class Setup(NamedTuple):
    """The size of a gallery and of its visits."""

    people: int
    """Enrolled people."""
    templates: int
    """Photos per enrolled person; their mean is compared."""
    frames: int
    """Photos per visit, as its frames; one is a single comparison."""


class Visits(NamedTuple):
    """Visits, each with the highest threshold at which it matches."""

    score: Floats
    """-1 if it matches at none."""
    visitor: Ints
    """The number of the person who visits."""
    found: Ints
    """The number of the enrolled person who is matched at that threshold."""


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """The visits of all rounds."""

    mated: Visits
    """Visits of enrolled people, as matches of themselves."""
    mistaken: Visits
    """The same visits, as matches of someone else."""
    strangers: Visits
    """Visits of people who are not enrolled."""
    people: int
    """Different people among the strangers."""

    def fnir(self, threshold: float) -> float:
        """FNIR at a threshold."""
        return float(((self.mated.score < threshold) | (self.mistaken.score >= threshold)).mean())

    def fpir(self, threshold: float) -> float:
        """FPIR at a threshold."""
        return float((self.strangers.score >= threshold).mean())

    def threshold_at(self, fpir: float) -> float:
        """The lowest score at which FPIR is at most `fpir`; NaN if there are too few strangers to show it."""
        if self.people * fpir < 1:
            return math.nan
        ordered = np.sort(self.strangers.score)[::-1]
        return float(np.nextafter(ordered[math.floor(fpir * ordered.size)], np.inf))


def search(embeddings: Floats, person: Ints, setup: Setup, rounds: int, rng: np.random.Generator) -> Searches | None:
    """Draw galleries, and let everyone with enough photos visit each once; None if there are too few people.

    `embeddings` are n x d, of length one, and `person` has n numbers; no photo is template and frame of the same round.
    """
    photos = {int(one): np.flatnonzero(person == one) for one in np.unique(person)}
    can_enroll = [one for one, own in photos.items() if own.size >= setup.templates + setup.frames]
    strangers = [one for one, own in photos.items() if own.size >= setup.frames]
    if len(can_enroll) < setup.people or len(strangers) <= setup.people:
        return None
    galleries = [rng.choice(can_enroll, setup.people, replace=False) for _ in range(rounds)]
    found = [_round(embeddings, photos, enrolled, setup, rng) for enrolled in galleries]
    mated, mistaken, others = (_joined(parts) for parts in zip(*found, strict=True))
    return Searches(mated, mistaken, others, len(strangers))


def strangers(embeddings: Floats, person: Ints, setup: Setup, rounds: int, rng: np.random.Generator) -> Visits | None:
    """Draw galleries, and let everyone else with enough photos visit each once; None if there are too few people."""
    photos = {int(one): np.flatnonzero(person == one) for one in np.unique(person)}
    can_enroll = [one for one, own in photos.items() if own.size >= setup.templates]
    visitors = sum(own.size >= setup.frames for own in photos.values())
    if len(can_enroll) < setup.people or visitors <= setup.people:
        return None
    galleries = [rng.choice(can_enroll, setup.people, replace=False) for _ in range(rounds)]
    return _joined([_strangers(embeddings, photos, enrolled, setup, rng) for enrolled in galleries])


def fpir_interval(visits: Visits, accepted: Flags, rounds: int, rng: np.random.Generator) -> Interval:
    """The share of visits accepted, with its bootstrap interval over people, on both sides of a false match."""
    people = int(max(visits.visitor.max(), visits.found.max())) + 1
    visitor, found = visits.visitor[accepted], visits.found[accepted]

    def drawn(weights: Floats) -> float:
        return float((weights[visitor] * weights[found]).sum() / max(1.0, weights[visits.visitor].sum()))

    return bootstrap(float(accepted.mean()), drawn, people, rounds, rng)


def _round(
    embeddings: Floats, photos: Mapping[int, Ints], enrolled: Ints, setup: Setup, rng: np.random.Generator
) -> tuple[Visits, Visits, Visits]:
    drawn = [rng.permutation(photos[one]) for one in enrolled.tolist()]
    gallery = _gallery(embeddings, drawn, setup)
    frames = embeddings[np.stack([own[setup.templates : setup.templates + setup.frames] for own in drawn])]
    own = np.arange(setup.people)
    mated, mistaken = (_visit(gallery, frames, own, themselves=themselves) for themselves in (True, False))
    return (
        Visits(mated[0], enrolled, enrolled),
        Visits(mistaken[0], enrolled, enrolled[mistaken[1]]),
        _strangers(embeddings, photos, enrolled, setup, rng, gallery),
    )


def _strangers(
    embeddings: Floats,
    photos: Mapping[int, Ints],
    enrolled: Ints,
    setup: Setup,
    rng: np.random.Generator,
    gallery: Floats | None = None,
) -> Visits:
    inside = set(enrolled.tolist())
    outside = [one for one, own in photos.items() if own.size >= setup.frames and one not in inside]
    frames = embeddings[np.stack([rng.permutation(photos[one])[: setup.frames] for one in outside])]
    if gallery is None:
        gallery = _gallery(embeddings, [rng.permutation(photos[one]) for one in enrolled.tolist()], setup)
    score, found = _visit(gallery, frames)
    return Visits(score, np.array(outside), enrolled[found])


def _gallery(embeddings: Floats, drawn: list[Ints], setup: Setup) -> Floats:
    return unit(embeddings[np.stack([own[: setup.templates] for own in drawn])].mean(axis=1))


def _visit(
    gallery: Floats, frames: Floats, own: Ints | None = None, *, themselves: bool = False
) -> tuple[Floats, Ints]:
    """The highest threshold at which each visit matches someone, and who that is.

    `frames` are visits x frames x d. With `own`, only matches of that person count, or only those of someone else.
    """
    count = frames.shape[1]
    best, found = np.full(len(frames), -1.0), np.zeros(len(frames), np.intp)
    for seen in range(min(FIRST_DECISION, count), count + 1):
        mean, newest = unit(frames[:, :seen].mean(axis=1)) @ gallery.T, frames[:, seen - 1] @ gallery.T
        first, ordered = mean.argmax(axis=1), np.sort(mean, axis=1)
        score = np.minimum(ordered[:, -1], newest.max(axis=1))
        matches = (newest.argmax(axis=1) == first) & (ordered[:, -1] - ordered[:, -2] >= MARGIN)
        if own is not None:
            matches &= (first == own) == themselves
        better = matches & (score > best)
        best, found = np.where(better, score, best), np.where(better, first, found)
    return best, found


def _joined(parts: list[Visits] | tuple[Visits, ...]) -> Visits:
    return Visits(*(np.concatenate(values) for values in zip(*parts, strict=True)))
