"""The daemon names tampering, records it, and signs nothing while the people are in doubt."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edgeface.cli.main import main
from edgeface.core.clock import SystemClock
from edgeface.daemon.integrity_watch import IntegrityWatch
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from edgeface.security import counter as counters
from edgeface.security import integrity, signing_keys
from edgeface.security.counter import open_counter
from edgeface.security.head import LIST_FILES
from edgeface.security.signing_keys import Signer
from edgeface.security.tpm import TCTI
from edgeface.security.vault import open_vault
from tests.support.broker import until
from tests.support.data_folders import fill, generation, put_back, rows, use
from tests.support.software_tpm import SoftwareTpm, needs_swtpm, software_tpm


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder, and an older copy of it."""
    root = tmp_path_factory.mktemp("made")
    fill(root / "data")
    shutil.copytree(root / "data", root / "old")
    use(root / "data")
    return root


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "data"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    with closing(Journal(folder / "journal.db")) as journal:
        yield journal


@pytest.fixture
def watch(folder: Path) -> Iterator[IntegrityWatch]:
    vault = open_vault(folder)
    watch = IntegrityWatch(folder, vault, SystemClock(), poll=0.1)
    watch.signer = Signer(folder, vault, SystemClock())
    yield watch
    watch.stop()


def recorded(journal: Journal) -> list[str]:
    return [entry.row.payload for entry in journal.rows(kinds=("integrity",))]


def test_all_is_well_and_grants_are_signed_once_that_is_known(watch: IntegrityWatch, journal: Journal) -> None:
    watch.start(journal)
    assert watch.signer is not None
    until(lambda: watch.signer is not None and watch.signer.withheld is None)
    watch.signer.refresh()
    assert (watch.signer.key is None, watch.lines, recorded(journal)) == (False, (), [])
    facts = watch.facts()
    assert facts is not None
    assert facts["problems"] == []
    assert facts["number"] == facts["gallery"] + facts["journal"]


def test_a_gallery_put_back_is_named_recorded_and_closes_the_doors_until_it_is_accepted(
    folder: Path, journal: Journal, tmp_path: Path
) -> None:
    put_back(folder, tmp_path / "old", "gallery.db")
    watch = IntegrityWatch(folder, open_vault(folder), SystemClock(), poll=0.1)
    signer = watch.signer = Signer(folder, open_vault(folder), SystemClock())
    told: list[str] = []
    journal.listeners += (lambda row: told.append(row.kind) if isinstance(row, JournalRow) else None,)
    watch.start(journal)
    try:
        until(lambda: bool(watch.lines))
        assert watch.lines[0].startswith("gallery.db: was put back or cut")
        until(lambda: "gallery.db" in (signer.withheld or ""))
        signer.refresh()
        assert signer.key is None
        assert "edgeface audit accept" in (signer.problem or "")
        assert recorded(journal) == ['{"file":"gallery.db","found":"put back"}']
        assert told == ["integrity"], "the page and notifications hear of it"
        assert main(["audit", "accept", "--data", str(folder)]) == 0
        until(lambda: signer.withheld is None)
        until(lambda: not watch.lines)
        signer.refresh()
        assert [record.kid for record in signing_keys.read(folder)] == ["first", "n"]
        assert signer.problem is None
    finally:
        watch.stop()


@pytest.mark.parametrize("name", LIST_FILES)
def test_an_older_list_of_device_keys_is_named_and_not_signed_again_while_grants_are(
    name: str, folder: Path, journal: Journal, watch: IntegrityWatch, tmp_path: Path
) -> None:
    put_back(folder, tmp_path / "old", name)
    watch.start(journal)
    until(lambda: bool(watch.lines))
    until(lambda: watch.list_withheld != "the data folder is being checked")
    assert watch.lines[0].startswith(f"{name}: was altered, or put back")
    assert "edgeface audit accept" in (watch.list_withheld or "")
    assert watch.signer is not None
    assert watch.signer.withheld is None
    assert main(["audit", "accept", "--data", str(folder)]) == 0
    until(lambda: watch.list_withheld is None)


def test_a_journal_that_was_cut_closes_no_door(watch: IntegrityWatch, folder: Path, journal: Journal) -> None:
    rows(folder / "journal.db", "DELETE FROM rows WHERE seq > 4")
    watch.start(journal)
    until(lambda: bool(watch.lines))
    assert watch.signer is not None
    until(lambda: watch.signer is not None and watch.signer.withheld is None)
    assert watch.lines[0].startswith("journal.db: ")


