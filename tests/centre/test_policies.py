"""The policies of sites at the centre: who may change them, what lies in the database, and what each device gets."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from starlette.testclient import TestClient

from edgeface.access.site_policy import SitePolicy
from edgeface.centre.admins import rights
from edgeface.centre.admins.app import application
from edgeface.centre.tables import feed
from edgeface.cli.fleet.centre import _ACTIONS
from edgeface.cli.fleet.policy import load
from edgeface.core.errors import ChangedError, FleetError, UnknownError
from edgeface.fleet import sealing
from edgeface.fleet.messages import Rows
from tests.centre.test_a_device import RealCentre, device
from tests.centre.test_cli import config, run
from tests.support.centre import MODEL, SITE, Centre, entry
from tests.support.centre_server import SITE as TOWER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.centre.context import CentreContext
    from tests.support.fleet_device import Device
    from tests.support.postgres import Postgres

__all__ = ["RealCentre", "config", "device", "run"]


def policy(**more: Any) -> SitePolicy:
    """Staff may pass the front door, and person-2 the cellar."""
    doors = {"front-door": {"allow": [{"group": "staff"}]}, "cellar-door": {"allow": [{"person": "person-2"}]}}
    return SitePolicy.model_validate({"doors": doors, **more})


LISTED = policy(devices={"front": ["front-door"], "cellar": ["cellar-door"]})


@pytest.fixture
def people(centre: Centre) -> Centre:
    """Person-0 and person-1 are staff."""
    groups = {0: ("staff",), 1: ("staff",), 2: ()}
    centre.store.put_all(SITE, [entry(n, groups=given) for n, given in groups.items()], "admin")
    return centre


def test_a_policy_is_numbered_signed_and_in_the_digest(people: Centre) -> None:
    store, front = people.store, people.joined()
    front.follow()
    assert front.version == 0
    assert store.policies.put(SITE, policy(), "anna") == 4
    assert store.site(SITE).count == 3
    front.follow()
    assert (front.version, front.policy, front.seq) == (4, policy(), 4)
    store.applied(front.device, SITE, front.receipt())
    (proof,) = store.proof(SITE).devices
    assert (proof.state, proof.policy) == ("equal", 4)
    last = store.history(SITE, 3, 10)[0]
    assert (last.kind, last.by, last.seq) == ("policy", "anna", 4)
    with pytest.raises(FleetError, match="not signed by the device"):
        store.applied(front.device, SITE, front.receipt().model_copy(update={"policy": 0}))


def test_whoever_changes_it_must_have_seen_the_latest(people: Centre) -> None:
    policies = people.store.policies
    assert policies.put(SITE, policy(), "anna", 0) == 4
    assert policies.put(SITE, policy(), "anna", 4) == 4, "the same one is no change"
    with pytest.raises(ChangedError, match="changed meanwhile"):
        policies.put(SITE, None, "ben", 0)
    assert policies.put(SITE, None, "ben", 4) == 5
    assert policies.get(SITE).policy is None
    with pytest.raises(UnknownError):
        policies.get("annex")


def test_a_new_device_gets_it_with_the_list_and_after_a_loss_in_the_new_epoch(people: Centre) -> None:
    people.store.policies.put(SITE, policy(), "anna")
    lost = people.joined("lost")
    lost.follow()
    before = sealing.unwrap_epoch(
        lost.sealing.private_bytes_raw(), SITE, 1, people.store.epoch_key(SITE, lost.device).wrapped
    )
    people.store.new_epoch(SITE, "anna")
    people.store.policies.put(SITE, LISTED, "anna")
    front = people.joined("front")
    front.follow()
    assert front.policy == LISTED
    assert front.last is not None
    assert front.last.policy is not None
    with pytest.raises(FleetError, match="does not fit"):
        sealing.open_policy(before, SITE, 2, front.version, front.last.policy.sealed)


def test_nothing_of_it_is_readable_in_the_database(people: Centre) -> None:
    people.store.policies.put(SITE, policy(), "anna")
    with psycopg.connect(people.conninfo) as connection:
        (sealed,) = connection.execute("SELECT sealed FROM policies").fetchone() or (b"",)
        text = str(connection.execute("SELECT * FROM changes").fetchall())
    assert not [word for word in (b"person-2", b"front-door", b"staff") if word in sealed]
    assert "person-2" not in text


def test_an_older_row_that_was_written_back_cannot_be_opened_as_the_newer(people: Centre) -> None:
    people.store.policies.put(SITE, policy(), "anna")
    with psycopg.connect(people.conninfo) as connection:
        (sealed,) = connection.execute("SELECT sealed FROM policies").fetchone() or (b"",)
    people.store.policies.put(SITE, None, "anna")
    with psycopg.connect(people.conninfo, autocommit=True) as connection:
        connection.execute("UPDATE policies SET sealed = %s", (sealed,))
    with pytest.raises(FleetError, match="does not fit"):
        people.store.snapshot_body(SITE, MODEL, "front")


def test_a_listed_device_gets_only_the_people_who_may_pass_its_doors(people: Centre) -> None:
    front, cellar, other = (people.joined(name) for name in ("front", "cellar", "other"))
    for one in (front, cellar, other):
        one.follow()
        assert one.ids == {"person-0", "person-1", "person-2"}
    people.store.policies.put(SITE, LISTED, "anna")
    for one in (front, cellar, other):
        one.follow()
        people.store.applied(one.device, SITE, one.receipt())
    assert front.ids == {"person-0", "person-1"}
    assert cellar.ids == {"person-2"}
    assert other.ids == {"person-0", "person-1", "person-2"}
    assert front.last is not None
    assert {one.key for one in front.last.rows if one.person == people.person("person-2")} == {b""}


def test_who_comes_into_a_group_comes_to_its_devices_and_who_leaves_it_goes(people: Centre) -> None:
    store, front = people.store, people.joined("front")
    store.policies.put(SITE, LISTED, "anna")
    front.follow()
    store.put(SITE, entry(2, groups=("staff",)), "anna")
    store.put(SITE, entry(0, groups=()), "anna")
    front.follow()
    assert front.ids == {"person-1", "person-2"}
    store.policies.put(SITE, policy(), "anna")
    front.follow()
    assert front.ids == {"person-0", "person-1", "person-2"}, "it is no longer listed"
    store.policies.put(SITE, LISTED, "anna")
    front.follow()
    assert front.ids == {"person-1", "person-2"}
    store.applied(front.device, SITE, front.receipt())


def test_devices_with_the_same_doors_share_an_answer(people: Centre) -> None:
    store = people.store
    store.policies.put(SITE, policy(devices={"a": ["front-door"], "b": ["front-door"]}), "anna")
    assert store.snapshot_body(SITE, MODEL, "a") is store.snapshot_body(SITE, MODEL, "b")
    assert len(Rows.read(store.snapshot_body(SITE, MODEL, "c")).rows) == 3


def test_after_a_restore_the_policy_of_the_backup_has_a_new_number(people: Centre, postgres: Postgres) -> None:
    store, front = people.store, people.joined()
    store.policies.put(SITE, policy(), "anna")
    name = people.conninfo.rpartition("dbname=")[2].split()[0] if "dbname=" in people.conninfo else ""
    assert name
    people.close()
    backup = postgres.create("policy_backup", name)
    try:
        with Centre(people.conninfo, people.folders, people.clock) as again:
            again.store.policies.put(SITE, None, "anna")
            again.store.new_epoch(SITE, "anna")
        with Centre(backup, people.folders, people.clock) as restored:
            restored.store.after_restore()
            found = restored.store.policies.get(SITE)
            assert found.policy == policy()
            assert found.version > 1_000_000
            front.centre = restored
            front.follow()
            assert front.version == found.version
            restored.store.applied(front.device, SITE, front.receipt())
    finally:
        postgres.drop("policy_backup")


def test_a_key_without_a_policy_survives_the_next_start(people: Centre) -> None:
    people.store.policies.put(SITE, policy(), "anna")
    again = people.reopened()
    try:
        assert again.store.migrate().keys == 0
        assert again.store.policies.get(SITE).policy == policy()
    finally:
        again.close()


def test_the_real_device_gets_only_its_people_and_erases_the_others(device: Device) -> None:
    centre = device.centre
    centre.put("alice", 1, groups=("staff",))
    centre.put("bob", 2)
    device.done()
    assert device.matched == {"alice", "bob"}
    doors = {"front-door": {"allow": [{"group": "staff"}]}}
    listed = SitePolicy.model_validate({"doors": doors, "devices": {"front": ["front-door"]}})
    version = centre.store.policies.put(TOWER, listed, "admin")
    follower = device.done(2)
    assert device.stored == {"alice"}
    assert follower.policies.current[TOWER] == listed
    (proof,) = centre.store.proof(TOWER).devices
    assert (proof.state, proof.policy, proof.count) == ("equal", version, 2)
    centre.put("bob", 2, groups=("staff",))
    device.done()
    assert device.stored == {"alice", "bob"}
    centre.store.policies.put(TOWER, None, "admin")
    device.done(2)
    assert device.stored == {"alice", "bob"}


def test_a_policy_that_changes_while_a_device_fetches_pages(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    centre = device.centre
    device.done(2)
    monkeypatch.setattr(feed, "PAGE_ROWS", 2)
    for n in range(1, 6):
        centre.put(f"p{n}", n, groups=("staff",) if n > 3 else ())
    doors = {"front-door": {"allow": [{"group": "staff"}]}}
    centre.store.policies.put(TOWER, SitePolicy.model_validate({"doors": doors}), "admin")
    with device.opened() as (follower, book, applier):
        follower.round(book, applier)
        assert device.stored == {"p1", "p2"}
        listed = SitePolicy.model_validate({"doors": doors, "devices": {"front": ["front-door"]}})
        version = centre.store.policies.put(TOWER, listed, "admin")
        for _ in range(2):
            follower.round(book, applier)
        assert follower.problems == ()
        assert device.stored == {"p4", "p5"}
        # All history ends, all get a new key, and then the database comes from a backup.
        centre.store.new_epoch(TOWER, "admin")
        centre.store.after_restore()
        for _ in range(2):
            follower.round(book, applier)
        assert (follower.problems, follower._counters.wrong) == ((), {})
        assert device.stored == {"p4", "p5"}
    (proof,) = centre.store.proof(TOWER).devices
    assert (proof.state, proof.policy) == ("equal", centre.store.policies.get(TOWER).version)
    assert proof.policy > version


# The REST interface and the command

URL = f"/api/v1/sites/{TOWER}/policy"
PLAIN = {"doors": {"front-door": {"allow": [{"group": "staff"}]}}}


@pytest.fixture
def clients(context: CentreContext) -> Iterator[Callable[..., TestClient]]:
    app = application(context)
    with contextlib.ExitStack() as stack:

        def made(role: Any, *sites: str) -> TestClient:
            token = rights.make_token(context.settings.data, role, role, sites or None, context.clock.wall(), None)
            headers = {"Authorization": f"Bearer {token}"}
            one = TestClient(app, base_url="https://localhost", headers=headers)
            stack.callback(one.close)
            return one

        yield made


def test_an_admin_of_the_site_reads_and_writes_it(clients: Callable[..., TestClient]) -> None:
    admin = clients("admin", TOWER)
    first = admin.get(URL)
    assert first.json() == {"version": 0, "policy": None}
    tag = {"If-Match": first.headers["etag"]}
    changed = admin.put(URL, json={"policy": PLAIN}, headers=tag)
    assert changed.status_code == 200
    assert changed.json()["version"] == 1
    assert changed.json()["policy"]["doors"]["front-door"]["allow"][0]["group"] == "staff"
    assert admin.put(URL, json={"policy": None}, headers=tag).status_code == 412
    assert admin.put(URL, json={"policy": None, "version": 0}).status_code == 409
    assert admin.put(URL, json={"policy": None}, headers={"If-Match": changed.headers["etag"]}).json()["version"] == 2
    history = admin.get(f"/api/v1/sites/{TOWER}/changes").json()["changes"]
    assert [(one["kind"], one["by"]) for one in history] == [("policy", "admin"), ("policy", "admin")]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"policy": {**PLAIN, "opens": "all"}}, "Extra inputs"),
        ({"policy": {"doors": {"front": {"allow": [{"group": "staff", "schedule": "none"}]}}}}, "no such schedule"),
        ({"policy": {"doors": {}, "devices": {"front": ["cellar"]}}}, "no such door"),
        ({"policy": {"doors": {"front": {"allow": [{}]}}}}, "give one of person and group"),
        ({}, "policy"),
    ],
)
def test_a_policy_with_mistakes_is_refused(clients: Callable[..., TestClient], body: Any, words: str) -> None:
    answer = clients("admin").put(URL, json=body)
    assert answer.status_code == 422
    assert words in str(answer.json()["errors"])


def test_others_may_not(clients: Callable[..., TestClient]) -> None:
    assert clients("viewer", TOWER).put(URL, json={"policy": PLAIN}).status_code == 403
    assert clients("viewer", TOWER).get(URL).status_code == 200
    assert clients("admin", "annex").put(URL, json={"policy": PLAIN}).status_code == 403
    assert clients("admin", "annex").get(URL).status_code == 403


def test_the_command_prints_what_it_takes(run: Any, tmp_path: Path) -> None:
    assert run("centre", "init")[0] == 0
    assert run("fleet", "site", "house")[0] == 0
    status, out, err = run("fleet", "policy", "house")
    assert (status, out) == (0, "")
    assert "no policy" in err
    status, out, err = run("fleet", "policy", "house", "--set", "packages/centre/policy.yaml")
    assert (status, out) == (0, "house: policy 1\n")
    assert "no one at house is in the group staff" in err
    assert "erik is not enrolled at house" in err
    status, out, _ = run("fleet", "policy", "house")
    assert status == 0
    file = tmp_path / "policy.yaml"
    file.write_text(out)
    assert run("fleet", "policy", "house", "--set", str(file))[1] == "house: policy 1\n"
    file.write_text("doors:\n  front:\n    allow: [{group: staff, schedule: never-made}]\n")
    status, out, err = run("fleet", "policy", "house", "--set", str(file))
    assert (status, out) == (78, "")
    assert f"{file}:3: doors.front.allow.0.schedule: no such schedule; there are none" in err
    assert run("fleet", "policy", "house", "--set", str(file), "--remove")[0] == 2
    assert run("fleet", "policy", "house", "--remove")[1] == "house: policy 2, none any more\n"
    assert run("fleet", "policy", "annex")[0] != 0
    file.write_text("doors: " + "[" * 500)
    assert run("fleet", "policy", "house", "--set", str(file))[0] == 78


def test_forgetting_someone_tells_where_the_policy_still_names_them(
    context: CentreContext, capsys: pytest.CaptureFixture[str]
) -> None:
    context.store.add_site(TOWER)
    context.store.put_all(TOWER, [entry(1), entry(2)], "admin")
    context.store.policies.put(TOWER, policy(), "admin")
    for who in ("person-1", "person-2"):
        _ACTIONS["forget"](context, [TOWER, who], argparse.Namespace())
    line = "the policy of tower still names person-2 at the door cellar-door: edgeface fleet policy tower --set FILE"
    assert capsys.readouterr().err.splitlines() == [f"edgeface: {line}"]


def test_the_example_has_every_key() -> None:
    from pathlib import Path

    found = load(Path("packages/centre/policy.yaml"))
    assert all(getattr(found, key) for key in SitePolicy.model_fields)
    assert {key for door in found.doors.values() for key in door.model_fields_set} == {"allow", "level", "factor"}
