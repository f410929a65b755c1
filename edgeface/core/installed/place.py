"""Where this copy of edgeface comes from, and so how something is added to it."""

from __future__ import annotations

import json
import re
import shlex
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

SERVICE = Path("/opt/edgeface")
"""Where `make install` and the package put it (tools/install)."""

IMAGE = "image"
"""A file in the release of a container's image (packages/image/install)."""
SOURCE = "source"
"""A file in a release, with the folder that it was installed from."""

_NAME = re.compile(r'^name = "edgeface"$', re.MULTILINE)


class Place(NamedTuple):
    """How this copy is installed."""

    kind: Literal["checkout", "release", "package", "image", "environment"]
    """From a checkout that it runs in; by `make install`; by the Debian package; in a container's image; by pip."""
    source: Path | None
    """The folder of its source; None if it is not known or no longer exists."""


def is_checkout(folder: Path) -> bool:
    """Whether a folder is a checkout of edgeface, whose config.yaml is the reference of all keys."""
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return _NAME.search(text) is not None and (folder / "edgeface" / "cli").is_dir()


def place(package: Path = Path(__file__).parents[2], prefix: Path = Path(sys.prefix)) -> Place:
    """Where the package `edgeface` in this folder, of the environment `prefix`, comes from."""
    if is_checkout(package.parent):
        return Place("checkout", package.parent)
    if (prefix / IMAGE).exists():
        return Place("image", None)
    if package.is_relative_to(SERVICE / "lib"):
        return Place("package", None)
    if prefix.resolve().is_relative_to(SERVICE):
        return Place("release", _noted_source(prefix))
    return Place("environment", _installed_from())


def add_part(extra: str, here: Place | None = None) -> str:
    """The command that adds a part (an extra of pyproject.toml) to this copy of edgeface."""
    here = here or place()
    if here.kind == "release":
        folder = "" if here.source is None else f" -C {shlex.quote(str(here.source))}"
        where = "" if folder else ", in a checkout of edgeface"
        return f"sudo make{folder} install EXTRAS={extra}{where}"
    if here.kind == "package":
        return f"make deb EXTRAS={extra}, in a checkout of edgeface, and install the package that it builds"
    if here.kind == "image":
        return f"build the image with --build-arg EXTRAS={extra}, in a checkout of edgeface; docs/container.md"
    if here.source is None:
        return f"{_pip()} install '.[{extra}]', in a checkout of edgeface"
    editable = "-e " if here.kind == "checkout" else ""
    return f"{_pip()} install {editable}{shlex.quote(f'{here.source}[{extra}]')}"


def repair(*requirements: str, here: Place | None = None) -> str:
    """The command that installs other versions of packages, where `make install` does not choose them itself."""
    here = here or place()
    if here.kind == "release":
        return add_part("web", here)
    if here.kind == "package":
        return "install the package of edgeface again"
    if here.kind == "image":
        return "pull or build the image again"
    return f"{_pip()} install {shlex.join(requirements)}"


def _pip() -> str:
    return f"{shlex.quote(sys.executable)} -m pip"


def _noted_source(prefix: Path) -> Path | None:
    """What `make install` has written down."""
    try:
        folder = Path((prefix / SOURCE).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return None
    return folder if is_checkout(folder) else None


def _installed_from() -> Path | None:
    """The folder that pip has installed it from (PEP 610)."""
    try:
        noted = json.loads(metadata.distribution("edgeface").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    url = urlsplit(str(noted.get("url", ""))) if isinstance(noted, dict) else urlsplit("")
    folder = Path(unquote(url.path))
    return folder if url.scheme == "file" and is_checkout(folder) else None
