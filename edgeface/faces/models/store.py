"""The converted model files of a data folder: adds, checks and removes them."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Literal, TypeAlias

from edgeface.core.errors import ModelError, UsageError, system_reason
from edgeface.core.files import own_as_folder, put_whole, read_at_most
from edgeface.core.text import printable_path
from edgeface.faces.models.known import FOLDER, KNOWN
from edgeface.faces.models.minifasnet_network import convert
from edgeface.faces.tflite import read_model

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.faces.models.known import KnownModel

# More than any converted file has; a larger one is not one of them.
_MAX_CONVERTED = 128 << 20

Presence: TypeAlias = Literal["missing", "installed", "damaged", "unreadable"]
"""Whether the converted file is there, can be read, and has the hash that it should have."""


def place(data: Path, model: KnownModel) -> Path:
    """Where the converted file of a model is in a data folder."""
    return data / FOLDER / model.installed


def add(source: Path, data: Path) -> KnownModel:
    """Convert a file and put the result into the data folder, whole or not at all.

    The hash is checked before anything in the file is read. Raises ModelError if the file is not a known one, or cannot
    be read, converted or written.
    """
    most = max(model.size for model in KNOWN)
    content = read_model(source, most, "not a known model file: it is too large (edgeface models list)")
    digest = hashlib.sha256(content).hexdigest()
    model = next((model for model in KNOWN if model.sha256 == digest), None)
    shown = printable_path(source)
    if model is None:
        known = ", ".join(f"{model.sha256[:16]}... ({model.file})" for model in KNOWN)
        raise ModelError(f"{shown}: not a known model file: its SHA-256 is {digest}; known are {known}")
    written = convert(model.architecture, content, shown)
    found = hashlib.sha256(written).hexdigest()
    if found != model.converted:
        raise ModelError(f"{shown}: converted to {found[:16]}..., expected {model.converted[:16]}...")
    _write(place(data, model), written)
    return model


def remove(name: str, data: Path) -> None:
    """Remove the converted file of a model. Raises UsageError if there is none, and ModelError if it stays."""
    model = next((model for model in KNOWN if model.name == name), None)
    if model is None:
        known = ", ".join(model.name for model in KNOWN)
        raise UsageError(f"no such model; there are {known}")
    path = place(data, model)
    try:
        path.unlink()
    except FileNotFoundError:
        raise UsageError(f"{name} is not installed") from None
    except OSError as error:
        raise ModelError(f"{printable_path(path)}: cannot be removed ({system_reason(error)})") from error


def presence(model: KnownModel, data: Path) -> Presence:
    """Whether a model is installed."""
    try:
        content = read_at_most(place(data, model), _MAX_CONVERTED)
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "unreadable"
    return "installed" if hashlib.sha256(content).hexdigest() == model.converted else "damaged"


def _write(path: Path, content: bytes) -> None:
    try:
        # The data folder first: with `parents`, mkdir would make it readable to all.
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            own_as_folder(handle, path.parent.parent)
        finally:
            os.close(handle)
        put_whole(path, content)
    except OSError as error:
        raise ModelError(f"{printable_path(path)}: cannot be written ({system_reason(error)})") from error
