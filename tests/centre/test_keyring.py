import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.centre.keys.keyring import Keyring
from edgeface.core.errors import ChangedError, FleetError, GoneError
from edgeface.fleet import sealing

ANNA, BEN = bytes(15) + b"a", bytes(15) + b"b"
KEY = bytes(range(100, 132))
Folders = tuple[Path, Path]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    folders = tmp_path / "first", tmp_path / "second"
    Keyring.create(*folders)
    return folders


@pytest.fixture
def keyring(folders: Folders) -> Iterator[Keyring]:
    with closing(Keyring(*folders)) as keyring:
        yield keyring


def file(folder: Path) -> Path:
    return folder / "keyring.db"


def contains(folders: Folders, key: bytes) -> list[str]:
    """The files that have the bytes."""
    return [str(path) for folder in folders for path in folder.iterdir() if key in path.read_bytes()]


def refused(folders: Folders) -> str:
    with pytest.raises(FleetError) as error:
        Keyring(*folders)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_destroyed_key_is_in_no_file(folders: Folders, keyring: Keyring) -> None:
    keyring.add("house", {ANNA: KEY, **{bytes([n]) * 16: sealing.new_key() for n in range(200)}})
    assert len(contains(folders, KEY)) == 2
    keyring.destroy([ANNA])
    assert contains(folders, KEY) == []
    assert {path.name for folder in folders for path in folder.iterdir()} == {"keyring.db", "keyring.db-journal"}
    assert keyring.destroyed([ANNA, BEN]) == {ANNA}
    assert ANNA not in keyring.keys("house")
    with pytest.raises(GoneError, match="forgotten"):
        keyring.add("house", {BEN: KEY, ANNA: KEY})
    assert contains(folders, KEY) == []
    keyring.add("house", {BEN: KEY})
    with pytest.raises(ChangedError, match="another site"):
        keyring.add("tower", {BEN: KEY})


def test_a_key_that_was_replaced_or_swept_is_in_no_file(folders: Folders, keyring: Keyring) -> None:
    keyring.add("house", {ANNA: KEY})
    keyring.add("house", {ANNA: sealing.new_key()})
    assert contains(folders, KEY) == []
    other = sealing.new_key()
    keyring.add("house", {BEN: other})
    keyring.sweep([BEN])
    assert contains(folders, other) == []
    keyring.add("house", {BEN: other})
    assert keyring.keys_of([BEN]) == {BEN: other}


def test_the_key_of_an_epoch_that_is_over_is_in_no_file(folders: Folders, keyring: Keyring) -> None:
    keyring.add_epoch("house", 1, KEY)
    keyring.add_epoch("house", 2, sealing.new_key())
    keyring.keep_epoch("house", 2)
    assert contains(folders, KEY) == []
    with pytest.raises(FleetError, match="no key of epoch 1 of house"):
        keyring.epoch_key("house", 1)


def test_only_the_owner_may_read_the_files(folders: Folders) -> None:
    assert [file(folder).stat().st_mode & 0o777 for folder in folders] == [0o600, 0o600]


@pytest.mark.parametrize("behind", [0, 1])
def test_a_copy_that_is_behind_is_brought_to_the_state_of_the_other(
    folders: Folders, behind: int, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Keyring(*folders)) as keyring:
        keyring.add("house", {ANNA: KEY, BEN: sealing.new_key()})
        kept = file(folders[behind]).read_bytes()
        keyring.destroy([ANNA])
    # As after a crash between the two writes.
    file(folders[behind]).write_bytes(kept)
    with caplog.at_level(logging.WARNING), closing(Keyring(*folders)) as keyring:
        assert keyring.keys("house").keys() == {BEN}
        assert keyring.destroyed([ANNA]) == {ANNA}
    assert contains(folders, KEY) == []
    assert f"{file(folders[behind])} lacked the last changes" in caplog.text


