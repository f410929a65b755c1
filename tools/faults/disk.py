"""A disk that fills up and is freed again under a running daemon: a tmpfs of 4 MB."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tools.faults.part import NotTriedError, Options, Row, say, tool
from tools.faults.site import Site, state_of, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CYCLES = 2
_FULL = 32.0
"""Seconds for which the disk stays full: a whole round of the clip."""
_WORKS = 45.0


def run(options: Options) -> Row:
    """Fill the disk for a round of the clip, free it, and repeat."""
    with small_disk(options.folder / "small") as small, Site(options.folder / "disk", small / "data") as site:
        site.enroll_demo()
        site.start()
        matched, problems, faults = 0, set[str](), list[str]()
        until(lambda: site.listener.received, 30)
        for number in range(_CYCLES):
            before = len(site.listener.received)
            filler = _fill(small)
            problems |= _watch(site, _FULL)
            while_full = sum(
                not received.audit and received.kind == "match" for received in site.listener.received[before:]
            )
            matched += while_full
            filler.unlink()
            works = until(lambda: site.alive and state_of(site.listener.state, "journal", "problem") is None, _WORKS)
            faults += [] if works else ["the journal did not recover"]
            say(f"full for {_FULL:.0f} s, {number + 1} of {_CYCLES}: {while_full} matches meanwhile")
        books = site.settle()
        faults += [] if problems else ["no write failed, so the disk was not full"]
        faults += [] if matched else ["no one was matched while the disk was full"]
        say(f"{len(books.there)} rows, {len(books.lost)} lost; reported: {'; '.join(sorted(problems)) or 'nothing'}")
        return Row(
            "disk full",
            f"a data folder of 4 MB filled {_CYCLES} times for {_FULL:.0f} s",
            len(books.lost),
            len(books.late),
            len(books.torn),
            f"{matched} matches while full, reported in the state: {'yes' if problems else 'no'}; "
            f"{len(books.there)} rows afterwards",
            (*faults, *books.faults),
        )


@contextmanager
def small_disk(mount: Path, megabytes: int = 4) -> Iterator[Path]:
    """A file system of that size; raises NotTriedError where none can be mounted."""
    mount.mkdir()
    refusal = tool("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "edgeface-faults", str(mount))
    if refusal is not None or not mount.is_mount():
        raise NotTriedError(refusal or "mount reported success but did not mount")
    try:
        yield mount
    finally:
        tool("umount", "--lazy", str(mount))


def _fill(disk: Path) -> Path:
    """A file that takes all free space."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    return filler


def _watch(site: Site, seconds: float) -> set[str]:
    """Journal problems that the state topic reports during this time."""
    problems: set[str] = set()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        problem = state_of(site.listener.state, "journal", "problem")
        if problem is not None:
            problems.add(problem.rpartition(": ")[2])
        time.sleep(0.2)
    return problems
