"""A guard against regressions in under two minutes: exit status 1 if something costs 10 % more than the baseline.

    python -m benchmarks.quick [--keep]

It measures two things over short films (tests/film.py), through the whole pipeline, on the films' own clock. The first
is how often each model runs, which is exact. The second is the pipeline's CPU time relative to a fixed piece of work
(each shipped model, run on a fixed tensor): the two alternate on one core, and the median of some rounds counts. Other
work on the machine raises a ratio and never lowers it much, so a ratio that is too high is measured again, three times
in all, and the lowest counts. --keep makes the figures the new baseline.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from benchmarks import visits
from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration
from edgeface.core.clock import process_cpu
from edgeface.core.types import Frame
from edgeface.daemon.session import RecognitionSession
from edgeface.faces.tflite import SHIPPED, Model, open_shipped
from edgeface.imaging.opencv import cv2
from edgeface.people.service import enroll_folder
from tests.support.film import FPS, film

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tests.support.film import Actor

BASELINE = Path(__file__).parent / "baseline.json"
LIMIT = 1.10
TRIES = 3
FRAMES = 90
"""Length of each film."""
LOOKED = "frames looked at"
"""Frames for which any model ran; this is also the key in baseline.json."""

_CAMERA = "porch"
_NOON = 1_780_000_000.0
_BLOCK = 15
"""Frames between two runs of the fixed work."""
_ONE: tuple[Actor, ...] = (("obama", 200, 100),)
_FOUR: tuple[Actor, ...] = (("obama", 10, 10), ("biden", 330, 20), ("astronaut", 30, 240), ("obama2", 350, 230))
FILMS: dict[str, tuple[tuple[Actor, ...], int]] = {
    "empty": ((), 90),
    "one face": (_ONE, 100),
    "four faces": (_FOUR, 75),
}
"""Who is in the film, and the height of the faces in pixels."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one run measured, by film."""

    frames: int
    counts: Mapping[str, Mapping[str, int]]
    """Runs of each model, and frames looked at."""
    ratios: Mapping[str, Sequence[float]]
    """First quartile, median and third quartile."""

    def json(self) -> dict[str, Any]:
        """The content of baseline.json."""
        ratios = {name: [round(value, 4) for value in values] for name, values in self.ratios.items()}
        return {"frames": self.frames, "counts": self.counts, "ratios": ratios}


