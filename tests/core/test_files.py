import os
from pathlib import Path

import pytest

from edgeface.core.files import only_one, put_whole, read_at_most, swap


def test_a_file_is_read_up_to_one_byte_more(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert read_at_most(path, 10) == b"12345"
    assert read_at_most(path, 3) == b"1234"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), tmp_path / "none"):
        with pytest.raises(OSError, match=r".+"):
            read_at_most(path, 10)


def test_no_handle_is_left_open(tmp_path: Path) -> None:
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(20):
        with pytest.raises(OSError, match=r".+"):
            read_at_most(tmp_path, 1)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_a_file_is_written_completely_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "f"
    put_whole(path, b"one")
    put_whole(path, b"two", replace=False)
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
    put_whole(path, b"three")
    assert path.read_bytes() == b"three"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_of_the_old_file_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "f"
    put_whole(path, b"one")
    with path.open("rb") as old:
        put_whole(path, b"two")
        assert old.read() == b"one"


def test_a_new_file_is_on_the_disk_before_it_has_its_name_and_its_name_soon_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sync, synced = tmp_path / "f", os.fsync, []

    def noted(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").readlink().name, path.exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    put_whole(path, b"data")
    assert synced == [(f".f.{os.getpid()}.part", False), (tmp_path.name, True)]


def test_new_content_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"long content")
    path.chmod(0o640)
    swap(path, b"short")
    assert path.read_bytes() == b"short"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_replaced_leaves_no_part(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r".+"):
        put_whole(tmp_path / "folder", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "lock").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic links"), only_one(tmp_path / "lock"):
        pass
    assert not elsewhere.exists()
