"""The templates of one person, one by one: where each comes from, and how well it agrees with the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.gallery.agreement import outliers, to_the_rest

if TYPE_CHECKING:
    from edgeface.gallery.agreement import Limits
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import Template


class ListedTemplate(NamedTuple):
    """A template and its place among the others."""

    id: str
    template: Template
    score: float | None
    """Cosine with the mean of the others of the gallery's model; None without others, or if it is of another model."""
    outlier: bool
    """It may be of another person."""
    picture: int | None
    """Number of the picture that it was made from, 0 for the newest; None if it is not kept."""


def listed(gallery: Gallery, limits: Limits, person: str) -> list[ListedTemplate]:
    """A person's templates, oldest first; raises GalleryError for an unknown id."""
    gallery.person(person)
    pictures = gallery.pictures_of_templates(person)
    templates = gallery.templates(person)
    own = [place for place, template in enumerate(templates) if template.model == gallery.model]
    embeddings = [templates[place].embedding for place in own]
    scores = dict(zip(own, to_the_rest(embeddings) if len(own) > 1 else (), strict=False))
    marked = {own[place] for place in outliers(embeddings, limits)} if own else set()
    ids = [gallery.template_id(template) for template in templates]
    return [
        ListedTemplate(ids[place], template, scores.get(place), place in marked, pictures.get(ids[place]))
        for place, template in enumerate(templates)
    ]
