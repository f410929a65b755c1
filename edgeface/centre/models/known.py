"""The embedders that the centre knows: the one in centre.yaml, and those that an administrator has added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.errors import FleetError, UnknownError, system_reason
from edgeface.core.files import put_whole
from edgeface.core.text import printable
from edgeface.faces.calibration import path_of, table_of
from edgeface.faces.embedder import embedder_name, open_embedder
from edgeface.faces.tflite import read_model

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.centre.settings import CentreSettings

FOLDER = "models"
"""The folder in the centre's data folder; each model lies in a folder of its own, named by its hash."""


def known_models(settings: CentreSettings) -> dict[str, Path | None]:
    """The file of each embedder by its name, None for the one that ships; the one in centre.yaml is the first."""
    own = settings.embedder.model
    added = sorted((settings.data / FOLDER).glob("*/*.tflite"))
    return {embedder_name(own): own, **{embedder_name(file): file for file in added}}


def add_model(settings: CentreSettings, file: Path) -> str:
    """Copy an embedder with its calibration table, and return its name; raises ModelError if either cannot be used."""
    open_embedder(file)
    table_of(file)
    name = embedder_name(file)
    folder = settings.data / FOLDER / name.rpartition(":")[2]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The table first: without the model, it is not found.
        put_whole(folder / path_of(file).name, read_model(path_of(file)))
        put_whole(folder / file.name, read_model(file))
    except OSError as error:
        raise FleetError(f"{error.filename or folder}: {system_reason(error)}") from error
    return name


def remove_model(settings: CentreSettings, name: str) -> None:
    """Delete the files of a model that was added; the one in centre.yaml stays."""
    file = known_models(settings).get(name)
    if file is not None and file != settings.embedder.model:
        file.unlink(missing_ok=True)
        path_of(file).unlink(missing_ok=True)


def find_model(settings: CentreSettings, word: str) -> str:
    """The name of the model that is meant by its name, with or without the hash; raises UnknownError."""
    names = known_models(settings)
    found = [name for name in names if word in {name, name.rpartition(":")[0]}]
    if len(found) != 1:
        raise UnknownError(f"{printable(word)}: no such model, or several; there are {', '.join(names)}")
    return found[0]
