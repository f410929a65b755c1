"""Names candidates for the face in a photo, for a human; who asked, and why, is in the journal.

A candidate is never a match: no level, no grant and no event comes from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.centre.search.client import SearchClient
from edgeface.centre.search.messages import MOST_SITES
from edgeface.core.errors import UsageError
from edgeface.core.text import is_one_line
from edgeface.faces.photo_face import PHOTO_SIDE, find_face
from edgeface.imaging import photos

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.centre.context import CentreContext
    from edgeface.core.types import Embedding

NOTE = "These people look alike, and one of them may be the person in the photo. It is no proof of identity."
"""What every answer says, too."""
REASON = (3, 200)
"""Least and most characters of a reason."""
USUAL = 10
"""Candidates of an answer, if the asker does not say how many."""

_LIKENESS = ((0.70, "very similar"), (0.55, "similar"), (0.40, "slightly similar"))
"""Words for cosines of the shipped embedder. Among a million strangers, a few are very similar."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Who asks, why, and where."""

    by: str
    """The account."""
    reason: str
    sites: tuple[str, ...] | None
    """Nothing of another site is compared with; None: all sites."""
    most: int = USUAL

    def __post_init__(self) -> None:
        least, most = REASON
        if not least <= len(self.reason.strip()) <= most or not is_one_line(self.reason):
            raise UsageError(f"give a reason of {least} to {most} characters in one line; the journal keeps it")
        if self.sites is not None and len(self.sites) > MOST_SITES:
            raise UsageError(f"name at most {MOST_SITES} sites")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Someone who looks like the face."""

    site: str
    id: str
    name: str
    score: float
    """Cosine of the templates, -1 to 1."""

    @property
    def likeness(self) -> str:
        """The score in words."""
        return next((word for least, word in _LIKENESS if self.score >= least), "hardly similar")


def candidates(context: CentreContext, inquiry: Inquiry, photo: Path | bytes) -> tuple[Candidate, ...]:
    """The people who look most like the face in a photo, the best first; the photo is not kept.

    Raises PhotoError for a photo that enrollment would refuse, FleetError if no search worker can answer, and
    ModelError. Nothing is answered unless the journal has it.
    """
    model, face = _embedded(context, photo)
    nearest = SearchClient(context.settings.search).search(model, face, inquiry.most, inquiry.sites)
    # The database decides who is there: someone forgotten a moment ago is not named.
    known = context.store.templates.named([bytes.fromhex(one.person) for one in nearest])
    found = [
        Candidate(one.site, person.id, person.name, round(one.score, 4))
        for one in nearest
        if (inquiry.sites is None or one.site in inquiry.sites)
        and (person := known.get((one.site, bytes.fromhex(one.person)))) is not None
    ]
    _note(context, inquiry, len(found))
    return tuple(sorted(found, key=lambda one: (-one.score, one.site, one.id)))


def _embedded(context: CentreContext, photo: Path | bytes) -> tuple[str, Embedding]:
    """As at an enrollment."""
    image = photos.decode(photo, PHOTO_SIDE) if isinstance(photo, bytes) else photos.load(photo, PHOTO_SIDE)
    with context.analyzer() as analyzer:
        face = find_face(analyzer, image)
        return analyzer.embedder.name, analyzer.embed(face.image, face.detection)


def _note(context: CentreContext, inquiry: Inquiry, count: int) -> None:
    """Write who asked, and why; whoever may see one of the sites may see that."""
    sites = [one.site for one in context.store.sites()] if inquiry.sites is None else inquiry.sites
    facts = {"reason": inquiry.reason.strip(), "candidates": count, "most": inquiry.most}
    context.store.journal.add(inquiry.by, "search", sites, facts)
