"""Where the configuration is looked for, and where a person's own is written."""

from __future__ import annotations

import os
from pathlib import Path

from edgeface.core.installed.place import is_checkout

SYSTEM = Path("/etc/edgeface/config.yaml")
"""The configuration of the service."""
SYSTEM_DATA = Path("/var/lib/edgeface")
"""Its data folder."""
WRITTEN_BY_APP = "# Written by the app of Home Assistant"
"""The first words of a configuration that each start of the app overwrites."""


def default_config() -> Path:
    """The file that a command uses without --config.

    $EDGEFACE_CONFIG; ./config.yaml, except the reference in a checkout; the person's own; that of the service.
    """
    here = Path("config.yaml")
    if named := os.environ.get("EDGEFACE_CONFIG"):
        return Path(named)
    if here.exists() and not is_checkout(Path()):
        return here
    return own_config() if own_config().exists() else SYSTEM


def own_config() -> Path:
    """The person's own configuration, which `edgeface init` writes (XDG Base Directory Specification)."""
    return _base("XDG_CONFIG_HOME", ".config") / "edgeface" / "config.yaml"


def own_data() -> Path:
    """The person's own data folder."""
    return _base("XDG_DATA_HOME", ".local/share") / "edgeface"


def _base(variable: str, below_home: str) -> Path:
    # The specification ignores relative paths. Without a home, expanduser leaves the ~, and nothing is found there.
    named = os.environ.get(variable, "")
    return Path(named) if Path(named).is_absolute() else Path(os.path.expanduser("~")) / below_home  # noqa: PTH111
