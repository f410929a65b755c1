"""Disks that are full or small."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MOUNT, UMOUNT = shutil.which("mount") or "/bin/mount", shutil.which("umount") or "/bin/umount"


@contextmanager
def full_disk(size: int = 0) -> Iterator[None]:
    """Meanwhile, the kernel refuses this process each write beyond the first `size` bytes of a file.

    SQLite reports it as a disk I/O error.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB, where root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", folder):
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run([UMOUNT, "-l", folder], check=True)


def mount(*arguments: str | Path) -> bool:
    """Whether the kernel mounts it."""
    return subprocess.run([MOUNT, *arguments], check=False, capture_output=True).returncode == 0
