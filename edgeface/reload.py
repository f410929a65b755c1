"""Which parts of the configuration a running daemon can change, and which need a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeface.settings import Configuration

AT_ONCE = frozenset({"recognition", "quality", "privacy", "log", "groups", "schedules", "doors"})
"""The rest opens devices, files or connections."""


def merge(running: Configuration, wanted: Configuration) -> tuple[Configuration, tuple[str, ...]]:
    """The configuration to go on with, and the keys that differ and need a restart."""
    changed = {key for key in type(running).model_fields if getattr(running, key) != getattr(wanted, key)}
    update = {key: getattr(wanted, key) for key in changed & AT_ONCE}
    return running.model_copy(update=update), tuple(sorted(changed - AT_ONCE))
