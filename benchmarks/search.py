"""How long a search among 1,000 to 1,000,000 people takes, and whether it finds the same two people.

Galleries are drawn from the spectrum of the shipped embedder's embeddings; a tenth of the people have a relative in the
gallery. Half of the probes are people of the gallery, half are strangers. Each size is measured in its own process, on
one core and with one thread. The caches are emptied before each probe, and the search methods take turns.

    python -m benchmarks.search [--people 1000 10000] [--write] [--libraries]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.core.clock import thread_cpu
from edgeface.gallery.search import LARGE, Bounded, Exact, searcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from edgeface.gallery.search import Nearest

    Floats = NDArray[np.float32]
    Nearby = Callable[[Floats], Nearest]

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
MARKS = ("<!-- search -->", "<!-- /search -->")
SIZE = 192
"""Numbers in an embedding."""
SPECTRUM = (
    0.0462, 0.0435, 0.0386, 0.0359, 0.0334, 0.0318, 0.0312, 0.0297, 0.0285, 0.0275, 0.0255, 0.0253, 0.0243, 0.0235,
    0.0232, 0.0225, 0.0213, 0.0205, 0.0203, 0.0188, 0.0184, 0.0183, 0.0176, 0.0169, 0.0168, 0.0164, 0.0159, 0.0155,
    0.0154, 0.0153, 0.0145, 0.0139, 0.0135, 0.0134, 0.0130, 0.0124, 0.0118, 0.0115, 0.0114, 0.0110, 0.0107, 0.0104,
    0.0102, 0.0098, 0.0095, 0.0094, 0.0091, 0.0087, 0.0082, 0.0080, 0.0074, 0.0071, 0.0068, 0.0065, 0.0057, 0.0041,
    0.0033, 0.0008, 0.0001,
)  # fmt: skip
"""Mean square of the shipped embedder's embeddings along their principal axes; along the other 133 it is zero.
Measured on 1,150 photos of 632 people of LFW, aligned as in the daemon."""
GENUINE = (0.90, 0.05)
"""Cosine of the mean of 5 photos to that of 3 others of the same person: mean and standard deviation, same photos."""
RELATIVE = 0.6
"""Cosine of a relative."""
AGAIN = 16
"""Rows of a library's index that are compared in full."""
MISSED = 0.01
"""The table counts a runner-up that is too low by more than this; the margin that a match needs is 0.08."""
BLOCK = 50_000
FLUSH = 64 << 20
"""Bytes; larger than any cache."""


@dataclass(slots=True)
class Way:
    """One method of searching one gallery, and its results."""

    people: int
    name: str
    build_s: float
    bytes: int
    """In addition to the matrix."""
    cpu_ms: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    """For each probe, whether the nearest was correct."""
    low: list[float] = field(default_factory=list)
    """How far the runner-up was below the true one, where the nearest was correct."""

    def note(self, cpu_ms: float, found: Nearest, truth: Nearest) -> None:
        """Record the result of one probe."""
        self.cpu_ms.append(cpu_ms)
        self.right.append(found.row == truth.row)
        if self.right[-1] and truth.runner_up is not None:
            # An index may find no one else; that counts as a complete miss.
            self.low.append(truth.runner_up - (-1.0 if found.runner_up is None else found.runner_up))


def main() -> None:
    """Measure each size in a child process, print the table, and write the figures to build/search.json."""
    options = arguments()
    if options.one is not None:
        sys.stdout.write(json.dumps([asdict(way) for way in measured(options.one, options)]))
        return
    ways = [Way(**way) for people in options.people for way in child(people, options)]
    made = table(ways)
    print(made)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps([asdict(way) for way in ways]) + "\n", encoding="utf-8")
    if options.write:
        write(made)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--people", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("--libraries", action="store_true", help="also measure faiss-cpu's and usearch's indexes")
    parser.add_argument("--write", action="store_true", help=f"write the table to {PAGE.relative_to(ROOT)}")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "search.json")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def child(people: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure one size in its own process, because BLAS reads its number of threads at the start."""
    line = [sys.executable, "-m", "benchmarks.search", "--one", str(people), "--probes", str(options.probes)]
    line += ["--seed", str(options.seed), *["--libraries"] * options.libraries]
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(line, cwd=ROOT, env={**os.environ, **single}, stdout=subprocess.PIPE, check=True)
    ways: list[dict[str, Any]] = json.loads(done.stdout)
    return ways


def measured(people: int, options: argparse.Namespace) -> list[Way]:
    """Measure one size in this process."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rng = np.random.default_rng(options.seed)
    axes = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0][:, : len(SPECTRUM)].T.astype(np.float32)
    matrix = gallery(people, axes, rng)
    half = options.probes // 2
    probes = [*genuine(matrix, axes, half, rng), *drawn(options.probes - half, axes, rng)]
    ways = [*own(matrix), *(libraries(matrix) if options.libraries else ())]
    exact, emptied = Exact(matrix), np.zeros(FLUSH, np.uint8)
    for probe in probes:
        truth = exact.nearest(probe)
        for way, nearest in ways:
            np.add(emptied, 1, out=emptied)
            before = thread_cpu()
            found = nearest(probe)
            way.note(1000 * (thread_cpu() - before), found, truth)
    return [way for way, _ in ways]


