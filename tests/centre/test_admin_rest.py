import base64
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from edgeface.centre.admins import rights
from edgeface.centre.admins.app import OPERATIONS, application
from edgeface.centre.context import CentreContext
from edgeface.core.types import Embedding
from edgeface.fleet import join_code, sealing
from edgeface.fleet.facts import to_mean
from edgeface.fleet.messages import JoinRequest, Proposal
from edgeface.fleet.packing import packed
from tests.support.centre import MODEL, OTHER_MODEL, embedding
from tests.support.centre_roles import ADMINS, ADMINS_OF_ALL, ALL, EVERYONE, OF_SITE, SITE_ADMINS
from tests.support.centre_server import SITE

API = "/api/v1"
DATA = Path(__file__).parents[1] / "data"
TEMPLATE = base64.b64encode(embedding(1).tobytes()).decode()
PEOPLE = f"{API}/sites/{SITE}/people"


@pytest.fixture
def client(context: CentreContext) -> Iterator[Callable[..., TestClient]]:
    """Makes clients with a token: client("admin"), client("viewer", SITE)."""
    app = application(context)
    made: list[TestClient] = []

    def make(role: Any, *sites: str) -> TestClient:
        name = f"token-{len(made)}"
        token = rights.make_token(context.settings.data, name, role, sites or None, context.clock.wall(), None)
        one = TestClient(app, base_url="https://localhost", headers={"Authorization": f"Bearer {token}"})
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def put(client: TestClient, who: str = "alice", site: str = SITE, **facts: Any) -> Any:
    """Enroll someone, each with a face of their own."""
    face = base64.b64encode(embedding(zlib.crc32(who.encode())).tobytes()).decode()
    return client.put(f"{API}/sites/{site}/people/{who}", json={"templates": {MODEL: face}, **facts})


def join(context: CentreContext, name: str = "front", *sites: str) -> None:
    code = context.store.take_code(context.store.make_code(sites or (SITE,), name, "admin"))
    request = JoinRequest(
        code="", device=name, request="", sealing_key=bytes(32), receipt_key=bytes(32), grant_keys=(b"g" * 32,)
    )
    context.store.add_device(code, request, name.encode().ljust(32), context.clock.wall() + 1)


def test_a_person_is_enrolled_by_template_changed_and_forgotten(
    client: Callable[..., TestClient], context: CentreContext
) -> None:
    admin = client("admin")
    answer = put(admin, name="Alice", groups=["staff"], given="2026-11-01", expires="2027-11-01")
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{PEOPLE}/alice"
    assert answer.json()["person"] == {
        "id": "alice", "name": "Alice", "seq": 1, "groups": ["staff"], "ignored": False,
        "consent": "2026-11-01", "expires": "2027-11-01", "crops": None,
    }  # fmt: skip
    assert put(admin, name="Alice B.").status_code == 200
    changed = admin.patch(f"{PEOPLE}/alice", json={"expires": "never", "groups": []})
    assert changed.status_code == 200
    assert (changed.json()["name"], changed.json()["groups"], changed.json()["expires"]) == ("Alice B.", [], None)
    assert changed.json()["consent"] == "2026-11-01"
    assert (context.store.means(SITE, MODEL)["alice"] @ embedding(zlib.crc32(b"alice"))) == pytest.approx(1, abs=1e-3)
    join(context)
    gone = admin.delete(f"{PEOPLE}/alice").json()
    assert gone["id"] == "alice"
    assert [(one["device"], one["state"]) for one in gone["outstanding"]] == [("front", "never")]
    assert admin.get(f"{PEOPLE}/alice").status_code == 404
    assert admin.delete(f"{PEOPLE}/alice").status_code == 404
    history = admin.get(f"{API}/sites/{SITE}/changes", params={"after": 1}).json()["changes"]
    assert [(one["kind"], one["by"], one["id"]) for one in history] == [
        ("put", "token-0", None), ("put", "token-0", None), ("forget", "token-0", None)
    ]  # fmt: skip


