"""The pages with the policy of a site and with its models: who may change them, and what an attacker tries."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from edgeface import __version__
from edgeface.access.site_policy import SitePolicy
from edgeface.centre.admins import rights
from edgeface.centre.admins.app import application
from edgeface.centre.context import CentreContext
from edgeface.centre.models.known import add_model
from edgeface.centre.records import JournalQuery
from tests.support.centre_pages import browsers, fill, join, model_of, post
from tests.support.centre_server import SITE
from tests.support.other_model import other_model

Client = Callable[..., TestClient]
POLICY = f"/sites/{SITE}/policy"
PLAIN = "doors:\n  front-door:\n    allow:\n      - {group: staff}\n      - {person: erik}\n"
OPEN = SitePolicy.model_validate({"doors": {"front-door": {"allow": [{"group": "everyone"}]}}})
EVIL = "<img src=x onerror=alert(1)>\"'"


@pytest.fixture
def client(context: CentreContext) -> Iterator[Client]:
    with browsers(context) as make:
        yield make


def version_of(browser: TestClient) -> str:
    found = re.search(r'name="version" value="(\d+)"', browser.get(POLICY).text)
    assert found
    return found[1]


def save(browser: TestClient, text: str, version: str | None = None) -> tuple[int, str]:
    answer = post(browser, POLICY, policy=text, version=version_of(browser) if version is None else version)
    return answer.status_code, unescape(answer.text)


def test_an_administrator_saves_a_policy_and_sees_whom_the_centre_lacks(client: Client, context: CentreContext) -> None:
    fill(context)
    admin, viewer, policies = client("admin", SITE), client("viewer", SITE), context.store.policies
    assert "This site has no policy." in viewer.get(POLICY).text
    assert save(admin, PLAIN.replace("\n", "\r\n"))[0] == 303
    saved = policies.get(SITE).policy
    assert saved is not None
    assert [one.group or one.person for one in saved.doors["front-door"].allow] == ["staff", "erik"]
    shown = unescape(admin.get(f"{POLICY}?done=policy").text)
    assert f"<dd>{policies.get(SITE).version}</dd>" in shown
    assert "The policy was saved." in shown
    assert "<dd>account-1</dd>" in shown
    assert f"Door front-door: erik is not enrolled at {SITE}" in shown
    assert f"edgeface {__version__}<" in shown
    assert "staff" not in shown.partition("<section")[0].partition("does not have")[2]
    seen = viewer.get(POLICY).text
    assert "readonly" in seen
    assert "erik" in seen
    assert re.findall(r'method="post" action="([^"]+)"', seen) == ["/logout"]


def test_a_policy_with_mistakes_changes_nothing_and_is_shown_with_its_lines(
    client: Client, context: CentreContext
) -> None:
    admin = client("admin")
    wrong = f"doors:\n  front:\n    allow: [{{group: staff, schedule: never-made}}]\n    # {EVIL}</textarea>\n"
    status, text = save(admin, wrong)
    assert status == 409
    assert "policy.yaml:3: doors.front.allow.0.schedule: no such schedule; there are none" in text
    assert "never-made" in text
    raw = post(admin, POLICY, policy=wrong, version="0").text
    assert "<img" not in raw.partition("<main")[2]
    assert raw.count("</textarea>") == 1
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\ndoors: {}\n"
    for hostile in (bomb, "", "doors: " + "[" * 500, "!!python/object:os.system {}", "\x00", "- " * 3000, "x" * 64_001):
        assert save(admin, hostile)[0] == 409, hostile[:20]
    token = re.search(r'name="csrf" value="([^"]+)"', admin.get(POLICY).text)
    assert token
    parts = "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("csrf", token[1]), ("policy", "+2AA-"), ("version", "0"))
    )
    half = admin.post(POLICY, content=f"{parts}--x--\r\n".encode(),
                      headers={"Content-Type": "multipart/form-data; boundary=x; charset=utf-7"})  # fmt: skip
    assert half.status_code == 409
    assert post(admin, POLICY, policy="x" * 70_000, version="0").status_code == 413
    assert context.store.policies.get(SITE).version == 0


def test_a_policy_that_someone_else_changed_meanwhile_is_not_overwritten(
    client: Client, context: CentreContext
) -> None:
    admin, policies = client("admin"), context.store.policies
    version = version_of(admin)
    policies.put(SITE, OPEN, "hr")
    status, text = save(admin, PLAIN, version)
    assert (status, "the policy was changed meanwhile" in text, "erik" in text) == (409, True, True)
    assert f'name="version" value="{version}"' in text, "saving again must be refused, too"
    for odd in ("", "-1", "1.0", "٣", "9" * 400):
        assert save(admin, PLAIN, odd)[0] == 409, odd
    assert policies.get(SITE).policy == OPEN


def test_a_policy_is_removed_after_the_name_of_the_site_was_typed(client: Client, context: CentreContext) -> None:
    admin, policies = client("admin"), context.store.policies
    version = policies.put(SITE, OPEN, "hr")
    typed = {"version": str(version), "confirm": SITE}
    for refused in ({**typed, "confirm": "annex"}, {**typed, "version": "0"}, {"confirm": SITE}):
        assert post(admin, f"{POLICY}/remove", **refused).status_code == 409
    assert policies.get(SITE).policy == OPEN
    assert post(admin, f"{POLICY}/remove", **typed).headers["location"] == f"{POLICY}?done=no-policy"
    assert policies.get(SITE).policy is None
    assert "The policy was removed." in admin.get(POLICY).text


def test_a_change_of_the_policy_is_no_change_of_a_person(client: Client, context: CentreContext) -> None:
    fill(context)
    viewer = client("viewer", SITE)
    version = context.store.policies.put(SITE, OPEN, "hr")
    row = viewer.get(f"/sites/{SITE}/changes").text.partition(f">{version}</th>")[2].partition("</tr>")[0]
    assert "policy changed" in row
    assert ">the policy<" in row
    assert "forgotten" not in row
    for path in ("proof", "people", "policy", "duplicates", "proof.json"):
        assert viewer.get(f"/sites/{SITE}/{path}").status_code == 200


def test_the_proof_shows_which_policy_each_device_has_signed(client: Client, context: CentreContext) -> None:
    fill(context)
    version = context.store.policies.put(SITE, OPEN, "hr")
    device = next(one for one in context.store.devices() if one.device == "front")
    receipt = '<td class="number" data-label="Policy">{}</td>'
    before = client("viewer", SITE).get(f"/sites/{SITE}/proof").text
    assert before.count(receipt.format("none")) == 2
    with context.store._database.changing() as transaction:
        transaction.execute("UPDATE receipts SET policy = %s WHERE device = %s", (version, device.device))
    assert client("viewer", SITE).get(f"/sites/{SITE}/proof").text.count(receipt.format(version)) == 1


# Models and rings

MODELS = f"/sites/{SITE}/models"


@pytest.fixture(scope="module", name="file")
def _file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return other_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(name="new")
def _new(context: CentreContext, file: Path) -> str:
    """A second model that the centre knows."""
    return add_model(context.settings, file)


def wanted(context: CentreContext) -> dict[str, str | None]:
    return {one.device: one.wanted for one in context.store.rings.models(SITE)}


def test_devices_change_over_ring_by_ring_on_the_page(client: Client, context: CentreContext, new: str) -> None:
    for device in ("front", "garage"):
        join(context, device)
    admin, viewer = client("admin", SITE), client("viewer", SITE)
    shown = viewer.get(MODELS).text
    assert [name in shown for name in (model_of(context), new, "front", "garage")] == [True] * 4
    assert re.findall(r'method="post" action="([^"]+)"', shown) == ["/logout"]
    one = {"model": new, "which": "devices", "device-front": "1"}
    assert post(admin, MODELS, **one).headers["location"] == f"{MODELS}?done=ring"
    assert wanted(context) == {"front": new, "garage": None}
    assert "outstanding" in viewer.get(MODELS).text
    refused = post(admin, MODELS, model=new, which="all")
    assert (refused.status_code, f"Not changed over to {new} yet: front" in refused.text) == (409, True)
    assert 'name="anyway"' in refused.text
    assert 'name="anyway"' not in admin.get(MODELS).text
    assert wanted(context)["garage"] is None
    assert post(admin, MODELS, model=new, which="all", anyway="1").status_code == 303
    assert wanted(context) == {"front": new, "garage": new}
    noted = context.store.journal.query(JournalQuery(what=("model",)))
    assert [(row.by, row.sites, row.facts["devices"]) for row in noted] == [
        ("account-1", (SITE,), ["front", "garage"]), ("account-1", (SITE,), ["front"]),
    ]  # fmt: skip
    assert "front, garage" in admin.get("/journal?what=model").text


def test_people_without_a_template_keep_devices_from_changing_over(
    client: Client, context: CentreContext, new: str
) -> None:
    fill(context)
    admin = client("admin")
    share = {"model": new, "which": "share", "share": "30"}
    assert f"6 people have no template of {new}" in post(admin, MODELS, **share).text
    assert post(admin, MODELS, **share, without="6").status_code == 303
    assert sorted(one or "" for one in wanted(context).values()) == ["", "", new]
    assert post(admin, MODELS, **share, without="6", finish="1").status_code == 409
    assert post(admin, MODELS, **share, without="6", finish="1", anyway="1").status_code == 303
    assert "finish yes" in admin.get("/journal?what=model").text


def test_a_ring_that_is_not_complete_changes_nothing(client: Client, context: CentreContext, new: str) -> None:
    join(context, "front")
    context.store.add_site("annex")
    join(context, "back", "annex")
    admin = client("admin")
    for fields in (
        {}, {"which": "all"}, {"which": "devices"}, {"which": "share"}, {"which": EVIL},
        {"which": "all", "model": EVIL}, {"which": "all", "without": "-1"},
        {"which": "all", "without": "9" * 10}, {"which": "share", "share": "0"},
        {"which": "share", "share": "101"}, {"which": "devices", "device-back": "1"},
        {"which": "devices", f"device-{EVIL}": "1"},
    ):  # fmt: skip
        refused = post(admin, MODELS, **{"model": "" if fields == {"which": "all"} else new, **fields})
        assert refused.status_code == 409, fields
        assert "<img" not in refused.text.partition("<main")[2]
    assert wanted(context) == {"front": None}
    assert context.store.journal.query(JournalQuery(what=("model",))) == ()


def test_rings_over_the_rest_interface(context: CentreContext, new: str) -> None:
    for device in ("front", "garage"):
        join(context, device)
    url, old = f"/api/v1/sites/{SITE}/models", model_of(context)
    token = rights.make_token(context.settings.data, "hr", "admin", (SITE,), 0.0, None)
    headers = {"Authorization": f"Bearer {token}"}
    with TestClient(application(context), base_url="https://localhost", headers=headers) as admin:
        assert admin.get(url).json() == {
            "models": [old, new],
            "devices": [{"device": name, "signed": None, "wanted": None, "at": None, "by": None}
                        for name in ("front", "garage")],
        }  # fmt: skip
        assert admin.post(url, json={"model": "other", "devices": ["front"]}).json() == {
            "model": new, "devices": ["front"],
        }  # fmt: skip
        (front, _) = admin.get(url).json()["devices"]
        assert (front["wanted"], front["by"], front["at"] is None) == (new, "hr", False)
        late = admin.post(url, json={"model": new, "share": 1})
        assert (late.status_code, "anyway: true" in late.json()["detail"]) == (409, True)
        assert admin.post(url, json={"model": new, "share": 1, "anyway": True}).json()["devices"]
        assert admin.post(url, json={"model": "none", "share": 1}).status_code == 404
        assert admin.post(url, json={"model": new, "devices": ["nowhere"]}).status_code == 404
        assert admin.post("/api/v1/sites/annex/models", json={"model": new, "share": 1}).status_code == 403
        for body in ({}, {"share": 1}, {"model": new}, {"model": new, "share": 1, "devices": ["front"]},
                     {"model": new, "share": 0}, {"model": new, "share": 1.1}, {"model": new, "devices": []},
                     {"model": new, "share": 1, "without": -1}):  # fmt: skip
            assert admin.post(url, json=body).status_code == 422, body
