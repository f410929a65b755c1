"""The REST interface: people."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from edgeface.core.clock import rfc3339
from edgeface.core.errors import GalleryError
from edgeface.core.text import printable, printable_path
from edgeface.gallery.snapshot import day
from edgeface.people.enrollment import EnrollOptions
from edgeface.people.rules import level_threshold
from edgeface.web.api import models
from edgeface.web.http.bodies import form_body, json_body
from edgeface.web.http.operation import (
    Call,
    Media,
    Operation,
    etag,
    part,
    reply,
    require_disk,
    require_match,
    writable_gallery,
)
from edgeface.web.http.problems import Problem

if TYPE_CHECKING:
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.snapshot import Person
    from edgeface.people.erasure import ErasureProof
    from edgeface.people.service import EnrollResult
    from edgeface.web.context import WebContext

_PERSON = "/people/{person}"


def people(call: Call) -> Response:
    """List a part of the people, by id."""
    with call.context.gallery() as gallery:
        found = _matching(gallery.people(), call.query.q)
    shown, following = part(found, call.query, lambda one: (one.id,), (str,))
    return reply(models.People(people=[api_person(call.context, one) for one in shown], next=following))


def person(call: Call) -> Response:
    """Get one person."""
    with call.context.gallery() as gallery:
        return reply(api_person(call.context, existing(gallery, call.path["person"])))


def enroll(call: Call) -> Response:
    """Enroll a person from photos, or add templates to an enrolled person."""
    new, files = call.body.fields, call.body.files
    with writable_gallery(call) as gallery:
        known = new.id is not None and gallery.knows(new.id)
    who = call.context.people.id_of(new.id, new.name)
    options = EnrollOptions(
        given=new.given,
        expires=new.expires,
        skip_bad=new.skip_bad,
        anyway=new.anyway,
        different_people=new.different_people,
        accept_limits=new.accept_limits,
    )
    done = call.context.people.enroll(who, new.name or None, files, options)
    return enrolled(call.context, done, 200 if known else 201)


def change(call: Call) -> Response:
    """Change name and days of consent, all or nothing."""
    who, wanted = call.path["person"], call.body
    with writable_gallery(call) as gallery:
        existing(gallery, who)
    try:
        changed = call.context.people.change(
            who,
            name=wanted.name,
            given=wanted.given,
            expires=wanted.expires,
            check=lambda before: require_match(call, api_person(call.context, before)),
        )
    except GalleryError as error:
        raise Problem(422 if wanted.given or wanted.expires else 409, detail=str(error)) from None
    answer = reply(api_person(call.context, changed))
    answer.headers["ETag"] = etag(bytes(answer.body))
    return answer


def forget(call: Call) -> Response:
    """Erase a person permanently, and search for traces."""
    who = call.path["person"]
    with writable_gallery(call) as gallery:
        found, pictures = existing(gallery, who), len(gallery.pictures(who))
    return forgotten(who, call.context.people.erase(who), found.templates + found.foreign, pictures)


def forget_several(call: Call) -> Response:
    """Erase people and unknowns permanently, all of them or none, and search for traces once."""
    who = list(dict.fromkeys(call.query.id))
    with writable_gallery(call) as gallery:
        missing = next((one for one in who if not gallery.knows(one)), None)
    if missing is not None:
        raise Problem(404, detail=f"{printable(missing)}: no such person or unknown; nothing was erased")
    proof = call.context.people.erase(*who)
    return reply(models.SeveralForgotten(ids=who, forgotten=not proof.traces, **_found(proof)))


def merge(call: Call) -> Response:
    """Move a person's templates to another id of the same person, and erase the first."""
    who, into = call.path["person"], call.body.into
    if who == into:
        raise Problem(422, detail=f"{printable(who)}: a person cannot be merged into themselves")
    with writable_gallery(call) as gallery:
        found, pictures = existing(gallery, who), len(gallery.pictures(who))
        existing(gallery, into)
    return forgotten(
        who, call.context.people.merge(who, into, anyway=call.body.anyway), found.templates + found.foreign, pictures
    )


