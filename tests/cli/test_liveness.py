"""`edgeface liveness`: the conversation, the table, the figures and the errors of the real command."""

import io
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TextIO

import cv2
import numpy as np
import pytest

from edgeface.cli import main
from edgeface.cli.liveness.dialogue import Dialogue
from edgeface.core.errors import CameraError
from edgeface.evaluation.liveness_rates import CLAIMS
from edgeface.evaluation.liveness_table import COLUMNS, KINDS, Setup, TrialRow, read, without_void
from edgeface.evaluation.presentation import Outcome
from edgeface.evaluation.proportions import trials_needed
from edgeface.faces.models import store
from edgeface.faces.models.known import KNOWN
from tests.support.clock import FixedClock
from tests.support.photos import on_a_phone, photo

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "edgeface" / "demo_data" / "clip.mp4"
# The folder of the two .pth files that a user downloads (docs/liveness.md).
WEIGHTS = os.environ.get("EDGEFACE_MODELS")
SETUP = Setup("0.1.0", "porch", "passive", "blazeface", "m:1", "living=0.5")
LIVING = Outcome("living", 5, (0.9, 0.8), {}, 2.5)
SPOOF = Outcome("spoof", 5, (0.9, 0.1), {"screen_or_print": 1}, 2.0)
STEPS = [("genuine", 1, 1), ("phone", 1, 2), ("phone", 2, 2)]

Run = Callable[..., int]


class Script:
    """A dialogue with lines that are typed, and outcomes that come in order."""

    def __init__(self, lines: str, *outcomes: Outcome) -> None:
        self.rows: list[TrialRow] = []
        left: Iterator[Outcome] = iter(outcomes)
        self.dialogue = Dialogue(
            "porch",
            SETUP,
            lambda _: next(left),
            self.rows.append,
            io.StringIO(lines),
            FixedClock(epoch=1_764_000_000.0),
        )

    def hold(self) -> list[tuple[str, str]]:
        self.dialogue.hold(STEPS)
        return [(row.kind, row.verdict) for row in self.rows]


def test_each_presentation_is_asked_for_judged_and_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script("\n\n\n\n", LIVING, SPOOF, LIVING)
    assert script.hold() == [("genuine", "living"), ("phone", "spoof"), ("phone", "living")]
    assert script.rows[0].time == "2025-11-24T16:00:00.000Z"
    said = capsys.readouterr().out
    assert "Genuine presentation 1 of 1: stand in front of the camera porch and look at it, then press Enter" in said
    assert "Attack, phone, 2 of 2: hold a phone with a picture of an enrolled person" in said
    assert "  accepted: found living (5 looks, means 0.90 0.80, 2.5 s)" in said
    assert "  did not pass: found to be a spoof (5 looks, means 0.90 0.10, 2.0 s, screen_or_print 1)" in said
    assert "  PASSED: found living" in said


def test_s_skips_and_the_end_of_input_ends() -> None:
    assert Script("s\n\n", SPOOF).hold() == [("phone", "spoof")]
    assert Script("s\ns\ns\n").hold() == []
    assert Script("").hold() == []


def test_r_declares_the_last_one_void_and_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script("\n\nr\n\n\nr\n\n\n", LIVING, LIVING, SPOOF, SPOOF, LIVING)
    assert script.hold() == [
        *[("genuine", "living"), ("phone", "living"), ("phone", "void"), ("phone", "spoof")],
        *[("phone", "spoof"), ("phone", "void"), ("phone", "living")],
    ]
    kept, void = without_void(script.rows)
    assert ([row.verdict for row in kept], void) == (["living", "spoof", "living"], 2)
    assert Script("r\nx\n\ns\nr\n", LIVING).hold() == [("genuine", "living")]
    said = capsys.readouterr().out
    assert said.count("there is none to repeat") == 2
    assert "press Enter, or type s or r" in said


def test_every_kind_has_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    Script("s\n" * 9).dialogue.hold([(kind, 1, 1) for kind in (*KINDS, "other:doll")])
    said = capsys.readouterr().out
    assert said.count("then press Enter") == 8
    assert "Attack, other:doll, 1 of 1: present it to the camera porch" in said


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A camera that shows three grey pictures, without the section liveness."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((72, 128, 3), 60 + number, np.uint8))
    path = tmp_path / "config.yaml"
    path.write_text(f"data: {tmp_path / 'data'}\ncameras:\n  porch: {{type: replay, path: {folder}, rate: 30}}\n")
    return path


