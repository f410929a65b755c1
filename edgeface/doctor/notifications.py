"""Checks the targets of notifications without sending anything."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgeface.doctor.finding import Finding
from edgeface.notify.notifier import handover
from edgeface.notify.settings import NEEDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration

_INSTALL = "install the extra notify: docs/notifications.md"
_PLACE = "put the address or the secret there, readable for the service's group; docs/notifications.md has the steps"


def findings(configuration: Configuration) -> Iterator[Finding]:
    """Whether each target has its secret and its packages; nothing without the section notify."""
    if configuration.notify is None:
        return
    for name, target in handover(configuration.notify).targets.items():
        missing = [package for package in NEEDS[target.type] if find_spec(package) is None]
        if missing:
            yield Finding("notify", f"{name}: {missing[0]} is not installed", "bad", _INSTALL)
        elif target.problem is not None:
            yield Finding("notify", f"{name}: {target.problem}", "bad", _PLACE)
        else:
            yield Finding("notify", f"{name}: configured; `edgeface notify test {name}` tries it")
