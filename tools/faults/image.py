"""A disk whose power can be cut: an ext4 file system in a file, mounted through a loop device."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

from tools.faults.part import NotTriedError, tool

_MEGABYTES = 96
# include/uapi/linux/ext4.h: _IOR('X', 125, __u32), and neither data nor log is flushed.
_SHUTDOWN = 0x8004587D
_NOLOGFLUSH = 2


class Image:
    """A context manager: created and mounted at `mount`, unmounted at the end; NotTriedError if that is not allowed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.mount = folder / "mount"
        self._file = folder / "disk.img"
        self._device = 0

    def __enter__(self) -> Image:
        self.mount.mkdir(exist_ok=True)
        with self._file.open("wb") as file:
            file.truncate(_MEGABYTES << 20)
        _require(tool("mkfs.ext4", "-q", "-F", str(self._file)))
        self._attach()
        return self

    def __exit__(self, *_: object) -> None:
        if os.path.ismount(self.mount):
            self._detach()
        self._file.unlink(missing_ok=True)

    def cut(self) -> None:
        """Cut the power: from now on nothing reaches the disk, and whatever had not reached it is gone.

        RuntimeError, with nothing done, unless the folder is the image: the call shuts down any file system it gets.
        """
        handle = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if os.fstat(handle).st_dev != self._device or self._device == self.mount.parent.stat().st_dev:
                raise RuntimeError(f"{self.mount} is not the image")
            fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(handle)

    def again(self) -> float:
        """Unmount and mount, which replays the file system's own log; returns the seconds the mount took."""
        self._detach()
        if self._held():
            # Another process's mount namespace keeps the dead file system alive: continue with a copy of its disk.
            old, self._file = self._file, self._file.with_name(f"disk-{time.monotonic_ns()}.img")
            shutil.copyfile(old, self._file)
            old.unlink()
        began = time.monotonic()
        self._attach()
        return time.monotonic() - began

    def _attach(self) -> None:
        _require(tool("mount", "-o", "loop", str(self._file), str(self.mount)))
        self._device = self.mount.stat().st_dev
        if not os.path.ismount(self.mount) or self._device == self.mount.parent.stat().st_dev:
            raise NotTriedError("mount reported success but did not mount")
        if any("shutdown" in line.split()[3].split(",") for line in _mounts(self.mount)):
            raise RuntimeError(f"{self.mount} is still without power")

    def _held(self) -> bool:
        """Whether a loop device still holds the file, after giving the kernel a moment to release it."""
        for _ in range(10):
            done = subprocess.run(
                ["losetup", "--associated", str(self._file)],
                capture_output=True,
                text=True,
                check=False,
            )
            if not done.stdout.strip():
                return False
            time.sleep(0.05)
        return True

    def _detach(self) -> None:
        for _ in range(50):
            if tool("umount", str(self.mount)) is None:
                return
            time.sleep(0.1)
        tool("umount", "--lazy", str(self.mount))
        raise RuntimeError(f"{self.mount} cannot be unmounted")


def _mounts(mount: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if line.split()[1] == str(mount)]


def _require(refusal: str | None) -> None:
    if refusal is not None:
        raise NotTriedError(refusal)
