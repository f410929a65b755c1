"""Checks the disk that holds the data."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.board import FREE_MB
from edgeface.core.installed.container import engine
from edgeface.core.installed.owner import of_another
from edgeface.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

MOUNTS = Path("/proc/self/mountinfo")
_BLOCK = Path("/sys/block")

_IN_MEMORY = {"tmpfs", "ramfs", "overlay"}
_WITHOUT_OWNERS = {"vfat", "exfat", "msdos"}


class Mount(NamedTuple):
    """A line of /proc/self/mountinfo (proc_pid_mountinfo(5))."""

    source: str
    kind: str
    read_only: bool


def findings(folder: Path) -> Iterator[Finding]:
    """The data folder and its filesystem."""
    existing = next((path for path in (folder, *folder.parents) if os.access(path, os.F_OK)), Path("/"))
    yield _folder(folder, existing)
    mount = mount_of(existing)
    if mount is not None:
        yield filesystem(mount)


def filesystem(mount: Mount, block: Path = _BLOCK) -> Finding:
    """Whether the filesystem keeps data, and for how long."""
    where = f"{mount.source}, {mount.kind}"
    if mount.read_only:
        remedy = "see dmesg: a worn card ends like this; save the data, then replace the card"
        return Finding("disk", f"{where}: mounted read-only", "bad", remedy)
    if mount.kind == "overlay" and engine() is not None:
        remedy = "mount a volume at the data folder; docs/container.md"
        return Finding("disk", f"{where}: no volume: lost with the container", "note", remedy)
    if mount.kind in _IN_MEMORY:
        return Finding("disk", f"{where}: may be in memory only: lost at the next restart", "note", "change data:")
    if mount.kind in _WITHOUT_OWNERS:
        return Finding("disk", f"{where}: has no file owners, so every user can read the data", "bad", "change data:")
    if _is_card(mount.source, block):
        return Finding("disk", f"{where}: an SD card, which wears out: keep a backup (edgeface export)")
    return Finding("disk", where)


def mount_of(path: Path, mounts: Path = MOUNTS) -> Mount | None:
    """The filesystem of a path; None if the kernel does not list it."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    best: tuple[int, Mount] | None = None
    real = Path(os.path.realpath(path))
    for line in lines:
        left, _, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        if len(fields) > 5 and len(rest) > 1:  # noqa: PLR2004 - mount point and options are the 5th and 6th
            point = Path(_unescaped(fields[4]))
            options = {*fields[5].split(","), *(rest[2].split(",") if rest[2:] else ())}
            # A later mount on the same point hides the earlier one.
            if real.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
                best = len(point.parts), Mount(_unescaped(rest[1]), rest[0], "ro" in options)
    return best[1] if best is not None else None


def _folder(folder: Path, existing: Path) -> Finding:
    free = shutil.disk_usage(existing).free // 1_000_000
    if not existing.is_dir():
        return Finding("data", f"{existing} is not a folder", "bad", "move it away, or change data:")
    if (problem := of_another(existing, os.W_OK | os.X_OK)) is not None:
        says, _, remedy = problem.partition(": ")
        return Finding("data", f"{existing} {says}", "bad", remedy)
    if not os.access(existing, os.W_OK | os.X_OK):
        remedy = "sudo edgeface doctor, or change data:"
        return Finding("data", f"{existing} cannot be written by this user", "bad", remedy)
    figures = {"free_mb": float(free)}
    if free < FREE_MB:
        return Finding("data", f"{existing} has {free} MB free", "bad", f"{FREE_MB} MB should be free", figures)
    return Finding("data", f"{folder}, {free} MB free", figures=figures)


def _is_card(source: str, block: Path) -> bool:
    """Whether it is an SD card; the kernel also calls soldered memory mmcblk."""
    name = re.fullmatch(r"/dev/(mmcblk\d+)(p\d+)?", source)
    if name is None:
        return False
    try:
        return (block / name[1] / "device" / "type").read_text().strip() == "SD"
    except OSError:
        return False


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
