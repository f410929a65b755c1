"""A device changes over to another model when everything that it needs is there, and stays with its own otherwise."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.access.policy import AllowRule, Door
from edgeface.access.site_policy import SitePolicy
from edgeface.cameras.opencv import OpencvCamera
from edgeface.centre.enrolling import Enrolling, Facts
from edgeface.centre.models.known import add_model
from edgeface.centre.models.ring import Ring, set_ring
from edgeface.config.active_model import FILE, in_use
from edgeface.config.configuration import Configuration, Fleet
from edgeface.core.errors import ChangedError, GalleryError, UnknownError
from edgeface.faces.embedder import embedder_name
from edgeface.fleet.messages import WantedModel
from edgeface.fleet.models import self_check
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from tests.support.centre_server import SITE, Running
from tests.support.embeddings import unit
from tests.support.fleet_device import Device
from tests.support.other_model import other_model

if TYPE_CHECKING:
    from edgeface.centre.records import DeviceModel

ROOT = Path(__file__).parents[2]
OLD = embedder_name()
SIZE = 192


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return other_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def new(file: Path) -> str:
    return embedder_name(file)


@dataclass
class Fleetlet:
    """A centre that knows both models, with people who have templates of both."""

    running: Running
    file: Path
    new: str
    folder: Path
    seeds: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        add_model(self.running.context.settings, self.file)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.running.server.device_port}"

    def code(self) -> str:
        return self.running.code("front")

    def enroll(self, who: str, *models: str, groups: tuple[str, ...] = ()) -> None:
        templates = {model: unit(next(self.seeds), SIZE) for model in models or (OLD, self.new)}
        Enrolling(self.running.context, SITE, "admin").put(who, Facts(groups=groups), templates)

    def set_policy(self, **policy: Any) -> None:
        self.running.context.store.policies.put(SITE, SitePolicy.model_validate(policy), "admin")

    def forget(self, who: str) -> None:
        person = Enrolling(self.running.context, SITE, "admin").find(who).person
        self.running.context.store.forget(SITE, person, "admin")

    def want(self, model: str | None = None, **more: Any) -> None:
        ring = Ring(model=model or self.new, site=SITE, **more)
        set_ring(self.running.context, ring, "admin")

    @property
    def state(self) -> DeviceModel:
        (found,) = self.running.context.store.rings.models(SITE)
        return found

    def device(self, *models: Path, **more: Any) -> Device:
        settings = Configuration(
            device="front", data=self.folder / "device", fleet=Fleet(centres=(self.url,), models=models), **more
        )
        made = Device(settings, self.running.clock, self)
        made.join()
        return made


@pytest.fixture
def fleet(running: Running, file: Path, new: str, tmp_path: Path) -> Fleetlet:
    made = Fleetlet(running, file, new, tmp_path)
    made.enroll("alice")
    made.enroll("bob")
    return made


def model_of(device: Device) -> str:
    """The model that the next start uses."""
    return embedder_name(in_use(device.configuration).embedder.model)


def matched(device: Device, model: str | None = None) -> set[str]:
    """Who is matched with a model, by default the one in use."""
    gallery = Gallery.open(device.data, model or model_of(device))
    try:
        return {one.id for one in gallery.snapshot(device.clock.wall()).people}
    finally:
        gallery.close()


def test_a_device_changes_over_keeps_the_old_rows_and_goes_back(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    assert fleet.state.signed == OLD
    fleet.want()
    assert device.done(3).problems == ()
    assert (model_of(device), matched(device), matched(device, OLD)) == (
        fleet.new, {"alice", "bob"}, {"alice", "bob"},
    )  # fmt: skip
    # The receipt that names the new model follows at once, and so does whatever changes.
    fleet.enroll("carol")
    fleet.forget("bob")
    assert device.done(2).problems == ()
    assert fleet.state.signed == fleet.new
    assert matched(device) == device.stored == {"alice", "carol"}
    assert fleet.running.context.store.proposals() == ()
    fleet.want(OLD)
    assert device.done(4).problems == ()
    device.done()
    assert (model_of(device), fleet.state.signed, matched(device)) == (OLD, OLD, {"alice", "carol"})
    assert fleet.running.context.store.proposals() == ()


ALICE_ONLY = {"front-door": {"allow": [{"person": "alice"}]}}


def test_with_a_policy_it_changes_over_too(fleet: Fleetlet) -> None:
    fleet.set_policy(doors=ALICE_ONLY)
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    assert device.done(3).problems == ()
    assert (model_of(device), matched(device)) == (fleet.new, {"alice", "bob"})
    assert device.done().policies.current == {SITE: SitePolicy.model_validate({"doors": ALICE_ONLY})}


def test_people_that_the_policy_keeps_from_a_device_are_not_left_out(fleet: Fleetlet) -> None:
    fleet.set_policy(doors=ALICE_ONLY, devices={"front": ["front-door"]})
    device = fleet.device(fleet.file)
    device.done(2)
    assert matched(device) == {"alice"}
    fleet.want()
    assert device.done(3).problems == ()
    assert (model_of(device), matched(device)) == (fleet.new, {"alice"})


def weak_fleet(running: Running, folder: Path) -> Fleetlet:
    """Its model guarantees level normal for one person at most."""
    weak = other_model(folder / "weak", "weak", most=2)
    return Fleetlet(running, weak, embedder_name(weak), folder)


CAMERA = {"porch": OpencvCamera(type="opencv", source=0, people="staff")}


def test_levels_are_those_of_the_groups_of_the_centre(running: Running, tmp_path: Path) -> None:
    fleet = weak_fleet(running, tmp_path)
    fleet.enroll("alice", groups=("staff",))
    fleet.enroll("bob", groups=("staff",))
    device = fleet.device(fleet.file, cameras=CAMERA)
    device.done(2)
    fleet.want()
    stays(device, "camera porch would lose its level")


def test_levels_count_the_people_that_the_policy_lets_in(running: Running, tmp_path: Path) -> None:
    fleet = weak_fleet(running, tmp_path)
    fleet.enroll("alice", groups=("staff",))
    fleet.enroll("bob")
    door = Door(camera="porch", level="normal", allow=(AllowRule(group="everyone"),))
    device = fleet.device(fleet.file, cameras=CAMERA, doors={"front-door": door})
    device.done(2)
    fleet.want()
    stays(device, "door front-door would lose its level")
    fleet.set_policy(doors=ALICE_ONLY)
    assert device.done(3).problems == ()
    assert (model_of(device), matched(device)) == (fleet.new, {"alice", "bob"})


def test_the_old_rows_go_when_the_ring_is_finished(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    with pytest.raises(ChangedError, match=r"not changed over to other:.* yet: front"):
        fleet.want(finish=True)
    device.done(3)
    device.done(2)
    fleet.want(finish=True)
    device.done(3)
    assert (matched(device), matched(device, OLD)) == ({"alice", "bob"}, set())
    with device.gallery() as gallery:
        assert not gallery.unfinished


def test_someone_who_is_forgotten_while_both_models_are_there_leaves_no_row(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    device.done(3)
    person = Enrolling(fleet.running.context, SITE, "admin").find("bob").person
    fleet.running.context.store.crops.keep(SITE, person, "2026-11-30", [b"face"])
    fleet.forget("bob")
    device.done(2)
    with device.gallery() as gallery:
        rows = gallery._db.execute("SELECT model, count(*) FROM templates GROUP BY model ORDER BY model").fetchall()
    assert rows == [(OLD, 1), (fleet.new, 1)]
    with fleet.running.context.store._database.reading() as transaction:
        query = "SELECT person FROM templates UNION ALL SELECT person FROM crops"
        left = {bytes(one) for (one,) in transaction.execute(query, binary=True)}
    assert len(left) == 1
    assert person not in left


def stays(device: Device, why: str, rounds: int = 3) -> None:
    """Nothing has changed, and the problem says why."""
    problems = device.rounds(rounds).problems
    assert [line for line in problems if "stays with" in line and why in line], problems
    assert model_of(device) == OLD
    assert not (device.data / FILE).exists()
    assert matched(device) == {"alice", "bob"} | ({"local"} & device.stored)


def test_without_the_file_it_stays(fleet: Fleetlet) -> None:
    device = fleet.device()
    device.done(2)
    fleet.want()
    stays(device, "no file of fleet.models")


def test_while_someone_has_no_template_it_stays_unless_that_is_allowed(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    fleet.enroll("carol", OLD)
    with pytest.raises(ChangedError, match="1 person has no template"):
        fleet.want()
    problems = device.rounds(3).problems
    assert "1 person has no template of it, 0 of them enrolled at this device only; 0 may" in problems[0]
    assert model_of(device) == OLD
    fleet.want(without=1)
    assert device.done(3).problems == ()
    assert (model_of(device), matched(device)) == (fleet.new, {"alice", "bob"})


def test_someone_of_this_device_alone_counts(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    wall = device.clock.wall()
    with device.gallery() as gallery:
        gallery.enroll("local", "Local", [Template(unit(77, SIZE), OLD, "photo", wall)], wall)
    device.done(2)
    fleet.want()
    stays(device, "1 person has no template of it, 1 of them enrolled at this device only; 0 may")
    fleet.want(without=1)
    assert device.done(3).problems == ()
    assert (model_of(device), matched(device)) == (fleet.new, {"alice", "bob"})
    assert device.stored == {"alice", "bob", "local"}


def test_a_change_made_here_that_waits_is_decided_first(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    device.enroll("dora", 5)
    device.done()
    fleet.want()
    assert "changes made here wait" in device.rounds(3).problems[0]
    assert model_of(device) == OLD
    (waiting,) = fleet.running.context.store.proposals()
    fleet.running.context.store.decline(waiting.n, "admin")
    device.clock.sleep(4000)
    device.done()
    with device.gallery() as gallery:
        gallery.remove(["dora"])
    device.done(3)
    assert (model_of(device), matched(device)) == (fleet.new, {"alice", "bob"})


def test_where_a_level_would_be_lost_it_stays(running: Running, tmp_path: Path) -> None:
    fleet = weak_fleet(running, tmp_path)
    fleet.enroll("alice")
    fleet.enroll("bob")
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    stays(device, "would lose its level")


def test_where_the_self_check_fails_it_stays(fleet: Fleetlet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    monkeypatch.setattr(self_check, "FOLDER", tmp_path / "none")
    stays(device, "the self-check fails")


def test_after_an_error_in_the_middle_it_follows_with_its_own_model(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()

    def full(step: str) -> None:
        if step == "added":
            raise GalleryError("the disk is full")

    device.step = full
    stays(device, "the disk is full")
    fleet.want(OLD)
    fleet.forget("bob")
    assert device.done(4).problems == ()
    assert (model_of(device), matched(device), device.stored) == (OLD, {"alice"}, {"alice"})
    assert fleet.running.context.store.proposals() == ()


def test_a_list_that_is_not_complete_is_not_taken(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    # Someone in the database hides a person from everyone who lists the new model.
    with fleet.running.context.store._database.changing() as transaction:
        transaction.execute("UPDATE sites SET count = count + 1")
    problems = device.rounds(2).problems
    # The centre notices it first, and serves no list that does not fit its own digest.
    assert [line for line in problems if "not available (503" in line], problems
    assert (model_of(device), matched(device)) == (OLD, {"alice", "bob"})


def test_a_forged_wanted_model_is_refused_and_an_old_one_changes_nothing(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    with fleet.running.context.store._database.changing() as transaction:
        row = transaction.execute("SELECT wanted FROM rings").fetchone()
        assert row is not None
        kept = row[0]
        forged = WantedModel.read(kept).model_copy(update={"without": 9}).packed()
        transaction.execute("UPDATE rings SET wanted = %s", (forged,))
    assert "not signed by the enrolling key" in device.rounds(3).problems[0]
    assert model_of(device) == OLD
    fleet.want(OLD)
    assert device.done(2).problems == ()
    with fleet.running.context.store._database.changing() as transaction:
        transaction.execute("UPDATE rings SET wanted = %s", (kept,))
        transaction.execute("UPDATE sites SET ring = ring + 1")
    assert device.done(3).problems == ()
    assert model_of(device) == OLD


CHILD = """
import os, signal, sys
from pathlib import Path
from contextlib import ExitStack
from edgeface.config.configuration import Configuration, Fleet
from edgeface.faces.embedder import embedder_name
from edgeface.fleet.device.follower import Follower
from edgeface.security.vault import open_vault
from tests.support.clock import FixedClock