def templates(call: Call) -> Response:
    """List a person's templates."""
    with call.context.gallery() as gallery:
        existing(gallery, call.path["person"])
    return reply(_api_templates(call))


def remove_template(call: Call) -> Response:
    """Remove one template of a person."""
    who, template = call.path["person"], call.path["template"]
    with writable_gallery(call) as gallery:
        existing(gallery, who)
    if template not in [one.id for one in call.context.people.templates(who)]:
        raise Problem(404, detail=f"{who}: no such template")
    call.context.people.remove_template(who, template)
    return reply(_api_templates(call))


def _api_templates(call: Call) -> models.Templates:
    found = call.context.people.templates(call.path["person"])
    return models.Templates(
        templates=[
            models.Template(
                id=one.id,
                at=rfc3339(one.template.wall),
                source=one.template.source,
                model=one.template.model,
                score=None if one.score is None else round(one.score, 4),
                outlier=one.outlier,
                picture=one.picture,
            )
            for one in found
        ]
    )


def pictures(call: Call) -> Response:
    """List the pictures that are kept of a person."""
    with call.context.gallery() as gallery:
        return reply(album(gallery, existing(gallery, call.path["person"]).id))


def picture(call: Call) -> Response:
    """Get one picture."""
    with call.context.gallery() as gallery:
        return jpeg(gallery, existing(gallery, call.path["person"]).id, call.path["number"])


def export(call: Call) -> Response:
    """Get a copy of everything known about a person, except the numbers of the embeddings."""
    with call.context.gallery() as gallery:
        found = existing(gallery, call.path["person"])
        templates = [
            models.TemplateFacts(model=one.model, source=one.source, at=rfc3339(one.wall))
            for one in gallery.templates(found.id)
        ]
        kept = [
            models.KeptPicture(at=rfc3339(wall), jpeg=base64.b64encode(data).decode())
            for wall, data in gallery.pictures(found.id)
        ]
    rows = call.context.journal.about(found.id)
    require_disk(call.context.journal.problem)
    about = [models.About(id=row.id, kind=row.kind, at=rfc3339(row.at), facts=json.loads(row.payload)) for row in rows]
    copy = models.Export(person=api_person(call.context, found), templates=templates, pictures=kept, journal=about)
    return reply(copy, headers={"Content-Disposition": f'attachment; filename="{found.id}.json"'})


def alike(call: Call) -> Response:
    """List pairs of people who look too alike."""
    with call.context.gallery() as gallery:
        snapshot = gallery.snapshot()
    threshold = level_threshold(call.context.configuration(), snapshot)[0]
    alike = call.context.alike.of(snapshot, threshold)
    pairs = [models.Pair(one=one, other=other, score=round(score, 4)) for one, other, score in alike]
    return reply(models.Alike(threshold=round(threshold, 4), pairs=pairs))


def _matching(people: list[Person], wanted: str | None) -> list[Person]:
    """The people whose id or name contains a text; everyone without one."""
    if not wanted:
        return people
    folded = wanted.casefold()
    return [one for one in people if folded in one.id or folded in one.name.casefold()]


def existing(gallery: Gallery, who: str) -> Person:
    """A person. Raises Problem 404 if there is no such id."""
    try:
        return gallery.person(who)
    except GalleryError as error:
        raise Problem(404, detail=str(error)) from None


def api_person(context: WebContext, one: Person) -> models.Person:
    """A person's JSON object."""
    return models.Person(
        id=one.id,
        name=one.name,
        ignored=one.ignored,
        enrolled=rfc3339(one.enrolled),
        templates=one.templates,
        foreign=one.foreign,
        consent=one.consent,
        expires=one.expires,
        expired=one.expired(day(context.clock.wall())),
        look_alikes=list(one.look_alikes),
    )