def test_a_change_that_someone_else_made_is_not_overwritten(client: Callable[..., TestClient]) -> None:
    admin = client("admin")
    put(admin)
    tag = admin.get(f"{PEOPLE}/alice").headers["etag"]
    assert admin.patch(f"{PEOPLE}/alice", json={"name": "One"}, headers={"If-Match": tag}).status_code == 200
    assert admin.patch(f"{PEOPLE}/alice", json={"name": "Two"}, headers={"If-Match": tag}).status_code == 412
    assert admin.get(f"{PEOPLE}/alice").json()["name"] == "One"


@pytest.mark.parametrize(
    "facts",
    [{"templates": {MODEL: "AAAA"}}, {"templates": {MODEL: "not base64!"}}, {"templates": {"m": TEMPLATE}},
     {"groups": ["Not An Id"]}, {"given": "yesterday"}, {"name": "x" * 1000}, {"other": 1}, {"groups": ["a"] * 65}],
)  # fmt: skip
def test_a_person_that_is_not_valid_is_refused_and_nothing_changes(
    client: Callable[..., TestClient], context: CentreContext, facts: dict[str, Any]
) -> None:
    assert put(client("admin"), **facts).status_code == 422
    assert context.store.people(SITE) == ()


def test_crops_over_the_rest_interface(client: Callable[..., TestClient], context: CentreContext) -> None:
    admin = client("admin")
    files = {"photos": ("obama.jpg", (DATA / "obama.jpg").read_bytes(), "image/jpeg")}
    made = admin.post(PEOPLE, data={"id": "barack", "given": "2026-11-01", "keep_crops": "true"}, files=files)
    assert made.status_code == 201, made.text
    assert made.json()["person"]["crops"] == {"given": "2026-11-01", "count": 1}
    assert client("viewer").delete(f"{PEOPLE}/barack/crops").status_code == 403
    assert admin.delete(f"{PEOPLE}/barack/crops").json()["crops"] is None
    assert admin.get(f"{PEOPLE}/barack").json()["crops"] is None
    assert context.store.crops.consents(SITE) == {}


def test_photos_are_enrolled_by_the_products_own_chain(
    client: Callable[..., TestClient], context: CentreContext
) -> None:
    admin = client("admin")

    def enroll(photo: str, **fields: str) -> Any:
        files = {"photos": (f"{photo}.jpg", (DATA / f"{photo}.jpg").read_bytes(), "image/jpeg")}
        return admin.post(PEOPLE, data=fields, files=files)

    first = enroll("obama", name="Barack Obama", given="2026-11-01")
    assert first.status_code == 201, first.text
    assert first.json()["person"]["id"] == "barack-obama"
    same = enroll("obama", id="someone")
    assert same.status_code == 422
    assert "already enrolled as barack-obama" in str(same.json()["errors"])
    other = enroll("biden", id="barack-obama")
    assert other.status_code == 409
    assert "differs from the enrolled one" in other.json()["detail"]
    assert enroll("biden", id="joe").status_code == 201
    bad = admin.post(PEOPLE, data={"id": "x"}, files={"photos": ("a.jpg", b"not a photo", "image/jpeg")})
    assert bad.status_code == 422
    assert [one.id for one in context.store.people(SITE)] == ["barack-obama", "joe"]


