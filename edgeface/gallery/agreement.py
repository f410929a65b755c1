"""Whether embeddings are of one person: what is asked before templates are added, and what marks a wrong template.

The limits are cosines; docs/decisions/0016-adding.md has the measurements that they come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding

    Floats = NDArray[np.float64]
    Embeddings = Sequence[Embedding] | NDArray[np.float32]

# False match rates. Through the embedder's calibration table each becomes the cosine in the comment, which was chosen
# by measurement with the shipped embedder.
_SAME_FMR = 2.02e-3  # 0.450
_ALONE_FMR = 5.83e-3  # 0.399
_GROUPS_FMR = 7.05e-5  # 0.570
_TIGHT_FMR = 2.19e-5  # 0.600
_OTHER_FMR = 4.8e-6  # 0.650, estimated

_TIGHT = 0.68
"""Two groups are tight if photos of both agree so much less than photos of one group, as a share. Photos of one person
rarely form such groups: of six, 0.3 % do."""
_SMALLEST = 1 / 4
"""A smaller share of the photos is not a second person: it hardly moves the mean that is matched."""


class Limits(NamedTuple):
    """Cosines that decide about additions."""

    same: float
    """Below: a new face is not the person's. It is the mean cosine of the new embeddings with the templates."""
    alone: float
    """Below: one photo is of another person than the mean of the others."""
    groups: float
    """Below: the means of two groups of photos are of two people."""
    tight: float
    """The same for two groups that are tight, that is, far more alike within than between."""
    other: float
    """At or above the mean of another person: the face is already enrolled."""

    @classmethod
    def of(cls, cosine: Callable[[float], float]) -> Limits:
        """The limits by a function from a false match rate to a cosine."""
        return cls(cosine(_SAME_FMR), cosine(_ALONE_FMR), cosine(_GROUPS_FMR), cosine(_TIGHT_FMR), cosine(_OTHER_FMR))


class Split(NamedTuple):
    """Embeddings that fall into two groups."""

    score: float
    """Cosine of the means of the two groups."""
    needed: float
    group: tuple[int, ...]
    """Positions of the photos of the second person: those of the smaller group, or of the later of two equal groups."""


def likeness(one: Embeddings, other: Embeddings) -> float:
    """The mean cosine of the embeddings of two groups.

    Unlike the cosine of their means, it does not rise with the number of photos: one limit serves for all.
    """
    return float(np.mean(np.asarray(one), axis=0) @ np.mean(np.asarray(other), axis=0))


def objection(own: Embeddings, new: Embeddings, limits: Limits, *, again: bool = False) -> str | None:
    """Why new templates may be of another person than a person's `own`, or of two people; None if they may be added.

    Both may be empty. With `again`, the new templates replace the own ones.
    """
    score = likeness(own, new) if len(own) and len(new) else 1.0
    if score < limits.same:
        return f"the face differs from the enrolled one: cosine {score:.2f}, needs {limits.same:.2f}"
    together = [] if again else [*own, *new]
    # A single wrong photo is easy to leave out while it is new.
    for every, what, single in ((new, "the photos", True), (together, "the templates and the new photos", False)):
        split = two_people(every, limits, single=single)
        if split is not None:
            differ = (
                f"{len(split.group)} of {len(every)} {'differs' if len(split.group) == 1 else 'differ'} from the rest"
            )
            return f"{what} show two people: {differ}, cosine {split.score:.2f}, needs {split.needed:.2f}"
    return None


def two_people(embeddings: Embeddings, limits: Limits, *, single: bool = False) -> Split | None:
    """The split into two groups that are least alike, if they are of two people; None otherwise.

    Tried are each photo alone, and the groups that form around each pair of photos, if they hold a quarter of all; with
    `single`, one photo alone may be less than a quarter.
    """
    rows = np.asarray(embeddings)
    count = len(rows)
    if count < 2:  # noqa: PLR2004 - two groups
        return None
    cosines = rows @ rows.T
    if float(cosines.min()) >= limits.tight:
        return None
    groups = _groups(cosines, single=single)
    if not len(groups):
        return None
    scores, shares = _compared(cosines, groups)
    needed = np.where(shares < _TIGHT, limits.tight, limits.groups)
    needed[groups.sum(axis=1) == 1] = limits.alone
    worst = int(np.argmin(scores - needed))
    if scores[worst] >= needed[worst]:
        return None
    smaller = groups[worst]
    rest = rows[~smaller].mean(axis=0)
    # A photo that came along with the nearest of the others is not of the second person.
    unlike = smaller & (rows @ rest / np.linalg.norm(rest) < limits.same)
    marked = np.flatnonzero(unlike if unlike.any() else smaller)
    return Split(float(scores[worst]), float(needed[worst]), tuple(marked.tolist()))


def _groups(cosines: NDArray[np.float32], *, single: bool) -> NDArray[np.bool_]:
    """One row per way to split: which photos are in the smaller group."""
    count = len(cosines)
    one, other = np.triu_indices(count, 1)
    nearer = cosines[one] >= cosines[other]
    pairs = np.arange(len(one))
    nearer[pairs, one], nearer[pairs, other] = True, False
    splits = np.concatenate([np.eye(count, dtype=bool), nearer])
    sizes = splits.sum(axis=1)
    larger = (2 * sizes > count) | ((2 * sizes == count) & splits[:, 0])
    splits[larger] = ~splits[larger]
    sizes = splits.sum(axis=1)
    kept: NDArray[np.bool_] = splits[(sizes >= _SMALLEST * count) | (single & (sizes == 1))]
    return kept


def _compared(cosines: NDArray[np.float32], groups: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """For each split: the cosine of the means, and the cosine between the groups as a share of that within them."""
    smaller, larger = groups.astype(np.float64), (~groups).astype(np.float64)
    k, m = smaller.sum(axis=1), larger.sum(axis=1)
    between = ((smaller @ cosines) * larger).sum(axis=1)
    one, other = ((smaller @ cosines) * smaller).sum(axis=1), ((larger @ cosines) * larger).sum(axis=1)
    tiny = float(np.finfo(np.float32).tiny)
    # The cosine of a photo with itself, which is 1, does not show how alike the photos are.
    pairs = np.maximum(one - k, tiny) * np.maximum(other - m, tiny)
    shares = between / (k * m) * np.sqrt(np.maximum(k * (k - 1) * m * (m - 1), tiny) / pairs)
    return between / np.sqrt(np.maximum(one * other, tiny)), shares


def to_the_rest(embeddings: Embeddings) -> list[float]:
    """The cosine of each embedding with the mean of all others; 1 for a single one."""
    rows = np.asarray(embeddings, dtype=np.float64)
    rest = rows.sum(axis=0) - rows
    lengths = np.linalg.norm(rest, axis=1)
    return [float(row @ own / length) if length else 1.0 for row, own, length in zip(rows, rest, lengths, strict=True)]


def outliers(embeddings: Embeddings, limits: Limits) -> frozenset[int]:
    """Positions of the embeddings that may be of another person: unlike the rest, or the smaller of two groups."""
    split = two_people(embeddings, limits)
    unlike = {place for place, score in enumerate(to_the_rest(embeddings)) if score < limits.same}
    return frozenset(unlike.union(split.group if split is not None else ()))
