"""The regression guard fails if and only if something costs more, and names it."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import quick

FRAMES = "16"
SMALL = ["--frames", FRAMES, "--rounds", "2"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A baseline of tiny films, with ratios that other work on the machine cannot reach."""
    file = tmp_path_factory.mktemp("quick") / "baseline.json"
    assert quick.main([*SMALL, "--baseline", str(file), "--keep"]) == 0
    baseline: dict[str, Any] = json.loads(file.read_text())
    baseline["ratios"] = {name: [100 * value for value in values] for name, values in baseline["ratios"].items()}
    return baseline


def test_the_same_passes(kept: dict[str, Any]) -> None:
    same = quick.Found(**kept)
    assert quick.over(same, same) == []


def test_a_baseline_that_is_a_fifth_lower_fails_and_says_why(
    kept: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = kept["counts"]["four faces"]["blazeface_short_range.tflite"]
    assert runs > 10
    lower = round(0.8 * runs)
    four = {**kept["counts"]["four faces"], "blazeface_short_range.tflite": lower}
    baseline = {**kept, "counts": {**kept["counts"], "four faces": four}}
    assert quick.main([*SMALL, "--baseline", str(_written(tmp_path, baseline))]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "the baseline's" in line]
    assert line.startswith(f"four faces: {runs} runs of blazeface_short_range.tflite")
    assert line.endswith(f"over the baseline's {lower}")


def test_every_film_shows_who_is_in_it(kept: dict[str, Any]) -> None:
    assert quick.LOOKED in kept["counts"]["empty"]
    assert "mobilefacenet_int8.tflite" not in kept["counts"]["empty"]
    one, four = (kept["counts"][name]["mobilefacenet_int8.tflite"] for name in ("one face", "four faces"))
    assert 0 < one < four


def test_a_ratio_is_judged_by_its_median() -> None:
    baseline = {"empty": (0.9, 1.0, 1.1), "one face": (0.9, 1.0, 1.1)}
    found = {"empty": (1.2, 1.25, 1.3), "one face": (0.5, 1.09, 9.0)}
    assert quick.over_ratios(found, baseline) == {
        "empty": "empty: CPU 1.250 of the fixed work, 25% over the baseline's 1.000"
    }


def test_the_least_of_several_tries_counts() -> None:
    first, again = {"empty": (1.0, 1.3, 1.4), "one face": (1.0, 1.1, 1.2)}, {"empty": (0.9, 1.0, 1.1)}
    assert quick.least(first, again) == {"empty": (0.9, 1.0, 1.1), "one face": (1.0, 1.1, 1.2)}


def test_what_was_never_needed_is_over() -> None:
    assert quick.over_counts({"empty": {"onet.tflite": 1}}, {"empty": {}}) == [
        "empty: 1 runs of onet.tflite, over the baseline's 0"
    ]


def test_a_baseline_of_other_films_is_refused(kept: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="was made from films of 16 frames, these have 90"):
        quick.read(_written(tmp_path, kept), 90)
    with pytest.raises(SystemExit, match="--keep makes one"):
        quick.read(tmp_path / "none.json", 90)


def test_the_baseline_that_ships_is_of_the_films_that_are() -> None:
    baseline = quick.read(quick.BASELINE, quick.FRAMES)
    assert set(baseline.counts) == set(baseline.ratios) == set(quick.FILMS)


def _written(folder: Path, baseline: dict[str, Any]) -> Path:
    file = folder / "baseline.json"
    file.write_text(json.dumps(baseline))
    return file