def test_the_whole_folder_put_back_is_named_by_the_broker_even_after_this_run_has_written(
    folder: Path, tmp_path: Path
) -> None:
    remembered = generation(folder, open_vault(folder))
    old = tmp_path / "old"
    with closing(Journal(old / "journal.db")) as journal:
        later = IntegrityWatch(old, open_vault(old), SystemClock())
        signer = later.signer = Signer(old, open_vault(old), SystemClock())
        for count in range(100):
            journal.record("config", 1.0, {"n": count})
        later.start(journal)
        later.recall(remembered)
        until(lambda: "generation: was put back" in (signer.withheld or ""))
        later.stop()
        assert recorded(journal) == ['{"file":"generation","found":"put back"}']
    assert main(["audit", "verify", "--data", str(old)]) == 1
    assert folder.exists()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A database that no one else can read for now."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("PRAGMA journal_mode = DELETE").fetchall()
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_a_check_that_fails_ends_no_doubt(watch: IntegrityWatch, folder: Path, journal: Journal) -> None:
    rows(folder / "gallery.db", "DELETE FROM people WHERE rowid = 1")
    watch.start(journal)
    signer = watch.signer
    assert signer is not None
    until(lambda: "gallery.db" in (signer.withheld or ""))
    watch.stop()
    with locked(folder / "gallery.db"):
        watch._check()
    assert "gallery.db" in (signer.withheld or "")
    assert watch.lines


def test_a_folder_in_the_place_of_a_key_file_is_named_and_keeps_no_check_from_being_made(
    watch: IntegrityWatch, folder: Path, journal: Journal
) -> None:
    (folder / "web.json").unlink()
    (folder / "web.json").mkdir()
    watch.start(journal)
    until(lambda: watch.lines == ("web.json: was replaced by a folder",))
    until(lambda: watch.signer is not None and watch.signer.withheld is None)


def test_grants_stay_withheld_until_the_first_check_succeeds(
    watch: IntegrityWatch, folder: Path, journal: Journal
) -> None:
    with locked(folder / "gallery.db"):
        watch.start(journal)
        watch._check()
        assert watch.signer is not None
        assert watch.signer.withheld == "the data folder is being checked"
    until(lambda: watch.signer is not None and watch.signer.withheld is None, 15)


def test_a_journal_that_cannot_be_read_is_not_taken_for_an_older_folder(folder: Path) -> None:
    vault = open_vault(folder)
    remembered = generation(folder, vault)
    (folder / "journal.db").write_bytes(b"garbage" * 4096)
    now = integrity.numbers(folder, vault)
    assert [*now] == ["gallery"]
    assert integrity.older_than(now, vault, remembered) is None


@pytest.mark.parametrize("value", ["\ud800", None, True, 1.5, [[]], {}, "9"], ids=ascii)
def test_what_anyone_may_have_written_about_a_generation_raises_nothing(value: object, folder: Path) -> None:
    vault = open_vault(folder)
    now, remembered = integrity.numbers(folder, vault), {**(generation(folder, vault) or {}), "journal": value}
    assert integrity.older_than(dict.fromkeys(now, -1), vault, remembered) is None
    assert integrity.older_than(now, vault, {"gallery": 1, "journal": 1, "mark": value}) is None


def test_a_journal_that_is_older_alone_is_named_by_itself(folder: Path) -> None:
    vault = open_vault(folder)
    remembered, now = generation(folder, vault), integrity.numbers(folder, vault)
    found = integrity.older_than({**now, "journal": now["journal"] - 1}, vault, remembered)
    assert found is not None
    assert found.alarm.subject == "journal.db"
    both = {part: number - 1 for part, number in now.items()}
    assert integrity.older_than(both, vault, remembered).alarm == integrity.ROLLED_BACK  # type: ignore[union-attr]


@pytest.fixture
def tpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftwareTpm]:
    with software_tpm(tmp_path / "tpm") as tpm:
        monkeypatch.setenv(TCTI, tpm.tcti)
        yield tpm


