"""One to one: whether a face is the person that a second factor names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.recognition.decision import MARGIN

if TYPE_CHECKING:
    from edgeface.core.types import Embedding
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.recognition.decision import Evidence

ALIKE_MARGIN = 0.05
"""How far the person must be above each of their look-alikes, in cosine, in the mean and in the newest frame. Of 19,200
photos of look-alikes, none reaches it for the other one (docs/decisions/0020-second-factors.md)."""


class Confirmation(NamedTuple):
    """How a face compares with one person."""

    score: float
    """Cosine of the mean of the evidence; -1 if a correction denies the person, or someone else is far nearer."""
    newest: float
    """The same for the newest frame alone."""
    look_alike: bool
    """Whether a look-alike of the person is too near to tell the two apart."""


NO_ONE = Confirmation(-1.0, -1.0, look_alike=False)


def confirm(evidence: Evidence, gallery: GallerySnapshot, person: str) -> Confirmation:
    """Compare evidence, of one frame or more, with a person; someone who cannot be matched has a cosine of -1."""
    entry = gallery.entry(person)
    if entry is None or entry.ignored:
        return NO_ONE
    mean, newest = evidence.mean(), evidence.newest
    scores = _score(gallery, person, mean), _score(gallery, person, newest)
    leads = [
        score - _score(gallery, other, face)
        for other in entry.look_alikes
        for score, face in zip(scores, (mean, newest), strict=True)
    ]
    return Confirmation(*scores, look_alike=any(lead < ALIKE_MARGIN for lead in leads))


def _score(gallery: GallerySnapshot, person: str, face: Embedding) -> float:
    """The cosine with a person, unless someone else is nearer by the margin that names them."""
    score = gallery.score(person, face)
    nearest = gallery.match(face)
    if score is None or (nearest is not None and nearest.person != person and nearest.score - score >= MARGIN):
        return -1.0
    return score
