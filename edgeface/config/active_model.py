"""The embedder that a fleet has changed this device over to, in place of the one in config.yaml.

The data folder has its name; only a model that config.yaml lists can be meant by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.errors import ModelError
from edgeface.core.files import put_whole, read_at_most
from edgeface.faces.embedder import embedder_name
from edgeface.faces.settings import EmbedderSettings

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.config.configuration import Configuration

FILE = "embedder"
"""Name of the file in the data folder."""
_MAX_BYTES = 200


def in_use(configuration: Configuration) -> Configuration:
    """The configuration with the embedder that the device was changed over to; unchanged where there is none."""
    if configuration.fleet is None or not configuration.fleet.models:
        return configuration
    try:
        name = read_at_most(configuration.data / FILE, _MAX_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError):
        return configuration
    return with_embedder(configuration, name) or configuration


def with_embedder(configuration: Configuration, name: str) -> Configuration | None:
    """The configuration with the listed embedder of this name; None if there is no such file."""
    listed = () if configuration.fleet is None else configuration.fleet.models
    for file in (configuration.embedder.model, None, *listed):
        if _name(file) == name:
            return configuration.model_copy(update={"embedder": EmbedderSettings(model=file)})
    return None


def activate(folder: Path, name: str) -> None:
    """Have the embedder of this name used from now on; raises OSError if that cannot be written."""
    put_whole(folder / FILE, f"{name}\n".encode())


def _name(file: Path | None) -> str | None:
    """The name of a model; None if its file cannot be read."""
    try:
        return embedder_name(file)
    except ModelError:
        return None
