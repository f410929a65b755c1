"""Builds wheel, sdist and the Debian packages of a commit, in a folder and under conditions that the caller chooses."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parents[2]
TOOLS = HERE / "build" / "release-tools" / "bin"
"""The environment of packages/release/tools.txt."""
SETTINGS = HERE / "packages" / "release"
TARGETS = tuple((debian, architecture) for debian in ("12", "13") for architecture in ("amd64", "arm64"))
"""The Debian releases and processors that a package is built for."""

_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


class Conditions(NamedTuple):
    """What must not change the result."""

    folder: str
    umask: int
    zone: str
    locale: str
    seed: str


ROUNDS = (
    Conditions("one", 0o022, "UTC", "C.UTF-8", "0"),
    Conditions("another/folder further down", 0o077, "Asia/Kathmandu", "POSIX", "4711"),
)


def version(checkout: Path = HERE) -> str:
    """The version, from the one place that has it."""
    found = _VERSION.search((checkout / "edgeface" / "__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit("release: edgeface/__init__.py has no __version__")
    return found.group(1)


def commit() -> tuple[str, int]:
    """The commit that is built, and its time in seconds since 1970."""
    sha, time = _output("git", "log", "-1", "--format=%H %ct").split()
    return sha, int(time)


def uncommitted() -> int:
    """The number of files in the checkout that differ from the commit: they are not built."""
    return len(_output("git", "status", "--porcelain").splitlines())


def build(conditions: Conditions, work: Path, sha: str, time: int) -> Path:
    """Build everything from a commit and its time; returns the folder with the results."""
    source, out = work / conditions.folder / "source", work / conditions.folder / "out"
    shutil.rmtree(work / conditions.folder, ignore_errors=True)
    source.mkdir(parents=True)
    out.mkdir()
    archive = subprocess.run(["git", "archive", sha], cwd=HERE, check=True, stdout=subprocess.PIPE).stdout
    under = {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(time),
        "TZ": conditions.zone,
        "LC_ALL": conditions.locale,
        "PYTHONHASHSEED": conditions.seed,
    }
    run(["tar", "x"], source, under, conditions.umask, archive)
    make: list[str | Path] = [TOOLS / "python", "-m", "build", "--no-isolation", "--outdir"]
    run([*make, out, "--sdist"], source, under, conditions.umask)
    run([*make, out, "--wheel"], source, under, conditions.umask)
    run(["tar", "xf", only(out, "*.tar.gz"), "--strip-components=1"], _empty(out.parent / "sdist"), under)
    run([*make, out.parent / "from-sdist", "--wheel"], out.parent / "sdist", under, conditions.umask)
    # Two at a time: each has a single thread.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: deb(one[0], one[1], source, out, under, conditions.umask), TARGETS))
    return out


def deb(debian: str, architecture: str, source: Path, out: Path, under: dict[str, str], umask: int) -> None:
    """Build one package from the unpacked commit and the wheel in `out`."""
    print(f"building the package for Debian {debian} on {architecture}", flush=True)
    chosen = {
        "LOCK": source / "packages" / "release" / f"lock-debian{debian}.txt",
        "WHEEL": only(out, "*.whl"),
        "PYTHON": TOOLS / "python",
        "DEBIAN": debian,
        "ARCHITECTURE": architecture,
        "OUT": out,
    }
    run(["tools/install/deb"], source, {**under, **{name: str(value) for name, value in chosen.items()}}, umask)


def only(folder: Path, pattern: str) -> Path:
    """The only file that matches; ends the program if it is missing."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"{len(found)} files {pattern} in {folder}, expected one")
    return found[0]


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of a folder."""
    return {file.name: digest(file) for file in sorted(folder.iterdir())}


def digest(file: Path) -> str:
    """The SHA-256 of a file."""
    with file.open("rb") as opened:
        found = hashlib.sha256()
        while piece := opened.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def run(
    command: Iterable[str | Path], where: Path, under: dict[str, str], umask: int = 0o022, data: bytes | None = None
) -> None:
    """Run a command; its output goes to the terminal only if it fails, which ends the program."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=where,
        env=under,
        umask=umask,
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout.decode(errors="replace")[-4000:])
        raise SystemExit(f"release: {' '.join(words[:4])}: exit status {done.returncode}")


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout
