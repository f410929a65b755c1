"""What a gallery of 10, 1,000 and 10,000 people costs: taking up a change, forgetting people, starting, and memory.

    python -m benchmarks.people [--people 10 1000 10000] [--write]

People are random unit vectors with three templates each. Each size is measured in a process of its own, with one thread
for BLAS. A real daemon plays the demo's clip, while another process changes the gallery: its vision thread takes the
changes up. Writes build/bench-people.json.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.clock import thread_cpu
from edgeface.daemon.daemon import Daemon
from edgeface.daemon.session import RecognitionSession
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.people.service import PeopleService
from edgeface.recognition.settings import UnknownSettings
from tools.faults import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edgeface.gallery.snapshot import GallerySnapshot

ROOT = Path(__file__).parent.parent
CLIP = ROOT / "edgeface" / "demo_data" / "clip.mp4"
OUT = ROOT / "build" / "bench-people.json"
PAGE = ROOT / "docs" / "performance.md"
MARK = "people"
SIZE, TEMPLATES = 192, 3
"""Numbers in an embedding, and embeddings of a person."""
CHANGES = 30
"""Changes that are taken up while the daemon runs; the bar asks for 24."""
PAUSE = 1.0
"""Seconds between two changes: more than the daemon's housekeeping takes to come round."""
BATCH = 100
"""People who are forgotten together; fewer in a small gallery."""
WALL = 1.8e9
BARS = {
    "change_cpu_ms": ("taking up one change, CPU ms, median (most)", "20"),
    "pause_ms": ("pause of the vision thread for a change, ms, median (most)", "30"),
    "own_ms": ("the same without waiting for a core that other programs use", "30"),
    "forget_cpu_ms": ("forgetting one of a batch, CPU ms", "10"),
    "start_s": ("start of a session, s", "3"),
    "memory_mb": ("memory over 10 people, MB (peak)", "40"),
}
"""Title and bar of each figure."""
BEFORE: dict[str, dict[str, Any]] = {
    "10": {
        "start_s": 0.26,
        "resident_mb": 105.94,
        "peak_mb": 105.94,
        "changes": 30,
        "change_cpu_ms": [1.5, 2.1],
        "pause_ms": [4.1, 68.1],
        "forget_cpu_ms": 23.12,
        "traces": [],
    },
    "1000": {
        "start_s": 0.16,
        "resident_mb": 112.17,
        "peak_mb": 112.17,
        "changes": 30,
        "change_cpu_ms": [41.8, 63.8],
        "pause_ms": [130.4, 438.4],
        "forget_cpu_ms": 153.3,
        "traces": [],
    },
    "10000": {
        "start_s": 0.95,
        "resident_mb": 155.91,
        "peak_mb": 171.81,
        "changes": 24,
        "change_cpu_ms": [463.3, 488.4],
        "pause_ms": [1240.6, 1710.5],
        "forget_cpu_ms": 1398.8,
        "traces": [],
    },
}
"""The same figures before changes were taken up by difference (2026-11-28, commit 37997fb, same machine)."""


class Refresh(NamedTuple):
    """One look of a session at the gallery; milliseconds."""

    paused: float
    """The vision thread took no frame for this long."""
    own: float
    """The same without the time in which it could have run, but no core was free."""
    cpu: float
    """Of all threads, for the change."""
    changed: bool


def main() -> None:
    """Measure each size in a child process, print the table, and write the figures."""
    options = _parser().parse_args()
    if options.one is not None:
        sys.stdout.write(json.dumps(measured(options.one)))
        return
    figures = {str(people): child(people) for people in options.people}
    text = markdown(figures)
    print(text)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"now": figures, "before": BEFORE}) + "\n", encoding="utf-8")
    if options.write:
        table.write(PAGE, MARK, text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[10, 1_000, 10_000])
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.relative_to(ROOT)}")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    return parser


