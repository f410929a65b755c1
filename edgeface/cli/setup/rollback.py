"""`edgeface rollback`: back to the release before the last update, if it can read the data and the configuration."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.config import loader
from edgeface.core.console import say
from edgeface.core.errors import EdgefaceError, GalleryError
from edgeface.core.files import LOCK, only_one
from edgeface.core.installed import releases
from edgeface.core.installed.place import SERVICE, place
from edgeface.core.text import printable, printable_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from edgeface.core.installed.releases import Obstacle, Release

_ELSEWHERE = {
    "package": "apt install edgeface=VERSION",
    "image": "start the older image with the same volumes; docs/releases.md",
    "checkout": "check that version out with git",
    "environment": "install that version",
}
"""How to go back where there are no releases, by how this copy was installed."""
BOOTED = Path("/run/systemd/system")
"""It exists where systemd runs."""
_SERVICES = ("edgeface", "edgeface-serve")
"""The services that use the data."""


def run_rollback(arguments: argparse.Namespace) -> int:
    """`edgeface rollback`: check, and switch; with --to, leave the switch to apt or to the container's user."""
    if arguments.to is None:
        return _to_previous(arguments)
    data = loader.data_folder(arguments)
    found = _checked(data, arguments.to, lose=arguments.lose_changes)
    if found:
        _stop_services()
        _put_back(data, found)
        say(f"the copies from before the update are in place, edgeface is stopped; now install edgeface {arguments.to}")
    elif not data.exists():
        say(f"{printable_path(data)}: no data here yet, so any version can be installed")
    else:
        say(f"edgeface {printable(arguments.to)} can read {printable_path(data)}")
    return 0


def _to_previous(arguments: argparse.Namespace) -> int:
    if (how := _ELSEWHERE.get(place().kind)) is not None:
        raise EdgefaceError(
            "only `make install` keeps the previous release; here, check with edgeface rollback --to VERSION that the "
            f"older version can read the data, then {how}"
        )
    data = loader.data_folder(arguments)
    release = releases.previous(SERVICE)
    found = _checked(data, release.version, lose=arguments.lose_changes)
    _check_config(release, arguments.config)
    stopped = _stop_services()
    try:
        if found:
            _put_back(data, found)
        releases.switch(SERVICE, release)
    finally:
        _each("start", stopped)
    say(f"edgeface {release.version} is the running release again; make install brings the newer one back")
    return 0


def _checked(data: Path, version: str, *, lose: bool) -> list[Obstacle]:
    """The databases to put back for a version; raises GalleryError if a copy is missing, or without `lose`."""
    found = releases.obstacles(data, version)
    if not found:
        return found
    reason = f"edgeface {printable(version)} cannot read {printable_path(data)}: {', and '.join(map(str, found))}"
    day = releases.day_of(found)
    if day is None:
        raise GalleryError(
            f"{reason}; no copy from before the update is left (copies are deleted after {releases.DAYS} days, and "
            "when someone is erased), so there is no way back"
        )
    if not lose:
        raise GalleryError(
            f"{reason}; there is a copy of {day}: --lose-changes puts it in place, and everything that was "
            "enrolled, changed and recorded since is lost"
        )
    return found


def _put_back(data: Path, found: list[Obstacle]) -> None:
    """Put the copies in place; raises GalleryError while a daemon uses the data."""
    try:
        with only_one(data / LOCK):
            releases.put_back(data, found)
    except BlockingIOError:
        raise GalleryError(f"{printable_path(data)}: stop the daemon first") from None


def _check_config(release: Release, config: Path) -> None:
    """Raise EdgefaceError with the older release's own words if it does not accept the configuration."""
    said = releases.ask(release.folder, "check", "--config", str(config))
    if said.returncode:
        raise EdgefaceError(
            f"edgeface {release.version} does not accept {printable_path(config)}; change these lines first:\n"
            f"{said.stdout.strip()}"
        )


def _stop_services() -> list[str]:
    """Stop the services that are enabled or run, where systemd runs; returns their names."""
    if not BOOTED.exists():
        return []
    used = [
        one for one in _SERVICES if any(_systemctl(ask, one).returncode == 0 for ask in ("is-enabled", "is-active"))
    ]
    _each("stop", used)
    return used


def _each(verb: str, services: Sequence[str]) -> None:
    """Stop or start each of the services; raises EdgefaceError, after the last one, if any could not be."""
    done = [(one, _systemctl(verb, one)) for one in services]
    failed = [f"{one}: {' '.join(said.stdout.split())[-200:]}" for one, said in done if said.returncode]
    if failed:
        raise EdgefaceError(f"systemctl {verb} {'; '.join(failed)}")


def _systemctl(verb: str, service: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", verb, service], stdout=-1, stderr=-2, text=True, check=False)  # noqa: S607 - PATH is root's
