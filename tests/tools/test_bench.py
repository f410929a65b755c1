from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import bench, chart, clips
from benchmarks.actors import cut, default_cast
from benchmarks.loops.seen import Seen
from benchmarks.report import markdown
from benchmarks.runner import LOOPS, Kind, Runner
from benchmarks.score import Face, Truth, score
from edgeface.config.configuration import Configuration
from edgeface.core.types import Box
from edgeface.faces.blazeface import BlazeFace, Region
from edgeface.imaging.opencv import cv2

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.actors import Actor
    from edgeface.core.types import Image

SIZE = (640, 480)
PARTS = clips.SCENES["four"]


@pytest.fixture(scope="module")
def actors() -> list[Actor]:
    analyzer = Configuration.model_validate({"cameras": {"clip": {"type": "opencv", "source": 0}}}).open_analyzer()
    cast = default_cast()
    return [cut(analyzer, one.name, one.shown) for one in (cast[part.member % len(cast)] for part in PARTS)]


@pytest.fixture(scope="module")
def clip(actors: list[Actor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Biden and Collins, for two blocks and the frame before them."""
    file = tmp_path_factory.mktemp("clips") / "two.avi"
    clips.write(file, actors[:2], PARTS[:2], SIZE, 31 / clips.FPS, "1")
    return file


def opened(file: Path) -> list[Image]:
    video = cv2.VideoCapture(str(file))
    pictures = []
    while (read := video.read())[0]:
        pictures.append(np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), np.uint8))
    return pictures


def test_the_truth_is_where_the_model_finds_the_faces(actors: list[Actor]) -> None:
    model = BlazeFace.short_range()
    for image, faces in clips.frames(actors, PARTS, SIZE, 3 / clips.FPS, "1"):
        assert len({face.person for face in faces}) == len(PARTS)
        for face in faces:
            found = model.find(image, Region.around(face.box, 2.0), 0.5)
            assert max(one.box.iou(face.box) for one in found) > 0.7, face.person


def test_a_clip_and_its_truth_are_read_as_they_were_made(clip: Path, actors: list[Actor]) -> None:
    (read,) = bench.clips_of(clip.parent)
    made = list(clips.frames(actors[:2], PARTS[:2], SIZE, 31 / clips.FPS, "1"))
    assert read.truth is not None
    assert len(opened(clip)) == len(read.truth.frames) == len(made)
    for faces, (_, placed) in zip(read.truth.frames, made, strict=True):
        assert [face.person for face in faces] == [one.person for one in placed]
        for face, one in zip(faces, placed, strict=True):
            assert face.box == pytest.approx(one.box, abs=0.06)
            assert face.seen == 1.0


def test_noise_outlasts_the_coding_of_a_still_clip(tmp_path: Path) -> None:
    clips.write(tmp_path / "empty.avi", [], [], SIZE, 2 / clips.FPS, "1")
    one, other = (picture.astype(np.float32) for picture in opened(tmp_path / "empty.avi"))
    assert 0.5 * clips.NOISE < float(np.std(one - other)) / np.sqrt(2) < 1.2 * clips.NOISE


def test_who_walks_past_hides_who_is_behind(actors: list[Actor]) -> None:
    behind = clips.Part(0, 0.4, 0.15, (clips.Step(0, 0.5), clips.Step(9, 0.5)))
    before = clips.Part(1, 0.4, 0.25, (clips.Step(0, 0.1), clips.Step(1, 0.9)))
    seen = [faces[0].seen for _, faces in clips.frames(actors[:2], (behind, before), SIZE, 1.0, "1")]
    assert seen[0] == seen[-1] == 1.0
    assert min(seen) < 0.1


def test_a_loop_in_its_own_process_sees_and_names_the_people_of_a_clip(clip: Path, tmp_path: Path) -> None:
    people = {one.name: [str(photo) for photo in one.enrolled] for one in default_cast()[1:3]}
    (read,) = bench.clips_of(clip.parent)
    runs = bench.run_clip(read, people, ["ours"], 31 / clips.FPS, max(os.sched_getaffinity(0)), tmp_path)
    figures = bench.summed_up(runs, read.truth, set(people))["ours"]
    assert figures["blocks"] == 2
    assert 0 < figures["cpu_ms"][0] <= figures["cpu_ms"][2]
    assert 0 < figures["start_s"] < 60
    assert 40 < figures["rss_mb"] < 400
    got = figures["score"]
    assert got["frames"] == 31
    assert got["found"] >= 0.9 * got["faces"] > 0
    assert got["right"] >= 0.9 * got["due"] > 0
    assert (got["false"], got["wrong"], got["known_visits"], len(got["to_named"])) == (0, 0, 2, 2)


def test_a_loop_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOOPS, "nobodys", LOOPS["ours"])
    runner = Runner("nobodys", {}, SIZE, max(os.sched_getaffinity(0)), tmp_path / "its.log")
    with pytest.raises(SystemExit, match=r"the loop nobodys failed: .*No module named 'benchmarks.loops.nobodys'.*log"):
        runner.look([np.zeros((480, 640, 3), np.uint8)], 0.0, 15.0)
    runner.close()


def test_a_loop_without_its_environment_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOOPS, "dlib", Kind(tmp_path / "python"))
    with pytest.raises(SystemExit, match="python is missing: make bench makes it"):
        Runner("dlib", {}, SIZE, 0, tmp_path / "dlib.log")


def face(person: str, left: float, seen: float = 1.0) -> Face:
    return Face(person, Box(left, 100, left + 100, 200), seen)


def box(left: float, name: str | None = None) -> Seen:
    return Seen((left, 100, left + 100, 200), name)


def test_faces_are_counted_as_found_missed_and_false() -> None:
    truth = Truth(10, ((face("ann", 0), face("bob", 300)), (face("ann", 0), face("bob", 300, seen=0.5))))
    got = score(truth, {0: [box(10), box(500)], 1: [box(10), box(300)]}, {"ann"})
    assert (got.frames, got.faces, got.found, got.false, got.wrong) == (2, 3, 2, 1, 0)
    # Two boxes on one face: one matches it, and the other is not a stray.
    got = score(truth, {0: [box(0), box(20), box(310)]}, {"ann"})
    assert (got.found, got.false) == (2, 0)


def test_names_are_right_after_a_second_and_a_stranger_has_none() -> None:
    truth = Truth(10, ((face("ann", 0), face("sue", 300)),) * 21)
    seen = {n: [box(0, "ann" if n >= 4 else None), box(300, "ann" if n == 20 else None)] for n in range(2, 21)}
    got = score(truth, seen, {"ann"})
    assert (got.due, got.right, got.wrong) == (22, 21, 1)
    assert (got.to_found, got.to_named, got.visits, got.known_visits) == ([0.2, 0.2], [0.4], 2, 1)


def test_somebody_who_comes_back_after_more_than_a_second_visits_again() -> None:
    here, away = (face("ann", 0),), ()
    assert len(Truth(10, (here, *[away] * 10, here)).visits()) == 2
    assert len(Truth(10, (here, *[away] * 9, here)).visits()) == 1


def test_clips_of_your_own_need_no_truth_and_enroll_from_folders(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "door.avi").write_bytes(clip.read_bytes())
    (tmp_path / "people" / "Anna_B").mkdir(parents=True)
    (tmp_path / "people" / "Anna_B" / "a.JPG").touch()
    assert bench.people_of(tmp_path) == {"Anna B": [str(tmp_path / "people" / "Anna_B" / "a.JPG")]}
    assert bench.clips_of(tmp_path) == [bench.Clip(tmp_path / "door.avi", None)]
    (tmp_path / "cast.json").write_text(json.dumps({"people": {"ann": ["x"]}}))
    assert bench.people_of(tmp_path) == {"ann": ["x"]}


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no clips in it"):
        bench.clips_of(tmp_path)


def test_ratios_are_taken_block_by_block() -> None:
    runs = {"ours": bench.Run(cpu_ms={0: 1.0, 1: 4.0, 2: 3.0}), "dlib": bench.Run(cpu_ms={1: 40.0, 2: 10.0})}
    figures = bench.summed_up(runs, None, set())["dlib"]
    assert figures["ours_over_this"] == [0.15, 0.2, 0.25]
    assert figures["ours_over_this_mean"] == pytest.approx(0.14)
    assert "score" not in figures


def test_the_table_says_what_is_known_and_leaves_the_rest_empty() -> None:
    known = {
        "frames": 300,
        "faces": 200,
        "found": 190,
        "false": 3,
        "due": 100,
        "right": 99,
        "wrong": 1,
        "visits": 3,
        "to_found": [0.0, 0.2],
        "known_visits": 2,
        "to_named": [0.4, 0.6],
    }
    cost = {"cpu_ms": [1.0, 2.0, 3.0], "cpu_ms_mean": 2.5, "start_s": 1.25, "rss_mb": 99.6}
    ratio = {"ours_over_this": [0.1, 0.2, 0.3], "ours_over_this_mean": 0.25}
    loops = {"ours": {**cost, "every": True, "score": known}, "dlib": {**cost, **ratio, "every": False}}
    lines = markdown([{"clip": "one-480", "loops": loops}]).splitlines()
    assert lines[2:] == [
        (
            "| one-480 | edgeface | 2.5 | 2.0 (1.0 to 3.0) |  |  | 95.0 % | 10 | 99.0 % | 1"
            " | 0.10, 0.20 at most; 1 of 3 never | 0.50, 0.60 at most | 100 | 1.2 |"
        ),
        (
            "| one-480 | face_recognition | 2.5 | 2.0 (1.0 to 3.0) | 0.250 | 0.200 (0.100 to 0.300)"
            " |  |  |  |  |  |  | 100 | 1.2 |"
        ),
    ]
    assert {line.count("|") for line in lines} == {15}


def test_the_chart_is_a_picture_and_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="charts are the extra `evaluate`")
    score_ = {"found": 9, "faces": 10, "right": 5, "due": 5}
    ours = {"cpu_ms": [1.0, 2.0, 3.0], "score": score_}
    rows = [
        {"clip": "empty", "loops": {"ours": {"cpu_ms": []}, "dlib": {"cpu_ms": [100.0, 110.0, 120.0]}}},
        {"clip": "one", "loops": {"ours": ours}},
    ]
    chart.draw(rows, tmp_path / "a" / "one.png")
    chart.draw(rows, tmp_path / "two.png")
    picture = cv2.imread(str(tmp_path / "two.png"))
    assert picture is not None
    assert picture.std() > 10
    assert (tmp_path / "a" / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
