"""The steps of the update test, on the files of 0.1 here; in /opt and as packages they are `make update-test`."""

import contextlib
import io
from pathlib import Path

import pytest

from edgeface.cli.main import main
from tools.steps import Failed
from tools.update import prepare, steps
from tools.update.steps import Answer

ROOT = Path(__file__).parents[2]


def edgeface(home: Path) -> steps.Edgeface:
    def run(*arguments: str) -> Answer:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main([arguments[0], "--config", str(home / "config.yaml"), *arguments[1:]])
        return Answer(status, said.getvalue())

    return run


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    clip = ROOT / "edgeface" / "demo_data" / "clip.mp4"
    steps.place(ROOT / "tests/data/v0.1", tmp_path / "data", tmp_path / "config.yaml", clip=str(clip))
    return tmp_path


@pytest.mark.slow(seconds=10)
def test_the_steps_pass_on_the_files_of_0_1(home: Path) -> None:
    said = steps.all_of(edgeface(home))
    assert "config accepted: accepted" in said
    assert "people known: 3 people and u-b2d6" in said
    assert "44 rows, 1 redacted" in said
    assert steps.matched(edgeface(home)) == 6


def test_changed_keys_are_named_with_their_lines_or_the_step_fails(home: Path) -> None:
    config = home / "config.yaml"
    config.write_text(config.read_text().replace("single_face:", "one_face:"))
    assert steps.config_accepted(edgeface(home)) == "1 keys named with their line"
    with pytest.raises(Failed, match="status 1: not a line"):
        steps.config_accepted(lambda *_: Answer(1, "not a line"))


@pytest.mark.parametrize("name", ["web.json", "keys.json", "gallery.db"])
def test_a_file_that_is_missing_is_noticed(home: Path, name: str) -> None:
    (home / "data" / name).unlink()
    with pytest.raises(Failed):
        steps.all_of(edgeface(home))


def test_the_later_versions_of_the_test_can_be_made_of_this_code(tmp_path: Path) -> None:
    for name, before in (("gallery/rows.py", prepare.SCHEMA), ("core/installed/releases.py", prepare.READS)):
        copy = tmp_path / Path(name).name
        copy.write_text((ROOT / "edgeface" / name).read_text(encoding="utf-8"), encoding="utf-8")
        prepare.change(copy, before, "changed")
        assert "changed" in copy.read_text()
        with pytest.raises(SystemExit, match="0 times, expected once"):
            prepare.change(copy, before, "changed")
