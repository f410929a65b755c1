"""Who looks most like the face in a photo, which is judged in memory and stored nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.faces.calibration import table_of
from edgeface.faces.photo_face import find_face
from edgeface.imaging import photos
from edgeface.recognition.decision import same_unknown, thresholds

if TYPE_CHECKING:
    from edgeface.core.types import Embedding
    from edgeface.web.context import WebContext

MOST = 3
"""People and unknowns that are found at most."""


class Likeness(NamedTuple):
    """Someone who looks like the face in a photo."""

    who: str
    score: float


def most_alike(context: WebContext, data: bytes) -> list[Likeness]:
    """The people and the unknowns who look like the one face of a photo, the most alike first.

    Raises PhotoError if the photo cannot be used, and ModelError.
    """
    photo = photos.decode(data)
    with context.analyzer() as analyzer:
        face = find_face(analyzer, photo)
        embedding = analyzer.embed(face.image, face.detection)
    found = [*_people(context, embedding), *_unknowns(context, embedding)]
    return sorted(found, key=lambda one: -one.score)[:MOST]


def _people(context: WebContext, embedding: Embedding) -> list[Likeness]:
    """Those who may be meant: a photo that is a bit unlike its person finds them too."""
    configuration = context.configuration()
    with context.gallery() as gallery:
        view = context.latest() or gallery.snapshot(context.clock.wall())
    if not view.people:
        return []
    near = thresholds(table_of(configuration.embedder.model), configuration.recognition.level, view).near
    scores = (view.matrix @ embedding).tolist()
    return [
        Likeness(one.id, score)
        for one, score in zip(view.people, scores, strict=True)
        if score >= near and not one.ignored
    ]


def _unknowns(context: WebContext, embedding: Embedding) -> list[Likeness]:
    with context.gallery() as gallery:
        scored = [Likeness(one.id, float(one.mean @ embedding)) for _, one in gallery.each_unknown()]
    least = same_unknown(table_of(context.configuration().embedder.model), max(1, len(scored)))
    return [one for one in scored if one.score >= least]
