from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.evaluation import report
from edgeface.evaluation.identification import Setup
from edgeface.evaluation.photo_set import PairList, PhotoSet
from edgeface.evaluation.rates import compare_all
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


def test_a_calibration_states_no_less_than_was_counted() -> None:
    seen = made_up(120, 4)
    compared = compare_all(seen.embeddings, seen.person, lambda _: None)
    table = report.calibration(seen, compared, EMBEDDER.sha256, "made up", "made up")
    assert (table.people, table.photos, table.comparisons) == (120, 480, 480 * 476 // 2)
    scores = seen.embeddings @ seen.embeddings.T
    impostor = scores[seen.person[:, None] != seen.person[None]]
    for row in table.rows[:: len(table.rows) // 5]:
        assert row.fmr == pytest.approx(float((impostor >= row.cosine).mean()), rel=0.01)
        assert row.upper > row.fmr
    # A row needs 30 false matches or more.
    assert table.rows[-1].fmr * table.comparisons >= 29.9


def test_a_calibration_that_is_written_can_be_used(tmp_path: Path) -> None:
    seen = made_up(120, 4)
    compared = compare_all(seen.embeddings, seen.person, lambda _: None)
    made = report.calibration(seen, compared, EMBEDDER.sha256, "made up", "made up")
    file = tmp_path / "table.json"
    file.write_text(report.table_text(made))
    assert CalibrationTable.load(file, EMBEDDER.sha256) == made


def test_identification_reports_what_the_levels_would_do() -> None:
    found = report.identify(made_up(40, 8), CalibrationTable.shipped(), [Setup(5, 3, 5), Setup(500, 1, 1)])
    assert [one["people"] for one in found] == [5]
    for rates in found[0]["levels"].values():
        assert rates["fpir"] <= rates["fpir_upper"]
        assert rates["fnir"] <= rates["fnir_with_margin"]
    assert found[0]["fnir_at_fpir"]["1e-3"] is None


def test_the_same_draws_give_the_same_figures() -> None:
    seen = made_up(30, 3)
    place = np.arange(60)
    listed = PairList(place, (place * 7 + 1) % 90, seen.person[place] == seen.person[(place * 7 + 1) % 90], place % 3)
    assert report.verification(seen, listed)[0] == report.verification(seen, listed)[0]
