"""The REST interface: corrections of events, and the negative templates that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.clock import rfc3339
from edgeface.core.errors import GalleryError
from edgeface.people.corrections import negatives, probe_of
from edgeface.people.enrollment import EnrollOptions
from edgeface.web.api import models
from edgeface.web.api.people import api_person, existing
from edgeface.web.http.bodies import json_body
from edgeface.web.http.operation import Call, Operation, reply, writable_gallery
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from starlette.responses import Response

    from edgeface.gallery.gallery import Gallery

_NEGATIVES = "/people/{person}/negatives"


def correct(call: Call) -> Response:
    """Record that the face of an event is not a person, or who it is."""
    event, wanted = call.path["event"], call.body
    with writable_gallery(call) as gallery:
        try:
            probe_of(call.context.configuration(), gallery, event, call.context.clock.wall())
        except GalleryError as error:
            raise Problem(404, detail=str(error)) from None
    notes: tuple[str, ...] = ()
    if wanted.kind == "not":
        call.context.people.deny(event, wanted.person)
    else:
        options = EnrollOptions(
            anyway=wanted.anyway, different_people=wanted.different_people, accept_limits=wanted.accept_limits
        )
        notes = call.context.people.identify(event, wanted.person, wanted.name, options).notes
    with call.context.gallery() as gallery:
        one = api_person(call.context, existing(gallery, wanted.person))
    return reply(models.Corrected(event=event, person=one, notes=list(notes)))


def listed(call: Call) -> Response:
    """List the negative templates of a person."""
    with call.context.gallery() as gallery:
        return reply(_negatives(gallery, existing(gallery, call.path["person"]).id))


def restore(call: Call) -> Response:
    """Remove a negative template; answers with the others."""
    who, event = call.path["person"], call.path["event"]
    with writable_gallery(call) as gallery:
        if all(one.event != event for one in gallery.negatives(existing(gallery, who).id)):
            raise Problem(404, detail="no such negative template")
    call.context.people.restore(who, event)
    with call.context.gallery() as gallery:
        return reply(_negatives(gallery, who))


def _negatives(gallery: Gallery, who: str) -> models.Negatives:
    return models.Negatives(
        negatives=[
            models.Negative(
                event=one.event,
                at=rfc3339(one.wall),
                camera=one.camera,
                score=None if score is None else round(score, 4),
            )
            for one, score in negatives(gallery, who)
        ]
    )


OPERATIONS = (
    Operation("POST", "/events/{event}/correction", "admin", "people",
              "Record that the face of an event is not a person, or who it is", correct, {200: models.Corrected},
              body=json_body(models.Correction), errors=(409,)),
    Operation("GET", _NEGATIVES, "admin", "people", "List the negative templates of a person", listed,
              {200: models.Negatives}),
    Operation("DELETE", f"{_NEGATIVES}/{{event}}", "admin", "people", "Remove a negative template of a person", restore,
              {200: models.Negatives}, errors=(409,)),
)  # fmt: skip
"""Corrections."""
