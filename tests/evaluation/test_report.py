from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.evaluation import report
from edgeface.evaluation.calibration_fit import measure
from edgeface.evaluation.identification import Setup
from edgeface.evaluation.photo_set import PairList, PhotoSet
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.tflite import EMBEDDER

if TYPE_CHECKING:
    from pathlib import Path


def made_up(people: int, photos: int) -> PhotoSet:
    rng = np.random.default_rng(11)
    centres = np.repeat(rng.normal(size=(people, 24)), photos, axis=0)
    vectors = centres + 0.6 * rng.normal(size=centres.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = tuple(f"p{i:03}/{j}.jpg" for i in range(people) for j in range(photos))
    return PhotoSet(names, vectors.astype(np.float32), ("good",) * len(names))


def test_a_calibration_that_is_written_can_be_used(tmp_path: Path) -> None:
    seen = made_up(120, 5)
    curves = measure(seen.embeddings, seen.person, np.random.default_rng(1))
    made = report.calibration(seen, curves, EMBEDDER.sha256, "made up", "made up")
    assert (made.people, made.photos, made.pairs) == (120, 600, 120 * 119 // 2)
    file = tmp_path / "table.json"
    file.write_text(report.table_text(made))
    assert CalibrationTable.load(file, EMBEDDER.sha256) == made
    for one in report.one_to_one(seen, curves, made):
        assert one["fmr"]["low"] <= 1.15 * 1e-2
        assert one["people"] == (0 if one["templates"] + one["frames"] > 5 else 120)


@pytest.mark.slow(seconds=8)
def test_a_calibration_is_checked_on_other_people() -> None:
    found = report.cross_validation(made_up(1100, 2), iter, splits=2)
    assert found["splits"] == 2
    assert found["rows"]
    assert all(row["stated"] > 0 for row in found["rows"])
    assert {"people": 500, "templates": 3, "frames": 5, "level": "high"} in found["missing"]
    assert [one["splits"] for one in found["tail"]] == [2, 2]


def test_identification_reports_what_the_levels_would_do() -> None:
    found = report.identify(made_up(40, 8), CalibrationTable.shipped(), [Setup(5, 3, 5), Setup(500, 1, 1)])
    assert [one["people"] for one in found] == [5]
    for rates in found[0]["levels"].values():
        assert 0 <= rates["fnir"] <= 1
        assert rates["fpir_stated"] > 0
    assert found[0]["fnir_at_fpir"]["1e-3"] is None


def test_the_same_draws_give_the_same_figures() -> None:
    seen = made_up(30, 3)
    place = np.arange(60)
    listed = PairList(place, (place * 7 + 1) % 90, seen.person[place] == seen.person[(place * 7 + 1) % 90], place % 3)
    assert report.verification(seen, listed)[0] == report.verification(seen, listed)[0]
