"""Checks that an embedder works on this machine, with three photos of two people that ship with edgeface."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.core.errors import FleetError, PhotoError
from edgeface.faces.calibration import table_of
from edgeface.faces.photo_face import PHOTO_SIDE, find_face
from edgeface.imaging import photos

if TYPE_CHECKING:
    from edgeface.config.configuration import Configuration

FOLDER = Path(__file__).parents[2] / "demo_data" / "people"
"""A folder for each person."""


def check_embedder(configuration: Configuration, size: int | None) -> None:
    """Embed the photos with the embedder of a configuration.

    Raises FleetError unless photos of one person are alike, those of two people are not, and embeddings have `size`
    numbers, if that is given; ModelError if the embedder or its calibration table cannot be used.
    """
    table, analyzer = table_of(configuration.embedder.model), configuration.open_analyzer()
    found = []
    try:
        for file in sorted(FOLDER.glob("*/*.jpg")):
            face = find_face(analyzer, photos.load(file, PHOTO_SIDE))
            found.append((file.parent.name, analyzer.embed(face.image, face.detection)))
    except PhotoError as error:
        raise FleetError(f"the self-check fails: {error}") from None
    alike = [(one == other, float(a @ b)) for (one, a), (other, b) in combinations(found, 2)]
    least = table.threshold("low", 1)
    if {same for same, _ in alike} != {True, False} or any((score >= least) is not same for same, score in alike):
        raise FleetError("the self-check fails: it does not tell the people of the reference photos apart")
    if size is not None and found[0][1].size != size:
        raise FleetError(f"its embeddings have {found[0][1].size} numbers, and the templates of the centre {size}")
