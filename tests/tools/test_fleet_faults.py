"""The fault suite of a fleet: a step that cannot fail would be worse than none."""

from importlib import import_module
from pathlib import Path

import pytest

from tools import figures
from tools.faults import table
from tools.fleet_faults.__main__ import STEPS, main
from tools.fleet_faults.step import HEAD, Options, Row, missed

ROW = Row("lease over", "6 clocks | all wrong", "no one matched", "no one matched")


def test_a_bar_holds_only_without_a_fault() -> None:
    assert ROW.held == "yes"
    assert Row("x", "y", "z", "0", missed(nothing_lost=False)).held == "no"
    assert Row("x", "y", "z", "0", missed(nothing_lost=True)).held == "yes"
    assert Row("x", "not tried: no root", "", "0", skipped=True).held == "not tried"


def test_a_missed_bar_is_named() -> None:
    assert missed(nothing_lost=True, within_5_s=False) == ("within 5 s: no",)


def test_a_later_run_of_a_step_replaces_its_row(tmp_path: Path) -> None:
    later = Row(ROW.step, "again", "someone matched", ROW.bar, ("1 still matched",))
    for row in (ROW, Row("month", "", "", ""), later):
        file = figures.save("fleet-faults", table.grid([HEAD, row.cells]), tmp_path, partial=True)
    assert [(row["step"], row["held"]) for row in figures.load(file)] == [("lease over", "no"), ("month", "yes")]


@pytest.mark.parametrize("step", STEPS)
def test_every_step_can_be_run_alone(step: str) -> None:
    assert callable(import_module(f"tools.fleet_faults.{step}").run)


def test_a_step_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "nothing"])
    assert "invalid choice" in capsys.readouterr().err


def test_the_whole_suite_is_of_the_size_that_its_bars_name() -> None:
    options = Options(Path())
    assert (options.changes, options.devices, options.people) == (100_000, 200, 10_000)