def test_an_admin_of_one_site_has_no_rights_at_another(
    client: Callable[..., TestClient], context: CentreContext
) -> None:
    context.store.add_site("annex")
    join(context, "front")
    join(context, "back", "annex")
    join(context, "both", SITE, "annex")
    own = client("admin", SITE)
    put(client("admin"), "alice", "annex")
    assert put(own).status_code == 201
    assert put(own, "bob", "annex").status_code == 403
    for method, path in (
        ("GET", "/sites/annex"), ("GET", "/sites/annex/people"), ("GET", "/sites/annex/people/alice"),
        ("DELETE", "/sites/annex/people/alice"), ("GET", "/sites/annex/proof"), ("GET", "/sites/annex/changes"),
        ("POST", "/devices/back/lost"), ("POST", "/devices/both/lost"), ("GET", "/sites/nowhere"),
    ):  # fmt: skip
        assert own.request(method, f"{API}{path}").status_code == 403, path
    for taken in ("back", "both"):
        # A device that joins under the name of another replaces it.
        assert own.post(f"{API}/codes", json={"device": taken, "sites": [SITE]}).status_code == 403
    assert own.post(f"{API}/codes", json={"device": "front", "sites": [SITE]}).status_code == 200
    assert own.post(f"{API}/sites", json={"site": "new"}).status_code == 403
    assert own.post(f"{API}/codes", json={"device": "x", "sites": [SITE, "annex"]}).status_code == 403
    assert [one["site"] for one in own.get(f"{API}/sites").json()["sites"]] == [SITE]
    assert [one["device"] for one in own.get(f"{API}/devices").json()["devices"]] == ["both", "front"]
    assert own.post(f"{API}/devices/front/lost").status_code == 200
    assert all(one.revoked is None for one in context.store.devices() if one.device != "front")


ROLES = {
    "GET /session": EVERYONE, "GET /openapi.json": EVERYONE, "GET /sites": EVERYONE, "GET /devices": EVERYONE,
    "GET /proposals": EVERYONE, "GET /events": EVERYONE, "GET /journal": ADMINS,
    "GET /accounts": ADMINS_OF_ALL, "POST /sites": ADMINS_OF_ALL,
    "GET /sites/{site}": OF_SITE, "GET /sites/{site}/proof": OF_SITE, "GET /sites/{site}/changes": OF_SITE,
    "GET /sites/{site}/duplicates": OF_SITE, "GET /sites/{site}/policy": OF_SITE, "GET /sites/{site}/models": OF_SITE,
    "GET /sites/{site}/people": OF_SITE, "GET /sites/{site}/people/{person}": OF_SITE,
    "POST /sites/{site}/people": SITE_ADMINS, "POST /sites/{site}/forget": SITE_ADMINS,
    "PUT /sites/{site}/people/{person}": SITE_ADMINS, "PATCH /sites/{site}/people/{person}": SITE_ADMINS,
    "DELETE /sites/{site}/people/{person}": SITE_ADMINS, "DELETE /sites/{site}/people/{person}/crops": SITE_ADMINS,
    "PUT /sites/{site}/policy": SITE_ADMINS, "POST /sites/{site}/models": SITE_ADMINS,
    "POST /devices/{device}/lost": SITE_ADMINS, "POST /codes": SITE_ADMINS, "POST /candidates": SITE_ADMINS,
    "POST /proposals/{number}/accept": SITE_ADMINS, "POST /proposals/{number}/decline": SITE_ADMINS,
}  # fmt: skip
"""Who may use each operation, at the site that it names."""
NO_PHOTO = ("a.jpg", b"not a photo", "image/jpeg")
BODIES: dict[str, dict[str, Any]] = {
    "POST /sites": {"json": {"site": SITE}},
    "POST /sites/{site}/people": {"data": {"id": "nobody"}, "files": {"photos": NO_PHOTO}},
    "POST /sites/{site}/forget": {"json": {"people": ["nobody"]}},
    "PUT /sites/{site}/people/{person}": {"json": {"groups": ["staff"]}},
    "PATCH /sites/{site}/people/{person}": {"json": {"groups": ["staff"]}},
    "PUT /sites/{site}/policy": {"json": {"policy": None}},
    "POST /sites/{site}/models": {"json": {"model": "none", "share": 1}},
    "POST /codes": {"json": {"device": "new", "sites": [SITE]}},
    "POST /candidates": {"data": {"reason": "a test", "sites": SITE}, "files": {"photo": NO_PHOTO}},
    "POST /proposals/{number}/accept": {"json": {}},
}
"""What is sent, so that only the rights can be what refuses it."""


