"""`edgeface keys`: passes each action on to the module that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.cli.keys.device import run_device
from edgeface.cli.keys.listed import run_listed
from edgeface.cli.keys.owner import run_owner
from edgeface.core.errors import UsageError

if TYPE_CHECKING:
    import argparse

_OF_DEVICE = ("new", "show", "rotate")


def run_keys(arguments: argparse.Namespace) -> int:
    """Do one action; returns the exit status."""
    if arguments.action == "owner":
        return run_owner(arguments)
    if arguments.action not in _OF_DEVICE:
        return run_listed(arguments)
    if arguments.words:
        raise UsageError(f"keys {arguments.action} takes no {arguments.words[0]}")
    return run_device(arguments)
