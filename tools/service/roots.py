"""Debian roots, wheels and packages for the service test; all are kept in build/service for the next run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tools.release.build import version

HERE = Path(__file__).parents[2]
BUILD = HERE / "build" / "service"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = "systemd,systemd-sysv,dbus,udev,python3,python3-venv,mosquitto,mosquitto-clients,procps,adduser,xz-utils"
UPGRADE = "9.9.9"
"""Version of the release that the test upgrades to: the same code with another number."""


class Root(NamedTuple):
    """A Debian release that the service is tested on."""

    suite: str
    python: str


ROOTS = (Root("bookworm", "3.11"), Root("trixie", "3.13"))


def run(*command: str | Path, cwd: Path = HERE, **environment: str) -> None:
    """Run a command, with more variables in its environment; its output goes to the terminal only if it fails."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment},
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.stderr.write(done.stdout[-4000:])
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {done.returncode}")


def root(suite: str) -> Path:
    """A pristine root of the suite, made by mmdebstrap if it does not exist."""
    folder = BUILD / "roots" / suite
    if not (folder / "etc").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        print(f"making a root of Debian {suite}", flush=True)
        run("mmdebstrap", "--quiet", "--variant=important", f"--include={PACKAGES}", suite, folder, MIRROR)
    return folder


def fresh(suite: str) -> Path:
    """A copy of the root that a test may change."""
    copy = BUILD / "running" / suite
    shutil.rmtree(copy, ignore_errors=True)
    copy.parent.mkdir(parents=True, exist_ok=True)
    run("cp", "-a", "--reflink=auto", root(suite), copy)
    return copy


def source(copy: Path = BUILD / "source") -> Path:
    """Copy the tracked and the new files of the checkout, without those that git ignores."""
    shutil.rmtree(copy, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=HERE,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (HERE / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HERE / name, copy / name)
    return copy


def wheels(python: str, checkout: Path) -> Path:
    """Everything that pip needs for this Python, and edgeface in two versions."""
    folder = BUILD / f"wheels-{python}"
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for old in folder.glob("edgeface-*.whl"):
        old.unlink()
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, checkout)
    newer = BUILD / "source-newer"
    shutil.rmtree(newer, ignore_errors=True)
    shutil.copytree(checkout, newer)
    file = newer / "edgeface" / "__init__.py"
    file.write_text(file.read_text().replace(version(checkout), UPGRADE))
    run(*pip, "wheel", "--no-deps", "--wheel-dir", BUILD / "newer", newer)
    made = next(folder.glob("edgeface-*.whl"))
    # The package for Bookworm keeps to numpy 1 (tools/install/deb).
    older = ["numpy<2"] if python == ROOTS[0].python else []
    # It is published as source alone, in pure Python.
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, "http_ece>=1.2.1,<2")
    # What the glibc of Debian 12 can load, Debian 13 can load, too.
    options = [*platforms("x86_64", python, glibc=36), "--find-links", str(folder)]
    run(*pip, "download", "--dest", folder, *options, f"{made}[web,door,notify]", *older)
    return folder


def platforms(machine: str, python: str, *, glibc: int) -> list[str]:
    """Options of pip for the wheels of another machine, with Python `python`, such as 3.11, and glibc 2.`glibc`."""
    script = HERE / "tools" / "install" / "platforms"
    command: list[str | Path] = [script, machine, python.removeprefix("3."), str(glibc)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return ["--only-binary", ":all:", *printed.split()]


def deb(suite: str, checkout: Path, wheelhouse: Path, pack: str = "xz") -> None:
    """Build the package for the root's Python, inside a copy of the root; it ends up in the wheels' folder."""
    for old in wheelhouse.glob("edgeface_*.deb"):
        old.unlink()
    inside = fresh(suite)
    bind = ("--bind-ro", f"{checkout}:/source", "--bind", f"{wheelhouse}:/wheels")
    command = ("env", "WHEELS=/wheels", "OUT=/wheels", f"PACK={pack}", "/source/tools/install/deb")
    run("systemd-nspawn", "--quiet", "--pipe", "--register=no", "--keep-unit", "-D", inside, *bind, *command)


def year1970() -> Path:
    """A library that sets a program's clock to 1970, built here; its glibc symbols are old enough for every root."""
    library = BUILD / "shim" / "year1970.so"
    library.parent.mkdir(parents=True, exist_ok=True)
    run("cc", "-shared", "-fPIC", "-O", "-o", library, Path(__file__).with_name("year1970.c"))
    return library.parent
