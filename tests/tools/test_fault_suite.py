"""The fault suite's own tools: a tool that cannot find a fault would be worse than none."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.core import sqlite
from edgeface.gallery.gallery import Gallery
from edgeface.journal.journal import Journal
from tools.faults import cuts, disk, grants, listener, table
from tools.faults.__main__ import PARTS, main
from tools.faults.image import Image
from tools.faults.part import NotTriedError, Options, Row
from tools.faults.site import ROOT, Site, damage, rows, until
from tools.faults.soak import slope
from tools.faults.writer import MODEL, TEMPLATES, Lax

ROW = Row("power cut", "20 cuts | of an image", lost=0, torn=0, more="well")


def test_a_row_holds_only_when_nothing_was_lost_late_or_torn() -> None:
    assert ROW.passed
    assert not Row("x", "y", lost=1).passed
    assert not Row("x", "y", late=1).passed
    assert not Row("x", "y", torn=1).passed
    assert not Row("x", "y", faults=("slow",)).passed
    assert Row("x", "not tried: because", skipped=True).passed


def test_the_table_says_what_went_wrong() -> None:
    text = table.text([ROW, Row("soak", "10 minutes", late=2, faults=("memory rises",))])
    assert "every promise held" in table.text([ROW])
    assert "every promise held" not in text
    assert "problem: soak: memory rises" in text
    assert "problem: cut: lost 1, late None, torn 0" in table.text([Row("cut", "1 cut", lost=1, torn=0)])


def test_the_table_stands_between_its_marks(tmp_path: Path) -> None:
    file = tmp_path / "trust.md"
    file.write_text("before\n<!-- faults -->\nold\n<!-- /faults -->\nafter\n")
    for _ in range(2):
        table.write(file, "faults", table.markdown([ROW], "2026-11-22", "a machine"))
    written = file.read_text()
    assert written.startswith("before\n<!-- faults -->\nRun on 2026-11-22, a machine.\n\n| part |")
    assert "| power cut | 20 cuts \\| of an image | 0 |  | 0 | well |\n<!-- /faults -->\nafter\n" in written
    with pytest.raises(ValueError, match="once each"):
        table.between("no marks", "faults", "x")


def test_the_slope_of_a_leak_is_found_with_its_noise() -> None:
    seconds = np.arange(0, 600, 5.0)
    noise = np.random.default_rng(1).normal(0, 0.2, seconds.size)
    rise, error = slope(list(seconds), list(100 + seconds * 12 / 3600 + noise))
    assert rise == pytest.approx(12, abs=3 * error)
    assert 0.1 < error < 0.5
    assert slope([0.0, 3600.0, 7200.0], [1.0, 3.0, 5.0]) == pytest.approx((2, 0))


def received(kind: str, after: float | None, *, audit: bool) -> listener.Received:
    return listener.Received("id", kind, None, audit, after, 0.0)


def test_late_is_what_a_consumer_would_take_for_now() -> None:
    assert received("match", 3.1, audit=False).late
    assert not received("match", 2.9, audit=False).late
    assert not received("match", 60.0, audit=True).late
    assert not received("left", 4.0, audit=False).late


def write_a_little(folder: Path, mode: str = "") -> set[str]:
    command = [sys.executable, "-m", "tools.faults.writer", str(folder), "a", *([mode] if mode else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(20)]
        process.kill()
    assert lines[0] == ["ready"]
    return {id_ for kind, *ids in lines[1:] if kind == "J" for id_ in ids}


def test_what_the_writer_says_is_there_and_damage_is_found(tmp_path: Path) -> None:
    acknowledged = write_a_little(tmp_path / "data")
    assert len(acknowledged) >= 30
    assert acknowledged <= set(rows(tmp_path / "data" / "journal.db"))
    assert damage(tmp_path / "data") == []
    with closing(Gallery.open(tmp_path / "data", MODEL)) as gallery:
        assert {person.templates for person in gallery.people()} == {TEMPLATES}
    path = tmp_path / "data" / "gallery.db"
    content = path.read_bytes()
    path.write_bytes(content[:4096] + os.urandom(len(content) - 4096))
    (tmp_path / "data" / "gallery.db-wal").unlink(missing_ok=True)
    assert any(fault.startswith("gallery.db") for fault in damage(tmp_path / "data"))


def test_the_lax_writer_opens_its_files_with_normal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = sqlite.Schema((lambda db: db.execute("CREATE TABLE facts (fact TEXT)"),))
    asked = []
    for name, factory in (("full", sqlite.GuardedConnection), ("lax", Lax)):
        monkeypatch.setattr(sqlite, "GuardedConnection", factory)
        with closing(sqlite.open_database(tmp_path / f"{name}.db", schema, "thing")) as connection:
            asked.append(connection.execute("PRAGMA synchronous").fetchone()[0])
    assert asked == [2, 1]


def test_rows_of_no_journal_are_none(tmp_path: Path) -> None:
    assert rows(tmp_path / "journal.db") == {}
    sqlite3.connect(tmp_path / "empty.db").close()
    assert rows(tmp_path / "empty.db") == {}


def test_a_cut_takes_down_only_the_image(tmp_path: Path) -> None:
    image = Image(tmp_path / "image")
    image.mount.mkdir()
    with pytest.raises(RuntimeError, match="is not the image"):
        image.cut()
    (tmp_path / "alive").write_text("yes")


def test_a_power_cut_loses_what_nobody_waited_for_and_nothing_else(tmp_path: Path) -> None:
    try:
        with Image(tmp_path) as image:
            for name, wait in (("waited", True), ("hoped", False)):
                with (image.mount / name).open("wb") as file:
                    file.write(b"x" * 8192)
                    file.flush()
                    if wait:
                        os.fsync(file.fileno())
            image.cut()
            image.again()
            waited, hoped = image.mount / "waited", image.mount / "hoped"
            assert waited.read_bytes() == b"x" * 8192
            assert not hoped.exists() or hoped.read_bytes() != b"x" * 8192
    except NotTriedError as reason:
        pytest.skip(str(reason))
    assert not (tmp_path / "mount").is_mount()


def test_a_small_disk_is_full_when_it_is_filled(tmp_path: Path) -> None:
    try:
        with disk.small_disk(tmp_path / "small") as small:
            filler = disk._fill(small)
            assert filler.stat().st_size > 3_900_000
            with pytest.raises(OSError, match="No space left"):
                (small / "more").write_bytes(b"x")
    except NotTriedError as reason:
        pytest.skip(str(reason))
    assert not (tmp_path / "small").is_mount()


class Lock:
    """A door that opens for everything."""

    def challenge(self, _now: float) -> bytes:
        return b'{"nonce":"0123456789abcdef012345","boot":"b"}'

    def judge(self, _envelope: bytes, *, retained: bool, now: float) -> None:
        pass


@pytest.mark.parametrize("fate", grants.FATES[1:])
def test_a_door_that_opens_for_everything_is_found_out(fate: object) -> None:
    assert callable(fate)
    trial = grants.Trial(Lock(), grants.Device(), 1000.0, 0.5, Lock)  # type: ignore[arg-type]
    fate(trial)
    assert trial.wrong


def test_grants_open_when_they_are_fresh_and_not_otherwise(tmp_path: Path) -> None:
    row = grants.run(Options(tmp_path, grants=300, dice=random.Random(1)))
    assert row.passed, row.faults
    assert row.late == 0


def test_the_site_starts_and_kills_a_real_daemon(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.enroll_demo()
        assert site.start() < 20
        assert site.alive
        assert until(lambda: site.listener.state, 10)
        running = site.process
        site.kill()
        assert running is not None
        assert running.poll() == -signal.SIGKILL
        assert damage(site.data) == []


def test_a_part_that_cannot_be_tried_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_options: Options) -> Row:
        raise NotTriedError("mount: only root can do that")

    monkeypatch.setattr(cuts, "run", refuse)
    assert main(["--only", "cuts", "--seed", "1"]) == 0
    assert "not tried: mount: only root can do that" in capsys.readouterr().out


def test_every_part_is_a_module_with_a_run() -> None:
    for part in PARTS:
        assert (ROOT / "tools" / "faults" / f"{part}.py").read_text().count("\ndef run(options: Options) -> Row:") == 1


def test_until_gives_up(tmp_path: Path) -> None:
    began = time.monotonic()
    assert not until((tmp_path / "never").exists, 0.1)
    assert time.monotonic() - began < 30
    with closing(Journal(tmp_path / "journal.db")) as journal:
        assert until(lambda: journal.problem is None, 0.1)
