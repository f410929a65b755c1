"""One daemon a data folder, by real processes; the command line still writes."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.support.broker import until
from tests.support.film import DATA
from tests.support.signals import catches

CLIP = Path(__file__).parents[2] / "edgeface" / "demo_data" / "clip.mp4"
CONFIG = "device: front\ndata: {data}\ncameras: {{porch: {{type: replay, path: {clip}, loop: true}}}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(data=tmp_path / "data", clip=CLIP))
    return path


def start(python: str, config: Path, *verb: str) -> subprocess.Popen[str]:
    command = [python, "-m", "edgeface.cli", *verb, "--config", str(config)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def daemon(python: str, config: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with start(python, config, "run") as running:
        try:
            until(lambda: (tmp_path / "data" / "gallery.db").exists() and (tmp_path / "data" / "lock").exists(), 60)
            time.sleep(1)
            assert running.poll() is None
            yield running
        finally:
            running.kill()
            running.communicate()


def test_a_second_daemon_ends_with_a_line_and_the_command_line_still_writes(
    daemon: subprocess.Popen[str], python: str, config: Path
) -> None:
    with start(python, config, "run") as second:
        errors = second.communicate(timeout=60)[1]
    assert second.returncode == 1
    assert errors.count("another edgeface runs with this data folder") == 1
    assert "Traceback" not in errors
    with start(python, config, "enroll", "obama", str(DATA / "obama.jpg")) as enrolling:
        assert enrolling.communicate(timeout=60)[1] == ""
    assert enrolling.returncode == 0
    with start(python, config, "audit", "verify") as verifying:
        assert verifying.communicate(timeout=60)[1] == ""
    assert daemon.poll() is None


def test_the_lock_ends_with_a_daemon_that_is_killed(daemon: subprocess.Popen[str], python: str, config: Path) -> None:
    daemon.kill()
    daemon.communicate()
    with start(python, config, "run") as second:
        until(lambda: second.poll() is not None or catches(second.pid, SIGTERM), 30)
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(2)
        second.terminate()
        second.communicate(timeout=60)
    assert second.returncode == 0


def test_the_kernel_writes_no_core_of_a_daemon(daemon: subprocess.Popen[str]) -> None:
    limits = Path(f"/proc/{daemon.pid}/limits").read_text().splitlines()
    assert next(line.split()[4:6] for line in limits if line.startswith("Max core file size")) == ["0", "0"]