data, url, wall, step, model = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4], Path(sys.argv[5])
configuration = Configuration(device="front", data=data, fleet=Fleet(centres=(url,), models=(model,)))

def killed(name):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)

follower = Follower(
    lambda: configuration, open_vault(data), embedder_name(), FixedClock(epoch=wall),
    synced=lambda: True, wait=0.0, step=killed,
)
with ExitStack() as stack:
    book, applier = follower._opened(stack)
    for _ in range(3):
        follower.round(book, applier)
"""


@pytest.mark.parametrize("step", ["written", "added", "switched"])
def test_killed_at_a_step(fleet: Fleetlet, step: str) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    arguments = [str(device.data), fleet.url, str(device.clock.wall()), step, str(fleet.file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CHILD, *arguments], env=environment, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert model_of(device) == (fleet.new if step == "switched" else OLD)
    assert matched(device) == {"alice", "bob"}
    # Back, and a change meanwhile: nothing of the attempt is left that could be mistaken for a change made here.
    fleet.want(OLD)
    fleet.forget("bob")
    assert device.done(5).problems == ()
    assert device.done(2).problems == ()
    assert (model_of(device), matched(device), device.stored) == (OLD, {"alice"}, {"alice"})
    assert fleet.running.context.store.proposals() == ()


def test_a_device_that_was_away_changes_over_when_it_is_back(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    fleet.want()
    fleet.forget("bob")
    fleet.enroll("carol")
    device.clock.sleep(20 * 86_400)
    device.done(3)
    device.done(2)
    assert (model_of(device), matched(device)) == (fleet.new, {"alice", "carol"})


def test_a_ring_is_a_share_and_waits_for_the_one_before(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    for number in range(9):
        fleet.running.device(f"door-{number}")
    store = fleet.running.context.store
    first = set_ring(fleet.running.context, Ring(model=fleet.new, site=SITE, share=0.1), "admin")
    assert len(first) == 1
    with pytest.raises(ChangedError, match=f"not changed over to {fleet.new} yet: {first[0]}"):
        fleet.want(share=0.5)
    half = set_ring(fleet.running.context, Ring(model=fleet.new, site=SITE, share=0.5, anyway=True), "admin")
    assert len(half) == 5
    assert set(first) < set(half)
    assert {one.device for one in store.rings.models(SITE) if one.wanted == fleet.new} == set(half)
    with pytest.raises(UnknownError, match="nowhere: not a device of tower"):
        fleet.want(devices=("nowhere",))


def test_another_embedder_in_config_yaml_has_everyone_put_again(fleet: Fleetlet) -> None:
    device = fleet.device(fleet.file)
    device.done(2)
    embedder = device.configuration.embedder.model_copy(update={"model": fleet.file})
    other = replace(device, configuration=device.configuration.model_copy(update={"embedder": embedder}))
    assert other.done(2).problems == ()
    assert other.matched == {"alice", "bob"}
    assert fleet.state.signed == fleet.new
    assert fleet.running.context.store.proposals() == ()
