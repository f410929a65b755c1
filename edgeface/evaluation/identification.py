"""Open-set identification: searches of a gallery for people who are enrolled and for people who are not.

FPIR: the share of searches for people who are not enrolled that find someone; FNIR: the share of searches for enrolled
people that do not find them, or find someone else first (ISO/IEC 19795-1; NIST FRTE 1:N). Pure functions of arrays.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.evaluation.rates import poisson_upper

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ints = NDArray[np.integer]
    Flags = NDArray[np.bool_]


class Setup(NamedTuple):
    """The size of a gallery and of its searches."""

    people: int
    """Enrolled people."""
    templates: int
    """Photos per enrolled person; their mean is compared."""
    probes: int
    """Photos per search; their mean is compared, like the mean of a track's frames."""


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """The searches of all rounds, each with its cosine to the nearest enrolled person."""

    mated: Floats
    """Searches for enrolled people."""
    margins: Floats
    """Lead of the nearest person over the next; one for each of `mated`."""
    right: Flags
    """Whether the nearest person is the one searched for; one for each of `mated`."""
    strangers: Floats
    """Searches for people who are not enrolled."""
    people: int
    """Different people among the strangers."""

    def fnir(self, threshold: float, margin: float = 0.0) -> float:
        """FNIR at a threshold, if the nearest person must also lead the next by a margin."""
        return float((~self.right | (self.mated < threshold) | (self.margins < margin)).mean())

    def fpir(self, threshold: float) -> float:
        """FPIR at a threshold."""
        return float((self.strangers >= threshold).mean())

    def fpir_upper(self, threshold: float) -> float:
        """One-sided 95 % upper bound of FPIR; each stranger counts once, however many rounds include them."""
        return min(1.0, poisson_upper(round(self.fpir(threshold) * self.people)) / self.people)

    def threshold_at(self, fpir: float) -> float:
        """The lowest score at which FPIR is at most `fpir`; NaN if there are too few strangers to show it."""
        if self.people * fpir < 1:
            return math.nan
        ordered = np.sort(self.strangers)[::-1]
        return float(np.nextafter(ordered[math.floor(fpir * ordered.size)], np.inf))


def search(embeddings: Floats, person: Ints, setup: Setup, rounds: int, rng: np.random.Generator) -> Searches | None:
    """Draw galleries, and search each once for everyone with enough photos; None if there are too few people.

    `embeddings` are n x d, of length one, and `person` has n numbers; no photo is template and probe of the same round.
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
