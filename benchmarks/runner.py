"""A worker process as the benchmark drives it: started, pinned, and given blocks of frames to process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.loops.seen import Seen
from edgeface.core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.loops.seen import Image

ROOT = Path(__file__).parents[1]
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Kind:
    """Where a loop runs, and how often it gets a turn."""

    python: Path
    every: int = 1
    """It processes the middle one of this many blocks."""


LOOPS: dict[str, Kind] = {
    "ours": Kind(Path(sys.executable)),
    "naive": Kind(ROOT / "build/naive/bin/python"),
    "dlib": Kind(ROOT / "build/dlib/bin/python", every=6),
}


class Runner:
    """One loop in its own process, on one core."""

    def __init__(
        self, name: str, people: Mapping[str, Sequence[str]], size: tuple[int, int], core: int, log: Path
    ) -> None:
        """Start it, with its output in `log`; SystemExit if its environment does not exist."""
        python = LOOPS[name].python
        if not python.exists():
            raise SystemExit(f"{python} is missing: make bench makes it")
        self._name, self._log = name, log
        self._started = _CLOCK.monotonic()
        with log.open("wb") as errors:
            command = [str(python), "-m", "benchmarks.worker", name]
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        os.sched_setaffinity(self._process.pid, {core})
        self._send({"people": dict(people), "size": size})

    @property
    def seconds(self) -> float:
        """Seconds since the process was started."""
        return _CLOCK.monotonic() - self._started

    def look(self, images: Sequence[Image], start: float, fps: float) -> dict[str, Any]:
        """Process frames that begin `start` seconds into the clip; SystemExit if the worker fails."""
        self._send({"frames": len(images), "from": start, "fps": fps}, images)
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            self._fail()
        answer: dict[str, Any] = json.loads(line)
        answer["seen"] = [[Seen(tuple(box), name) for box, name in faces] for faces in answer["seen"]]
        return answer

    def close(self) -> None:
        """End the process and wait for it."""
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait()

    def _send(self, order: dict[str, Any], images: Sequence[Image] = ()) -> None:
        if self._process.stdin is None:
            raise SystemExit("a worker has no input pipe")
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            for image in images:
                self._process.stdin.write(image.tobytes())
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()

    def _fail(self) -> None:
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        raise SystemExit(f"the loop {self._name} failed: {' '.join(last)} ({self._log})")
