"""A detector type that no other room knows is handled everywhere by what DetectorBase offers."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import pytest

from edgeface.config import loader
from edgeface.core.types import Box, Detection
from edgeface.doctor import speed
from edgeface.faces.detectors.base import DetectorBase
from edgeface.faces.protocols import DetectionRequest, SearchGrid

if TYPE_CHECKING:
    from edgeface.config.configuration import Configuration
    from edgeface.core.types import Image

PACKAGE = Path(__file__).parents[2] / "edgeface"


class NoFaces:
    """Finds nothing."""

    def grid(self, width: int, height: int) -> SearchGrid:
        return SearchGrid(Box(0, 0, width, height))

    def detect(self, image: Image, request: DetectionRequest) -> list[Detection]:  # noqa: ARG002 - a detector
        return []


class BlindDetector(DetectorBase):
    """A detector type with a key that may change while it runs, and one that may not."""

    restartless: ClassVar[frozenset[str]] = frozenset({"smallest_face"})

    type: Literal["blind"] = "blind"
    smallest_face: int = 30
    model: str = "a"

    def open(self, threads: int = 1) -> NoFaces:  # noqa: ARG002 - as DetectorBase
        return NoFaces()


class FixedDetector(DetectorBase):
    """A detector type with no key."""

    def open(self, threads: int = 1) -> NoFaces:  # noqa: ARG002 - as DetectorBase
        return NoFaces()


@pytest.fixture
def configuration() -> Configuration:
    return with_detector(loader.parse(b"cameras: {porch: {type: opencv, source: 0}}\n", "c.yaml"), BlindDetector())


def with_detector(configuration: Configuration, detector: DetectorBase) -> Configuration:
    return configuration.model_copy(update={"detector": detector})


def test_a_reload_changes_only_the_keys_that_need_no_restart(configuration: Configuration) -> None:
    wanted = with_detector(configuration, BlindDetector(smallest_face=90))
    assert loader.merge(configuration, wanted) == (wanted, ())
    merged, kept = loader.merge(configuration, with_detector(wanted, BlindDetector(smallest_face=90, model="b")))
    assert (merged, kept) == (wanted, ("detector",))
    assert loader.merge(configuration, with_detector(wanted, FixedDetector())) == (configuration, ("detector",))


def test_the_smallest_face_is_known_where_there_is_one() -> None:
    assert BlindDetector().face_limit == 30
    assert FixedDetector().face_limit is None


def test_the_doctor_measures_it_on_one_thread(configuration: Configuration) -> None:
    costs = speed.measure(configuration, 0.0)
    assert [threads for stage, threads in costs if stage == "detect"] == [1]


def test_no_other_room_imports_a_detector_class() -> None:
    importers = {
        path.relative_to(PACKAGE).parts[:2]
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgeface.faces.detectors.")
    }
    assert importers == {("faces", "detectors")}
