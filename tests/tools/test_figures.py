import json
from pathlib import Path

import pytest

from tools import figures

TABLE = """Run on 2026-11-28.

| | before | now |
|---|---|---|
| a \\| b | 1 | 2 |
| last | | 3.5 ms |
"""


def test_a_table_is_one_object_for_each_row() -> None:
    assert figures.rows(TABLE) == [
        {"": "a | b", "before": "1", "now": "2"},
        {"": "last", "before": "", "now": "3.5 ms"},
    ]


def test_the_figures_are_kept_as_json(tmp_path: Path) -> None:
    assert figures.save("trial", TABLE, tmp_path / "build") == tmp_path / "build" / "trial.json"
    assert json.loads((tmp_path / "build" / "trial.json").read_text()) == figures.rows(TABLE)


def test_a_row_with_other_columns_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        figures.rows("| a | b |\n|---|---|\n| 1 |\n")


def test_a_part_of_a_run_replaces_its_own_rows_only(tmp_path: Path) -> None:
    figures.save("trial", TABLE, tmp_path)
    part = "| | before | now |\n|---|---|---|\n| last | | 2.5 ms |\n| new | | 1 |\n"
    file = figures.save("trial", part, tmp_path, partial=True)
    assert [list(row.values()) for row in json.loads(file.read_text())] == [
        ["a | b", "1", "2"],
        ["last", "", "2.5 ms"],
        ["new", "", "1"],
    ]
    figures.save("trial", part, tmp_path)
    assert len(json.loads(file.read_text())) == 2