def child(people: int) -> dict[str, Any]:
    """Measure one size in its own process, because BLAS reads its number of threads at the start."""
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    line = [sys.executable, "-m", "benchmarks.people", "--one", str(people)]
    done = subprocess.run(line, cwd=ROOT, env={**os.environ, **single}, stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measured(people: int) -> dict[str, Any]:
    """Measure one size in this process."""
    with tempfile.TemporaryDirectory(prefix="edgeface-people-") as scratch:
        folder = Path(scratch) / "data"
        fill(folder, people)
        camera = ReplayCamera(type="replay", path=CLIP, loop=True)
        # Nothing is kept of the clip's faces, so that only changes of people are measured.
        configuration = Configuration(
            data=folder,
            cameras={"door": camera},
            privacy=Privacy(correction_days=0),
            unknown=UnknownSettings(days=0),
        )
        started = start(configuration)
        running = run(configuration, people)
        return {**started, **running, **forget(configuration, people)}


def fill(folder: Path, people: int) -> None:
    """Enroll random people."""
    rng = np.random.default_rng(1)
    with closing(Gallery.open(folder, embedder_name())) as gallery:
        with gallery.transaction():
            for number in range(people):
                enroll(gallery, number, rng)
        gallery._db.execute("VACUUM")  # noqa: SLF001 - as it is after a while


def enroll(gallery: Gallery, number: int, rng: np.random.Generator) -> None:
    """Enroll one random person: three templates around a random unit vector, with a cosine of 0.8 to one another."""
    face = unit(rng.standard_normal(SIZE))
    near = (unit(face + 0.5 * unit(rng.standard_normal(SIZE))) for _ in range(TEMPLATES))
    templates = [Template(one, gallery.model, "photo", WALL) for one in near]
    gallery.enroll(name(number), f"Person {number}", templates, WALL)


def name(number: int) -> str:
    """The id of a person; those that are enrolled later are spread over the others."""
    return f"p-{number * 7919 % 100_003:06}"


def unit(vector: NDArray[Any]) -> NDArray[np.float32]:
    """The vector, normalised."""
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def start(configuration: Configuration) -> dict[str, float]:
    """Open a session, as the vision thread does at the start; its memory counts with that of the models."""
    began = time.monotonic()
    with closing(RecognitionSession(configuration, "boot", WALL)) as session:
        seconds = time.monotonic() - began
        session.refresh(configuration, WALL)
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        resident, peak = (int(status[key].split()[0]) / 1000 for key in ("VmRSS", "VmHWM"))
    return {"start_s": seconds, "resident_mb": resident, "peak_mb": peak}


def run(configuration: Configuration, people: int) -> dict[str, Any]:
    """Run a daemon, change the gallery from another process, and measure what the vision thread spends on it."""
    daemon = Daemon(configuration)
    with _timed() as refreshes:
        thread = threading.Thread(target=daemon.run)
        thread.start()
        try:
            time.sleep(3.0)
            refreshes.clear()
            line = [sys.executable, "-m", "benchmarks.people_changes", str(configuration.data), str(people)]
            subprocess.run(line, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
            time.sleep(PAUSE)
        finally:
            daemon.stop()
            thread.join()
    taken = [one for one in refreshes if one.changed]
    return {
        "changes": len(taken),
        "change_cpu_ms": [statistics.median(one.cpu for one in taken), max(one.cpu for one in taken)],
        "pause_ms": [statistics.median(one.paused for one in taken), max(one.paused for one in refreshes)],
        "own_ms": [statistics.median(one.own for one in taken), max(one.own for one in refreshes)],
    }


@contextmanager
def _timed() -> Iterator[list[Refresh]]:
    """Measure each refresh of a session."""
    refresh, snapshot, found = RecognitionSession.refresh, Gallery.snapshot, list[Refresh]()
    elsewhere: list[float] = []

    def read(self: Gallery, wall: float | None = None) -> GallerySnapshot:
        cpu = thread_cpu()
        made = snapshot(self, wall)
        if threading.current_thread().name != "vision":
            elsewhere.append(1000 * (thread_cpu() - cpu))
        return made

    def timed(self: RecognitionSession, configuration: Configuration, wall: float) -> None:
        gallery, began, cpu, queued = self.pipeline._gallery, time.monotonic(), thread_cpu(), _queued()  # noqa: SLF001
        refresh(self, configuration, wall)
        spent, paused = 1000 * (thread_cpu() - cpu), 1000 * (time.monotonic() - began)
        changed = self.pipeline._gallery is not gallery  # noqa: SLF001
        found.append(Refresh(paused, paused - (_queued() - queued), spent + sum(elsewhere) * changed, changed))
        if changed:
            elsewhere.clear()

    RecognitionSession.refresh, Gallery.snapshot = timed, read  # type: ignore[method-assign]
    try:
        yield found
    finally:
        RecognitionSession.refresh, Gallery.snapshot = refresh, snapshot  # type: ignore[method-assign]


def _queued() -> float:
    """Milliseconds that this thread has waited for a core (Linux, Documentation/scheduler/sched-stats)."""
    return int(Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text().split()[1]) / 1e6


def forget(configuration: Configuration, people: int) -> dict[str, Any]:
    """Forget people in a batch: CPU time for each, and whether a search finds a trace."""
    service = PeopleService(configuration)
    who = [name(number) for number in range(0, people, max(1, people // BATCH))][: min(BATCH, people // 2)]
    together = inspect.signature(service.erase).parameters["who"].kind is inspect.Parameter.VAR_POSITIONAL
    batches = [who] if together else [[one] for one in who[:10]]
    began = time.process_time()
    proofs = [service.erase(*batch) for batch in batches]
    spent = 1000 * (time.process_time() - began) / sum(map(len, batches))
    return {"forget_cpu_ms": spent, "traces": [str(path) for proof in proofs for path in proof.traces]}


def markdown(figures: dict[str, dict[str, Any]]) -> str:
    """One row per figure; a column before and now for each size."""
    sizes = list(figures)
    head = ["", "bar", *(f"{int(size):,} people{when}" for size in sizes for when in (", before", ", now"))]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for key, (title, bar) in BARS.items():
        cells = [_cell(key, which.get(size, {}), which.get("10", {})) for size in sizes for which in (BEFORE, figures)]
        rows.append([title, bar, *cells])
    found = [which.get(size, {}).get("traces") for size in sizes for which in (BEFORE, figures)]
    rows.append(["files with traces afterwards", "0", *("" if one is None else str(len(one)) for one in found)])
    changes = min((one["changes"] for one in figures.values()), default=0)
    note = f"Run on {time.strftime('%Y-%m-%d')}, {table.machine()}; {changes} changes taken up while a daemon ran."
    return "\n".join([note, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _cell(key: str, figures: dict[str, Any], smallest: dict[str, Any]) -> str:
    if not figures:
        return ""
    if key == "memory_mb":
        over, peak = (figures[k] - smallest.get(k, figures[k]) for k in ("resident_mb", "peak_mb"))
        return f"{over:.0f} ({peak:.0f})"
    value = figures.get(key, "")
    if value == "":
        return ""
    return f"{value[0]:.1f} ({value[1]:.1f})" if isinstance(value, list) else f"{value:.1f}"


if __name__ == "__main__":
    main()
