"""The centre's REST interface: people of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.centre.admins import models
from edgeface.centre.admins.guard import by, centre, require_right
from edgeface.centre.enrolling import Enrolling, Facts
from edgeface.core.clock import rfc3339
from edgeface.people.enrollment import EnrollOptions
from edgeface.web.http.bodies import form_body, json_body
from edgeface.web.http.operation import Call, Operation, etag, part, reply, require_match

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from edgeface.centre import enrolling, records
    from edgeface.centre.admins.rights import Role
    from edgeface.centre.tables.crops import CropConsent

_PEOPLE = "/sites/{site}/people"
_PERSON = f"{_PEOPLE}/{{person}}"


def people(call: Call) -> Response:
    """List a part of the people, by id."""
    one = _enrolling(call, "viewer")
    wanted = (call.query.q or "").casefold()
    every = one.context.store.people(one.site)
    found = [person for person in every if wanted in person.id or wanted in person.name.casefold()]
    shown, following = part(found, call.query, lambda person: (person.id,), (str,))
    kept = one.context.store.crops.consents(one.site)
    return reply(models.People(people=[_person(person, kept) for person in shown], next=following))


def person(call: Call) -> Response:
    """Get one person."""
    one = _enrolling(call, "viewer")
    return reply(_person(one.find(call.path["person"]), _kept(one)))


def enroll(call: Call) -> Response:
    """Enroll a person from photos, or replace the template of one."""
    given = call.body.fields
    options = EnrollOptions(skip_bad=given.skip_bad, anyway=given.anyway, different_people=given.different_people)
    facts = Facts(name=given.name, consent=given.given, expires=given.expires)
    one = _enrolling(call, "admin")
    return _enrolled(call, one.from_photos(given.id, facts, call.body.files, options, keep_crops=given.keep_crops))


def put(call: Call) -> Response:
    """Enroll a person with templates that are made already, or change one."""
    templates = {model: models.embedding(text) for model, text in call.body.templates.items()}
    one, insisted = _enrolling(call, "admin"), models.insisted(call.body)
    return _enrolled(call, one.put(call.path["person"], _facts(call.body), templates, insisted=insisted))


def change(call: Call) -> Response:
    """Change a person, all or nothing."""
    one = _enrolling(call, "admin")
    before = one.find(call.path["person"])
    require_match(call, _person(before, _kept(one)))
    changed = one.put(before.id, _facts(call.body), {}, seq=before.seq)
    answer = reply(_person(changed.person, _kept(one)))
    answer.headers["ETag"] = etag(bytes(answer.body))
    return answer


def forget(call: Call) -> Response:
    """Forget a person permanently, and list the devices that have not signed that yet."""
    one = _enrolling(call, "admin")
    found = one.find(call.path["person"])
    seq = one.context.store.forget(one.site, found.person, one.by)
    left = one.context.store.proof(one.site).outstanding
    return reply(models.Forgotten(id=found.id, seq=seq, outstanding=[outstanding(device) for device in left]))


def forget_all(call: Call) -> Response:
    """Forget many people permanently, all or none, and list the devices that have not signed that yet."""
    one = _enrolling(call, "admin")
    found = one.find_all(call.body.people)
    numbers = one.context.store.forget_all(one.site, [person.person for person in found], one.by)
    left = one.context.store.proof(one.site).outstanding
    gone = [models.Gone(id=person.id, seq=seq) for person, seq in zip(found, numbers, strict=True)]
    return reply(models.ForgottenAll(people=gone, outstanding=[outstanding(device) for device in left]))


def delete_crops(call: Call) -> Response:
    """Delete the aligned faces of a person, and the consent to keep them."""
    one = _enrolling(call, "admin")
    found = one.find(call.path["person"])
    one.context.store.crops.delete(one.site, found.person, one.by)
    return reply(_person(found, {}))


def outstanding(one: records.DeviceProof) -> models.Outstanding:
    """A device that has not signed the present set."""
    ends = None if one.lease_ends is None else rfc3339(one.lease_ends)
    return models.Outstanding(device=one.device, state=one.state, lease_ends=ends)


def _enrolling(call: Call, role: Role) -> Enrolling:
    """The people of the path's site. Raises Problem 403 without the role there, UnknownError without the site."""
    site = call.path["site"]
    require_right(call, site, role)
    centre(call).store.site(site)
    return Enrolling(centre(call), site, by(call))


def _facts(given: models.Change) -> Facts:
    groups = None if given.groups is None else tuple(given.groups)
    return Facts(given.name, groups, given.ignored, given.given, given.expires)


def _kept(one: Enrolling) -> dict[bytes, CropConsent]:
    return one.context.store.crops.consents(one.site)


def _person(one: records.PersonRecord, kept: Mapping[bytes, CropConsent]) -> models.Person:
    crops = kept.get(one.person)
    return models.Person(
        id=one.id,
        name=one.name,
        seq=one.seq,
        groups=list(one.groups),
        ignored=one.ignored,
        consent=one.consent,
        expires=one.expires,
        crops=None if crops is None else models.KeptCrops(given=crops.given, count=crops.crops),
    )


def _enrolled(call: Call, done: enrolling.Enrolled) -> Response:
    person = _person(done.person, centre(call).store.crops.consents(call.path["site"]))
    answer = models.Enrolled(person=person, notes=list(done.notes), left_out=list(done.left_out))
    if not done.new:
        return reply(answer)
    return reply(answer, 201, {"Location": f"/api/v1/sites/{call.path['site']}/people/{done.person.id}"})


OPERATIONS = (
    Operation("GET", _PEOPLE, "viewer", "people", "List the people of a site", people, {200: models.People},
              query=models.PeopleQuery, tagged=True, errors=(403,)),
    Operation("POST", _PEOPLE, "admin", "people", "Enroll a person from photos, or replace the template of one", enroll,
              {201: models.Enrolled, 200: models.Enrolled}, body=form_body(models.EnrollFromPhotos, "photos"),
              errors=(409,), heavy=True),
    Operation("POST", "/sites/{site}/forget", "admin", "people", "Forget many people permanently, all or none",
              forget_all, {200: models.ForgottenAll}, body=json_body(models.ForgetAll), errors=(404, 409)),
    Operation("GET", _PERSON, "viewer", "people", "Get one person", person, {200: models.Person}, tagged=True,
              errors=(403,)),
    Operation("PUT", _PERSON, "admin", "people", "Enroll a person with templates, or change one", put,
              {201: models.Enrolled, 200: models.Enrolled}, body=json_body(models.PutPerson), errors=(409,)),
    Operation("PATCH", _PERSON, "admin", "people", "Change name, groups and consent of a person", change,
              {200: models.Person}, body=json_body(models.Change), errors=(409,), guarded=True),
    Operation("DELETE", _PERSON, "admin", "people", "Forget a person permanently, and list who has not signed that",
              forget, {200: models.Forgotten}, errors=(409,)),
    Operation("DELETE", f"{_PERSON}/crops", "admin", "people", "Delete the aligned faces of a person", delete_crops,
              {200: models.Person}),
)  # fmt: skip
"""All operations on people."""
