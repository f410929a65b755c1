"""Pairs of unknowns that are probably one person, for the page, the REST interface and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.unknowns import Unknown


class Proposal(NamedTuple):
    """Two unknowns that are proposed for a merge."""

    kept: Unknown
    """The one that was seen first: its id stays."""
    merged: Unknown
    score: float
    """Cosine of their means."""


def proposals(gallery: Gallery) -> list[Proposal]:
    """The pairs that are stored, the most alike first; takes time by the number of pairs, not of unknowns."""
    found = []
    for one, other, score in gallery.alike_unknowns():
        first, second = gallery.find_unknown(one), gallery.find_unknown(other)
        if first is not None and second is not None:
            kept, merged = sorted((first, second), key=lambda each: (each.first, each.id))
            found.append(Proposal(kept, merged, score))
    return found
