"""The supplied clip at full speed: the same bytes twice, and the events of the golden file."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from edgeface.cli.main import main
from edgeface.cli.replay import boot_of
from edgeface.core.errors import CameraError
from edgeface.demo.scenario import CLIP, PEOPLE
from edgeface.imaging.opencv import cv2
from tests.support.film import Actor, picture

GOLDEN = Path(__file__).parent.parent / "data" / "demo_events.json"


def replay(file: Path) -> bytes:
    assert main(["replay", str(CLIP), "--gallery", str(PEOPLE), "--events", str(file)]) == 0
    return file.read_bytes()


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return replay(tmp_path_factory.mktemp("replay") / "events.jsonl")


def test_two_replays_give_the_same_bytes(replayed: bytes, tmp_path: Path) -> None:
    assert replayed
    assert replayed == replay(tmp_path / "again.jsonl")


def test_the_events_are_those_of_the_golden_file(replayed: bytes) -> None:
    """Kinds and people are exact; scores and times may differ as much as another CPU or OpenCV makes them."""
    golden: list[dict[str, Any]] = json.loads(GOLDEN.read_text())
    events = [json.loads(line) for line in replayed.splitlines()]
    assert [(e["event_type"], e["person"]) for e in events] == [(g["event_type"], g["person"]) for g in golden]
    for event, expected in zip(events, golden, strict=True):
        assert _seconds(event) == pytest.approx(expected["at"], abs=0.35)
        if expected["score"] is not None:
            assert event["score"] == pytest.approx(expected["score"], abs=0.05)


def test_a_replay_says_what_it_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*actors: Actor, face: int = 100) -> str:
        for number in range(30):
            cv2.imwrite(str(tmp_path / f"{number:02}.png"), picture(*actors, face=face, seed=number)[..., ::-1])
        assert main(["replay", str(tmp_path), "--gallery", str(PEOPLE), "--events", os.devnull]) == 0
        shown = capsys.readouterr()
        assert shown.out == ""
        return shown.err.splitlines()[-1]

    assert said() == "edgeface: 30 frames, 0 faces"
    assert said(("biden", 250, 90)) == "edgeface: 30 frames, 1 face"
    assert said(("obama3", 250, 90), face=27) == "edgeface: 30 frames, 1 face; not decided: 1 small"


def test_every_stranger_visit_has_the_same_id(replayed: bytes) -> None:
    events = [json.loads(line) for line in replayed.splitlines()]
    ids = [event["unknown"] for event in events if event["event_type"] == "unknown"]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def _seconds(event: dict[str, Any]) -> float:
    minutes, seconds = event["captured_at"][14:23].split(":")
    return 60 * int(minutes) + float(seconds)


def test_a_replay_is_named_after_the_bytes_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"a" * (1 << 20))
    (tmp_path / "1.png").write_bytes(b"b")
    (tmp_path / "sub").mkdir()
    assert boot_of(tmp_path) == hashlib.sha256(b"a" * (1 << 20) + b"b").hexdigest()[:16]


def test_a_pipe_is_no_clip(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CameraError, match="neither a file nor a folder"):
        boot_of(tmp_path / "pipe")
