"""The command that corrects an event."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.cli import main
from edgeface.core.clock import SystemClock
from edgeface.core.types import Embedding, Probe
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.journal.journal import Journal

EVENT, UNKNOWN = "01JDPZ6M8W3V5Q7R9T1X2Y4Z6A", "01JDPZ6M8W3V5Q7R9T1X2Y4Z6B"
AXES = np.eye(192, dtype=np.float32)


def mixed(cosine: float) -> Embedding:
    return np.asarray(cosine * AXES[0] + np.sqrt(1 - cosine**2) * AXES[1], np.float32)


@pytest.fixture(name="data")
def _data(tmp_path: Path) -> Path:
    """Alice, named wrongly by an event, and an unknown."""
    wall = SystemClock().wall()
    with closing(Gallery.open(tmp_path / "data", embedder_name())) as gallery:
        gallery.enroll("alice", "Alice", [Template(AXES[0], gallery.model, "photo", 1.0)], 1.0)
        gallery.store_probes(
            [
                Probe(EVENT, "porch", wall, "alice", None, mixed(0.58)),
                Probe(UNKNOWN, "porch", wall, None, "u-7f3a", AXES[2]),
            ]
        )
    return tmp_path / "data"


def run(data: Path, *arguments: str) -> int:
    return main.main(["correct", "--config", str(data / "none.yaml"), "--data", str(data), *arguments])


def test_not_is_listed_and_undone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data, EVENT, "--not", "alice") == 0
    assert capsys.readouterr().out == f"{EVENT}: recorded that this is not alice\n"
    assert run(data, "--list", "alice") == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["EVENT", "CORRECTED", "CAMERA", "COSINE"]
    assert (line.split()[0], *line.split()[2:]) == (EVENT, "porch", "0.58")
    assert run(data, EVENT, "--undo", "alice") == 0
    assert f"alice: the negative template of {EVENT} was removed" in capsys.readouterr().out
    with closing(Journal(data / "journal.db")) as journal:
        assert [row.row.kind for row in journal.rows()] == ["corrected", "restored"]


def test_is_enrolls(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data, UNKNOWN, "--is", "bob", "--name", "Bob") == 0
    assert "bob: enrolled as Bob, 1 template" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["NONE", "--not", "alice"], 1, "no event of this device that can be corrected"),
        ([UNKNOWN, "--not", "alice"], 1, "names no one"),
        ([EVENT, "--undo", "alice"], 1, "no negative template from the event"),
        ([EVENT, "--undo", "carol"], 1, "no negative template from the event"),
        (["--list", "carol"], 1, "no one is enrolled with this id"),
        ([EVENT], 2, "give an EVENT with one of --not, --is and --undo, or --list"),
        (["--not", "alice"], 2, "give an EVENT"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, line: str
) -> None:
    assert run(data, *arguments) == status
    error = capsys.readouterr().err
    assert (line in error, error.count("\n")) == (True, 1)
    assert not (data / "journal.db").exists()
