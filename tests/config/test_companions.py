"""What `edgeface check` says of the cameras that serve a liveness detector."""

import pytest

from edgeface.config import loader
from edgeface.core.errors import ConfigError

CONFIG = """\
cameras:
  porch: {{type: opencv, source: 0}}
  yard: {{type: opencv, source: 1}}
  porch-ir: {{type: opencv, source: 2}}
  porch-depth: {{type: gray16, source: /dev/video4, unit: millimetre, pixels: Z16}}
  porch-heat: {{type: gray16, source: /run/heat, unit: centikelvin}}
mqtt: {{}}
liveness: {liveness}
doors:
  front: {{camera: {camera}, allow: [{{person: alice}}], liveness: {required}}}
"""


def text(liveness: str, camera: str = "porch", required: str = "passive") -> bytes:
    return CONFIG.format(liveness=f"{{{liveness}}}", camera=camera, required=required).encode()


def mistakes(liveness: str, camera: str = "porch", required: str = "passive") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loader.parse(text(liveness, camera, required), "c.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("kind", "companion"), [("infrared", "ir"), ("depth", "depth"), ("thermal", "heat")])
def test_each_sensor_takes_the_camera_that_it_needs(kind: str, companion: str) -> None:
    loaded = loader.parse(text(f"type: {kind}, cameras: {{porch: {{camera: porch-{companion}}}}}"), "c.yaml")
    assert loaded.companions == {"porch": f"porch-{companion}"}
    assert f"porch-{companion}" not in loaded.face_cameras
    assert {"porch", "yard"} <= loaded.face_cameras.keys()


@pytest.mark.parametrize("wrong", ["porch", "yard", "porch-heat"])
def test_depth_is_not_measured_by_another_camera(wrong: str) -> None:
    line, *_ = mistakes(f"type: depth, cameras: {{porch: {{camera: {wrong}}}}}")
    own = "a camera cannot be its own companion"
    needs = "must be a camera of type gray16 with unit: millimetre"
    assert line == f"c.yaml:8: liveness.cameras.porch.camera: {own if wrong == 'porch' else needs}"


@pytest.mark.parametrize(
    ("cameras", "says"),
    [
        ("{porch: {camera: attic}}", "porch.camera: no such camera; there are porch, yard, porch-ir, porch-depth"),
        ("{porch: {camera: porch-ir}, attic: {camera: porch-ir}}", "attic: no such camera; there are porch"),
        ("{porch: {camera: yard}, yard: {camera: porch-ir}}", "porch.camera: yard has a companion itself"),
        ("{porch: {camera: porch-depth}}", "porch.camera: gray16 takes no infrared pictures"),
        ("{}", "should not be empty"),
        ("{porch: {camera: porch-ir, scale: [0, 1]}}", "porch.scale.0: should be more than 0"),
        ("{porch: porch-ir}", "porch: should have keys below it"),
    ],
)
def test_a_companion_that_cannot_serve_is_named_with_its_line(cameras: str, says: str) -> None:
    (line,) = mistakes(f"type: infrared, cameras: {cameras}")
    assert line.startswith("c.yaml:8: liveness.cameras")
    assert says in line


def test_no_one_is_recognised_at_a_companion_and_a_door_needs_one() -> None:
    infrared = "type: infrared, cameras: {porch: {camera: porch-ir}}"
    for required in ("off", "passive"):
        assert mistakes(infrared, "porch-ir", required) == [
            "c.yaml:10: doors.front.camera: porch-ir only serves liveness; no one is recognised there"
        ]
    for required in ("passive", "challenge", "required"):
        assert mistakes(infrared, "yard", required) == [
            "c.yaml:10: doors.front.liveness: liveness.cameras has no companion for yard"
        ]
    loader.parse(text(infrared, "yard", "off"), "c.yaml")


def test_a_type_that_is_unknown_is_shown_with_the_known_ones() -> None:
    (line,) = mistakes("type: sonar")
    assert line == "c.yaml:8: liveness: unknown type; known are minifasnet, infrared, depth, thermal"
    (line,) = mistakes("type: thermal, cameras: {porch: {camera: porch-heat}}, coolest: 50.0")
    assert line == "c.yaml:8: liveness: coolest must be below warmest"


def test_a_door_depends_on_a_recording_of_its_companion_as_well() -> None:
    data = text("type: infrared, cameras: {porch: {camera: porch-ir}}")
    played = data.replace(b"porch-ir: {type: opencv, source: 2}", b"porch-ir: {type: replay, path: clip.mp4}")
    assert loader.parse(data, "c.yaml").recorded_doors == {}
    assert loader.parse(played, "c.yaml").recorded_doors == {"front": "porch-ir"}
