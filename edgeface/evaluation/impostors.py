"""Match rates of pairs of people, each person weighing alike, for the decisions that recognition takes.

A kind of comparison has a number of templates of the enrolled person, whose mean is compared, and a number of good
frames of the other person's visit. A visit of one frame is one comparison. A longer visit is decided again with each
frame from the third on, and it is a false match at a threshold if at any of these the mean of the frames so far and the
newest frame alone both reach it (docs/decisions/0015). Pure functions of arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.evaluation.rates import BINS, from_above

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ints = NDArray[np.integer]

FIRST_DECISION = 3
"""Good frames before the first decision, the default of recognition.frames."""

DRAWS = 20
"""Sets of photos drawn for each person where one photo is not enough; with more, the rates change by less than 2 %."""

# Sets of templates scored at once: 256 x 10,000 float32 are 10 MB.
_BLOCK = 256


class Kind(NamedTuple):
    """A kind of comparison."""

    templates: int
    """Photos of the enrolled person; their mean is compared."""
    frames: int
    """Photos of the other person, as the frames of one visit."""


SINGLE = Kind(1, 1)
"""One photo against one photo."""

KINDS = tuple(Kind(templates, frames) for frames in (1, 5) for templates in (1, 3, 5))
"""The kinds that a table must hold for."""


class Sets(NamedTuple):
    """Sets of photos, each of one person, with the same number of photos."""

    photos: Ints
    """Sets x photos, as indices."""
    person: Ints
    weight: Floats
    """One over the number of the person's sets."""


@dataclass(frozen=True, slots=True, eq=False)
class FalseMatches:
    """How often people are taken for other people, at each threshold of `rates.thresholds()`."""

    enrolled: Floats
    """People x thresholds: expected false matches with this enrolled person; zeros without enough photos."""
    visitors: Floats
    """People x thresholds: the same, with this person as the visitor."""
    pairs: int
    """Pairs of an enrolled person and a visitor; an unordered pair counts once where both sides are single photos."""

    @property
    def count(self) -> Floats:
        """Pairs of people with a false match, expected over the photos of both."""
        counted: Floats = self.enrolled.sum(axis=0) * (self.pairs / self._ordered)
        return counted

    @property
    def fmr(self) -> Floats:
        """The share of pairs with a false match."""
        rate: Floats = self.enrolled.sum(axis=0) / self._ordered
        return rate

    @property
    def _ordered(self) -> int:
        """Ordered pairs: below the lowest threshold, everyone matches everyone."""
        return max(1, round(float(self.enrolled[:, 0].sum())))

    def drawn(self, weights: Floats) -> Floats:
        """The rate if each person is there as often as `weights` says, to the first order in the weights."""
        # w_a w_b = 1 + (w_a - 1) + (w_b - 1): exact sums over pairs would need all pairs.
        both = weights @ (self.enrolled + self.visitors) - self.enrolled.sum(axis=0)
        rate: Floats = np.maximum(0, both) / max(1.0, float(both[0]))
        return rate


def false_matches(
    embeddings: Floats, person: Ints, kind: Kind, rng: np.random.Generator, block: int = _BLOCK
) -> FalseMatches | None:
    """Compare the visits of everyone with the templates of everyone else; None if no pair has enough photos.

    `embeddings` are n x d, of length one; `person` has n numbers, from 0. `block` templates are compared at a time.
    """
    people = int(person.max()) + 1
    templates, visits = sets(person, kind.templates, rng), sets(person, kind.frames, rng)
    enrolled, visitors = np.unique(templates.person), np.unique(visits.person)
    ordered = enrolled.size * visitors.size - np.intersect1d(enrolled, visitors).size
    if not ordered:
        return None
    by_enrolled, by_visitor = np.zeros((2, people * BINS))
    gallery = unit(embeddings[templates.photos].mean(axis=1))
    frames = np.swapaxes(embeddings[visits.photos], 0, 1)
    for rows in (slice(start, start + block) for start in range(0, len(gallery), block)):
        # Half a millionth, so that rounding does not move a score that is exactly a bin's edge into the bin below.
        bins = np.clip(np.floor((_scores(gallery[rows], frames) + 5e-7) * BINS), 0, BINS - 1).astype(np.int64)
        owner = templates.person[rows, None]
        other = owner != visits.person[None]
        weight = (templates.weight[rows, None] * visits.weight[None])[other]
        by_enrolled += _counted(np.broadcast_to(owner, bins.shape)[other], bins[other], weight, people)
        by_visitor += _counted(np.broadcast_to(visits.person[None], bins.shape)[other], bins[other], weight, people)
    shape = (people, BINS)
    pairs = ordered // 2 if kind == SINGLE else ordered
    return FalseMatches(from_above(by_enrolled.reshape(shape)), from_above(by_visitor.reshape(shape)), pairs)


def genuine_scores(embeddings: Floats, person: Ints, kind: Kind, rng: np.random.Generator) -> Floats:
    """People x DRAWS: the highest threshold at which a visit matches the person's own templates.

    Only people with enough photos are in it; no photo is template and frame of the same draw.
    """
    drawn = sets(person, kind.templates + kind.frames, rng)
    templates, frames = np.split(embeddings[drawn.photos], [kind.templates], axis=1)
    gallery = unit(templates.mean(axis=1))
    count = kind.frames
    decisions = [
        np.minimum(
            np.einsum("ij,ij->i", unit(frames[:, :seen].mean(axis=1)), gallery),
            np.einsum("ij,ij->i", frames[:, seen - 1], gallery),
        )
        for seen in range(min(FIRST_DECISION, count), count + 1)
    ]
    scores: Floats = np.max(decisions, axis=0).reshape(-1, DRAWS)
    return scores


def sets(person: Ints, size: int, rng: np.random.Generator) -> Sets:
    """Sets of so many photos of everyone who has that many: every photo, or DRAWS sets drawn at random."""
    own = [np.flatnonzero(person == one) for one in np.unique(person)]
    drawn = [
        photos[:, None] if size == 1 else np.stack([rng.permutation(photos)[:size] for _ in range(DRAWS)])
        for photos in own
        if photos.size >= size
    ]
    counts = [len(one) for one in drawn]
    photos = np.concatenate(drawn) if drawn else np.zeros((0, size), np.intp)
    return Sets(photos, person[photos[:, 0]], np.repeat(1 / np.array(counts, np.float64), counts))


def _counted(person: Ints, bins: Ints, weight: Floats, people: int) -> Floats:
    counts: Floats = np.bincount(person * BINS + bins, weights=weight, minlength=people * BINS).astype(np.float64)
    return counts


def _scores(gallery: Floats, frames: Floats) -> Floats:
    """Sets of templates x visits: the highest threshold at which some decision of the visit is a match."""
    if len(frames) == 1:
        single: Floats = gallery @ frames[0].T
        return single
    best = np.full((len(gallery), frames.shape[1]), -1.0, np.float32)
    for count in range(FIRST_DECISION, len(frames) + 1):
        mean = gallery @ unit(frames[:count].mean(axis=0)).T
        best = np.maximum(best, np.minimum(mean, gallery @ frames[count - 1].T))
    return best


def unit(vectors: Floats) -> Floats:
    """Vectors scaled to length one, along the last axis."""
    scaled: Floats = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled
