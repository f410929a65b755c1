"""A part that the configuration needs and that is missing is named before the service starts."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from edgeface.cli.main import main
from edgeface.config import loader
from edgeface.config.parts import lacks
from edgeface.core.installed.place import add_part
from edgeface.doctor.run import findings

if TYPE_CHECKING:
    from pathlib import Path

SECTIONS = {
    "web": ("jinja2", "web: {}"),
    "notify": (
        "apprise",
        "notify: {targets: {phone: {type: apprise, url_env: PHONE}}, rules: [{to: [phone], kinds: [unknown]}]}",
    ),
    "mediapipe": ("mediapipe", "detector: {type: mediapipe}"),
}


@pytest.fixture(params=sorted(SECTIONS))
def needing(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A configuration that needs a part which is missing, and what is to be reported."""
    module, section = SECTIONS[request.param]
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "config.yaml"
    path.write_text(f"data: {tmp_path / 'data'}\ncameras: {{porch: {{type: opencv, source: 0}}}}\n{section}\n")
    return path, f"{module} is not installed: {add_part(request.param)}"


def test_check_names_it_with_the_command_that_adds_it(
    needing: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path, says = needing
    assert main(["check", "--config", str(path)]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"{re.escape(str(path))}:\d+: [\w.]+: {re.escape(says)}", line)


def test_doctor_names_it(needing: tuple[Path, str]) -> None:
    path, says = needing
    found = next(one for one in findings(path) if one.what == "parts")
    assert (found.mark, f"{found.says}: {found.remedy}".partition(": ")[2]) == ("bad", says)


def test_the_software_of_a_camera_is_a_part_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    path = tmp_path / "config.yaml"
    path.write_text(f"data: {tmp_path}\ncameras: {{porch: {{type: picamera}}}}\n")
    (lack,) = lacks(loader.load(path))
    assert str(lack).startswith("Picamera2 is missing: sudo apt install python3-picamera2")


def test_nothing_is_missing_for_what_is_not_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("jinja2", "apprise", "mediapipe", "gpiozero"):
        monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / "config.yaml"
    path.write_text(f"data: {tmp_path}\ncameras: {{porch: {{type: opencv, source: 0}}}}\n")
    assert list(lacks(loader.load(path))) == []
