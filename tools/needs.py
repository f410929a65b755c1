"""What a make target needs of the machine: root, and programs of Debian."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where Debian keeps some programs that a user without rights does not have in PATH.
_MORE = ("/usr/sbin", "/usr/lib/podman")


def root(target: str, reason: str) -> None:
    """Exit with the reason if this is not root."""
    if os.geteuid() != 0:
        raise SystemExit(f"{target}: {reason} needs root: sudo make {target}")


def programs(target: str, wanted: Mapping[str, str]) -> None:
    """Exit with the first program that is missing; `wanted` has the Debian package of each."""
    for name, package in wanted.items():
        program(target, name, package)


def program(target: str, name: str, package: str) -> str:
    """The path of a program; exits with the name of its Debian package if it is missing."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_MORE)))
    if found is None:
        raise SystemExit(f"{target}: {name} is missing: sudo apt-get install {package}")
    return found
