"""What the doctor reports about second factors."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.cli import main
from edgeface.config import loader
from edgeface.doctor import factors
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.security.sealing_keys import SEALING

if TYPE_CHECKING:
    from pathlib import Path

    from edgeface.config.configuration import Configuration

DOORS = """\
data: {data}
cameras: {{porch: {{type: opencv, source: 0}}}}
mqtt:
doors:
  front: {{camera: porch, allow: [{{person: alice}}], factor: {factor}}}
  back: {{camera: porch, allow: [{{person: alice}}]}}
"""


def configured(folder: Path, factor: str) -> Configuration:
    path = folder / "config.yaml"
    path.write_text(DOORS.format(data=folder / "data", factor=factor))
    return loader.load(path)


def keys(folder: Path, *arguments: str) -> None:
    assert main.main(["keys", *arguments, "--config", str(folder / "config.yaml")]) == 0


@pytest.mark.parametrize("factor", ["none", "pass"])
def test_without_a_sealed_factor_there_is_nothing_to_report(tmp_path: Path, factor: str) -> None:
    assert list(factors.findings(configured(tmp_path, factor))) == []


def test_a_sealing_key_is_missing_tried_and_found_altered(tmp_path: Path) -> None:
    settings = configured(tmp_path, "pin")
    (missing,) = factors.findings(settings)
    assert (missing.mark, missing.remedy) == ("bad", "edgeface keys new --seal")
    assert missing.says == "front: no sealing key (edgeface keys new --seal), so no factor arrives"
    keys(tmp_path, "new", "--seal", "--kid", "k1")
    (found,) = factors.findings(settings)
    assert (found.mark, found.says) == ("ok", "front: factors are opened by key k1")
    file = settings.data / SEALING.file
    records = json.loads(file.read_text())
    records[0]["private"] = records[0]["private"][:-8] + "AAAAAAA="
    file.write_text(json.dumps(records))
    assert [one.mark for one in factors.findings(settings)] == ["bad"]


def test_a_door_that_takes_cards_gets_the_warning_about_uids(tmp_path: Path) -> None:
    settings = configured(tmp_path, "[card, pin]")
    keys(tmp_path, "new", "--seal")
    _, warning = factors.findings(settings)
    assert warning.mark == "note"
    assert warning.says.startswith("front: takes cards; a UID is an identifier and no secret")


def test_people_who_have_none_of_the_factors_that_a_door_requires_are_named(tmp_path: Path) -> None:
    settings = configured(tmp_path, "[pin, card]")
    with closing(Gallery.open(tmp_path / "data", embedder_name())) as gallery:
        face = np.eye(1, 192, dtype=np.float32)[0]
        for person in ("alice", "bob"):
            gallery.enroll(person, None, [Template(face, gallery.model, "photo", 1.0)], 1.0)
        gallery.add_card("bob", "04a2b3c4", 1.0)
        lines = [one.says for one in factors.findings(settings)]
        assert "front: no factor that it takes: alice" in lines, "bob is not in the allow-list"
        gallery.set_code("alice", "40819273", 1.0)
        assert "front: no factor that it takes: alice" in [one.says for one in factors.findings(settings)]
        gallery.add_card("alice", "04a2b3c5", 1.0)
        assert not [one for one in factors.findings(settings) if "no factor that" in one.says]
    with_pass = configured(tmp_path, "[pin, pass]")
    assert not [one for one in factors.findings(with_pass) if "no factor that" in one.says]
