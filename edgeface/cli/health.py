"""`edgeface health`: the health check of the container image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edgeface.core import systemd
from edgeface.core.console import complain, say
from edgeface.core.errors import UsageError
from edgeface.core.installed.container import for_here

if TYPE_CHECKING:
    import argparse


_STATUS = "systemctl status edgeface"


def run_health(_: argparse.Namespace) -> int:
    """Return 0 if the daemon or the door has recently shown that it works, else 1; cameras do not matter."""
    file = os.environ.get(systemd.HEALTH)
    if file is None:
        raise UsageError(
            f"{systemd.HEALTH} is not set: only the container image has this check; elsewhere: {for_here(_STATUS)}"
        )
    age = systemd.health_age(file)
    if age is None:
        complain("no sign of health yet: the daemon is starting, or does not run")
        return 1
    if age > systemd.HEALTH_SECONDS:
        complain(f"the last sign of health is {age:.0f} s old: the daemon hangs, or has stopped")
        return 1
    say(f"healthy {age:.0f} s ago")
    return 0
