"""Follows a centre with many devices in one process, and says when each has which change.

    python -m tools.fleet_faults.followers URL FOLDER...

Each folder is the data folder of a device that has joined, and has its name. Lines: `DEVICE SEQ WRITTEN COMMITTED
PROBLEM`, with the monotonic seconds at which the people up to a change were in the gallery, and at which whoever had to
go was erased without a trace. Ends with its standard input.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgeface.config.configuration import Configuration, Fleet
from edgeface.core.clock import SystemClock
from edgeface.fleet.device.follower import Follower
from edgeface.fleet.device.records import LIST
from edgeface.gallery.gallery import Gallery
from edgeface.security.vault import open_vault
from tests.support.centre_server import SITE
from tools.faults.site import ROOT
from tools.fleet_faults.stage import MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.gallery.snapshot import GallerySnapshot

_PROCESSES = 4
_PATIENCE = 180.0
# Threads that take turns need no memory of their own.
_ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONPATH": str(ROOT)}
_STACK_BYTES = 1 << 20
_START_SECONDS = 5.0
"""Devices do not start at one moment, but within this time."""


class Had(NamedTuple):
    """When a device had a change, in monotonic seconds."""

    seq: int
    written: float
    """From then on its doors know who is new, and no longer know who is gone."""
    committed: float
    """Whoever is gone was erased; a search has found no trace."""


class Followers:
    """The parent's side: a few processes with the devices of these folders."""

    def __init__(self, url: str, folders: Sequence[Path]) -> None:
        self._news = threading.Condition()
        self._at: dict[str, Had] = {}
        self.problems: set[str] = set()
        """What any device has said."""
        self._count = len(folders)
        shares = [folders[n::_PROCESSES] for n in range(_PROCESSES)]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", __spec__.name, url, *map(str, share)], cwd=ROOT, env=_ENVIRONMENT,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, text=True,
            )
            for share in shares if share
        ]  # fmt: skip
        self._threads = [threading.Thread(target=self._listen, args=(one,)) for one in self._processes]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Followers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.wait()
        for thread in self._threads:
            thread.join()

    def wait(self, seq: int, seconds: float = _PATIENCE) -> list[Had]:
        """When each device had a change; those that do not get it in this time are left out."""
        with self._news:
            self._news.wait_for(lambda: sum(one.seq >= seq for one in self._at.values()) == self._count, seconds)
            return [one for one in self._at.values() if one.seq >= seq]

    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu([process.pid for process in self._processes])

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            device, seq, written, committed, *problem = line.split(maxsplit=4)
            with self._news:
                self.problems.update(one.strip() for one in problem)
                self._at[device] = Had(int(seq), float(written), float(committed))
                self._news.notify_all()


def cpu(processes: Sequence[int]) -> float:
    """CPU seconds that processes have used."""
    found = (Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rpartition(")")[2].split() for one in processes)
    return sum(int(fields[11]) + int(fields[12]) for fields in found) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Follow with all of them until standard input ends."""
    url, *folders = sys.argv[1:]
    ending, listing = threading.Event(), threading.Lock()
    threading.stack_size(_STACK_BYTES)
    for folder in map(Path, folders):
        threading.Thread(target=_follow, args=(url, folder, ending, listing), daemon=True).start()
    sys.stdin.read()
    ending.set()


class _Times:
    """The steps of a device's last change, and the snapshot that its daemon has before the first one."""

    def __init__(self) -> None:
        self.written = self.committed = 0.0
        self.latest: GallerySnapshot | None = None

    def step(self, name: str) -> None:
        """Note when a step was done."""
        if name == "written":
            self.written = time.monotonic()
        elif name == "committed":
            self.committed = time.monotonic()


def _follow(url: str, folder: Path, ending: threading.Event, listing: threading.Lock) -> None:
    """The thread of a device, as in its daemon."""
    configuration = Configuration(device=folder.name, data=folder, fleet=Fleet(centres=(url,)))
    times, told = _Times(), -2
    follower = Follower(
        lambda: configuration, open_vault(folder), MODEL, SystemClock(), synced=lambda: True, step=times.step,
        latest=lambda: times.latest,
    )  # fmt: skip
    ending.wait(random.uniform(0, _START_SECONDS))
    with ExitStack() as stack:
        book, applier = follower._opened(stack)  # noqa: SLF001 - what its own thread does
        while not ending.is_set():
            # A list of 10,000 people takes 100 MB for a moment: one device of the process at a time.
            with listing if book.sites[SITE].seq == LIST else nullcontext():
                delay = follower.round(book, applier)
                seq = book.sites[SITE].seq
                if told == LIST < seq:
                    times.latest = _snapshot(folder)
                elif applier.gallery.base is not None and applier.gallery.base.people:
                    # It reads by difference from its own from now on.
                    times.latest = None
            if seq != told or follower.problems:
                told = seq
                _say(folder.name, str(seq), f"{times.written:.4f}", f"{times.committed:.4f}", *follower.problems)
            ending.wait(delay)


def _snapshot(folder: Path) -> GallerySnapshot:
    with closing(Gallery.open(folder, MODEL)) as gallery:
        return gallery.snapshot()


def _say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