def test_each_operation_is_for_whom_it_is_meant(client: Callable[..., TestClient], context: CentreContext) -> None:
    assert ROLES.keys() == {f"{one.method} {one.path}" for one in OPERATIONS}, "each operation needs a row"
    context.store.add_site("annex")
    who = {(role, sites): client(role, *sites) for role, sites in sorted(EVERYONE)}
    put(who["admin", ALL])
    join(context)
    _propose(context, embedding(1))
    for name, allowed in ROLES.items():
        method, path = name.split()
        # No one of this id is there, so that no one is forgotten on the way.
        person = "alice" if method == "GET" else "nobody"
        path = path.format(site=SITE, person=person, device="front", number=1)
        passed = set()
        for key, one in who.items():
            _restore(context)
            answer = one.request(method, f"{API}{path}", **BODIES.get(name, {}))
            assert answer.status_code < 500, (name, answer.text)
            if answer.status_code != 403:
                passed.add(key)
        assert passed == allowed, name
    roles = {f"{one.method} {one.path}": one.role for one in OPERATIONS}
    assert {name for name, allowed in ROLES.items() if allowed <= ADMINS} == {
        name for name, role in roles.items() if role == "admin"
    }


def _restore(context: CentreContext) -> None:
    """Have the device be there, and the proposal wait."""
    with context.store._database.changing() as transaction:
        transaction.execute("UPDATE devices SET revoked = NULL")
        transaction.execute("UPDATE proposals SET state = 'waiting' WHERE n = 1")


def test_nobody_else_gets_anything(context: CentreContext) -> None:
    with TestClient(application(context), base_url="https://localhost") as stranger:
        for one in OPERATIONS:
            path = one.path.format(site=SITE, person="alice", device="front", number="1")
            assert stranger.request(one.method, f"{API}{path}").status_code == 401, one.id


def test_a_code_is_made_for_a_device(client: Callable[..., TestClient], context: CentreContext) -> None:
    admin = client("admin")
    answer = admin.post(f"{API}/codes", json={"device": "front", "sites": [SITE]})
    code = join_code.parse(answer.json()["code"])
    assert code.names(context.authority.fingerprint)
    assert context.store.take_code(base64.b32decode(code.secret)).device == "front"
    assert admin.post(f"{API}/codes", json={"device": "front", "sites": ["nowhere"]}).status_code == 404
    assert admin.post(f"{API}/codes", json={"device": "front", "sites": []}).status_code == 422


def test_a_lost_device_is_refused_and_its_sites_get_new_keys(
    client: Callable[..., TestClient], context: CentreContext
) -> None:
    admin = client("admin")
    put(admin)
    join(context)
    before = context.store.site(SITE).epoch
    report = admin.post(f"{API}/devices/front/lost").json()
    assert report["epochs"] == {SITE: before + 1}
    assert report["people"] == {SITE: ["alice"]}
    assert base64.b64decode(report["grant_keys"][0]) == b"g" * 32
    assert context.store.device_by_fingerprint(b"front".ljust(32)) is None
    assert context.store.site(SITE).epoch == before + 1
    assert admin.post(f"{API}/devices/nothing/lost").status_code == 404
    (device,) = admin.get(f"{API}/devices").json()["devices"]
    assert device["revoked"] is not None


def test_a_list_is_read_in_parts_and_searched(client: Callable[..., TestClient]) -> None:
    admin = client("admin")
    for number in range(5):
        put(admin, f"person-{number}", name=f"Name {number}")
    first = admin.get(PEOPLE, params={"limit": 3}).json()
    rest = admin.get(PEOPLE, params={"limit": 3, "cursor": first["next"]}).json()
    assert [one["id"] for part in (first, rest) for one in part["people"]] == [f"person-{n}" for n in range(5)]
    assert [one["id"] for one in admin.get(PEOPLE, params={"q": "NAME 3"}).json()["people"]] == ["person-3"]


def test_the_proof_names_what_a_device_has_signed(client: Callable[..., TestClient], context: CentreContext) -> None:
    put(client("admin"))
    join(context)
    proof = client("viewer").get(f"{API}/sites/{SITE}/proof").json()
    assert (proof["seq"], proof["count"], len(proof["digest"])) == (1, 1, 64)
    (device,) = proof["devices"]
    assert (device["device"], device["state"], device["signature"], device["at"]) == ("front", "never", None, None)


