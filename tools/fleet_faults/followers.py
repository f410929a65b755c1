"""Follows a centre with many devices in one process, and says when each has which change.

    python -m tools.fleet_faults.followers URL FOLDER...

Each folder is the data folder of a device that has joined, and has its name; without gallery.db, it is a light device.
Lines: `DEVICE SEQ SECONDS PROBLEM`, with the monotonic seconds at which the people up to a change were in the gallery.
Ends with its standard input.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.config.configuration import Configuration, Fleet
from edgeface.core.clock import SystemClock
from edgeface.fleet.device.follower import Follower
from edgeface.gallery.gallery import Gallery
from edgeface.security.vault import open_vault
from tests.support.centre_server import SITE
from tools.faults.site import ROOT
from tools.fleet_faults import light_device
from tools.fleet_faults.stage import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PROCESSES = 4
_PATIENCE = 180.0
_ENVIRONMENT = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
_STACK_BYTES = 1 << 20


class Followers:
    """The parent's side: a few processes with the devices of these folders."""

    def __init__(self, url: str, folders: Sequence[Path]) -> None:
        self._news = threading.Condition()
        self._at: dict[str, tuple[int, float]] = {}
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

    def wait(self, seq: int, seconds: float = _PATIENCE) -> list[float]:
        """The monotonic seconds at which each device had a change; those that never get it are left out."""
        with self._news:
            self._news.wait_for(lambda: sum(have >= seq for have, _ in self._at.values()) == self._count, seconds)
            return [at for have, at in self._at.values() if have >= seq]

    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu([process.pid for process in self._processes])

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            device, seq, at, *problem = line.split(maxsplit=3)
            with self._news:
                self.problems.update(one.strip() for one in problem)
                self._at[device] = int(seq), float(at)
                self._news.notify_all()


def cpu(processes: Sequence[int]) -> float:
    """CPU seconds that processes have used."""
    found = (Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rpartition(")")[2].split() for one in processes)
    return sum(int(fields[11]) + int(fields[12]) for fields in found) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Follow with all of them until standard input ends."""
    url, *folders = sys.argv[1:]
    ending = threading.Event()
    threading.stack_size(_STACK_BYTES)
    for folder in map(Path, folders):
        follow = _follow if (folder / "gallery.db").exists() else light_device.follow
        threading.Thread(target=follow, args=(url, folder, ending, _say), daemon=True).start()
    sys.stdin.read()
    ending.set()


def _follow(url: str, folder: Path, ending: threading.Event, say: Callable[..., None]) -> None:
    """The thread of a device, as in its daemon."""
    configuration = Configuration(device=folder.name, data=folder, fleet=Fleet(centres=(url,)))
    with closing(Gallery.open(folder, MODEL)) as gallery:
        # As the daemon's, which has one before anyone is matched.
        latest = [gallery.snapshot()]
    committed = 0.0

    def step(name: str) -> None:
        nonlocal committed
        if name == "committed":
            committed = time.monotonic()
            latest.clear()

    follower = Follower(
        lambda: configuration, open_vault(folder), MODEL, SystemClock(), synced=lambda: True, step=step,
        latest=lambda: latest[0] if latest else None,
    )  # fmt: skip
    told = -2
    ending.wait(random.uniform(0, light_device.START_SECONDS))
    with ExitStack() as stack:
        book, applier = follower._opened(stack)  # noqa: SLF001 - what its own thread does
        while not ending.is_set():
            delay = follower.round(book, applier)
            seq = book.sites[SITE].seq
            if seq != told or follower.problems:
                told = seq
                say(folder.name, str(seq), f"{committed:.4f}", *follower.problems)
            ending.wait(delay)


def _say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
