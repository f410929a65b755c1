"""`edgeface health`: what the health check of a container asks."""

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
    """Return 0 if the daemon or the door has shown in time that it works, else 1; a camera that is away is no fault."""
    file = os.environ.get(systemd.HEALTH)
    if file is None:
        raise UsageError(f"{systemd.HEALTH} is not set, so nothing writes down its health: {for_here(_STATUS)}")
    age = systemd.health_age(file)
    if age is None:
        complain("no sign of health yet: it is starting, or does not run")
        return 1
    if age > systemd.HEALTH_SECONDS:
        complain(f"the last sign of health is {age:.0f} s old: it hangs, or has ended")
        return 1
    say(f"healthy {age:.0f} s ago")
    return 0
