"""`edgeface fleet`: passes each action on to the module that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.config.places import default_config
from edgeface.security.process import leave_no_core

if TYPE_CHECKING:
    import argparse

OF_DEVICE = ("join", "status", "acknowledge")


def run_fleet(arguments: argparse.Namespace) -> int:
    """Do one action; returns the exit status. Each has keys or facts of people in its memory."""
    leave_no_core()
    if arguments.action in OF_DEVICE:
        from edgeface.cli.fleet import device

        arguments.config = arguments.config or default_config()
        return device.run_fleet(arguments)
    from edgeface.cli.fleet.centre import run_at_centre

    return run_at_centre(arguments)