def test_a_full_disk_under_one_copy_changes_neither(keyring: Keyring) -> None:
    keyring.add("house", {ANNA: KEY})
    many = [ANNA, *(number.to_bytes(16, "big") for number in range(1000))]
    before = keyring.counter
    (pages,) = keyring._second.connection.execute("PRAGMA page_count").fetchone()
    keyring._second.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(FleetError, match=r"second/keyring\.db: cannot be used \(database or disk is full"):
        keyring.destroy(many)
    assert keyring.keys() == {ANNA: KEY}
    assert (keyring.destroyed(many), keyring.counter) == (set(), before)
    keyring._second.connection.execute("PRAGMA max_page_count = 1000000")
    keyring.destroy(many)
    assert keyring._first.content() == keyring._second.content()
    assert keyring.keys() == {}


def test_another_process_levels_the_copies_before_it_writes(folders: Folders, keyring: Keyring) -> None:
    keyring.add("house", {ANNA: KEY})
    kept = file(folders[1]).read_bytes()
    keyring.destroy([ANNA])
    file(folders[1]).write_bytes(kept)
    keyring.add("house", {BEN: KEY[::-1]})
    assert contains(folders, KEY) == []
    assert len(contains(folders, KEY[::-1])) == 2


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_or_damaged_copy_is_named_and_never_made_anew(folders: Folders, which: int) -> None:
    path, other = file(folders[which]), file(folders[1 - which])
    whole = path.read_bytes()
    path.unlink()
    assert refused(folders) == f"{path}: missing; stop the centre and copy {other} there"
    assert not path.exists()
    path.write_bytes(b"")
    assert refused(folders).startswith(f"{path}: damaged (empty)")
    path.write_bytes(b"no database" * 1000)
    assert refused(folders).startswith(f"{path}: damaged (file is not a database)")
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert refused(folders).startswith(f"{path}: damaged")
    shutil.rmtree(folders[which])
    assert str(folders[which]) in refused(folders)


def test_a_copy_of_another_keyring_is_refused(folders: Folders, tmp_path: Path) -> None:
    others = tmp_path / "third", tmp_path / "fourth"
    Keyring.create(*others)
    assert refused((folders[0], others[1])) == f"{file(others[1])}: of another keyring than {file(folders[0])}"


def test_copies_that_differ_in_the_same_state_are_refused(folders: Folders) -> None:
    with closing(Keyring(*folders)) as keyring:
        keyring.add("house", {ANNA: KEY})
    with closing(sqlite3.connect(file(folders[1]))) as connection, connection:
        connection.execute("UPDATE keys SET key = ?", (KEY[::-1],))
    assert refused(folders).startswith(f"{file(folders[1])}: differs from {file(folders[0])}")


def test_a_file_of_another_program_or_a_newer_edgeface_is_refused(folders: Folders) -> None:
    for pragma, text in (("user_version = 9", "written by a newer edgeface"), ("application_id = 1", "not a keyring")):
        with closing(sqlite3.connect(file(folders[0]))) as connection:
            connection.execute(f"PRAGMA {pragma}")
        assert f"{file(folders[0])}: {text}" in refused(folders)


def test_an_existing_keyring_is_not_made_again(folders: Folders) -> None:
    with pytest.raises(FleetError, match="there is a keyring already"):
        Keyring.create(*folders)


def test_an_enrolling_key_is_made_once_and_opened_with_its_secret(folders: Folders) -> None:
    with closing(Keyring(*folders, b"a passphrase")) as keyring:
        keyring.enrolling.make("house")
        key = keyring.enrolling.key("house")
        keyring.enrolling.make("house")
    paths = [folder / "enrolling-house.key" for folder in folders]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert key.private_bytes_raw() not in paths[0].read_bytes()
    with closing(Keyring(*folders, b"a passphrase")) as keyring:
        assert keyring.enrolling.key("house").private_bytes_raw() == key.private_bytes_raw()
    for secret, text in ((None, "sealed; give the centre"), (b"another", "another key file or passphrase")):
        with closing(Keyring(*folders, secret)) as keyring, pytest.raises(FleetError, match=text):
            keyring.enrolling.key("house")
    with closing(Keyring(*folders)) as keyring:
        keyring.enrolling.make("tower")
        assert keyring.enrolling.key("tower").private_bytes_raw() != key.private_bytes_raw()
        with pytest.raises(FleetError, match=r"enrolling-yard\.key"):
            keyring.enrolling.key("yard")
