"""Model files that a user brings: known ones only, read without running anything in them, written whole."""

import hashlib
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edgeface.cli import main
from edgeface.faces.models import known, store
from edgeface.faces.models.minifasnet_network import V2, convert
from edgeface.faces.tflite import FOLDER
from tests.support.checkpoints import saved, weights
from tests.support.disks import full_disk

CODE = b"\x80\x02cposix\nsystem\nX\x0a\x00\x00\x00touch harm\x85R."


def known_as(path: Path) -> known.KnownModel:
    """The row of the table that this file would have."""
    data = path.read_bytes()
    converted = hashlib.sha256(convert(V2, data, "w")).hexdigest()
    digest = hashlib.sha256(data).hexdigest()
    return replace(known.MINIFASNET_V2, sha256=digest, size=len(data), converted=converted)


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with random weights that is in the table of known ones."""
    path = tmp_path / "weights.pth"
    path.write_bytes(saved(weights(V2)))
    model = known_as(path)
    monkeypatch.setattr(store, "KNOWN", (model,))
    monkeypatch.setattr("edgeface.cli.setup.models.KNOWN", (model,))
    return path


def run(capsys: pytest.CaptureFixture[str], data: Path, *words: object) -> tuple[int, str]:
    status = main.main(["models", *map(str, words), "--data", str(data)])
    return status, "".join(capsys.readouterr())


def test_a_known_file_is_added_listed_and_removed(
    one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    assert "minifasnet-v2: not installed" in run(capsys, data, "list")[1]
    status, said = run(capsys, data, "add", one)
    assert status == 0
    assert f"liveness:\n  type: minifasnet\n  near: {data}/models/minifasnet-v2.tflite\n" in said
    assert "Apache-2.0" in said
    written = data / "models" / "minifasnet-v2.tflite"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert "minifasnet-v2: installed" in run(capsys, data, "list")[1]
    written.write_bytes(written.read_bytes()[:-1])
    assert "minifasnet-v2: damaged" in run(capsys, data, "list")[1]
    assert run(capsys, data, "remove", "minifasnet-v2")[0] == 0
    assert not written.exists()
    assert run(capsys, data, "remove", "minifasnet-v2") == (2, "edgeface: minifasnet-v2 is not installed\n")


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (CODE, f"its SHA-256 is {hashlib.sha256(CODE).hexdigest()}; known are "),
        (saved(weights(V2))[:-1], "(2.7_80x80_MiniFASNetV2.pth)"),
        (b"x" * 3_000_000, "not a known model file: it is too large"),
        (None, "cannot be read (No such file or directory)"),
    ],
    ids=["code", "cut", "large", "missing"],
)
def test_any_other_file_is_refused_in_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, says: str
) -> None:
    path = tmp_path / "other.pth"
    if content is not None:
        path.write_bytes(content)
    status, said = run(capsys, tmp_path / "data", "add", path)
    assert status == 78
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_full_disk_leaves_nothing_half_written(one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with full_disk(100_000):  # a write fails half-way
        status, said = run(capsys, tmp_path / "data", "add", one)
    assert (status, said.count("\n")) == (78, 1)
    assert "minifasnet-v2.tflite: cannot be written (File too large)" in said
    assert list((tmp_path / "data" / "models").iterdir()) == []


def test_a_file_that_converts_to_other_bytes_is_not_kept(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "KNOWN", (replace(known_as(one), converted="0" * 64),))
    status, said = run(capsys, tmp_path / "data", "add", one)
    assert (status, said.count("\n")) == (78, 1)
    assert "expected 0000000000000000..." in said
    assert not (tmp_path / "data").exists()


def test_the_folders_are_made_for_their_owner_alone(
    one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, tmp_path / "new" / "data", "add", one)[0] == 0
    for folder in ("new/data", "new/data/models"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_a_file_that_cannot_be_read_is_not_called_missing(
    one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del one
    (tmp_path / "data" / "models" / "minifasnet-v2.tflite").mkdir(parents=True)
    assert "minifasnet-v2: installed, but cannot be read\n" in run(capsys, tmp_path / "data", "list")[1]


def test_a_folder_that_cannot_be_written_is_one_line(
    one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("a file")
    status, said = run(capsys, tmp_path / "data", "add", one)
    assert (status, said.count("\n")) == (78, 1)
    assert "cannot be written" in said


@pytest.mark.parametrize("words", [["add"], ["remove"], ["list", "x"], ["remove", "other"]])
def test_wrong_words_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    status, said = run(capsys, tmp_path, *words)
    assert (status, said.count("\n")) == (2, 1)


@pytest.mark.parametrize("model", known.KNOWN, ids=lambda one: one.name)
def test_models_md_names_each_model_that_a_user_brings(model: known.KnownModel) -> None:
    text = (FOLDER / "MODELS.md").read_text()
    section = next(part for part in text.split("\n### ") if part.startswith(model.installed))
    assert f"`{model.sha256}`" in section
    assert f"`{model.converted}`" in section
    assert f"{model.size:,} bytes" in section
    assert model.source.endswith(f"/resources/anti_spoof_models/{model.file}")
