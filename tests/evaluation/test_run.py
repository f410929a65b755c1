from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from edgeface.cli import main
from edgeface.evaluation import photo_set
from edgeface.faces import tflite
from edgeface.faces.tflite import EMBEDDER
from tests.support.photos import photo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people with two photos each, one of them without a face."""
    top: Path = tmp_path_factory.mktemp("people")
    for person, shots in {"biden": 2, "astronaut": 2, "obama": 1}.items():
        (top / person).mkdir()
        for number in range(shots):
            image = cv2.resize(photo(person)[:, :, ::-1], None, fx=1 - 0.4 * number, fy=1 - 0.4 * number)
            cv2.imwrite(str(top / person / f"{number}.jpg"), image if number == 0 else image[:, ::-1])
    cv2.imwrite(str(top / "obama" / "1.png"), np.full((200, 200, 3), 128, np.uint8))
    (top / "obama" / "notes.txt").write_text("not a photo")
    return top


@pytest.fixture(scope="module")
def pairs(folder: Path) -> Path:
    lines = [
        "0,1,biden/0.jpg,biden/1.jpg",
        "0,0,biden/0.jpg,astronaut/1.jpg",
        "1,1,astronaut/0.jpg,astronaut/1.jpg",
        "1,0,astronaut/0.jpg,obama/0.jpg",
        "1,1,obama/0.jpg,obama/1.png",
    ]
    file = folder.parent / "pairs.csv"
    file.write_text("fold,same,a,b\n" + "\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def cache(folder: Path, pairs: Path) -> tuple[Path, dict[str, Any]]:
    """The first run's cache and figures."""
    kept, out = folder.parent / "cache.npz", folder.parent / "figures.json"
    command = ["evaluate", str(folder), "--pairs", str(pairs), "--json", str(out), "--cache", str(kept)]
    assert main.main(command) == 0
    return kept, json.loads(out.read_text())


def test_the_figures_of_a_small_folder_are_as_counted_by_hand(cache: tuple[Path, dict[str, Any]]) -> None:
    found = cache[1]
    assert found["acquisition"] == {
        "photos": 6,
        "people": 3,
        "failed": 1,
        "rate": pytest.approx(1 / 6),
        "no_face": 1,
        "unreadable": 0,
        "not_judged": {},
    }
    verified = found["verification"]
    # The pair whose second photo has no face is missed.
    assert verified["accuracy_by_fold"][1] == pytest.approx(2 / 3)
    assert verified["accuracy"] == pytest.approx(np.mean(verified["accuracy_by_fold"]))
    assert (verified["pairs"], verified["genuine"]) == (5, 3)
    assert verified["tmr"]["1e-3"] is None
    assert found["all_pairs"]["impostor_comparisons"] == 2 * 2 + 2 * 1 + 2 * 1
    assert found["all_pairs"]["genuine_comparisons"] == 2
    assert found["identification"] == []


def test_a_second_run_takes_the_cache(
    folder: Path,
    cache: tuple[Path, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr(photo_set, "embed", never)
    assert main.main(["evaluate", str(folder), "--cache", str(cache[0])]) == 0
    assert "failure to acquire: 1 of 6 photos of 3 people" in capsys.readouterr().out


def test_a_cache_of_other_photos_is_not_taken(cache: tuple[Path, dict[str, Any]]) -> None:
    assert photo_set.restore(cache[0], "another mark") is None
    assert photo_set.restore(cache[0].with_name("none.npz"), "any") is None


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ({}, "no photos; it must hold PERSON/PHOTO"),
        ({"a": 2}, "one person only"),
        ({"a": 3, "b": 0}, "one person only"),
        ({"a": 1, "b": 1}, "no one has two photos"),
    ],
)
def test_a_folder_that_shows_nothing_is_refused(
    tmp_path: Path, people: dict[str, int], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for person, count in people.items():
        (tmp_path / person).mkdir()
        for number in range(count):
            (tmp_path / person / f"{number}.jpg").write_bytes(b"")
    assert main.main(["evaluate", str(tmp_path)]) == main.REFUSED
    assert message in capsys.readouterr().err


def test_a_missing_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["evaluate", str(tmp_path / "none")]) == main.REFUSED
    assert "none: no such folder" in capsys.readouterr().err


def test_a_calibration_on_a_few_photos_is_refused(folder: Path, cache: tuple[Path, Any], tmp_path: Path) -> None:
    command = ["evaluate", str(folder), "--cache", str(cache[0]), "--calibrate", str(tmp_path / "table.json")]
    assert main.main(command) == main.REFUSED
    assert not (tmp_path / "table.json").exists()


def test_plots_are_png_files(folder: Path, pairs: Path, cache: tuple[Path, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `evaluate`")
    command = ["evaluate", str(folder), "--pairs", str(pairs), "--cache", str(cache[0]), "--plots", str(tmp_path / "p")]
    assert main.main(command) == 0
    for name in ("accuracy-roc.png", "accuracy-det.png"):
        image = cv2.imread(str(tmp_path / "p" / name))
        assert image is not None
        assert image.shape[0] > 300


def test_another_embedder_is_measured_and_calibrated_by_its_own_name(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other_net.tflite"
    other.write_bytes((tflite.FOLDER / EMBEDDER.file).read_bytes())
    assert main.main(["evaluate", str(folder), "--embedder", str(other)]) == 0
    assert f"other-net:{EMBEDDER.sha256[:8]}" in capsys.readouterr().out
    wrong = tflite.FOLDER / tflite.SHORT_RANGE.file
    assert main.main(["evaluate", str(folder), "--embedder", str(wrong)]) == main.CONFIG
    assert "an embedder has" in capsys.readouterr().err
