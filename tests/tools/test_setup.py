"""The scripts that the Makefile begins with."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
SETUP, INSTALL = TOOLS / "setup", TOOLS / "install"
SCRIPTS = sorted(
    path for path in (*SETUP.iterdir(), *INSTALL.iterdir(), *(INSTALL / "debian").iterdir()) if path.is_file()
)
SHELLCHECK = shutil.which("shellcheck")
NOBODY = 65534


def run_without_rights(*arguments: str, script: Path = SETUP / "system-packages") -> subprocess.CompletedProcess[str]:
    """A script as somebody who is not root; the text goes by stdin, since nobody may read our folders."""
    user = NOBODY if os.geteuid() == 0 else None
    command = ["/bin/bash", "-s", "--", *arguments]
    return subprocess.run(
        command, input=script.read_text(), capture_output=True, text=True, check=False, cwd="/", user=user, timeout=30
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


@pytest.mark.parametrize("script", ["install", "uninstall"])
def test_only_root_changes_the_system(script: str) -> None:
    done = run_without_rights(script=INSTALL / script)
    assert done.returncode == 1
    assert done.stderr == f"{script}: must be run as root: sudo make {script}\n"
    assert not done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="what root is told")
@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (None, "none is missing: apt-get install python3 python3-venv"),
        ('case "$*" in *version_info*) exit 1;; esac', "python is older than 3.10"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "venv is missing: apt-get install python3-venv"),
    ],
)
def test_an_installation_stops_before_it_has_changed_anything(tmp_path: Path, says: str | None, reason: str) -> None:
    python = tmp_path / ("none" if says is None else "python")
    if says is not None:
        python.write_text(f"#!/bin/sh\n{says}\nexit 0\n")
        python.chmod(0o755)
    before = Path("/opt/edgeface").exists()
    done = subprocess.run(
        [INSTALL / "install"],
        env={**os.environ, "PYTHON": str(python)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("install: ")
    assert done.stderr.endswith(f"{reason}\n")
    assert Path("/opt/edgeface").exists() == before


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is missing")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_common_mistake(script: Path) -> None:
    done = subprocess.run([str(SHELLCHECK), script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_run_as_it_lies_there(script: Path) -> None:
    assert os.access(script, os.X_OK)
