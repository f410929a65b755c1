"""Every kind of bad input gets one clear line, the right exit status and no traceback."""

from pathlib import Path

import pytest

from edgeface.cli.main import main
from tests.support.film import DATA

CONFIG = "device: front\ndata: {data}\ncameras: {{porch: {{type: opencv, source: 0}}}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(data=tmp_path / "data"))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.err


def test_help_shows_examples_and_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert "78 configuration, model, key or processor" in text


def test_a_wrong_word_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["enrol"])
    assert ended.value.code == 2


def test_a_missing_configuration_is_78(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, error = run(capsys, "check", "--config", tmp_path / "none.yaml")
    assert (status, error.count("\n")) == (78, 1)


def test_a_photo_that_is_none_is_refused_and_nobody_enrolled(
    capsys: pytest.CaptureFixture[str], config: Path, tmp_path: Path
) -> None:
    text = tmp_path / "a.jpg"
    text.write_text("I am no photo")
    status, error = run(capsys, "enroll", "alice", text, "--config", config)
    assert status == 1
    assert "not a photo" in error
    assert "alice" not in _people(capsys, config)


@pytest.mark.parametrize("person", ["../etc", "a/b", "", "-a", "u-7f3a", "a" * 65])
def test_an_id_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], config: Path, person: str) -> None:
    status, error = run(capsys, "enroll", "--config", config, "--", person, DATA / "obama.jpg")
    assert status == 1
    assert error


def test_forgetting_nobody_is_refused(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    status, error = run(capsys, "forget", "nobody", "--config", config)
    assert status == 1
    assert "no gallery here yet" in error


@pytest.mark.parametrize("content", [None, b"", b"no clip", b"\x00\x00\x00\x18ftypmp42" + bytes(400)])
def test_a_clip_that_is_none_is_69(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes | None) -> None:
    clip = tmp_path / "clip.mp4"
    if content is not None:
        clip.write_bytes(content)
    people = tmp_path / "people" / "Barack_Obama"
    people.mkdir(parents=True)
    (people / "1.jpg").write_bytes((DATA / "obama.jpg").read_bytes())
    status, error = run(capsys, "replay", clip, "--gallery", people.parent)
    assert status == 69
    assert "clip.mp4" in error


def test_a_gallery_folder_without_people_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, error = run(capsys, "replay", DATA, "--gallery", tmp_path)
    assert status == 1
    assert "no folders of people in it" in error


def _people(capsys: pytest.CaptureFixture[str], config: Path) -> str:
    assert main(["people", "--config", str(config)]) == 0
    return capsys.readouterr().out
