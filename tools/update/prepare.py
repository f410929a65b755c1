"""What the update test installs: 0.1 from the history, this version, and later ones that do not exist yet."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.release import apt
from tools.release.build import version
from tools.service import roots

HERE = roots.HERE
BUILD = HERE / "build" / "update"
OLD = "84729647845ebd45c842737fb4dfcbcfc6992745"
"""The commit that wrote tests/data/v0.1."""
LATER, LATEST = "0.9.0", "9.9.9"
"""Versions of the same code: one with another number alone, and one with a newer schema of the gallery as well."""

SCHEMA = "added = (_CORRECTIONS, _MERGES, _FACTORS, _VERSIONS, (content.SCHEMA,))"
READS = '    ((0, 2), {"gallery.db": 7, "journal.db": 3}),\n'


def old_source() -> Path:
    """The code of 0.1, from the history of this repository."""
    folder = BUILD / "old-source"
    if not folder.exists():
        archive = subprocess.run(
            ["git", "archive", OLD], cwd=HERE, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        if archive.returncode:
            raise SystemExit(f"update-test: commit {OLD[:7]} is missing: git fetch --unshallow")
        folder.mkdir(parents=True)
        subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)
    return folder


def old_wheels(root: roots.Root, wheelhouse: Path) -> Path:
    """A folder of wheels with 0.1 in the place of this version."""
    folder = BUILD / f"old-wheels-{root.python}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for wheel in wheelhouse.glob("*.whl"):
        if not wheel.name.startswith("edgeface-"):
            (folder / wheel.name).hardlink_to(wheel)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "wheel", "--no-deps"]
    roots.run(*pip, "--wheel-dir", folder, old_source())
    return folder


def packages(root: roots.Root, checkout: Path, wheelhouse: Path, old: Path) -> list[Path]:
    """Debian packages of 0.1, of this version, and of two later ones, in this order."""
    first = BUILD / f"edgeface-0.1-{root.suite}.deb"
    if not first.exists():
        roots.deb(root.suite, old_source(), old)
        next(old.glob("edgeface_*.deb")).rename(first)
    roots.deb(root.suite, checkout, wheelhouse, pack="none")
    out = BUILD / "packages" / root.suite
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    this = next(wheelhouse.glob("edgeface_*.deb"))
    suffix = this.name.partition("+")[2]
    # 0.1's package did not name its Debian release; the repository needs it.
    named = out / f"edgeface_0.1.0+{suffix}"
    shutil.copy(first, named)
    later, latest = (out / f"edgeface_{number}+{suffix}" for number in (LATER, LATEST))
    repack(this, later, LATER, newer_schema=False)
    repack(this, latest, LATEST, newer_schema=True)
    return [named, this, later, latest]


def repack(package: Path, out: Path, number: str, *, newer_schema: bool) -> None:
    """Write a package with another version and, with `newer_schema`, one more migration of the gallery."""
    with tempfile.TemporaryDirectory(dir=BUILD) as work:
        roots.run("dpkg-deb", "-R", package, work)
        control = Path(work) / "DEBIAN" / "control"
        written = out.name.split("_")[1]
        lines = control.read_text().splitlines()
        control.write_text(
            "\n".join(f"Version: {written}" if one.startswith("Version:") else one for one in lines) + "\n"
        )
        code = Path(work) / "opt/edgeface/lib/edgeface"
        change(code / "__init__.py", f'"{version(code.parent)}"', f'"{number}"')
        if newer_schema:
            change(code / "gallery/rows.py", SCHEMA, SCHEMA[:-1] + ', ("CREATE TABLE later (n INTEGER)",))')
            row = READS.replace("(0, 2)", "(9, 9)").replace('"gallery.db": 7', '"gallery.db": 8')
            change(code / "core/installed/releases.py", READS, READS + row)
        roots.run("dpkg-deb", "--root-owner-group", "-Znone", "--build", work, out)


def change(file: Path, before: str, after: str) -> None:
    """Replace a text that occurs once; ends the program if it does not."""
    text = file.read_text(encoding="utf-8")
    if text.count(before) != 1:
        raise SystemExit(f"update-test: {file.name} has {before!r} {text.count(before)} times, expected once")
    file.write_text(text.replace(before, after), encoding="utf-8")


def repositories(root: roots.Root, made: list[Path]) -> Path:
    """Signed repositories as they are after each release, in folders 1 to 4, and `foreign`, signed with another key."""
    folder = BUILD / "repositories" / root.suite
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    growing = folder / "growing"
    with tempfile.TemporaryDirectory() as home:
        os.environ["GNUPGHOME"] = home
        try:
            keys = [_throwaway_key(name) for name in ("release", "foreign")]
            for number, package in enumerate(made, 1):
                apt.add(growing, keys[0], [package])
                shutil.copytree(growing, folder / str(number), copy_function=os.link)
            apt.add(folder / "foreign", keys[1], [made[1]])
        finally:
            subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False)
            del os.environ["GNUPGHOME"]
    return folder


def _throwaway_key(name: str) -> str:
    address = f"{name}@edgeface.invalid"
    options = ("--batch", "--quiet", "--passphrase", "")
    key = ("--quick-generate-key", address, "ed25519", "sign", "1d")
    subprocess.run(["gpg", *options, *key], check=True, stderr=subprocess.DEVNULL)
    listed = subprocess.run(
        ["gpg", "--batch", "--with-colons", "--list-keys", address], check=True, stdout=subprocess.PIPE, text=True
    )
    return next(line.split(":")[9] for line in listed.stdout.splitlines() if line.startswith("fpr:"))
