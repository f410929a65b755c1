"""The REST interface: people who were seen and are not enrolled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.core.clock import rfc3339
from edgeface.core.text import printable
from edgeface.people.enrollment import EnrollOptions
from edgeface.people.proposals import proposals
from edgeface.web.api import models
from edgeface.web.api.people import album, enrolled, forgotten, jpeg
from edgeface.web.http.bodies import json_body
from edgeface.web.http.operation import Call, Media, Operation, part, reply, writable_gallery
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from starlette.responses import Response

    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.unknowns import Unknown

_UNKNOWN = "/unknowns/{unknown}"


def unknowns(call: Call) -> Response:
    """List a part of the unknowns, the last one seen first."""
    with call.context.gallery() as gallery:
        shown, following = part(gallery.unknowns(), call.query, lambda one: (-float(one.last), one.id), (float, str))
    return reply(models.Unknowns(unknowns=[_api_unknown(one) for one in shown], next=following))


def alike(call: Call) -> Response:
    """List the pairs that are probably one person."""
    with call.context.gallery() as gallery:
        return reply(_pairs(gallery))


def merge(call: Call) -> Response:
    """Make two ids of one person the one that was seen first."""
    who, other = _two(call)
    return reply(_api_unknown(call.context.people.merge_unknowns(who, other, anyway=call.body.anyway)))


def apart(call: Call) -> Response:
    """Record that two ids are two people; returns the pairs that remain."""
    call.context.people.keep_apart(*_two(call))
    return alike(call)


def _two(call: Call) -> tuple[str, str]:
    """The two ids of a request. Raises Problem 404 if one is not stored, 422 if they are the same."""
    who, other = call.path["unknown"], call.body.other
    if who == other:
        raise Problem(422, detail=f"{other}: both ids are the same")
    with writable_gallery(call) as gallery:
        for one in (who, other):
            _existing(gallery, one)
    return who, other


def _pairs(gallery: Gallery) -> models.UnknownPairs:
    pairs = [
        models.UnknownPair(unknowns=[_api_unknown(each) for each in two], score=round(score, 4))
        for *two, score in proposals(gallery)
    ]
    return models.UnknownPairs(pairs=pairs)


def unknown(call: Call) -> Response:
    """Get one unknown."""
    with call.context.gallery() as gallery:
        return reply(_api_unknown(_existing(gallery, call.path["unknown"])))


def pictures(call: Call) -> Response:
    """List the pictures that are kept of an unknown."""
    with call.context.gallery() as gallery:
        return reply(album(gallery, _existing(gallery, call.path["unknown"]).id))


def picture(call: Call) -> Response:
    """Get one picture."""
    with call.context.gallery() as gallery:
        return jpeg(gallery, _existing(gallery, call.path["unknown"]).id, call.path["number"])


def enroll(call: Call) -> Response:
    """Enroll an unknown as a person."""
    return _enroll(call, call.body.name or None, given=call.body.given, expires=call.body.expires)


def ignore(call: Call) -> Response:
    """Put an unknown on the ignore list."""
    return _enroll(call, call.body.name, ignored=True)


def _enroll(call: Call, name: str | None, **chosen: Any) -> Response:
    who, new = call.path["unknown"], call.body
    options = EnrollOptions(
        anyway=new.anyway, different_people=new.different_people, accept_limits=new.accept_limits, **chosen
    )
    with writable_gallery(call) as gallery:
        _existing(gallery, who)
    person = call.context.people.id_of(new.id, name)
    return enrolled(call.context, call.context.people.enroll_unknown(who, person, name, options), 201)


def forget(call: Call) -> Response:
    """Erase an unknown permanently, and search for traces."""
    who = call.path["unknown"]
    with writable_gallery(call) as gallery:
        found, kept = _existing(gallery, who), len(gallery.pictures(who))
    return forgotten(who, call.context.people.erase(who), len(found.templates), kept)


def _existing(gallery: Gallery, who: str) -> Unknown:
    found = gallery.find_unknown(who)
    if found is None:
        raise Problem(404, detail=f"{printable(who)}: no such unknown")
    return found


def _api_unknown(one: Unknown) -> models.Unknown:
    return models.Unknown(
        id=one.id,
        visits=one.sightings,
        templates=len(one.templates),
        first=rfc3339(one.first),
        last=rfc3339(one.last),
        camera=one.camera,
    )


OPERATIONS = (
    Operation("GET", "/unknowns", "viewer", "unknowns", "List the people who were seen and are not enrolled", unknowns,
              {200: models.Unknowns}, query=models.Page, tagged=True),
    Operation("GET", "/unknowns/alike", "viewer", "unknowns", "List pairs of unknowns that are probably one person",
              alike, {200: models.UnknownPairs}),
    Operation("POST", f"{_UNKNOWN}/merge", "admin", "unknowns",
              "Make two ids of one person the one that was seen first", merge, {200: models.Unknown},
              body=json_body(models.MergeUnknown), errors=(409,)),
    Operation("POST", f"{_UNKNOWN}/apart", "admin", "unknowns", "Record that two ids are two people", apart,
              {200: models.UnknownPairs}, body=json_body(models.OtherUnknown), errors=(409,)),
    Operation("GET", _UNKNOWN, "viewer", "unknowns", "Get one unknown", unknown, {200: models.Unknown}, tagged=True),
    Operation("DELETE", _UNKNOWN, "admin", "unknowns", "Erase an unknown permanently, and search for traces", forget,
              {200: models.Forgotten}, errors=(409,)),
    Operation("GET", f"{_UNKNOWN}/pictures", "viewer", "unknowns", "List the pictures that are kept", pictures,
              {200: models.Pictures}),
    Operation("GET", f"{_UNKNOWN}/pictures/{{number}}", "viewer", "unknowns", "Get one picture", picture,
              {200: Media("image/jpeg")}),
    Operation("POST", f"{_UNKNOWN}/enroll", "admin", "unknowns", "Enroll an unknown as a person", enroll,
              {201: models.Enrolled}, body=json_body(models.NewPerson), errors=(409,)),
    Operation("POST", f"{_UNKNOWN}/ignore", "admin", "unknowns", "Put an unknown on the ignore list", ignore,
              {201: models.Enrolled}, body=json_body(models.NewIgnored), errors=(409,)),
)  # fmt: skip
"""Unknowns."""
