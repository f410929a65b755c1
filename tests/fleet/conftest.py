"""A device with a data folder, and a small centre that it has joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgeface.config.configuration import Configuration, Fleet
from edgeface.faces.embedder import embedder_name
from tests.support.clock import FixedClock
from tests.support.fleet import SmallCentre
from tests.support.fleet_device import Device

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallCentre]:
    centre = SmallCentre(tmp_path / "centre", embedder_name(Configuration().embedder.model))
    with centre.serving():
        yield centre


@pytest.fixture
def device(tmp_path: Path, small: SmallCentre) -> Device:
    settings = Configuration(device="front", data=tmp_path / "data", fleet=Fleet(centres=(small.url,)))
    made = Device(settings, FixedClock(epoch=small.now), small)
    made.join()
    return made
