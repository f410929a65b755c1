"""Environments to run the tests in: virtual environments on this machine, and one inside a root of Debian 13."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tools.service import roots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUILD = roots.HERE / "build" / "matrix"
LIMIT = 3600
"""Maximum seconds for one suite."""

EXTRAS = ("door", "evaluate", "web")
TOOLS = (
    "pytest>=8.3",
    "hypothesis>=6.100",
    "httpx>=0.27",
    "schemathesis>=4.10,<5",
    "playwright>=1.49",
    "segno>=1.6,<2",
)
TFLITE_PYTHON = "3.11"
"""The last version that tflite-runtime has wheels for."""
TFLITE = ("numpy==1.26.4", "opencv-python-headless==4.10.0.84", "tflite-runtime==2.14.0")
TRIXIE_PYTHON = "3.13"

_MINORS = range(13, 9, -1)
_NAMES = ("numpy", "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "paho-mqtt", "pydantic")
_VERSIONS = f"""
import importlib.metadata as m, json, platform
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
print(json.dumps({{"Python": platform.python_version(), **{{name: version(name) for name in {_NAMES!r}}}}}))
"""
# edgeface's dependencies, except the runtime that tflite-runtime replaces.
_NEEDS = f"""
import importlib.metadata as m
for need in m.requires("edgeface"):
    name, _, marker = need.partition(";")
    if not name.startswith("ai-edge-litert") and (not marker or any(e in marker for e in {EXTRAS!r})):
        print(name.strip())