@contextmanager
def watching(folder: Path) -> Iterator[tuple[IntegrityWatch, Signer]]:
    """A watch of a folder whose configuration uses the TPM's counter."""
    vault = open_vault(folder)
    watch = IntegrityWatch(folder, vault, SystemClock(), open_counter(folder, vault, used=True), poll=0.1)
    signer = watch.signer = Signer(folder, vault, SystemClock())
    with closing(Journal(folder / "journal.db")) as journal:
        watch.start(journal)
        yield watch, signer
        watch.stop()


def audit(action: str, folder: Path, tmp_path: Path) -> int:
    config = tmp_path / "config.yaml"
    config.write_text(f"data: {folder}\nintegrity: {{tpm: true}}\ncameras: {{porch: {{type: opencv, source: 0}}}}\n")
    return main(["audit", action, "--config", str(config)])


@needs_swtpm
def test_the_whole_folder_put_back_is_named_by_the_tpm_without_a_broker(
    tpm: SoftwareTpm, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tpm.folder.is_dir()
    monkeypatch.setattr(counters, "SOON", 0.2)
    shutil.rmtree(tmp_path / "old")
    with watching(folder) as (watch, signer):
        until(lambda: "edgeface audit tpm" in (signer.withheld or ""))
        assert audit("tpm", folder, tmp_path) == 0
        assert "and the data folder knows it" in capsys.readouterr().out
        until(lambda: signer.withheld is None)
        first = integrity.read_head(folder, open_vault(folder))
        assert first is not None
    shutil.copytree(folder, tmp_path / "old")
    with watching(folder) as (watch, signer):
        with closing(Journal(folder / "journal.db")) as journal:
            journal.record("config", 1.0, {"n": 1})
        until(lambda: ((watch.facts() or {}).get("tpm") or 0) > first.counter)
        assert (watch.lines, signer.withheld) == ((), None)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)
    assert audit("verify", folder, tmp_path) == 1
    assert "generation: the data folder was put back: it knows" in capsys.readouterr().err
    with watching(folder) as (watch, signer):
        until(lambda: "generation: the data folder was put back" in (signer.withheld or ""))
        signer.refresh()
        assert signer.key is None
        assert audit("accept", folder, tmp_path) == 0
        until(lambda: signer.withheld is None)
    capsys.readouterr()
    assert audit("verify", folder, tmp_path) == 0


@needs_swtpm
def test_a_tpm_that_is_away_holds_grants_back_only_as_long_and_a_cleared_one_until_it_is_accepted(
    tpm: SoftwareTpm, folder: Path, tmp_path: Path
) -> None:
    assert audit("tpm", folder, tmp_path) == 0
    tpm.stop()
    with watching(folder) as (watch, signer):
        until(lambda: "the TPM cannot be used" in (signer.withheld or ""))
        until(lambda: [*watch.lines] == [signer.withheld])
        tpm.start()
        until(lambda: signer.withheld is None)
        until(lambda: not watch.lines)
    tpm.tool("tpm2_clear", "-c", "p")
    with watching(folder) as (watch, signer):
        until(lambda: "tpm: was cleared or replaced" in (signer.withheld or ""))
        assert watch._journal is not None
        assert recorded(watch._journal) == ['{"file":"tpm","found":"replaced"}']
        assert audit("accept", folder, tmp_path) == 0
        until(lambda: signer.withheld is None)
    assert audit("tpm", folder, tmp_path) == 0


@needs_swtpm
def test_a_counter_that_cannot_be_advanced_is_a_problem_and_closes_no_door(
    tpm: SoftwareTpm, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tpm.folder.is_dir()
    monkeypatch.setattr(counters, "SOON", 0.2)
    assert audit("tpm", folder, tmp_path) == 0
    tools = tmp_path / "tools"
    tools.mkdir()
    worn = tools / "tpm2_nvincrement"
    worn.write_text(
        "#!/bin/sh\necho 'ERROR: Esys_NV_Increment(0x923) - tpm:warn(2.0): NV is not writable' >&2\nexit 1\n"
    )
    worn.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/bin:/usr/bin")
    with watching(folder) as (watch, signer):
        with closing(Journal(folder / "journal.db")) as journal:
            journal.record("config", 1.0, {"n": 1})
        until(lambda: any("cannot be advanced" in line for line in watch.lines))
        assert signer.withheld is None


def test_audit_tpm_without_the_key_in_the_configuration_is_a_usage_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "tpm", "--data", str(folder)]) == 2
    assert "integrity: {tpm: true}" in capsys.readouterr().err
