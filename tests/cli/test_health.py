"""The health check of a container: what a daemon writes, and what `edgeface health` makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edgeface.cli.main import main
from edgeface.core import systemd
from edgeface.core.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(systemd.HEALTH, str(tmp_path / "health"))
    return tmp_path / "health"


def test_without_a_file_the_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health"]) == 2
    assert "EDGEFACE_HEALTH is not set" in capsys.readouterr().err


def test_health_follows_the_sign(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health"]) == 1
    assert "no sign of health yet" in capsys.readouterr().err
    try:
        systemd.notify(systemd.WATCHDOG)
        assert main(["health"]) == 0
        assert 0 < signal.alarm(0) <= systemd.HEALTH_SECONDS
    finally:
        signal.alarm(0)
    assert capsys.readouterr().out == "healthy 0 s ago\n"
    file.write_text(f"{SystemClock.monotonic() - 45:24.3f}")
    assert main(["health"]) == 1
    assert "the last sign of health is 45 s old" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "soon", "1e9999", f"{'9' * 24}"])
def test_a_file_of_someone_else_is_no_sign(file: Path, text: str) -> None:
    file.write_text(text)
    assert main(["health"]) == 1


def test_a_link_in_its_place_is_not_followed(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("kept")
    file.symlink_to(other)
    try:
        systemd.notify(systemd.WATCHDOG)
    finally:
        signal.alarm(0)
    assert other.read_text() == "kept"


def test_only_the_watchdog_is_a_sign(file: Path) -> None:
    systemd.notify(systemd.READY)
    assert not file.exists()


def test_a_process_that_hangs_is_ended_by_the_kernel(tmp_path: Path) -> None:
    code = "import time; from edgeface.core import systemd; systemd.HEALTH_SECONDS = 1\n"
    code += "systemd.notify(systemd.WATCHDOG); time.sleep(30)"
    environment = {**os.environ, systemd.HEALTH: str(tmp_path / "health")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=20)
    assert done.returncode == -signal.SIGALRM


@pytest.mark.usefixtures("file")
def test_the_period_is_the_shorter_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    assert systemd.watchdog_seconds() == 5
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    assert systemd.watchdog_seconds() == 2
    monkeypatch.setenv("WATCHDOG_USEC", "40000000")
    assert systemd.watchdog_seconds() == 5
    monkeypatch.delenv(systemd.HEALTH)
    assert systemd.watchdog_seconds() == 20
