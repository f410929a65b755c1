"""What the supervisor passes to a worker at its start, without passwords and keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.config.configuration import Configuration
from edgeface.core.settings import Settings

if TYPE_CHECKING:
    from edgeface.config.configuration import Serve

_PARTS = {"data", "detector", "embedder", "recognition", "quality", "log"}


class Handover(Settings):
    """One JSON object on the worker's standard input."""

    folder: str
    """The working directory: paths of the configuration may be relative to it."""
    replacement: bool
    """Others are serving: listen only when ready."""
    configuration: Configuration


def handover(configuration: Configuration, settings: Serve, *, replacement: bool) -> bytes:
    """What a worker needs of the configuration, as JSON."""
    parts = {**configuration.model_dump(mode="json", include=_PARTS), "serve": settings.model_dump(mode="json")}
    return json.dumps({"folder": str(Path.cwd()), "replacement": replacement, "configuration": parts}).encode()
