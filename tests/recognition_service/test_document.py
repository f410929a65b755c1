"""docs/recognition-service.md names what there is."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.config.configuration import Serve
from edgeface.gallery.gallery import Gallery
from edgeface.recognition_service import metrics
from edgeface.recognition_service.gallery_reader import GalleryReader
from edgeface.workers.shared_counts import LABELS, SharedCounts, make
from tests.recognition_service.test_gallery_reader import MODEL, add, ids

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recognition-service.md").read_text(encoding="utf-8")
PUBLISH = ROOT / "packages" / "kubernetes" / "publish"


def test_every_metric_is_in_the_table_and_nothing_else() -> None:
    memory = make(1)
    counts = SharedCounts(memory, 0)
    os.close(memory)
    found = {one.name + "_total" * (one.type == "counter") for one in metrics._Counts(counts).collect()}
    assert set(re.findall(r"^\| `(edgeface_[a-z_]+)", PAGE, re.MULTILINE)) == found
    assert ", ".join(LABELS) in PAGE


def test_every_setting_is_in_the_table() -> None:
    table = PAGE.partition("## Settings")[2].partition("\n## ")[0]
    named = {
        key
        for row in table.splitlines()
        if row.startswith("| `")
        for key in re.findall("`([a-z_]+)`", row.split("|")[1])
    }
    assert named == set(Serve.model_fields)


def test_publish_puts_a_gallery_on_a_volume_that_can_be_read_there(tmp_path: Path) -> None:
    data, volume = tmp_path / "data", tmp_path / "volume"
    volume.mkdir()
    data.mkdir()
    (data / "web.json").write_text("[]")
    with closing(Gallery.open(data, MODEL)) as gallery:
        add(gallery, "alice", 1)
        assert subprocess.run([PUBLISH, data, volume], check=False).returncode == 0
        assert {path.name for path in volume.iterdir()} == {"gallery.db", "key.id", "web.json"}
        assert all(path.stat().st_mode & 0o077 == 0 for path in volume.iterdir())
        (volume / "key").write_bytes((data / "key").read_bytes())
        with closing(GalleryReader(volume, MODEL)) as reader:
            assert ids(reader) == ["alice"]
            gallery.remove(["alice"])
            assert ids(reader) is None
            assert subprocess.run([PUBLISH, data, volume], check=False).returncode == 0
            assert ids(reader) == []
    # Tokens that are gone here work there no more.
    (data / "web.json").unlink()
    assert subprocess.run([PUBLISH, data, volume], check=False).returncode == 0
    assert not (volume / "web.json").exists()


@pytest.mark.parametrize("arguments", [[], ["/nowhere", "/tmp"], ["/tmp", "/nowhere"]])  # noqa: S108 - nothing is written
def test_publish_says_how_it_is_used(arguments: list[str]) -> None:
    done = subprocess.run([PUBLISH, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: publish DATA VOLUME, two folders\n")
