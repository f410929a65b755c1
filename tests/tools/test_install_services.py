"""tools/install/services: which services run after an installation or an update."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.systemctl import Systemctl

SERVICES = Path(__file__).parents[2] / "tools" / "install" / "services"
CAMERA = "data: {folder}\ncameras: {{porch: {{type: replay, path: {clip}}}}}\n"
NO_CAMERAS = "data: {folder}\nserve:\n"
WRONG = "cameras: 5\n"
CLIP = Path(__file__).parents[2] / "edgeface" / "demo_data" / "clip.mp4"


@pytest.fixture(name="systemctl")
def _systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    edgeface = tmp_path / "edgeface"
    edgeface.write_text(f'#!/bin/sh\nexec {sys.executable} -m edgeface.cli "$@"\n')
    edgeface.chmod(0o755)
    monkeypatch.setenv("EDGEFACE", str(edgeface))
    return Systemctl(tmp_path / "bin", monkeypatch)


def services(*arguments: object, status: int = 0) -> str:
    done = subprocess.run([SERVICES, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == status, done.stderr
    return done.stdout


def update(folder: Path, text: str, status: int = 0) -> str:
    """Stop, and start with this configuration; what the second has printed."""
    config = folder / "config.yaml"
    config.write_text(text.format(folder=folder, clip=CLIP))
    used = services("stop").split()
    return services("start", config, *used, status=status)


@pytest.mark.parametrize(
    ("text", "enabled", "active", "after"),
    [
        # At first, the service that the configuration is for.
        (CAMERA, [], [], "edgeface"),
        (NO_CAMERAS, [], [], "edgeface-serve"),
        # Then those that are used.
        (CAMERA, ["edgeface"], ["edgeface"], "edgeface"),
        (CAMERA, ["edgeface"], [], "edgeface"),
        (CAMERA, ["edgeface", "edgeface-serve"], ["edgeface-serve"], "edgeface edgeface-serve"),
        (CAMERA, ["edgeface-serve"], ["edgeface-serve"], "edgeface-serve"),
        (CAMERA, [], ["edgeface-serve"], "edgeface-serve"),
        (NO_CAMERAS, ["edgeface-serve"], ["edgeface-serve"], "edgeface-serve"),
        # The first installation has enabled edgeface, with the configuration that is supplied.
        (NO_CAMERAS, ["edgeface"], [], "edgeface-serve"),
        (NO_CAMERAS, ["edgeface", "edgeface-serve"], ["edgeface-serve"], "edgeface-serve"),
    ],
)
def test_the_services_that_are_used_run_after_an_update(
    tmp_path: Path, systemctl: Systemctl, text: str, enabled: list[str], active: list[str], after: str
) -> None:
    systemctl.mark("enabled", *enabled)
    systemctl.mark("active", *active)
    assert f"running: {after};" in update(tmp_path, text)
    assert systemctl.started == after.split()
    assert systemctl.those("active") == set(after.split())
    kept = set(enabled) - ({"edgeface"} if text == NO_CAMERAS else set())
    assert systemctl.those("enabled") == (kept or (set() if active else {after}))


def test_with_a_wrong_configuration_nothing_is_restarted(tmp_path: Path, systemctl: Systemctl) -> None:
    systemctl.mark("enabled", "edgeface", "edgeface-serve")
    systemctl.mark("active", "edgeface", "edgeface-serve")
    said = update(tmp_path, WRONG)
    assert f"fix {tmp_path}/config.yaml, then run: systemctl restart edgeface edgeface-serve\n" in said
    assert systemctl.started == []
    # It only reads, so the release before may go on.
    assert systemctl.those("active") == {"edgeface-serve"}


def test_a_first_configuration_that_is_wrong_starts_at_the_next_boot(tmp_path: Path, systemctl: Systemctl) -> None:
    assert "then run: systemctl restart edgeface\n" in update(tmp_path, WRONG)
    assert (systemctl.those("enabled"), systemctl.started) == ({"edgeface"}, [])


def test_a_service_that_does_not_start_keeps_no_other_from_starting(tmp_path: Path, systemctl: Systemctl) -> None:
    systemctl.mark("enabled", "edgeface", "edgeface-serve")
    systemctl.mark("broken", "edgeface")
    assert "running:" not in update(tmp_path, CAMERA, status=1)
    assert systemctl.those("active") == {"edgeface-serve"}
