"""What the doctor, the first configuration and the cameras say in a container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from edgeface.cameras import v4l2
from edgeface.cli.main import main
from edgeface.config import loader
from edgeface.core.installed import container, owner
from edgeface.core.installed.place import Place
from edgeface.demo.scenario import DATA
from edgeface.doctor import disk, machine
from edgeface.doctor.run import findings
from edgeface.mqtt.advice import OUTSIDE, START, advice
from edgeface.mqtt.settings import Mqtt

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.doctor.finding import Finding

CLIP = DATA / "clip.mp4"


@pytest.fixture(name="podman")
def _podman(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container of podman whose user 0 is 100000 outside."""
    root = tmp_path / "root"
    (root / "run").mkdir(parents=True)
    (root / "run" / ".containerenv").touch()
    (root / "uid_map").write_text("0 100000 65536\n")
    monkeypatch.setattr(container, "ROOT", root)
    monkeypatch.setattr(owner, "PROC", root)


def one(found: list[Finding], what: str) -> Finding:
    return next(finding for finding in found if finding.what == what)


@pytest.mark.usefixtures("podman")
def test_the_doctor_knows_where_it_is_only_in_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = one(list(machine.findings()), "container")
    assert finding.says.startswith(f"of podman; user {os.geteuid()}, outside {os.geteuid() + 100000}")
    monkeypatch.setattr(container, "ROOT", CLIP)
    assert not any(finding.what == "container" for finding in machine.findings())


@pytest.mark.usefixtures("podman")
def test_remedies_name_no_command_of_a_service(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    camera = "{type: rtsp, url: rtsp://203.0.113.7/x, enabled: false}"
    file.write_text(f"data: {tmp_path}\ncameras: {{porch: {camera}}}\nmqtt: {{}}\n")
    found = list(findings(file))
    texts = [text for finding in found for text in (finding.says, finding.remedy)]
    assert [text for text in texts if "systemctl" in text or "sudo" in text] == []
    # The firewall is that of a unit, and there is none.
    assert not any(finding.what == "network" for finding in found)
    assert one(found, "broker").remedy == OUTSIDE


@pytest.mark.usefixtures("podman")
def test_the_root_of_a_container_keeps_no_data() -> None:
    finding = disk.filesystem(disk.Mount("overlay", "overlay", read_only=False))
    assert finding.mark == "note"
    assert "lost with the container" in finding.says


@pytest.mark.usefixtures("podman")
def test_loopback_is_the_container_itself() -> None:
    refused = "the broker 127.0.0.1:1883 cannot be reached: Connection refused"
    assert advice(refused, Mqtt()) == OUTSIDE


def test_on_a_machine_loopback_is_the_machine() -> None:
    assert advice("the broker 127.0.0.1:1883 cannot be reached: Connection refused", Mqtt()) == START


@pytest.mark.usefixtures("podman")
def test_a_camera_that_is_not_passed_is_named(tmp_path: Path) -> None:
    (tmp_path / "registry" / "video0").mkdir(parents=True)
    (node,) = v4l2.nodes(tmp_path / "registry", tmp_path / "dev")
    assert node.card == "not passed into the container"
    assert node.problem == f"run it with --device {tmp_path / 'dev' / 'video0'}"


@pytest.mark.usefixtures("podman")
def test_the_first_configuration_of_an_image_is_that_of_the_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "etc" / "config.yaml"
    monkeypatch.setenv("EDGEFACE_CONFIG", str(file))
    for module in ("cli.setup.init", "config.places", "cli.main"):
        monkeypatch.setattr(f"edgeface.{module}.SYSTEM", file)
    for module in ("cli.setup.init", "cli.main"):
        monkeypatch.setattr(f"edgeface.{module}.place", lambda: Place("image", None))
    assert main(["run"]) == 78
    said = capsys.readouterr().err
    assert "mount a folder with config.yaml" in said
    assert "podman run --rm -it -v edgeface-config:/etc/edgeface IMAGE init" in said
    assert main(["init", "--camera", str(CLIP), "--broker", "none", "--yes"]) == 0
    said = capsys.readouterr().out
    assert "podman exec CONTAINER edgeface web password --role admin" in said
    assert "sudo" not in said
    configuration = loader.load(file)
    assert str(configuration.data) == "/var/lib/edgeface"
    assert configuration.web is not None
    assert (configuration.web.host, configuration.web.insecure) == ("0.0.0.0", True)  # noqa: S104 - of the container
