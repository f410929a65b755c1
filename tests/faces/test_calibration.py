from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core.errors import GalleryError, ModelError
from edgeface.evaluation.report import table_text
from edgeface.faces.calibration import TARGETS, CalibrationRow, CalibrationTable, path_of, table_of
from edgeface.faces.tflite import EMBEDDER, FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.core.settings import Level

HASH = "ab" * 32
ROWS = (
    CalibrationRow(0.2, 0.08, 1600),
    CalibrationRow(0.3, 0.02, 400),
    CalibrationRow(0.4, 2e-3, 40),
    CalibrationRow(0.5, 2e-4, 30),
)
TABLE = CalibrationTable(HASH, "O-Net", "made up", 100, 200, 19_000, ROWS, (CalibrationRow(0.6, 5e-5, 1),))


def kept(tmp_path: Path, **changes: Any) -> Path:
    facts = json.loads(table_text(TABLE))
    file = tmp_path / "table.json"
    file.write_text(json.dumps({**facts, **changes}))
    return file


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert CalibrationTable.load(kept(tmp_path), HASH) == TABLE


def test_the_threshold_is_the_smallest_that_suffices() -> None:
    # low: 1e-2 for one; normal: 1e-3 for one, and 2e-4 for five.
    assert TABLE.threshold("low", 1) == 0.4
    assert TABLE.threshold("normal", 1) == 0.5
    assert TABLE.threshold("normal", 5) == 0.5
    assert TABLE.near("normal", 1) == 0.4


def test_a_level_may_be_estimated_beyond_the_data() -> None:
    assert (TABLE.most("normal"), TABLE.most("normal", estimated=True)) == (5, 20)
    assert TABLE.threshold("normal", 20, estimated=True) == 0.6
    assert TABLE.threshold("normal", 5, estimated=True) == 0.5
    assert TABLE.near("normal", 20, estimated=True) == 0.5
    assert TABLE.accepts(0.6, 20) == pytest.approx(1e-3)
    with pytest.raises(GalleryError):
        TABLE.threshold("normal", 6)


def test_an_empty_gallery_has_the_threshold_of_one_person() -> None:
    assert TABLE.threshold("low", 0) == TABLE.threshold("low", 1)


def test_a_level_that_cannot_be_shown_is_refused_with_what_would_help() -> None:
    assert TABLE.most("normal") == 5
    with pytest.raises(
        GalleryError,
        match=r"level 'normal' .* 6 people: the calibration data \(200 photos\) supports at most 5; enroll fewer",
    ):
        TABLE.threshold("normal", 6)
    with pytest.raises(GalleryError, match="does not support this level"):
        TABLE.threshold("high", 1)


def test_near_is_refused_where_the_threshold_is() -> None:
    assert TABLE.near("normal", 5) == 0.4
    with pytest.raises(GalleryError, match="cannot be guaranteed"):
        TABLE.near("high", 100)


def test_what_is_stated_is_the_rate_at_or_below_the_threshold() -> None:
    assert TABLE.accepts(0.45, 2) == pytest.approx(2 * 2e-3)
    assert TABLE.accepts(0.1, 1) == 1
    assert TABLE.accepts(0.2, 1000) == 1


@given(st.sampled_from(sorted(TARGETS)), st.integers(0, 3000))
def test_the_shipped_table_keeps_what_a_level_promises(level: Level, people: int) -> None:
    table = CalibrationTable.shipped()
    try:
        threshold = table.threshold(level, people)
    except GalleryError:
        assert people > table.most(level)
        return
    assert table.accepts(threshold, people) <= TARGETS[level]
    assert table.near(level, people) <= threshold
    assert threshold >= table.threshold(level, people // 2)


def test_the_shipped_table_serves_a_household_at_every_level() -> None:
    table = CalibrationTable.shipped()
    assert table.most("high") >= 5
    assert table.most("normal") >= 50
    assert table.threshold("low", 5) < table.threshold("normal", 5) < table.threshold("high", 5)


def test_the_shipped_table_is_that_of_the_shipped_embedder() -> None:
    assert CalibrationTable.load(path_of(FOLDER / EMBEDDER.file), EMBEDDER.sha256) is not None
    with pytest.raises(ModelError, match="is in use; create its table with"):
        CalibrationTable.load(path_of(FOLDER / EMBEDDER.file), HASH)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": []},
        {"rows": [[0.3, 0.1, 90], [0.2, 0.01, 40]]},
        {"rows": [[0.3, 0.1, 90], [0.4, 0.2, 95]]},
        {"rows": [[0.3, 0.1, -1]]},
        {"rows": [[0.3, 0.0, 30]]},
        {"estimated": [[0.4, 1e-5, 2]]},
        {"rows": [[0.3, 0.1]]},
        {"rows": [["0.3", 0.1, 0.2]]},
        {"rows": [[0.3, 0.1, float("nan")]]},
        {"rows": [[float("nan"), 0.1, 0.2]]},
        {"rows": None},
        {"people": 0},
        {"people": "many"},
        {"pairs": -3},
        {"unheard_of": 1},
        {"embedder": None},
    ],
)
def test_a_malformed_table_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="not a calibration table") as caught:
        CalibrationTable.load(kept(tmp_path, **changes), HASH)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"[" * 5000, b"{}", b" " * ((1 << 20) + 1)])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "table.json"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="not a calibration table"):
        CalibrationTable.load(file, HASH)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none.json: cannot be read \(No such file"):
        CalibrationTable.load(tmp_path / "none.json", HASH)


def test_another_embedder_comes_with_its_own_table(tmp_path: Path) -> None:
    model = tmp_path / "other.tflite"
    model.write_bytes((FOLDER / EMBEDDER.file).read_bytes())
    with pytest.raises(ModelError, match="cannot be read"):
        table_of(model)
    path_of(model).write_bytes(path_of(FOLDER / EMBEDDER.file).read_bytes())
    assert table_of(model) == CalibrationTable.shipped() == table_of(None)
    model.write_bytes(b"another model")
    with pytest.raises(ModelError, match="is in use"):
        table_of(model)
