"""`make apt-repository KEY=FINGERPRINT`: a signed apt repository of the packages of a release, by reprepro.

The folder can be served by any web server, or copied to a disk. Each Debian release has two suites: CODENAME with the
newest version, and CODENAME-previous with the one before, which the way back needs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tools import needs
from tools.release.build import HERE

CODENAMES = {"12": "bookworm", "13": "trixie"}
KEYRING = "edgeface.gpg"
"""The public key, next to the suites."""

_SUITE = """\
Origin: edgeface
Label: edgeface
Codename: {codename}
Architectures: amd64 arm64
Components: main
Description: edgeface for Debian {debian}
SignWith: {key}
"""


def main() -> int:
    """Add the packages of a folder to the repository."""
    parser = argparse.ArgumentParser(prog="make apt-repository", description=__doc__)
    parser.add_argument("--key", required=True, help="fingerprint of a key in your GnuPG keyring that signs")
    parser.add_argument("--debs", type=Path, default=HERE / "build" / "release" / "published", metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=HERE / "build" / "apt", metavar="FOLDER")
    arguments = parser.parse_args()
    needs.programs("apt-repository", {"reprepro": "reprepro", "gpg": "gnupg"})
    packages = sorted(arguments.debs.glob("edgeface_*.deb"))
    if not packages:
        raise SystemExit(f"apt-repository: {arguments.debs} has no packages: make release builds them")
    for package in add(arguments.out, arguments.key, packages):
        print(package)
    return 0


def add(repository: Path, key: str, packages: list[Path]) -> list[str]:
    """Add packages, each to the suite of its Debian release; returns one line for each.

    The version that a suite had before moves to the suite for the way back. Ends the program if the key cannot sign, or
    the repository has other bytes under the same version.
    """
    listed = ["gpg", "--batch", "--list-secret-keys", key]
    if not key or subprocess.run(listed, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode:
        raise SystemExit(f"apt-repository: KEY={key}: no such secret key; gpg --list-secret-keys lists yours")
    conf = repository / "conf"
    conf.mkdir(parents=True, exist_ok=True)
    suites = [
        _SUITE.format(codename=f"{codename}{suffix}", debian=debian, key=key)
        for debian, codename in CODENAMES.items()
        for suffix in ("", "-previous")
    ]
    (conf / "distributions").write_text("\n".join(suites), encoding="utf-8")
    with (repository / KEYRING).open("wb") as file:
        subprocess.run(["gpg", "--batch", "--export", key], stdout=file, check=True)
    for codename in sorted({codename_of(package) for package in packages}):
        added = {package.name.split("_")[1] for package in packages if codename_of(package) == codename}
        # The same release once more, after a failure for example, is not the one before itself.
        if not added & set(run(repository, "list", codename, "edgeface").split()):
            run(repository, "copy", f"{codename}-previous", codename, "edgeface")
    lines = []
    for package in packages:
        run(repository, "includedeb", codename_of(package), str(package))
        lines.append(f"{codename_of(package)}: {package.name}")
    run(repository, "export")
    return lines


def codename_of(package: Path) -> str:
    """The suite of a package, from the end of its version."""
    debian = package.name.partition("+deb")[2][:2]
    if debian not in CODENAMES:
        raise SystemExit(f"apt-repository: {package.name}: not for Debian {' or '.join(CODENAMES)}")
    return CODENAMES[debian]


def run(repository: Path, *arguments: str) -> str:
    """What reprepro prints; if it fails, that ends the program."""
    command = ["reprepro", "--basedir", str(repository), *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"apt-repository: {' '.join(arguments[:2])}: {' '.join(done.stdout.split())[-400:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