class Bench:
    """A pipeline with everyone enrolled, and the fixed work."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds the gallery; the caller removes it."""
        camera = ReplayCamera(path=folder)
        self._configuration = Configuration(data=folder / "data", cameras={_CAMERA: camera})
        enroll_folder(self._configuration, visits.people(folder / "people"))
        self._fixed = [(open_shipped(one), _tensor(one.input)) for one in SHIPPED]

    def count(self, frames: Sequence[Frame]) -> dict[str, int]:
        """Runs of each model over a film, from its beginning."""
        runs: Counter[str] = Counter()
        with self._opened() as bench, _counted(runs):
            looked = 0
            for frame in frames:
                before = runs.total()
                bench.pipeline.process(frame)
                looked += runs.total() > before
        return {LOOKED: looked, **dict(sorted(runs.items()))}

    def ratios(self, frames: Sequence[Frame], rounds: int) -> list[float]:
        """CPU of the pipeline per frame over that of the fixed work, by round; the film continues across rounds."""
        found = []
        with self._opened() as bench:
            for number in range(rounds + 1):
                ours = fixed = 0.0
                for start in range(0, len(frames), _BLOCK):
                    began = process_cpu()
                    for frame in frames[start : start + _BLOCK]:
                        bench.pipeline.process(_later(frame, number, frames))
                    between = process_cpu()
                    self._work()
                    ours, fixed = ours + between - began, fixed + process_cpu() - between
                blocks = -(-len(frames) // _BLOCK)
                found.append(ours / len(frames) / (fixed / blocks))
        # In the first round everyone comes in and caches warm up.
        return found[1:]

    def _work(self) -> None:
        for model, tensor in self._fixed:
            for _ in range(3):
                model.run(tensor)

    @contextmanager
    def _opened(self) -> Iterator[RecognitionSession]:
        with closing(RecognitionSession(self._configuration, "bench", _NOON)) as bench:
            yield bench


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compare and print; 1 if something costs more than the baseline allows."""
    wanted = _parser().parse_args(arguments)
    cv2.setNumThreads(1)
    films = {name: list(film((wanted.frames / FPS, who), face=face)) for name, (who, face) in FILMS.items()}
    with tempfile.TemporaryDirectory(prefix="edgeface-quick-") as folder, _pinned():
        bench = Bench(Path(folder))
        counts = {name: bench.count(frames) for name, frames in films.items()}
        found = Found(wanted.frames, counts, _measured(bench, films, wanted.rounds))
        _show(found)
        if wanted.keep:
            wanted.baseline.write_text(json.dumps(found.json(), indent=2) + "\n", encoding="utf-8")
            return 0
        baseline = read(wanted.baseline, wanted.frames)
        for _ in range(TRIES - 1):
            if not (high := over_ratios(found.ratios, baseline.ratios)):
                break
            print("measuring again because a ratio is high: " + ", ".join(high), flush=True)
            again = _measured(bench, {name: films[name] for name in high}, wanted.rounds)
            found = Found(found.frames, counts, least(found.ratios, again))
    faults = over(found, baseline)
    print("\n".join(faults) or "nothing costs more than the baseline allows")
    return 1 if faults else 0


def over(found: Found, baseline: Found) -> list[str]:
    """One line for each cost above what the baseline allows."""
    return [*over_counts(found.counts, baseline.counts), *over_ratios(found.ratios, baseline.ratios).values()]


def over_counts(found: Mapping[str, Mapping[str, int]], baseline: Mapping[str, Mapping[str, int]]) -> list[str]:
    """One line for each count that is more than 10 % over the baseline."""
    return [
        f"{name}: {count} {_runs(what)}, {_more(count, before)} the baseline's {before}"
        for name, counts in found.items()
        for what, count in counts.items()
        if count > LIMIT * (before := baseline.get(name, {}).get(what, 0))
    ]


def over_ratios(found: Mapping[str, Sequence[float]], baseline: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """By film, a line if the median is more than 10 % over the baseline's."""
    return {
        name: f"{name}: CPU {now:.3f} of the fixed work, {_more(now, before)} the baseline's {before:.3f}"
        for name, (_, now, _) in found.items()
        if now > LIMIT * (before := baseline[name][1])
    }


def _runs(what: str) -> str:
    return what if what == LOOKED else f"runs of {what}"


def _more(now: float, before: float) -> str:
    return f"{now / before - 1:.0%} over" if before else "over"


def _measured(bench: Bench, films: Mapping[str, Sequence[Frame]], rounds: int) -> dict[str, list[float]]:
    return {name: statistics.quantiles(bench.ratios(frames, rounds), n=4) for name, frames in films.items()}


def least(first: Mapping[str, Sequence[float]], again: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
    """For each film, the measurement with the lower median; `again` need not contain every film."""
    return {name: min(values, again.get(name, values), key=lambda one: one[1]) for name, values in first.items()}


def _show(found: Found) -> None:
    for name, counts in found.counts.items():
        low, median, high = found.ratios[name]
        print(f"{name}, {found.frames} frames: CPU {median:.3f} of the fixed work ({low:.3f} to {high:.3f})")
        for what, count in counts.items():
            print(f"  {count:5d} {_runs(what)}")
    sys.stdout.flush()


def read(file: Path, frames: int) -> Found:
    """The baseline; SystemExit if there is none, or its films have another length."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SystemExit(f"{file}: cannot be read ({error.strerror}); --keep makes one") from error
    if kept["frames"] != frames:
        raise SystemExit(f"{file} was made from films of {kept['frames']} frames, these have {frames}")
    return Found(**kept)


@contextmanager
def _counted(runs: Counter[str]) -> Iterator[None]:
    plain = Model.run

    def run(model: Model, tensor: NDArray[Any]) -> list[NDArray[Any]]:
        runs[model.name] += 1
        return plain(model, tensor)

    with patch.object(Model, "run", run):
        yield


@contextmanager
def _pinned() -> Iterator[None]:
    """On one core, because moving between cores loses cached data."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _tensor(shape: Sequence[int]) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def _later(frame: Frame, number: int, frames: Sequence[Frame]) -> Frame:
    """The same frame in a later round."""
    on = number * len(frames)
    shift = on / FPS
    return Frame(frame.camera, frame.seq + on, frame.monotonic + shift, frame.wall + shift, frame.image)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="make the figures the new baseline")
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="FILE")
    parser.add_argument("--frames", type=int, default=FRAMES, help="length of each film")
    parser.add_argument("--rounds", type=int, default=9)
    return parser


if __name__ == "__main__":
    sys.exit(main())
