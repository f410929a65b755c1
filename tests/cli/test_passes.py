"""`edgeface pass`: a QR code that OpenCV reads, the list, and a revocation."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edgeface.access.pass_list import PassList
from edgeface.access.passes import PassError, PassRules, verify
from edgeface.cli import main
from edgeface.core.clock import SystemClock
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.journal.journal import Journal
from edgeface.security import signing_keys
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., int]

CONFIG = """\
device: front
data: {data}
cameras: {{porch: {{type: opencv, source: 0}}}}
mqtt: {{}}
doors:
  front-door: {{camera: porch, allow: [{{person: alice}}]}}
  back-door: {{camera: porch, allow: [{{person: alice}}]}}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    model = embedder_name()
    with closing(Gallery.open(folder, model)) as gallery:
        gallery.enroll("alice", "Alice", [Template(np.eye(192, dtype=np.float32)[0], model, "photo", 1.0)], 1.0)
    signing_keys.write(folder, signing_keys.new((), "2026-11", open_vault(folder), 1.0))
    return folder


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Run:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(data=data))
    return lambda *arguments: main.main(["pass", "--config", str(config), *arguments])


def rules(data: Path) -> PassRules:
    issued = {one.id: one.person for one in PassList(data, open_vault(data)).passes()}
    return PassRules("front", signing_keys.public_keys(signing_keys.read(data)), issued)


def test_a_pass_from_the_picture_to_its_end(
    run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("segno", reason="needs the extra pass")
    out = tmp_path / "pass.png"
    assert run("alice", "--door", "front-door", "--days", "7", "--out", str(out)) == 0
    text = cv2.QRCodeDetector().detectAndDecode(np.asarray(cv2.imread(str(out))))[0]
    wall = SystemClock().wall()
    one = verify(text, rules(data), wall, synced=True)
    assert (one.person, one.doors, one.site) == ("alice", ("front-door",), "front")
    assert 7 * 1440 - 1 <= one.until - wall / 60 <= 7 * 1440
    capsys.readouterr()
    assert run("--list") == 0
    assert capsys.readouterr().out.startswith(f"{one.id}  alice  until ")
    assert run("--revoke", one.id) == 0
    with pytest.raises(PassError, match="revoked"):
        verify(text, rules(data), wall, synced=True)
    assert run("--revoke", one.id) == 1
    with closing(Journal(data / "journal.db")) as journal:
        rows = [json.loads(row.payload) for row in journal.unpublished(99) if row.kind == "factors"]
    assert [(row["person"], row["factor"], row["pass"], row.get("removed")) for row in rows] == [
        ("alice", "pass", one.id, None),
        ("alice", "pass", one.id, True),
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["bob", "--out", "{out}"], 1, "bob"),
        (["alice"], 2, "--out FILE"),
        (["--out", "{out}"], 2, "pass PERSON"),
        (["alice", "--door", "gate", "--out", "{out}"], 1, "no such door; there are front-door, back-door"),
        (["alice", "--days", "0", "--out", "{out}"], 1, "1 to 366"),
        (["alice", "--days", "367", "--out", "{out}"], 1, "1 to 366"),
        (["--revoke", "x"], 1, "no pass x"),
    ],
)
def test_a_mistake_is_one_line_and_makes_no_pass(
    run: Run,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    says: str,
) -> None:
    out = tmp_path / "pass.png"
    assert run(*(one.format(out=out) for one in arguments)) == status
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not out.exists()
    assert PassList(data, open_vault(data)).passes() == ()


def test_a_missing_library_is_one_line_and_makes_no_pass(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    assert run("alice", "--out", str(tmp_path / "pass.png")) == 78
    assert "edgeface pass draws with segno: " in capsys.readouterr().err
    assert PassList(data, open_vault(data)).passes() == ()


def test_without_a_signing_key_there_is_no_pass(
    run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / signing_keys.FILE).unlink()
    assert run("alice", "--out", str(tmp_path / "pass.png")) == 1
    assert "no signing key" in capsys.readouterr().err


def test_a_picture_that_cannot_be_written_leaves_no_pass(
    run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("segno", reason="needs the extra pass")
    out = tmp_path / "pass.png"
    out.write_bytes(b"mine")
    assert run("alice", "--out", str(out)) == 1
    assert "cannot be written (File exists)" in capsys.readouterr().err
    assert out.read_bytes() == b"mine"
    assert not rules(data).issued
