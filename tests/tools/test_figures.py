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


def test_the_figures_are_in_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert json.loads(figures.save("trial", TABLE).read_text()) == figures.rows(TABLE)


def test_a_row_with_other_columns_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        figures.rows("| a | b |\n|---|---|\n| 1 |\n")
