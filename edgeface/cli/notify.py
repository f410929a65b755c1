"""`edgeface notify`: send a test to the targets of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.config import loader
from edgeface.core.clock import SystemClock
from edgeface.core.console import say
from edgeface.core.errors import UsageError
from edgeface.core.text import printable
from edgeface.notify.subscriptions import browsers
from edgeface.notify.trial import send_tests

if TYPE_CHECKING:
    import argparse


def run_notify(arguments: argparse.Namespace) -> int:
    """Send a test to each target, or to one; returns 1 if a target did not take it."""
    configuration = loader.load(arguments.config)
    settings = configuration.notify
    if settings is None:
        raise UsageError(f"{arguments.config} has no section notify: see docs/notifications.md")
    names = tuple(settings.targets) if arguments.target is None else (arguments.target,)
    if not set(names) <= settings.targets.keys():
        raise UsageError(f"no target {printable(names[0])}; there are {', '.join(settings.targets)}")
    found = send_tests(settings, names, SystemClock(), browsers(configuration.data))
    for name, error in found.items():
        say(f"{name}: {'sent' if error is None else f'not sent: {error}'}")
    return int(any(found.values()))
