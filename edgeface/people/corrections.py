"""Corrections: "this is not Alice" and "this is Bob", made from the probe that is kept of an announced visit."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from edgeface.core.clock import DAY
from edgeface.core.errors import GalleryError
from edgeface.core.text import check_new_id, printable
from edgeface.gallery.negatives import Negative, harm
from edgeface.gallery.snapshot import unit_mean
from edgeface.people.enrollment import OtherPersonError, Plan, RejectedError, candidate

if TYPE_CHECKING:
    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Probe
    from edgeface.gallery.gallery import Gallery
    from edgeface.people.enrollment import KnownFaces


def correctable_after(configuration: Configuration, wall: float) -> float:
    """Wall seconds: an event can be corrected if it is later; infinity if none can be."""
    days = configuration.privacy.correction_days
    return wall - days * DAY if days else math.inf


def probe_of(configuration: Configuration, gallery: Gallery, event: str, wall: float) -> Probe:
    """The probe of an event; raises GalleryError if none is kept, or if it has expired by these wall seconds."""
    found = gallery.probe(event)
    # The daemon erases what has expired, but it may not run.
    if found is None or found.wall <= correctable_after(configuration, wall):
        days = configuration.privacy.correction_days
        raise GalleryError(
            f"{printable(event)}: no event of this device that can be corrected (privacy.correction_days: {days})"
        )
    return found


def denial(configuration: Configuration, gallery: Gallery, event: str, person: str, wall: float) -> Negative:
    """The negative template for "this is not `person`".

    Raises GalleryError if the event does not name the person, or if the template would cost the person a match.
    """
    probe = probe_of(configuration, gallery, event, wall)
    if probe.person is None:
        raise GalleryError(f"{event}: names no one, so there is no one to deny; enter who it is instead")
    if probe.person != person:
        raise GalleryError(f"{event}: names {probe.person}, not {printable(person)}")
    if not configuration.privacy.negative_days:
        raise GalleryError("no negative templates may be kept (privacy.negative_days: 0)")
    gallery.person(person)
    if any(one.event == event for one in gallery.negatives(person)):
        raise GalleryError(f"{event}: already corrected as not {person}")
    _require_harmless(gallery, person, probe)
    return Negative(event, probe.camera, wall, probe.embedding)


def identification(
    configuration: Configuration, gallery: Gallery, known: KnownFaces, event: str, person: str, name: str | None,
    wall: float,
) -> Plan:  # fmt: skip
    """The enrollment for "this is `person`"; whoever the event named instead gets a negative template.

    Raises GalleryError if the event names the person already, if the face is someone else's, or if a correction denies
    it to the person.
    """
    check_new_id(person)
    probe = probe_of(configuration, gallery, event, wall)
    if probe.person == person:
        raise GalleryError(f"{event}: names {person} already")
    if probe.covered:
        raise GalleryError(f"{event}: a part of the face may be covered, so it cannot become a template; use photos")
    if person in known.denied(probe.embedding):
        raise GalleryError(f"{event}: a correction says that this is not {person}; remove its negative template first")
    denied = None
    if probe.person is not None and configuration.privacy.negative_days:
        if all(one.event != event for one in gallery.negatives(probe.person)):
            denied = probe.person, denial(configuration, gallery, event, probe.person, wall)
        others = known.denied(probe.embedding) | {probe.person}
        known = replace(known, denied=lambda _: others)
    try:
        new = candidate(known, person, name, (probe.embedding,), "correction")
    except OtherPersonError as error:
        raise RejectedError(f"{event}: {error}", (), skippable=False, others=(error.person,)) from error
    return Plan(known.limits, (replace(new, event=event, denial=denied),))


def negatives(gallery: Gallery, person: str) -> list[tuple[Negative, float | None]]:
    """A person's negative templates, oldest first, each with its cosine to the person, None without templates.

    Raises GalleryError for an unknown id.
    """
    gallery.person(person)
    own = gallery.embeddings(person)
    mean = unit_mean(own) if own else None
    return [(one, None if mean is None else float(mean @ one.embedding)) for one in gallery.negatives(person)]


def _require_harmless(gallery: Gallery, person: str, probe: Probe) -> None:
    """Raise GalleryError if a negative template would cost one of the person's own templates a match."""
    own = [template for template in gallery.templates(person) if template.model == gallery.model]
    found = harm([template.embedding for template in own], probe.embedding) if own else None
    if found is None:
        return
    cost = f"the face is too like {person}'s own"
    if len(own) == 1:
        raise GalleryError(
            f"{probe.event}: {cost} only template (cosine {found.negative:.2f}); enroll more photos of {person} first"
        )
    worst = own[found.number]
    raise GalleryError(
        f"{probe.event}: {cost} template {gallery.template_id(worst)} (cosine {found.negative:.2f}, the others have "
        f"{found.own:.2f}); if it is not {person}, that template may be a poor one (edgeface templates {person})"
    )
