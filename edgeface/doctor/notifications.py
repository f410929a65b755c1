"""Checks the targets of notifications without sending anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.config.parts import lacking
from edgeface.doctor.finding import Finding
from edgeface.notify.notifier import handover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration

_PLACE = "put the address or the secret there, readable for the service's group; docs/notifications.md has the steps"


def findings(configuration: Configuration) -> Iterator[Finding]:
    """Whether each target has its secret; nothing without the section notify."""
    if configuration.notify is None:
        return
    lacks = lacking(configuration, "notify", "targets")
    for name, target in handover(configuration.notify).targets.items():
        if name in lacks:
            continue  # reported with the missing parts
        if target.problem is not None:
            yield Finding("notify", f"{name}: {target.problem}", "bad", _PLACE)
        else:
            yield Finding("notify", f"{name}: configured; `edgeface notify test {name}` tries it")