@pytest.fixture
def run(config: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on this config, with lines that are typed."""

    def typed(lines: str | TextIO, action: str, *arguments: str) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(lines) if isinstance(lines, str) else lines)
        return main.main(["liveness", action, "--config", str(config), *arguments])

    return typed


def table_of(config: Path) -> Path:
    return config.parent / "data" / "liveness-trial.csv"


def test_a_trial_appends_to_the_table_and_prints_the_figures_of_all_of_it(
    run: Run, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--challenge", "--kind", "phone", "--presentations", "2")
    assert run("\n\n\n", "trial", *arguments) == 0
    assert re.search(r"no response: nothing was judged \(0 looks, \d\.\d s, no_face 1\)", capsys.readouterr().out)
    assert run("\n", "trial", *arguments) == 0
    said = capsys.readouterr().out
    assert [row.verdict for row in read(table_of(config))] == ["no_response"] * 3
    assert table_of(config).read_text().splitlines()[0] == ",".join(COLUMNS)
    assert table_of(config).stat().st_mode & 0o777 == 0o600
    assert "  phone                          3   3 (100.0 %)          0       0   APCER -" in said
    assert "phone: nothing was judged, so nothing is shown" in said
    assert f"table: {table_of(config)}" in said


def test_other_settings_are_counted_apart(run: Run, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--challenge", "--kind", "genuine")
    assert run("\n", "trial", *arguments) == 0
    config.write_text(config.read_text() + "quality: {height: 60}\n")
    capsys.readouterr()
    assert run("\n\n", "trial", *arguments) == 0
    said = capsys.readouterr().out
    assert "  genuine                        2" in said
    assert "1 presentation with another setup: edgeface liveness report shows them apart" in said
    assert run("", "report") == 0
    assert capsys.readouterr().out.count("camera porch, checks: challenge, edgeface") == 2


def test_the_page_lists_the_columns_the_kinds_and_the_numbers_of_a_claim() -> None:
    page = (ROOT / "docs" / "liveness.md").read_text()
    section = page.partition("## Measure it at your own door\n")[2].partition("\n## ")[0]
    listed = section.partition("| column | content |\n|---|---|\n")[2]
    assert tuple(re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)) == COLUMNS
    assert all(f"`{kind}`" in section for kind in KINDS)
    for claim in CLAIMS:
        assert f"| {claim:.0%} | {trials_needed(claim)} | {trials_needed(claim, 1)} |".replace("%", " %") in section


def test_ctrl_c_ends_the_trial_with_the_figures(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    def lines() -> Iterator[str]:
        yield "\n"
        raise KeyboardInterrupt

    typed = lines()
    assert run(SimpleNamespace(readline=lambda: next(typed)), "trial", "--challenge") == 130
    assert "  genuine                        1" in capsys.readouterr().out


def test_the_report_as_json(run: Run, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = config.parent / "data"
    folder.mkdir()
    rows = [
        "2026-11-29T09:00:45.707Z,0.1.0,porch,passive,blazeface,m:1,living=0.5," + rest
        for rest in (
            *["phone,spoof,5,0.125 0.500,,2.5"] * 42,
            "genuine,living,5,0.900 0.900,,1.0",
            "genuine,undecided,10,0.400 0.900,,15.0",
        )
    ]
    table_of(config).write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    assert run("", "report", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["setup"]["camera"] == "porch"
    assert found["apcer"] == {"kind": "phone", "rate": 0.0}
    genuine, phone = found["kinds"]
    assert (genuine["bpcer"], genuine["bpnrr"], genuine["undecided"]) == (0.5, 0.0, 1)
    assert (phone["presentations"], phone["apcer"], phone["apnrr"]) == (42, 0.0, 0.0)
    assert phone["limit"] == pytest.approx(0.0688, abs=1e-4)
    assert phone["interval"] == pytest.approx([0.0, 0.0841], abs=1e-4)
    assert run("", "report") == 0
    said = capsys.readouterr().out
    assert "  phone: no attack of 42 passed: APCER below 7 % (6.9 % at most) with 95 % confidence, one-sided" in said
    assert "one-sided; below 5 %: 17 more, none passing\n" in said
    assert "  APCER, the highest of the species: 0.0 % (phone)" in said
    assert "BPCER 50.0 %   1.3 % to 98.7 %" in said


def test_a_report_without_a_table(run: Run, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("", "report") == 0
    assert capsys.readouterr().out == f"{table_of(config)}: no presentation yet\n"
    assert run("", "report", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (("trial",), 2, "the config has no section liveness for porch: add it (docs/liveness.md), or give --challenge"),
        (("trial", "--challenge", "--camera", "hall"), 1, "hall: no such camera in the config; it has: porch"),
        (("trial", "--challenge", "--kind", "other:Alice B."), 2, "--kind other:Alice B.: give one of genuine, print"),
        (("trial", "--challenge", "--presentations", "0"), 2, "--presentations is 1 to 1000"),
        (("trial", "--challenge", "--json"), 2, "--json is for liveness report"),
        (("trial", "--challenge", "--table", "/nowhere/t.csv"), 1, "/nowhere/t.csv: cannot be written (No such file"),
        (("report", "--challenge"), 2, "liveness report takes --table and --json alone"),
    ],
)
def test_a_mistake_is_one_line(
    run: Run, arguments: tuple[str, ...], status: int, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("\n", *arguments) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"edgeface: {problem}")


def test_of_two_cameras_one_must_be_named(run: Run, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text() + "  hall: {type: opencv, source: 9}\n")
    assert run("", "trial", "--challenge") == 2
    assert capsys.readouterr().err == "edgeface: give --camera; the config has: porch, hall\n"


def test_a_camera_without_pictures_is_one_line_after_the_figures(
    run: Run, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace("rate: 30", "faults: [{kind: fail, at: 0.0}]"))
    assert run("\n", "trial", "--challenge") == main.UNAVAILABLE
    said = capsys.readouterr()
    assert "no presentation was recorded" in said.out
    (line,) = said.err.splitlines()
    assert line.startswith("edgeface: camera porch: ")
    assert not table_of(config).exists()


def test_missing_models_are_the_lines_of_the_loader(run: Run, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text() + "liveness: {type: minifasnet, near: n.tflite, wide: w.tflite}\n")
    assert run("", "trial") == main.CONFIG
    near, wide = capsys.readouterr().err.splitlines()
    assert near.startswith(f"{config}:4: liveness.near: ")
    assert "edgeface models add FOLDER/" in wide


def test_a_foreign_table_is_refused_before_anything_is_shown(
    run: Run, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table_of(config).parent.mkdir()
    table_of(config).write_text("name,picture\nalice,a.jpg\n")
    for action in (("trial", "--challenge"), ("report",)):
        assert run("\n", *action) == 1
        said = capsys.readouterr()
        assert said.err.startswith(f"edgeface: {table_of(config)}:1: the columns are not those")
        assert said.out == ""
    assert table_of(config).read_text() == "name,picture\nalice,a.jpg\n"


def test_a_camera_that_fails_in_a_presentation_leaves_no_row() -> None:
    script = Script("\n")

    def fails(_: object) -> Outcome:
        raise CameraError("gone")

    with pytest.raises(CameraError):
        Dialogue("porch", SETUP, fails, script.rows.append, io.StringIO("\n"), FixedClock()).hold(STEPS)
    assert script.rows == []


@pytest.fixture
def with_models(config: Path) -> Path:
    """The config with the real models, a camera that shows the clip of the demo, and one that shows a phone."""
    if WEIGHTS is None:
        pytest.skip("EDGEFACE_MODELS does not name the folder of the two .pth files")
    data, phone, rng = config.parent / "data", config.parent / "phone", np.random.default_rng(1)
    for model in KNOWN:
        store.add(Path(WEIGHTS) / model.file, data)
    near, wide = (store.place(data, model) for model in KNOWN)
    phone.mkdir()
    held = on_a_phone(photo("obama"))[..., ::-1]
    for number in range(30):
        # Noise, so that it is not one frozen picture.
        noisy = np.clip(held + rng.normal(0, 1, held.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(phone / f"{number:02}.png"), noisy)
    config.write_text(
        f"data: {data}\ncameras:\n  porch: {{type: replay, path: {CLIP}}}\n"
        f"  hall: {{type: replay, path: {phone}, loop: true}}\n"
        f"liveness: {{type: minifasnet, near: {near}, wide: {wide}}}\n"
    )
    return config


def test_the_models_find_a_portrait_on_a_phone_to_be_a_spoof(
    run: Run, with_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("\n", "trial", "--camera", "hall", "--kind", "phone") == 0
    assert "did not pass: found to be a spoof (5 looks" in capsys.readouterr().out
    (row,) = read(table_of(with_models))
    assert (row.verdict, dict(row.reasons)["screen_or_print"]) == ("spoof", 1)
    assert min(row.means) < 0.3


def test_the_models_find_the_clip_of_the_demo_living_and_the_table_has_scores_alone(
    run: Run, with_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, data = with_models, with_models.parent / "data"
    before = {path for path in data.rglob("*") if path.is_file()}
    assert run("\n", "trial", "--kind", "genuine", "--camera", "porch") == 0
    assert "accepted: found living (5 looks" in capsys.readouterr().out
    # Nothing but the table: no gallery, no journal, no picture.
    assert {path for path in data.rglob("*") if path.is_file()} - before == {table_of(config)}
    (row,) = read(table_of(config))
    assert (row.verdict, row.looks, len(row.means), row.setup.checks) == ("living", 5, 2, "passive")
    assert f"minifasnet-v2.tflite:{KNOWN[0].converted[:16]}" in row.setup.models
    assert row.setup.limits.startswith("living=0.5 spoof=0.3 looks=5 settings=")
    assert len(table_of(config).read_bytes()) < 400
