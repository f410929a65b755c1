"""Negative templates: faces that were corrected as not being a person, and what follows for a match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.gallery.agreement import to_the_rest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgeface.core.types import Embedding

LEAD = 0.08
"""By how much nearer, in cosine, a face must be to the negative template than to the person, to be denied. With less,
some photos of people with three templates lost their match; with this, none of 48,000 did (docs/decisions/0017)."""

COST = 0.08
"""By how much nearer to the person than to the negative template each of their own templates must be. Of corrections
that are mistakes, because the face is the person's, this refuses 7 of 8 (docs/decisions/0017)."""

ALONE = 0.70
"""Taken as the cosine of a person's only template to another photo of them; 73 % of such photos reach it."""


@dataclass(frozen=True, slots=True, eq=False)
class Negative:
    """A face that is not the person who owns this template."""

    event: str
    """The id of the event that was corrected, which names this template too."""
    camera: str
    wall: float
    """Wall seconds of the correction."""
    embedding: Embedding


@dataclass(frozen=True, slots=True, eq=False)
class Denials:
    """Tells for a face which rows of a gallery's matrix it cannot be."""

    owners: NDArray[np.intp]
    """The row of each negative template's person."""
    leads: NDArray[np.float32]
    """Each negative template less that row: its product with a face is by how much nearer the template is."""

    @classmethod
    def of(cls, matrix: NDArray[np.float32], negatives: Sequence[tuple[int, Embedding]]) -> Denials | None:
        """The denials of these negative templates, each with its person's row; None without any."""
        if not negatives:
            return None
        owners = np.array([row for row, _ in negatives], np.intp)
        leads = np.stack([negative for _, negative in negatives]) - matrix[owners]
        leads.setflags(write=False)
        return cls(owners, leads)

    def rows(self, embedding: Embedding) -> NDArray[np.intp] | None:
        """The rows that are denied for a face, each once; None if there are none."""
        denied = self.leads @ embedding >= LEAD
        return np.unique(self.owners[denied]) if denied.any() else None


class Harm(NamedTuple):
    """An own template that a negative template comes too near to."""

    number: int
    """Of the template, from 0."""
    own: float
    """Its cosine to the person's other templates."""
    negative: float
    """Its cosine to the negative template."""


def harm(own: Sequence[Embedding], negative: Embedding) -> Harm | None:
    """The person's template that suffers most from a negative template; None if each stays COST nearer to the person.

    Each is compared with the mean of the others, and the only one with ALONE. `own` must have one template or more.
    """
    rows = np.stack(own)
    scores = rows @ negative
    others = np.array(to_the_rest(rows) if len(rows) > 1 else [ALONE])
    worst = int(np.argmin(others - scores))
    found = Harm(worst, float(others[worst]), float(scores[worst]))
    return found if found.own - found.negative < COST else None
