"""One loop in its own process, in whatever environment it needs: frames come in, and the faces found go out.

    python -m benchmarks.worker NAME < work > answers

The first line of the input is {"people": {name: [photos]}, "size": [width, height]}. Then, block by block, a line
{"frames": count, "from": seconds, "fps": frames a second} and the raw RGB of its frames. The answer to a block is one
line of JSON. CPU time covers all threads of the process while the loop processes frames, and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from benchmarks.loops.seen import Image, Loop


def main() -> None:
    """Process blocks until the input ends."""
    # Libraries print to standard output, so it is redirected to standard error; the answers go to the original.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        work = sys.stdin.buffer
        order = json.loads(work.readline())
        loop = _loop(sys.argv[1], order)
        while line := work.readline():
            answers.write(json.dumps(_block(loop, json.loads(line), order["size"], work)) + "\n")
            answers.flush()


def _loop(name: str, order: dict[str, Any]) -> Loop:
    people = {person: [Path(photo) for photo in photos] for person, photos in order["people"].items()}
    loop: Loop = import_module(f"benchmarks.loops.{name}").Loop(people, tuple(order["size"]))
    return loop


def _block(loop: Loop, block: dict[str, Any], size: tuple[int, int], work: BinaryIO) -> dict[str, Any]:
    # edgeface's clock is not available in every environment.
    cpu, seen = 0.0, []
    for n in range(block["frames"]):
        image = _frame(work, size)
        before = time.process_time()
        faces = loop.look(image, block["from"] + n / block["fps"])
        cpu += time.process_time() - before
        seen.append([[[round(float(side), 1) for side in face.box], face.name] for face in faces])
    return {"cpu_ms": 1000 * cpu / block["frames"], "seen": seen, "rss": _peak_rss()}


def _frame(work: BinaryIO, size: tuple[int, int]) -> Image:
    """Read one frame; it is writable, like one from a camera."""
    width, height = size
    return np.array(np.frombuffer(work.read(3 * width * height), np.uint8).reshape(height, width, 3))


def _peak_rss() -> int:
    """Peak memory of the process in bytes (proc(5), VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


if __name__ == "__main__":
    main()
