"""A camera type that no other room knows is handled everywhere by what CameraBase offers."""

from __future__ import annotations

import ast
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from edgeface.cameras import CAMERA_TYPES, discovery
from edgeface.cameras.base import AttachedCamera, CameraBase
from edgeface.cli import cameras as cli_cameras
from edgeface.config import egress, loader
from edgeface.core.errors import CameraError
from edgeface.core.types import CameraImage
from edgeface.doctor import broker as doctor_broker
from edgeface.doctor import cameras as doctor_cameras

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock

PACKAGE = Path(__file__).parents[2] / "edgeface"


class Doorbell(CameraBase):
    """A network camera that serves one program at a time and answers to a search on the network."""

    type: Literal["doorbell"] = "doorbell"
    address: str = "192.168.1.30"

    def play(self, _: Clock) -> Generator[CameraImage, None, None]:
        for brightness in (90, 100, 110, 120, 130):
            yield CameraImage(np.full((48, 64, 3), brightness, np.uint8), None)

    def hosts(self) -> tuple[str, ...]:
        return (self.address,)

    @property
    def exclusive(self) -> bool:
        return True

    def same_device(self, other: CameraBase) -> bool:
        return isinstance(other, Doorbell) and other.address == self.address

    @classmethod
    def attached(cls) -> Iterator[AttachedCamera]:
        for address in ("192.168.1.30", "192.168.1.31"):
            yield AttachedCamera(address, address, "a doorbell", cls(address=address), f"type: doorbell, {address}")

    @classmethod
    def require_software(cls, board: str) -> None:
        raise CameraError(f"{board} has no chime")


@pytest.fixture
def configuration(monkeypatch: pytest.MonkeyPatch) -> Configuration:
    monkeypatch.setattr(discovery, "CAMERA_TYPES", (Doorbell,))
    loaded = loader.parse(b"cameras: {porch: {type: opencv, source: 0}}\n", "c.yaml")
    return loaded.model_copy(update={"cameras": {"porch": Doorbell()}})


def test_egress_allows_its_host(configuration: Configuration) -> None:
    assert egress.peers(configuration) == (egress.Peer("camera porch", "192.168.1.30", ("192.168.1.30",)),)


def test_the_doctor_reports_a_host_on_the_internet(configuration: Configuration) -> None:
    away = configuration.model_copy(update={"cameras": {"porch": Doorbell(address="203.0.113.7")}})
    assert "camera porch 203.0.113.7 is on the internet" in [one.says for one in doctor_broker.findings(away)][1]


def test_the_doctor_takes_an_image_unless_the_service_has_the_camera(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    (free,) = doctor_cameras.findings(configuration)
    assert free.says == "porch: 64 x 48, brightness 51%"
    monkeypatch.setattr(doctor_cameras, "service_runs", lambda _: True)
    (busy,) = doctor_cameras.findings(configuration)
    assert busy.says.startswith("porch: in use by the service")


def test_it_is_found_and_a_configured_one_is_tested_once(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(loader, "load", lambda _: configuration)
    (tmp_path / "config.yaml").touch()
    arguments = Namespace(config=tmp_path / "config.yaml", out=None)
    assert cli_cameras.run_cameras(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "this machine has:",
        "  192.168.1.30  a doorbell; type: doorbell, 192.168.1.30",
        "  192.168.1.31  a doorbell; type: doorbell, 192.168.1.31",
        "                64 x 48, brightness 51%",
    ]
    assert lines[4].startswith("  type: doorbell cannot be used: ")
    assert lines[-1] == "  porch         64 x 48, brightness 51%"
    seen = {finding.what: finding.says for finding in doctor_cameras.plugged_in()}
    assert seen["plugged in"] == "192.168.1.30 a doorbell, 192.168.1.31 a doorbell"
    assert "has no chime" in seen["missing"]


def test_a_reload_changes_its_region_alone(configuration: Configuration) -> None:
    moved = Doorbell(region=(0, 0, 0.5, 1), address="192.168.1.99")
    merged, kept = loader.merge(configuration, configuration.model_copy(update={"cameras": {"porch": moved}}))
    wanted = {"porch": Doorbell(region=(0, 0, 0.5, 1))}
    assert merged == configuration.model_copy(update={"cameras": wanted})
    assert kept == ("cameras",)


def test_a_camera_with_the_defaults_alone_has_no_host_and_no_device() -> None:
    class Plain(CameraBase):
        def play(self, _: Clock) -> Generator[CameraImage, None, None]:
            yield from ()

    camera = Plain()
    assert (camera.hosts(), camera.exclusive, camera.same_device(camera)) == ((), False, False)
    assert list(Plain.attached()) == []
    Plain.require_software("any board")


def test_no_other_room_asks_for_a_camera_class() -> None:
    names = {one.__name__ for one in CAMERA_TYPES}
    calls = [
        (path, node)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and "cameras" not in path.relative_to(PACKAGE).parts
    ]
    assert calls
    assert [path for path, node in calls if names & set(ast.unparse(node.args[1]).split(" | "))] == []
