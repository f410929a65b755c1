"""A backup is sealed, a restore leaves out who was forgotten, and its generation is above the last one."""

import re
import stat
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.cli.main import main
from edgeface.core.files import LOCK, only_one
from edgeface.gallery import proposal_file
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.proposal_file import ProposalFile
from edgeface.journal.journal import Journal
from edgeface.people.erasure import erase_all
from edgeface.security import integrity
from edgeface.security.vault import open_vault
from tests.support.data_folders import MODEL, WALL, fill, generation, put_link, rows, template


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def backup(folder: Path, tmp_path: Path) -> Path:
    file = tmp_path / "first.backup"
    assert main(["backup", "--data", str(folder), str(file)]) == 0
    return file


def people(folder: Path) -> dict[str, str]:
    with closing(Gallery.open(folder, MODEL)) as gallery:
        return {one.id: one.name for one in gallery.people()}


def restore(folder: Path, file: Path, *more: str) -> int:
    return main(["restore", "--data", str(folder), str(file), *more])


def forget(folder: Path, *who: str) -> None:
    with closing(Gallery.open(folder, MODEL)) as gallery:
        erase_all(gallery, folder / "journal.db", who, WALL, alike=2.0)


def number(folder: Path) -> int:
    return int((generation(folder, open_vault(folder)) or {})["number"])


def sound(folder: Path) -> bool:
    return not integrity.check(folder, open_vault(folder)) and main(["audit", "verify", "--data", str(folder)]) == 0


def test_a_backup_is_sealed_private_and_names_the_keys_in_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "b.backup"
    assert main(["backup", "--data", str(folder), str(file)]) == 0
    said = capsys.readouterr().out
    assert "in it, sealed: the keys first, first" in said
    assert "not in it: the key that opens it" in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    data = file.read_bytes()
    assert (folder / "key").read_bytes().strip().rpartition(b":")[2] not in data
    assert not [word for word in (b"alice", b"Alice", b"SQLite", b"rows", b"ed25519") if word in data]
    assert sound(folder)


def test_a_restore_brings_back_what_was_there_above_the_last_generation(folder: Path, backup: Path) -> None:
    with closing(Gallery.open(folder, MODEL)) as gallery:
        gallery.rename("alice", "Mallory", WALL)
        gallery.enroll("dora", None, [template(30)], WALL)
    before = number(folder)
    assert restore(folder, backup) == 0
    assert people(folder) == {"alice": "Alice", "bob": "Bob", "carol": "Carol"}
    assert number(folder) > before
    assert sound(folder)
    with closing(Journal(folder / "journal.db")) as journal:
        assert '"found":"restored"' in journal.rows(kinds=("integrity",))[-1].row.payload


def test_a_restore_never_brings_back_who_was_forgotten(folder: Path, backup: Path) -> None:
    forget(folder, "bob", "u-000b")
    assert restore(folder, backup) == 0
    assert list(people(folder)) == ["alice", "carol"]
    with closing(Gallery.open(folder, MODEL)) as gallery:
        assert [one.id for one in gallery.unknowns()] == ["u-000a"]
    with closing(Journal(folder / "journal.db")) as journal:
        assert journal.about("bob") == []
    # Nor does a second restore, or one of a backup that was made between.
    assert restore(folder, backup) == 0
    assert list(people(folder)) == ["alice", "carol"]
    assert sound(folder)


def test_a_person_who_was_forgotten_and_enrolled_again_does_not_come_back_as_before(
    folder: Path, backup: Path, tmp_path: Path
) -> None:
    forget(folder, "bob")
    with closing(Gallery.open(folder, MODEL)) as gallery:
        gallery.enroll("bob", "Bob II", [template(40)], WALL + 1)
    second = tmp_path / "second.backup"
    assert main(["backup", "--data", str(folder), str(second)]) == 0
    assert restore(folder, second) == 0
    assert people(folder)["bob"] == "Bob II"
    assert restore(folder, backup) == 0
    assert "bob" not in people(folder)


