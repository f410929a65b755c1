"""The centre's REST interface: sites, devices and what they propose."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from edgeface.centre.admins import models
from edgeface.centre.admins.guard import by, centre, require_right, rights_of
from edgeface.centre.admins.people import outstanding
from edgeface.centre.lost import find_device, lose
from edgeface.centre.views.duplicates import find_duplicates
from edgeface.centre.views.overview import device_states, sites_of
from edgeface.core.clock import rfc3339
from edgeface.core.errors import UnknownError
from edgeface.core.text import printable
from edgeface.fleet import join_code
from edgeface.web.http.bodies import json_body
from edgeface.web.http.operation import Call, Operation, reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

    from edgeface.centre import records

_SITE = "/sites/{site}"
_DEVICE = "/devices/{device}"
_PROPOSAL = "/proposals/{number}"
_MOST_DIGITS = 18


def session(call: Call) -> Response:
    """Get who is signed in, and the CSRF token of the session."""
    rights = rights_of(call)
    sites = None if rights.sites is None else list(rights.sites)
    csrf = call.request.state.csrf
    return reply(models.Session(name=by(call), role=rights.role, sites=sites, csrf=csrf))


def sites(call: Call) -> Response:
    """List the sites that the caller may see."""
    rights = rights_of(call)
    found = [one for one in centre(call).store.sites() if rights.allow(one.site, "viewer")]
    return reply(models.Sites(sites=[_site(one) for one in found]))


def add_site(call: Call) -> Response:
    """Add a site."""
    require_right(call, None, "admin")
    added = _site(centre(call).store.add_site(call.body.site, by(call)))
    return reply(added, 201, {"Location": f"/api/v1/sites/{added.site}"})


def site(call: Call) -> Response:
    """Get one site."""
    require_right(call, call.path["site"], "viewer")
    return reply(_site(centre(call).store.site(call.path["site"])))


def proof(call: Call) -> Response:
    """Get what each device of a site has signed."""
    require_right(call, call.path["site"], "viewer")
    return reply(proof_object(centre(call).store.proof(call.path["site"])))


def history(call: Call) -> Response:
    """List the changes of people and of the policy, and who made them."""
    followed, store = call.path["site"], centre(call).store
    require_right(call, followed, "viewer")
    ids = {one.person: one.id for one in store.people(followed)}
    found = store.history(followed, call.query.after, call.query.limit)
    return reply(
        models.History(
            changes=[
                models.HistoryEntry(seq=one.seq, kind=one.kind, at=rfc3339(one.at), by=one.by, id=ids.get(one.person))
                for one in found
            ]
        )
    )


def duplicates(call: Call) -> Response:
    """List pairs of people of a site whose templates are alike."""
    require_right(call, call.path["site"], "viewer")
    found = find_duplicates(centre(call), call.path["site"])
    return reply(
        models.Duplicates(
            duplicates=[models.Duplicate(one=pair.one.id, other=pair.other.id, cosine=pair.score) for pair in found]
        )
    )


def devices(call: Call) -> Response:
    """List the devices of the sites that the caller may see."""
    found = device_states(centre(call).store, rights_of(call))
    return reply(models.Devices(devices=[_device(one.device, one.follows) for one in found]))


def lost(call: Call) -> Response:
    """Refuse a device that was lost, and give its sites new keys."""
    store = centre(call).store
    found = find_device(store, call.path["device"])
    for followed in found.sites:
        require_right(call, followed, "admin")
    report = lose(store, found.device, by(call))
    return reply(
        models.Lost(
            device=found.device,
            sites=list(found.sites),
            epochs=dict(report.epochs),
            grant_keys=[_base64(key) for key in found.grant_keys],
            people={followed: list(people) for followed, people in report.people.items()},
        )
    )


def make_code(call: Call) -> Response:
    """Make a code with which a device may join once, within 15 minutes."""
    for followed in call.body.sites:
        require_right(call, followed, "admin")
    context = centre(call)
    # The device that has this name is replaced, at all its sites.
    for followed in sites_of(context.store, call.body.device):
        require_right(call, followed, "admin")
    secret = context.store.make_code(call.body.sites, call.body.device, by(call))
    text = join_code.new(context.authority.fingerprint, secret).text()
    return reply(models.Code(code=text, expires=rfc3339(context.clock.wall() + join_code.SECONDS)))


def proposals(call: Call) -> Response:
    """List what devices propose and an admin must decide."""
    rights = rights_of(call)
    found = [one for one in centre(call).store.proposals() if rights.allow(one.site, "viewer")]
    return reply(models.Proposals(proposals=[_proposal(one) for one in found]))


def accept(call: Call) -> Response:
    """Make a proposal a change; 409 if its face speaks against it, unless the body insists."""
    number = _decidable(call)
    seq = centre(call).store.accept(number, by(call), models.insisted(call.body))
    return reply(models.Decided(number=number, seq=seq))


def decline(call: Call) -> Response:
    """Decline a proposal, and destroy what it has."""
    number = _decidable(call)
    centre(call).store.decline(number, by(call))
    return reply(models.Decided(number=number, seq=None))


def _decidable(call: Call) -> int:
    """The number of the path's proposal. Raises UnknownError without one, Problem 403 without the role at its site."""
    text = call.path["number"]
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise UnknownError(f"{printable(text)}: no such proposal waits")
    require_right(call, centre(call).store.site_of_proposal(int(text)), "admin")
    return int(text)