"""


class EnvironmentMissingError(Exception):
    """An environment cannot be made; the text says why."""


@dataclass(frozen=True)
class Environment:
    """A Python with edgeface's dependencies, and the checkout."""

    folder: Path
    """The virtual environment, on this machine."""
    python: str
    """The interpreter that makes it, inside the root if there is one."""
    source: Path
    install: tuple[Sequence[str], ...]
    """Arguments of pip, one command after the other; `{needs}` becomes edgeface's dependencies."""
    root: Path | None = None
    binds: Mapping[Path, str] = field(default_factory=dict)
    """Folders that are visible inside the root, and where."""

    def make(self) -> None:
        """Make a fresh virtual environment."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._must(self.python, "-m", "venv", self._inside(self.folder))
        for words in self.install:
            needs = self._must(self._own, "-c", _NEEDS).split() if "{needs}" in words else []
            given = [part for word in words for part in (needs if word == "{needs}" else [word])]
            pip = [self._own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            self._must(*pip, *given)

    def versions(self) -> str:
        """The versions of the installed packages, as JSON."""
        return self._must(self._own, "-c", _VERSIONS)

    def test(self, tests: Sequence[str]) -> tuple[Path, Path, float]:
        """Run the tests; returns pytest's XML, its output, and the seconds it took."""
        report, log = self.source / "report.xml", self.source / "report.txt"
        report.unlink(missing_ok=True)
        pytest = [self._own, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={self._inside(report)}"]
        began = time.monotonic()
        with log.open("wb") as output:
            command = self._command([*pytest, *tests])
            done = subprocess.run(
                command, cwd=self.source, check=False, stdout=output, stderr=-2, stdin=-3, timeout=LIMIT
            )
        if not report.exists():
            raise EnvironmentMissingError(f"pytest ended with status {done.returncode}: {log}")
        return report, log, time.monotonic() - began

    @property
    def _own(self) -> str:
        return self._inside(self.folder / "bin" / "python")

    def _inside(self, path: Path) -> str:
        """A path as the interpreter sees it."""
        if self.root is None:
            return str(path)
        bind = next((where for where in self.binds if path.is_relative_to(where)), None)
        if bind is not None:
            return str(Path(self.binds[bind]) / path.relative_to(bind))
        return f"/{path.relative_to(self.root)}"

    def _command(self, words: Sequence[str]) -> list[str]:
        if self.root is None:
            return list(words)
        nspawn = [
            "systemd-nspawn",
            "--quiet",
            "--pipe",
            "--as-pid2",
            "--register=no",
            "--keep-unit",
            "--private-network",
        ]
        nspawn += [f"--bind={outside}:{inside}" for outside, inside in self.binds.items()]
        return [*nspawn, f"--chdir={self._inside(self.source)}", "-D", str(self.root), *words]

    def _must(self, *words: str) -> str:
        done = subprocess.run(
            self._command(words), cwd=self.source, check=False, capture_output=True, text=True, timeout=LIMIT
        )
        if done.returncode:
            raise EnvironmentMissingError(f"{' '.join(words[:5])}: {(done.stderr or done.stdout).strip()[-300:]}")
        return done.stdout


def pythons(named: Sequence[str]) -> dict[str, str]:
    """Interpreters by version, newest first: those named, or else those on PATH that can make a venv."""
    found: dict[str, str] = {}
    for program in named or [f"python3.{minor}" for minor in _MINORS] + ["python3"]:
        version = _version(program)
        if version is not None:
            found.setdefault(version, program)
        elif named:
            raise SystemExit(f"matrix: {program} is not a Python 3.10 or newer that can make a virtual environment")
    return dict(sorted(found.items(), key=lambda one: -int(one[0].partition(".")[2])))


def checkout() -> Path:
    """A copy of the tracked and the new files."""
    return roots.source(BUILD / "source")


def newest(version: str, program: str, source: Path) -> Environment:
    """The newest of everything that pip finds."""
    own = _copy(source, f"newest-{version}")
    return Environment(BUILD / f"venv-{version}", program, own, ([f"{own}[{','.join(EXTRAS)}]", *TOOLS],))


def tflite(program: str, source: Path) -> Environment:
    """The TFLite runtime that preceded LiteRT, with the newest numpy and OpenCV that work with it."""
    own = _copy(source, "tflite")
    steps = (["--no-deps", str(own)], [*TFLITE, "{needs}", *TOOLS])
    return Environment(BUILD / "venv-tflite", program, own, steps)


def trixie(source: Path) -> Environment:
    """Debian 13 with its own Python; pip's wheels are fetched outside, because the root has no network."""
    own = _copy(source, "trixie")
    wheels = _wheels(own)
    root = BUILD / "trixie"
    shutil.rmtree(root, ignore_errors=True)
    roots.run("cp", "-a", "--reflink=auto", roots.root("trixie"), root)
    binds = {own: "/source", wheels: "/wheels"}
    wanted = [f"edgeface[{','.join(EXTRAS)}]", *TOOLS]
    steps = (["--no-index", "--find-links", "/wheels", *wanted],)
    return Environment(root / "venv", "/usr/bin/python3", own, steps, root, binds)


def _copy(source: Path, name: str) -> Path:
    """A separate checkout for one environment, because tests leave files behind."""
    own = BUILD / "sources" / name
    shutil.rmtree(own, ignore_errors=True)
    shutil.copytree(source, own, symlinks=True)
    return own


def _wheels(source: Path) -> Path:
    folder = BUILD / f"wheels-{TRIXIE_PYTHON}"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("edgeface-*.whl"):
        old.unlink()
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    roots.run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, source)
    made = next(folder.glob("edgeface-*.whl"))
    # Debian 13 has glibc 2.41.
    options = roots.platforms(platform.machine(), TRIXIE_PYTHON, glibc=41)
    wanted = [f"{made}[{','.join(EXTRAS)}]", *TOOLS]
    roots.run(*pip, "download", "--dest", folder, *options, *wanted)
    return folder


def _version(program: str) -> str | None:
    text = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([program, "-c", text], check=False, capture_output=True, text=True, timeout=60)
    except OSError:
        return None
    version = done.stdout.strip()
    return version if done.returncode == 0 and version in {f"3.{minor}" for minor in range(10, 20)} else None
