"""A systemctl for scripts and commands that run it: its units are files, and nothing is started."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

PROGRAM = """\
#!/bin/sh
cd "$(dirname "$0")/units"
verb=$1
shift
for unit; do
    case "$verb $unit" in
        *" --"*) ;;
        "is-enabled "*) [ -e "$unit.enabled" ] || exit 1 ;;
        "is-active "*) [ -e "$unit.active" ] || exit 3 ;;
        "enable "*) touch "$unit.enabled" ;;
        "disable "*) rm -f "$unit.enabled" ;;
        "stop "*) rm -f "$unit.active" ;;
        "start "* | "restart "*)
            echo "$unit" >>started
            [ ! -e "$unit.broken" ] || { echo "Job for $unit.service failed"; exit 1; }
            touch "$unit.active"
            ;;
    esac
done
"""


class Systemctl:
    """Units that are enabled, active or broken, and what was started in order."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        """Put it first in the PATH of this test."""
        self._units = folder / "units"
        self._units.mkdir(parents=True)
        (folder / "systemctl").write_text(PROGRAM)
        (folder / "systemctl").chmod(0o755)
        patch.setenv("PATH", str(folder), prepend=os.pathsep)

    def mark(self, state: str, *units: str) -> None:
        """Give units a state: enabled, active, or broken, so that they do not start."""
        for unit in units:
            (self._units / f"{unit}.{state}").touch()

    def those(self, state: str) -> set[str]:
        """The units with a state."""
        return {path.stem for path in self._units.glob(f"*.{state}")}

    @property
    def started(self) -> list[str]:
        """The units that were started or restarted, in order."""
        file = self._units / "started"
        return file.read_text().split() if file.exists() else []
