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
