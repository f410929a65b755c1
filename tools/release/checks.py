"""What is checked of a release: each check returns one line, and raises Failed with the reason."""

from __future__ import annotations

import configparser
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tools.release import licences
from tools.release.build import SETTINGS, TARGETS, TOOLS, digest, only, version
from tools.steps import Failed, require

if TYPE_CHECKING:
    from collections.abc import Iterator

SBOM = "usr/share/doc/edgeface/edgeface.cdx.json"
"""The list of contents in a package."""

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\]+)", re.MULTILINE)
# Installed by pip because another package asks for them; tools/install/prune removes them.
_PRUNED = {"ml-dtypes", "protobuf", "setuptools"}
_TAG = re.compile(r"^([EW]): edgeface(?: [a-z]+)?: (\S+)", re.MULTILINE)


class Contents(NamedTuple):
    """What is needed of a Debian package."""

    files: list[str]
    bom: dict[str, Any]
    codec: bytes
    """FFmpeg's library."""


def metadata(out: Path) -> str:
    """Metadata of wheel and sdist, and README renders: `twine check --strict`."""
    files = [only(out, "*.whl"), only(out, "*.tar.gz")]
    _run(TOOLS / "twine", "check", "--strict", *files)
    return f"{len(files)} files pass"


def contents_of_wheel(out: Path) -> str:
    """Contents of the wheel: `check-wheel-contents`."""
    return _run(TOOLS / "check-wheel-contents", only(out, "*.whl")).strip().rpartition(": ")[2]


def entry_point(out: Path) -> str:
    """The command `edgeface` of the wheel runs, away from the checkout."""
    wheel = only(out, "*.whl")
    with zipfile.ZipFile(wheel) as opened, tempfile.TemporaryDirectory() as folder:
        name = next(one for one in opened.namelist() if one.endswith("dist-info/entry_points.txt"))
        points = configparser.ConfigParser()
        points.read_string(opened.read(name).decode())
        named = dict(points["console_scripts"])
        require(list(named) == ["edgeface"], f"the wheel has the commands {sorted(named)}")
        opened.extractall(folder)  # noqa: S202 - it was built here
        module, function = named["edgeface"].split(":")
        code = f"import sys; sys.argv[0] = 'edgeface'; from {module} import {function}; sys.exit({function}())"
        said = _run(sys.executable, "-c", code, "--version", PYTHONPATH=folder, where=Path(folder)).strip()
    require(said == f"edgeface {version()}", f"it says {said!r}")
    return said


def one_version(out: Path) -> str:
    """The version is the same everywhere."""
    own = version()
    wrong = [file.name for file in out.iterdir() if re.split(r"[-_]", file.name)[1] not in _written(own, file)]
    require(not wrong, f"{', '.join(wrong)}: not version {own}")
    return own


def from_sdist(out: Path) -> str:
    """The sdist builds the same wheel."""
    one, other = only(out, "*.whl"), only(out.parent / "from-sdist", "*.whl")
    require(digest(one) == digest(other), "another wheel")
    return "the same bytes"


def bill_of_materials(out: Path) -> str:
    """The list of contents (CycloneDX 1.6) is in each package, and names what the lock file names."""
    counts = []
    for file in packages(out):
        bom = contents(file).bom
        debian = file.name.partition("+deb")[2][:2]
        pinned = dict(_PINNED.findall((SETTINGS / f"lock-debian{debian}.txt").read_text(encoding="utf-8")))
        listed = {_name(one["name"]): one["version"] for one in bom["components"] if one["type"] == "library"}
        missing = {_name(name): number for name, number in pinned.items() if name not in _PRUNED}.items()
        require(missing == listed.items(), f"{file.name}: {sorted(missing ^ listed.items())}")
        counts.append(len(bom["components"]))
    return f"valid; {min(counts)} to {max(counts)} components in {len(counts)} packages"


def known_licences(out: Path) -> str:
    """The licence of everything in the packages is known and accepted."""
    known = licences.settings()
    found: set[licences.Item] = set()
    for file in packages(out):
        inside = contents(file)
        if problem := licences.ffmpeg_fault(inside.codec):
            raise Failed(f"{file.name}: {problem}")
        found.update(licences.items(inside.bom, inside.files, known))
    faults = sorted(filter(None, (licences.fault(one, known.accepted) for one in found)))
    require(not faults, "; ".join(faults))
    named = sorted(found, key=lambda one: (one.kind, one.name.lower(), one.version))
    (out.parent / "licences.md").write_text(licences.table(named), encoding="utf-8")
    kinds = [one.kind for one in named]
    return ", ".join(f"{kinds.count(kind)} {word}" for kind, word in _KINDS) + ": licences.md"


def debian_policy(out: Path) -> str:
    """Lintian has no errors and no warnings but those in packages/release/lintian-overrides."""
    said = _run("lintian", "--fail-on", "none", "--tag-display-limit", "0", *packages(out))
    found = sorted({f"{kind}: {tag}" for kind, tag in _TAG.findall(said)})
    require(not found, ", ".join(found))
    overridden = sum(
        line.startswith("edgeface: ") for line in (SETTINGS / "lintian-overrides").read_text().splitlines()
    )
    return f"none in {len(packages(out))} packages; {overridden} tags are overridden, with the reason"


CHECKS = (
    from_sdist, metadata, contents_of_wheel, entry_point, one_version, bill_of_materials, known_licences, debian_policy,
)  # fmt: skip
_KINDS = (("package", "Python packages"), ("library", "shared libraries"), ("model", "models"))


def packages(out: Path) -> list[Path]:
    """The Debian packages; raises Failed if one is missing."""
    found = sorted(out.glob("*.deb"))
    require(len(found) == len(TARGETS), f"{len(found)} packages, expected {len(TARGETS)}")
    return found


def contents(file: Path) -> Contents:
    """Read a package without installing it."""
    with _unpacked(file) as opened:
        names = [name.removeprefix("./") for name in opened.getnames()]
        codec = next((name for name in names if (licences.library(name) or "") == licences.FFMPEG), None)
        require(codec is not None and SBOM in names, f"{file.name}: without FFmpeg or without its list of contents")
        return Contents(names, json.loads(_member(opened, SBOM)), _member(opened, str(codec)))


def results(out: Path) -> Iterator[tuple[str, bool, str]]:
    """Run every check: what it looks at, whether it passed, and its line."""
    for check in CHECKS:
        try:
            line, good = check(out), True
        except (Failed, SystemExit) as error:
            line, good = str(error), False
        yield str(check.__doc__).rstrip("."), good, line


def member(file: Path, name: str) -> bytes:
    """One file of a package."""
    with _unpacked(file) as opened:
        return _member(opened, name)


def _unpacked(file: Path) -> tarfile.TarFile:
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", file], check=True, stdout=subprocess.PIPE).stdout
    return tarfile.open(fileobj=io.BytesIO(tar))


def _member(opened: tarfile.TarFile, name: str) -> bytes:
    file = opened.extractfile(f"./{name}")
    return b"" if file is None else file.read()


def _written(own: str, file: Path) -> set[str]:
    """The version as this kind of file writes it."""
    if file.suffix == ".deb":
        return {f"{own.replace('.dev', '~dev')}+deb{debian}" for debian in ("12", "13")}
    return {own, f"{own}.tar.gz"}


def _name(package: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _run(*command: str | Path, where: Path | None = None, **environment: str) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=where,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(" ".join(done.stdout.split())[-400:])
    return done.stdout