def test_templates_that_are_someone_else_s_need_a_word(client: Callable[..., TestClient]) -> None:
    admin = client("admin")
    alice, other = (base64.b64encode(embedding(n).tobytes()).decode() for n in (1, 2))
    assert put(admin, "alice", templates={MODEL: alice}).status_code == 201
    same = put(admin, "bob", templates={MODEL: alice})
    assert (same.status_code, "enrolled as alice already" in same.json()["detail"]) == (409, True)
    assert "duplicate: true" in same.json()["detail"]
    assert put(admin, "bob", templates={MODEL: alice}, another_face=True).status_code == 409
    assert put(admin, "bob", templates={MODEL: alice}, duplicate=True).status_code == 201
    # Both have the face now, and each may have it again.
    assert put(admin, "alice", templates={MODEL: alice}).status_code == 409
    changed = put(admin, "alice", templates={MODEL: other})
    assert (changed.status_code, "differs from that of alice" in changed.json()["detail"]) == (409, True)
    assert put(admin, "alice", templates={MODEL: other}, another_face=True).status_code == 200
    # A first template of another model has nothing to be compared with.
    assert put(admin, "alice", templates={OTHER_MODEL: alice}).status_code == 200


def test_a_proposal_with_the_face_of_someone_else_is_accepted_with_a_word_only(
    client: Callable[..., TestClient], context: CentreContext
) -> None:
    admin = client("admin")
    put(admin, "alice", templates={MODEL: TEMPLATE})
    join(context)
    _propose(context, embedding(1))
    (shown,) = admin.get(f"{API}/proposals").json()["proposals"]
    assert [(one["kind"], one["person"], one["needs"]) for one in shown["objections"]] == [
        ("duplicate", "alice", "duplicate")
    ]
    where = f"{API}/proposals/{shown['number']}"
    assert admin.post(f"{where}/accept").status_code == 415
    refused = admin.post(f"{where}/accept", json={"another_face": True})
    assert (refused.status_code, "duplicate: true" in refused.json()["detail"]) == (409, True)
    assert client("admin", "annex").post(f"{where}/accept", json={"duplicate": True}).status_code == 403
    assert admin.post(f"{where}/accept", json={"duplicate": True}).json() == {"number": shown["number"], "seq": 2}
    for unknown in (where, f"{API}/proposals/{10**30}", f"{API}/proposals/x"):
        assert admin.post(f"{unknown}/accept", json={}).status_code == 404


def _propose(context: CentreContext, face: Embedding) -> None:
    """As a device that was stolen: someone new, with this face."""
    (device,) = context.store.devices()
    epoch, person, key = context.store.site(SITE).epoch, sealing.new_person(), sealing.new_key()
    body = packed({"id": "carla", "name": "Carla", "version": 1, "model": MODEL, "mean": to_mean(face)})
    epoch_key = context.store._keyring.epoch_key(SITE, epoch)
    made = Proposal(
        number=bytes(16), person=person, seq=0, epoch=epoch,
        key=sealing.wrap_key(epoch_key, SITE, epoch, person, key),
        sealed=sealing.seal_proposal(key, SITE, person, 0, body),
    )  # fmt: skip
    assert context.store.propose(device, SITE, made).seq == 0


def test_many_are_forgotten_at_once_or_no_one(client: Callable[..., TestClient], context: CentreContext) -> None:
    admin, where = client("admin"), f"{API}/sites/{SITE}/forget"
    for who in ("alice", "bob", "carol"):
        put(admin, who)
    join(context)
    assert admin.post(where, json={"people": ["alice", "nobody"]}).status_code == 404
    assert admin.post(where, json={"people": []}).status_code == 422
    assert client("admin", "annex").post(where, json={"people": ["alice"]}).status_code == 403
    gone = admin.post(where, json={"people": ["carol", "alice"]}).json()
    assert gone["people"] == [{"id": "carol", "seq": 4}, {"id": "alice", "seq": 5}]
    assert [one["device"] for one in gone["outstanding"]] == ["front"]
    assert [one.id for one in context.store.people(SITE)] == ["bob"]
