"""Open-set identification: a gallery is searched by people who are in it and by people who are not.

FPIR: searches of people who are not enrolled that find somebody; FNIR: searches of enrolled people that do not find
them, or find somebody else first (ISO/IEC 19795-1; NIST FRTE 1:N). Pure functions of arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.evaluation.rates import poisson_upper

if TYPE_CHECKING:
    from numpy.typing import NDArray


if TYPE_CHECKING:
    Floats = NDArray[np.floating]
    Ints = NDArray[np.integer]
    Flags = NDArray[np.bool_]


class Setup(NamedTuple):
    """What is searched with what."""

    people: int
    """Enrolled."""
    templates: int
    """Photos behind each of them; their mean is compared."""
    probes: int
    """Photos behind each search; their mean is compared, as that of a track's frames."""


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """What the searches of all rounds found: cosines of the nearest enrolled person."""

    mated: Floats
    """Searches of enrolled people."""
    margins: Floats
    """How far the nearest stood above the next; one for each of `mated`."""
    right: Flags
    """Whether the nearest was the person searched for; one for each of `mated`."""
    strangers: Floats
    """Searches of people who were not enrolled."""
    people: int
    """Different people among the strangers."""

    def fnir(self, threshold: float, margin: float = 0.0) -> float:
        """FNIR at a threshold, when the nearest must stand above the next by a margin too."""
        return float((~self.right | (self.mated < threshold) | (self.margins < margin)).mean())

    def fpir(self, threshold: float) -> float:
        """FPIR at a threshold."""
        return float((self.strangers >= threshold).mean())

    def fpir_upper(self, threshold: float) -> float:
        """One-sided 95 % upper bound of FPIR, counting each stranger once, however many rounds searched for them."""
        return min(1.0, poisson_upper(round(self.fpir(threshold) * self.people)) / self.people)

    def threshold_at(self, fpir: float) -> float:
        """The lowest found score at which FPIR is at most `fpir`; NaN when too few strangers searched to show it."""
        if self.people * fpir < 1:
            return math.nan
        ordered = np.sort(self.strangers)[::-1]
        return float(np.nextafter(ordered[math.floor(fpir * ordered.size)], np.inf))


def search(embeddings: Floats, person: Ints, setup: Setup, rounds: int, rng: np.random.Generator) -> Searches | None:
    """Draw galleries, and search each once for everybody who has photos enough; None when there are too few people.

    `embeddings` are n x d of length one, `person` numbers each; no photo is both template and probe of a round.
    """
    photos = [np.flatnonzero(person == one) for one in np.unique(person)]
    can_enroll = np.array([i for i, own in enumerate(photos) if own.size >= setup.templates + setup.probes])
    strange = [i for i, own in enumerate(photos) if own.size >= setup.probes]
    if can_enroll.size < setup.people or len(strange) <= setup.people:
        return None
    found = [_round(embeddings, photos, can_enroll, strange, setup, rng) for _ in range(rounds)]
    mated, margins, right, strangers = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Searches(mated, margins, right, strangers, len(strange))


def _round(
    embeddings: Floats,
    photos: list[NDArray[np.intp]],
    can_enroll: Ints,
    strange: list[int],
    setup: Setup,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Flags, Floats]:
    enrolled = rng.choice(can_enroll, setup.people, replace=False)
    inside = set(enrolled.tolist())
    drawn = [rng.permutation(photos[i])[: setup.templates + setup.probes] for i in enrolled]
    gallery = _means(embeddings, [own[: setup.templates] for own in drawn])
    mated = _means(embeddings, [own[setup.templates :] for own in drawn]) @ gallery.T
    outside = [rng.permutation(photos[i])[: setup.probes] for i in strange if i not in inside]
    strangers = _means(embeddings, outside) @ gallery.T
    right = mated.argmax(axis=1) == np.arange(setup.people)
    best = np.sort(mated, axis=1)
    return best[:, -1], best[:, -1] - best[:, -2], right, strangers.max(axis=1)


def _means(embeddings: Floats, groups: list[NDArray[np.intp]]) -> Floats:
    means: Floats = embeddings[np.stack(groups)].mean(axis=1)
    unit: Floats = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit
