"""`edgeface fleet`: passes each action on to the module that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

OF_DEVICE = ("join", "status")


def run_fleet(arguments: argparse.Namespace) -> int:
    """Do one action; returns the exit status."""
    if arguments.action in OF_DEVICE:
        from edgeface.cli.fleet.device import run_device

        return run_device(arguments)
    from edgeface.cli.fleet.centre import run_at_centre

    return run_at_centre(arguments)