def _site(one: records.Site) -> models.Site:
    return models.Site(site=one.site, seq=one.seq, epoch=one.epoch, people=one.count)


def proof_object(found: records.SiteProof) -> models.Proof:
    """What each device of a site has signed, as JSON has it."""
    return models.Proof(
        site=found.site.site,
        seq=found.site.seq,
        digest=f"{found.site.digest:064x}",
        count=found.site.count,
        devices=[_device_proof(one) for one in found.devices],
    )


def _device_proof(one: records.DeviceProof) -> models.DeviceProof:
    return models.DeviceProof(
        **outstanding(one).model_dump(),
        seq=one.seq,
        digest=one.digest,
        count=one.count,
        at=rfc3339(one.at / 1000) if one.signature is not None else None,
        signature=None if one.signature is None else _base64(one.signature),
        receipt_key=_base64(one.receipt_key),
        revoked=one.revoked,
        model=one.model,
        policy=one.policy,
    )


def _device(one: records.Device, follows: Iterable[records.Behind]) -> models.Device:
    return models.Device(
        device=one.device,
        sites=list(one.sites),
        joined=rfc3339(one.joined),
        seen=rfc3339(one.seen),
        certificate_ends=rfc3339(one.certificate_ends),
        revoked=None if one.revoked is None else rfc3339(one.revoked),
        grant_keys=[_base64(key) for key in one.grant_keys],
        version=one.version,
        model=one.model,
        follows=[
            models.Following(
                site=at.site,
                state=at.state,
                changes=at.changes,
                since=None if at.since is None else rfc3339(at.since),
                lease_ends=None if at.lease_ends is None else rfc3339(at.lease_ends),
            )
            for at in follows
        ],
    )


def _proposal(one: records.WaitingProposal) -> models.Proposal:
    return models.Proposal(
        number=one.n,
        site=one.site,
        device=one.device,
        at=rfc3339(one.at),
        forget=one.forget,
        id=one.id,
        name=one.name,
        known=one.seq,
        objections=[
            models.Objection(kind=each.kind, person=each.person, text=each.text, needs=each.option)
            for each in one.objections
        ],
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


OPERATIONS = (
    Operation("GET", "/session", "viewer", "session", "Get who is signed in, and the CSRF token", session,
              {200: models.Session}),
    Operation("GET", "/sites", "viewer", "sites", "List the sites that the caller may see", sites,
              {200: models.Sites}),
    Operation("POST", "/sites", "admin", "sites", "Add a site; one that exists stays as it is", add_site,
              {201: models.Site}, body=json_body(models.NewSite)),
    Operation("GET", _SITE, "viewer", "sites", "Get one site", site, {200: models.Site}, errors=(403,)),
    Operation("GET", f"{_SITE}/proof", "viewer", "sites", "Get what each device of a site has signed", proof,
              {200: models.Proof}, errors=(403,)),
    Operation("GET", f"{_SITE}/changes", "viewer", "sites", "List the changes of people and of the policy", history,
              {200: models.History}, query=models.HistoryQuery, errors=(403,)),
    Operation("GET", f"{_SITE}/duplicates", "viewer", "sites", "List pairs of people whose templates are alike",
              duplicates, {200: models.Duplicates}, errors=(403,)),
    Operation("GET", "/devices", "viewer", "devices", "List the devices of the sites that the caller may see", devices,
              {200: models.Devices}),
    Operation("POST", f"{_DEVICE}/lost", "admin", "devices", "Refuse a device that was lost; its sites get new keys",
              lost, {200: models.Lost}, errors=(409,)),
    Operation("POST", "/codes", "admin", "devices", "Make a code with which a device may join once", make_code,
              {200: models.Code}, body=json_body(models.NewCode), errors=(404, 409)),
    Operation("GET", "/proposals", "viewer", "proposals", "List what devices propose", proposals,
              {200: models.Proposals}),
    Operation("POST", f"{_PROPOSAL}/accept", "admin", "proposals", "Make a proposal a change", accept,
              {200: models.Decided}, body=json_body(models.Insisting), errors=(409,)),
    Operation("POST", f"{_PROPOSAL}/decline", "admin", "proposals", "Decline a proposal", decline,
              {200: models.Decided}, errors=(409,)),
)  # fmt: skip
"""All operations on sites, devices and proposals."""