def enrolled(context: WebContext, done: EnrollResult, status: int) -> Response:
    """The answer to an enrollment."""
    (one,) = done.people
    answer = models.Enrolled(person=api_person(context, one), notes=list(done.notes), left_out=list(done.rejected))
    return reply(answer, status, {"Location": f"/api/v1/people/{one.id}"} if status == 201 else None)  # noqa: PLR2004 - Created


def forgotten(who: str, proof: ErasureProof, templates: int, pictures: int) -> Response:
    """The answer to an erasure, with the proof."""
    found = _found(proof)
    return reply(models.Forgotten(id=who, forgotten=not proof.traces, templates=templates, pictures=pictures, **found))


def _found(proof: ErasureProof) -> dict[str, Any]:
    aside = [
        f"{printable_path(path)}: a damaged journal, put aside, that may still name them" for path in proof.set_aside
    ]
    return {
        "files_searched": proof.files,
        "traces": [printable_path(path) for path in proof.traces],
        "warnings": [*aside, *proof.still_named],
    }


def album(gallery: Gallery, who: str) -> models.Pictures:
    """The pictures that are kept of a person or an unknown, newest first."""
    kept = gallery.pictures(who)
    return models.Pictures(
        pictures=[models.PictureFacts(number=n, at=rfc3339(wall)) for n, (wall, _) in enumerate(kept)]
    )


def jpeg(gallery: Gallery, who: str, number: str) -> Response:
    """One picture of a person or an unknown. Raises Problem 404 if there is none with this number."""
    numbers = {str(n): data for n, (_, data) in enumerate(gallery.pictures(who))}
    if number not in numbers:
        raise Problem(404, detail=f"no such picture; kept: {len(numbers)}")
    return Response(numbers[number], media_type="image/jpeg")


OPERATIONS = (
    Operation("GET", "/people", "viewer", "people", "List the people who are enrolled", people, {200: models.People},
              query=models.PeopleQuery, tagged=True),
    Operation("POST", "/people", "admin", "people", "Enroll a person from photos, or add photos to an enrolled person",
              enroll, {201: models.Enrolled, 200: models.Enrolled}, body=form_body(models.NewFromPhotos, "photos"),
              errors=(409,), heavy=True),
    Operation("DELETE", "/people", "admin", "people", "Erase several people and unknowns permanently: all, or none",
              forget_several, {200: models.SeveralForgotten}, query=models.Several, errors=(404, 409)),
    Operation("GET", _PERSON, "viewer", "people", "Get one person", person, {200: models.Person}, tagged=True),
    Operation("PATCH", _PERSON, "admin", "people",
              "Rename a person; record the days on which consent was given and ends", change,
              {200: models.Person}, body=json_body(models.PersonPatch), errors=(409,), guarded=True),
    Operation("DELETE", _PERSON, "admin", "people", "Erase a person permanently, and search for traces", forget,
              {200: models.Forgotten}, errors=(409,)),
    Operation("POST", f"{_PERSON}/merge", "admin", "people", "Merge two ids of one person; the first is erased",
              merge, {200: models.Forgotten}, body=json_body(models.Into), errors=(409,)),
    Operation("GET", f"{_PERSON}/templates", "viewer", "people", "List the templates of a person", templates,
              {200: models.Templates}),
    Operation("DELETE", f"{_PERSON}/templates/{{template}}", "admin", "people", "Remove one template of a person",
              remove_template, {200: models.Templates}, errors=(409,)),
    Operation("GET", f"{_PERSON}/pictures", "viewer", "people", "List the pictures that are kept", pictures,
              {200: models.Pictures}),
    Operation("GET", f"{_PERSON}/pictures/{{number}}", "viewer", "people", "Get one picture", picture,
              {200: Media("image/jpeg")}),
    Operation("GET", f"{_PERSON}/export", "admin", "people", "Get a copy of everything known about a person", export,
              {200: models.Export}),
    Operation("GET", "/alike", "viewer", "people", "List pairs of people who look too alike", alike,
              {200: models.Alike}),
)  # fmt: skip
"""All operations on people."""
