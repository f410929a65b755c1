"""The scripts that the Makefile begins with."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parent.parent / "tools" / "setup"
NOBODY = 65534


def run_without_rights(*arguments: str) -> subprocess.CompletedProcess[str]:
    """system-packages as somebody who is not root; the text goes by stdin, since nobody may read our folders."""
    script = (SETUP / "system-packages").read_text()
    user = NOBODY if os.geteuid() == 0 else None
    command = ["/bin/bash", "-s", "--", *arguments]
    return subprocess.run(
        command, input=script, capture_output=True, text=True, check=False, cwd="/", user=user, timeout=30
    )


@pytest.mark.skipif(os.geteuid() != 0 and shutil.which("sudo") is not None, reason="sudo may be free of passwords here")
def test_what_is_missing_is_said_in_one_line_that_can_be_run() -> None:
    done = run_without_rights("no-such-command:mosquitto", "bash:bash", "libnone.so.9:libnone9")
    assert done.returncode == 1
    assert done.stderr == "missing: mosquitto libnone9; run: sudo apt-get install mosquitto libnone9\n"
    assert not done.stdout


def test_nothing_is_said_where_nothing_is_missing() -> None:
    done = run_without_rights("bash:bash", "libc.so.6:libc6")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_venv_is_made_with_the_python_that_is_asked_for(tmp_path: Path) -> None:
    python = shutil.which("python3")
    assert python is not None
    environment = {**os.environ, "PYTHON": python}
    subprocess.run([SETUP / "venv", tmp_path / "venv"], check=True, env=environment, timeout=120)
    assert (tmp_path / "venv" / "bin" / "pip").exists()
