"""The shell scripts of the Makefile and of packages."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
SETUP, INSTALL = TOOLS / "setup", TOOLS / "install"
PACKAGES = TOOLS.parent / "packages"
FOLDERS = (SETUP, INSTALL, INSTALL / "debian")
SCRIPTS = [
    *sorted(path for folder in FOLDERS for path in folder.iterdir() if path.is_file()),
    PACKAGES / "image" / "install",
    PACKAGES / "compose" / "setup",
]
SHELLCHECK = shutil.which("shellcheck")
NOBODY = 65534


def run_without_rights(*arguments: str, script: Path = SETUP / "system-packages") -> subprocess.CompletedProcess[str]:
    """Run a script as a user other than root; its text goes to stdin, because that user cannot read our folders."""
    user = NOBODY if os.geteuid() == 0 else None
    command = ["/bin/bash", "-s", "--", *arguments]
    return subprocess.run(
        command, input=script.read_text(), capture_output=True, text=True, check=False, cwd="/", user=user, timeout=120
    )


@pytest.mark.skipif(os.geteuid() != 0 and shutil.which("sudo") is not None, reason="sudo may be free of passwords here")
def test_what_is_missing_is_said_in_one_line_that_can_be_run() -> None:
    done = run_without_rights("no-such-command:mosquitto", "bash:bash", "libnone.so.9:libnone9")
    assert done.returncode == 1
    assert done.stderr == "missing: mosquitto libnone9; run: sudo apt-get install mosquitto libnone9\n"
    assert not done.stdout


@pytest.mark.skipif(os.geteuid() != 0 and shutil.which("sudo") is not None, reason="sudo may be free of passwords here")
@pytest.mark.parametrize(
    ("needed", "status", "packages"),
    [("no-such-command:mosquitto", 1, "mosquitto chromium nodejs"), ("bash:bash", 0, "chromium nodejs")],
)
def test_what_is_optional_fails_nothing_and_the_line_names_the_tests(needed: str, status: int, packages: str) -> None:
    done = run_without_rights(needed, "--optional", "none-1:chromium:browser", "none-2:nodejs:node", "bash:bash:shell")
    assert (done.returncode, done.stdout) == (status, "")
    skipped = "without them, tests are skipped that need: browser node"
    assert done.stderr == f"missing: {packages} ({skipped}); run: sudo apt-get install {packages}\n"


APT = """#!/bin/sh
echo "$@" >>"$APT_LOG"
case "$*" in
*--print-uris*)
    echo "'http://deb.test/a.deb' a.deb 1200000 SHA256:0"
    echo "'http://deb.test/b.deb' b.deb 900000 SHA256:0" ;;
*install*)
    echo "Reading package lists..."
    echo "Get:1 http://deb.test stable/main mosquitto"
    echo "Setting up mosquitto" ;;
esac
"""
APT_CACHE = """#!/bin/sh
[ "$2" = chromium ] && echo "  Candidate: (none)" || echo "  Candidate: 1.0"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root installs without a password")
def test_apt_is_asked_once_for_all_that_is_missing_and_there_is(tmp_path: Path) -> None:
    for name, text in (("apt-get", APT), ("apt-cache", APT_CACHE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"
    done = subprocess.run(
        [
            *(SETUP / "system-packages", "no-such-command:mosquitto", "bash:bash", "--optional"),
            *("none-1:chromium:browser", "none-2:nodejs:node"),
        ],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "APT_LOG": str(log)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    asked = [line for line in log.read_text().splitlines() if "install" in line and "--print-uris" not in line]
    assert asked == ["install -y -q --no-install-recommends mosquitto nodejs"]
    assert done.stdout.splitlines() == [
        "installing mosquitto nodejs with apt-get (about 3 MB to download)",
        "Get:1 http://deb.test stable/main mosquitto",
        "Setting up mosquitto",
    ]
    assert done.stderr == "this release has no package chromium\n"


def test_nothing_is_said_where_nothing_is_missing() -> None:
    done = run_without_rights("bash:bash", "libc.so.6:libc6")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run_without_rights("bash:bash", "--optional", "libc.so.6:libc6:libc")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_venv_is_made_with_the_python_that_is_asked_for(tmp_path: Path) -> None:
    python = shutil.which("python3")
    assert python is not None
    environment = {**os.environ, "PYTHON": python}
    subprocess.run([SETUP / "venv", tmp_path / "venv"], check=True, env=environment, timeout=120)
    assert (tmp_path / "venv" / "bin" / "pip").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can read, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_without_venv_all_that_is_missing_is_asked_for_in_one_line(open_folder: Path) -> None:
    # As Debian's Python without python3-venv, and for a user without rights.
    for name in ("venv", "system-packages"):
        shutil.copy(SETUP / name, open_folder / name)
    for name in ("python3", "python3.13", "python3.12", "python3.11", "python3.10", "sudo"):
        (open_folder / name).write_text("#!/bin/sh\nexit 1\n")
        (open_folder / name).chmod(0o755)
    done = subprocess.run(
        [open_folder / "venv", open_folder / ".venv", "no-such-command:mosquitto"],
        env={**os.environ, "PATH": f"{open_folder}:{os.environ['PATH']}", "PYTHON": ""},
        capture_output=True,
        text=True,
        check=False,
        user=NOBODY if os.geteuid() == 0 else None,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr == "missing: python3-venv mosquitto; run: sudo apt-get install python3-venv mosquitto\n"


PIP = """#!/bin/sh
echo "$@" >>"$PIP_LOG"
echo "Obtaining file:///edgeface"
echo "  Downloading numpy-2.4.6-cp311-cp311-linux_x86_64.whl (16.9 MB)"
echo "Installing collected packages: numpy, edgeface"
"""


@pytest.mark.parametrize(("extra", "what"), [("web", "edgeface"), ("test", "edgeface and what its tests need")])
def test_the_size_is_printed_before_packages_are_downloaded(tmp_path: Path, extra: str, what: str) -> None:
    python, log = tmp_path / "bin" / "python", tmp_path / "log"
    python.parent.mkdir()
    python.write_text(PIP)
    python.chmod(0o755)
    command = [str(SETUP / "python-packages"), str(tmp_path), extra]
    environment = {**os.environ, "PIP_LOG": str(log)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    first, *others = done.stdout.splitlines()
    assert re.fullmatch(rf"installing {what} into {tmp_path} \(about \d+ MB to download, .*\)", first)
    assert others == [
        "  Downloading numpy-2.4.6-cp311-cp311-linux_x86_64.whl (16.9 MB)",
        "Installing collected packages",
    ]
    assert log.read_text() == f"-m pip --disable-pip-version-check install --editable .[{extra}]\n"


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
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("install: ")
    assert done.stderr.endswith(f"{reason}\n")
    assert Path("/opt/edgeface").exists() == before


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is missing")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_script_has_no_common_mistake(script: Path) -> None:
    done = subprocess.run([str(SHELLCHECK), script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_script_can_be_run_as_it_lies_there(script: Path) -> None:
    assert os.access(script, os.X_OK)