def test_the_journal_of_a_backup_that_takes_a_lost_ones_place_says_nothing_of_the_forgotten(
    folder: Path, backup: Path
) -> None:
    forget(folder, "bob")
    (folder / "journal.db").unlink()
    assert restore(folder, backup) == 0
    with closing(Journal(folder / "journal.db")) as journal:
        assert (journal.about("bob"), len(journal.about("alice"))) == ([], 1)
    assert sound(folder)


def test_keys_and_passes_that_were_withdrawn_stay_withdrawn(folder: Path, backup: Path) -> None:
    assert main(["keys", "new", "--kid", "second", "--data", str(folder)]) == 0
    assert main(["keys", "rotate", "--data", str(folder)]) == 0
    before = (folder / "keys.json").read_bytes()
    assert restore(folder, backup) == 0
    assert (folder / "keys.json").read_bytes() == before
    assert sound(folder)


def test_links_and_proposals_are_in_no_backup_and_stay_as_they_are(folder: Path, backup: Path) -> None:
    (folder / proposal_file.FILE).unlink()
    put_link(folder, "carol")
    before = ProposalFile(folder, open_vault(folder)).read()
    main(["audit", "accept", "--data", str(folder)])
    assert restore(folder, backup) == 0
    assert ProposalFile(folder, open_vault(folder)).read() == before
    assert sound(folder)


def test_without_a_gallery_that_knows_who_was_forgotten_it_must_be_asked_for(
    folder: Path, backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = number(folder)
    lost = tmp_path / "new card"
    lost.mkdir(mode=0o700)
    (lost / "key").write_bytes((folder / "key").read_bytes())
    (lost / "key").chmod(0o600)
    assert restore(lost, backup) == 1
    assert "--lost restores without it" in capsys.readouterr().err
    assert restore(lost, backup, "--lost") == 0
    assert "forget them again" in capsys.readouterr().out
    assert list(people(lost)) == ["alice", "bob", "carol"]
    assert number(lost) > before
    assert sound(lost)


@pytest.mark.parametrize("damage", ["cut", "altered", "garbage", "another key"])
def test_a_backup_that_is_none_changes_nothing(
    folder: Path, backup: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(backup.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "altered":
        data[len(data) // 2] ^= 1
    elif damage == "garbage":
        data = bytearray(b"garbage" * 100)
    else:
        fill(tmp_path / "other")
        assert main(["backup", "--data", str(tmp_path / "other"), str(backup)]) == 0
        data = bytearray(backup.read_bytes())
    backup.write_bytes(data)
    assert restore(folder, backup) in {1, 78}
    assert capsys.readouterr().err.count("\n") == 1
    assert list(people(folder)) == ["alice", "bob", "carol"]
    assert sound(folder)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_nothing_is_restored_under_a_running_daemon(
    folder: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(folder / LOCK):
        assert restore(folder, backup) == 1
    assert "stop the daemon first" in capsys.readouterr().err


def test_what_was_tampered_with_is_not_backed_up(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows(folder / "gallery.db", "DELETE FROM people WHERE rowid = 1")
    assert main(["backup", "--data", str(folder), str(tmp_path / "b")]) == 1
    assert "not backed up: gallery.db" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_folder_keeps_the_newest(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    for day in range(3):
        (place / f"edgeface-2020-01-0{day + 1}T000000.backup").touch()
    assert main(["backup", "--data", str(folder), "--keep", "2", str(place)]) == 0
    names = sorted(path.name for path in place.iterdir())
    assert len(names) == 2
    assert re.fullmatch(r"edgeface-\d{4}-\d{2}-\d{2}T\d{6}Z\.backup", names[1])
    assert names[0] == "edgeface-2020-01-03T000000.backup"
    assert main(["backup", "--data", str(folder), "--keep", "0", str(place)]) == 2
