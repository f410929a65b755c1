"""The groups in which the centre has people count at the doors and cameras that name them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from edgeface.access.policy import EVERYONE, AccessPolicy, AllowRule, Door
from edgeface.cameras.opencv import OpencvCamera
from edgeface.config import loader
from edgeface.core.errors import ConfigError
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.gallery import Gallery
from edgeface.recognition.limits import with_limits
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fleet_device import Device


def policy_of(device: Device, policy: AccessPolicy) -> AccessPolicy:
    """The policy with the people who are matched now, as a session makes it."""
    with closing(Gallery.open(device.data, device.model)) as gallery:
        return with_limits(policy, CalibrationTable.shipped(), gallery.snapshot(device.clock.wall()))


def door_of(*groups: str) -> Door:
    return Door(camera="porch", allow=tuple(AllowRule(group=one) for one in groups))


def test_a_door_that_names_a_group_lets_its_members_at_the_centre_in(device: Device) -> None:
    alice = device.centre.put("alice", unit(1), groups=("staff",))
    device.centre.put("bob", unit(2), groups=("cleaning",))
    device.enroll("zoe", 9)
    device.done(2)
    front, back = door_of("staff"), door_of("cleaning", "family")
    policy = AccessPolicy({"front": front, "back": back}, {"family": ("zoe",)})
    made = policy_of(device, policy)
    assert made.allowed(front) == {"alice"}
    assert made.allowed(back) == {"bob", "zoe"}
    assert (made.limits_of("front").people, made.limits_of("back").people) == (1, 2)

    device.centre.put("alice", unit(1), alice, groups=())
    device.done()
    assert policy_of(device, policy).allowed(front) == set()


def test_the_groups_of_who_is_no_longer_matched_are_gone(device: Device) -> None:
    device.centre.put("alice", unit(1), groups=("staff",))
    device.done(2)
    front = door_of("staff")
    device.clock.sleep(31 * 86_400)
    device.rounds(0)
    assert policy_of(device, AccessPolicy({"front": front})).allowed(front) == set()


def test_no_group_of_the_centre_adds_to_everyone_or_counts_where_no_one_names_it(device: Device) -> None:
    device.centre.put("alice", unit(1), groups=(EVERYONE, "staff"))
    device.done(2)
    few = AccessPolicy({"front": door_of(EVERYONE)}, {EVERYONE: ("zoe",)})
    made = policy_of(device, few)
    assert made.allowed(made.doors["front"]) == {"zoe"}
    assert "staff" not in made.groups


def test_a_camera_alone_may_name_a_group_of_the_centre(device: Device) -> None:
    device.centre.put("alice", unit(1), groups=("staff",))
    device.done(2)
    camera = OpencvCamera(type="opencv", source=0, people="staff")
    settings = device.configuration.model_copy(update={"cameras": {"porch": camera}})
    made = policy_of(device, settings.access_policy)
    assert settings.camera_groups(made.groups) == {"porch": {"alice"}}


def test_with_a_fleet_a_rule_and_a_camera_may_name_a_group_of_the_centre(tmp_path: Path) -> None:
    path, fleet = tmp_path / "config.yaml", "fleet: {centres: [https://centre.example:8444]}\n"
    text = (
        'cameras: {porch: {type: rtsp, url: "rtsps://10.0.0.1/", people: staff}}\n'
        "mqtt: {host: localhost}\ndoors: {front: {camera: porch, allow: [{group: staff}]}}\n"
    )
    path.write_text(text + fleet)
    found = loader.load(path)
    assert found.camera_groups() == {"porch": frozenset()}
    assert found.camera_groups({"staff": ("alice",)}) == {"porch": {"alice"}}
    path.write_text(path.read_text().replace(fleet, ""))
    with pytest.raises(ConfigError, match="no such group"):
        loader.load(path)
