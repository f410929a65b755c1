from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.config.configuration import Configuration
from edgeface.gallery.snapshot import Census
from edgeface.people.rules import level_threshold
from tests.support.doors import SHORT, ship

if TYPE_CHECKING:
    import pytest


def test_without_a_level_that_holds_people_are_alike_at_the_strictest_cosine_of_the_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ship(SHORT, monkeypatch)
    configuration = Configuration.model_construct(cameras={})
    cosine, problem = level_threshold(configuration, Census(20))
    assert (cosine, problem) == (SHORT.threshold("normal", 20), None)
    cosine, problem = level_threshold(configuration, Census(10_000))
    # The cosine for one person would call thousands of pairs alike.
    assert cosine == SHORT.rows[-1].cosine > SHORT.threshold("low", 1)
    assert problem is not None
    assert "10,000 people" in problem