def gallery(people: int, axes: Floats, rng: np.random.Generator) -> Floats:
    """Unit rows, one per person."""
    matrix = np.empty((people, SIZE), np.float32)
    for start in range(0, people, BLOCK):
        rows = drawn(min(BLOCK, people - start), axes, rng)
        kin = rows[1::10]
        rows[0 : 10 * len(kin) : 10] = mixed(kin, rows[0 : 10 * len(kin) : 10], np.full(len(kin), RELATIVE))
        matrix[start : start + BLOCK] = rows
    return matrix


def drawn(count: int, axes: Floats, rng: np.random.Generator) -> Floats:
    """Strangers."""
    return unit(
        rng.standard_normal((count, len(SPECTRUM)), np.float32) * np.sqrt(np.array(SPECTRUM, np.float32)) @ axes
    )


def genuine(matrix: Floats, axes: Floats, count: int, rng: np.random.Generator) -> Floats:
    """People of the gallery, as similar to their rows as means of photos are."""
    cosines = np.clip(rng.normal(*GENUINE, count), 0.4, 0.99)
    return mixed(matrix[rng.integers(0, len(matrix), count)], drawn(count, axes, rng), cosines)


def mixed(rows: Floats, others: Floats, cosines: NDArray[np.floating]) -> Floats:
    """Unit vectors with these cosines to `rows`, each in the direction of one of `others`."""
    away = unit(others - np.einsum("ij,ij->i", rows, others)[:, None] * rows)
    return unit(cosines[:, None] * rows + np.sqrt(1 - cosines**2)[:, None] * away)


def unit(rows: NDArray[np.floating]) -> Floats:
    """The same rows, normalised."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def own(matrix: Floats) -> Iterator[tuple[Way, Nearby]]:
    """All rows and, from LARGE upwards, the method that edgeface uses."""
    yield Way(len(matrix), "all rows", 0.0, 0), Exact(matrix).nearest
    if len(matrix) >= LARGE:
        before = thread_cpu()
        search = searcher(matrix)
        way = Way(len(matrix), "with a bound", thread_cpu() - before, 0)
        if isinstance(search, Bounded):
            way.bytes = sum(array.nbytes for array in (search.axes, search.along, search.off))
        yield way, search.nearest


def libraries(matrix: Floats) -> Iterator[tuple[Way, Nearby]]:
    """Indexes of other libraries; AGAIN rows of each are compared in full."""
    import faiss
    from usearch.index import Index

    people, size = matrix.shape
    hnsw, lists = faiss.SearchParametersHNSW, faiss.SearchParametersIVF
    efforts = {
        "SQ8": {"": None},
        "IVF1024,Flat": {f", {n} lists": lists(nprobe=n) for n in (64, 256)},
        "HNSW32": {f", ef {n}": hnsw(efSearch=n) for n in (64, 256)},
    }
    for name, settings in efforts.items():
        before = thread_cpu()
        index = faiss.index_factory(size, name, faiss.METRIC_INNER_PRODUCT)
        index.train(matrix[: 2 * BLOCK])
        index.add(matrix)
        spent, kept = thread_cpu() - before, int(faiss.serialize_index(index).nbytes)
        for effort, given in settings.items():
            way = Way(people, f"faiss {name}{effort}", spent, kept)
            yield way, again(matrix, partial(_faiss, index, given))
    before = thread_cpu()
    graph = Index(ndim=size, metric="ip", dtype="i8", expansion_search=256)
    graph.add(np.arange(people), matrix, threads=1)
    way = Way(people, "usearch int8, ef 256", thread_cpu() - before, int(graph.memory_usage))
    yield way, again(matrix, lambda probe: graph.search(probe, AGAIN, threads=1).keys.astype(np.int64))


def _faiss(index: Any, effort: Any, probe: Floats) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = index.search(probe[None], AGAIN, params=effort)[1][0]
    return rows


def again(matrix: Floats, index: Callable[[Floats], NDArray[np.int64]]) -> Nearby:
    """Compare in full the rows that an index returns as nearest."""

    def nearest(probe: Floats) -> Nearest:
        rows = index(probe)
        rows = rows[rows >= 0]
        found = Exact(matrix[rows]).nearest(probe)
        return found._replace(row=int(rows[found.row]))

    return nearest


def table(ways: Sequence[Way]) -> str:
    """The figures as Markdown."""
    head = (
        "people", "method", "build, s", "memory, MiB", "ms per probe, median", "95 %", "nearest correct: genuine",
        "strangers", "runner-up missed by 0.01", "at most",
    )  # fmt: skip
    rows = [head, ["---:", "---", *["---:"] * (len(head) - 2)], *(cells(way) for way in ways)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def cells(way: Way) -> list[str]:
    """One row of the table; the gallery's own matrix counts as memory."""
    half, low = len(way.right) // 2, np.array(way.low)
    times = np.quantile(way.cpu_ms, (0.5, 0.95))
    digits = 2 if times[0] < 1 else 1
    shares = (np.mean(way.right[:half]), np.mean(way.right[half:]), np.mean(low > MISSED))
    right, strange, missed = (f"{100 * share:.3g} %" for share in shares)
    memory = f"{(way.people * SIZE * 4 + way.bytes) / 2**20:,.0f}"
    build = f"{way.build_s:.1f}" if way.build_s else ""
    timed = [f"{time:.{digits}f}" for time in times]
    return [f"{way.people:,}", way.name, build, memory, *timed, right, strange, missed, f"{low.max():.3f}"]


def write(made: str) -> None:
    """Write the table between the marks of the page."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        sys.exit(f"{PAGE} must contain {MARKS[0]} and {MARKS[1]}")
    PAGE.write_text(f"{before}{MARKS[0]}\n{made}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
