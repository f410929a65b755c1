"""Finds pairs of people of one site whose templates are so alike that they may be one person, twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgeface.faces.calibration import table_of
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.agreement import Limits
from edgeface.gallery.search import pairs

if TYPE_CHECKING:
    from edgeface.centre.context import CentreContext
    from edgeface.centre.records import PersonRecord

MOST = 100
"""Pairs that are given, the most similar first."""


class Duplicate(NamedTuple):
    """Two people who may be one."""

    one: PersonRecord
    other: PersonRecord
    score: float
    """Cosine of their mean templates."""


def find_duplicates(context: CentreContext, site: str) -> tuple[Duplicate, ...]:
    """The pairs of a site at or above the cosine from which an enrollment is refused as another person's face.

    They are computed at each call, by the centre's own model: all pairs of 10,000 people take a second. A pair stays
    until an admin forgets one of the two, or their templates are replaced. Raises UnknownError.
    """
    settings = context.settings.embedder
    known = {one.id: one for one in context.store.people(site)}
    templates = context.store.means(site, embedder_name(settings.model))
    means = {who: mean for who, mean in templates.items() if who in known}
    if not means:
        return ()
    ids, least = list(means), Limits.of(table_of(settings.model).cosine).other
    found = pairs(np.stack(list(means.values())), least, MOST)
    return tuple(Duplicate(known[ids[one]], known[ids[other]], score) for one, other, score in found)
