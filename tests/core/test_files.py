import os
from pathlib import Path

import pytest

from edgeface.core.files import read_at_most


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
