"""What looking for passes costs while no code is in view, and from how far away a pass is read.

- cost: the daemon plays the demo's clip in real time, once without and once with the reader of passes, whose process
  counts too. No code is in the clip.
- distance: a pass is drawn into pictures of the clip at different sizes, turned and tilted a little, with the blur and
  the noise of a camera, and read.

    python -m benchmarks.passes
"""

from __future__ import annotations

import base64
import os
import random
import resource
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import segno

from edgeface.access.pass_list import PassRulesFile
from edgeface.access.passes import MAX_CHARACTERS
from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration
from edgeface.core.clock import SystemClock, process_cpu
from edgeface.core.log import Log, set_up
from edgeface.daemon.daemon import Daemon
from edgeface.daemon.pass_reader import PassReader
from edgeface.demo.scenario import CAMERA, CLIP, PEOPLE
from edgeface.imaging.opencv import cv2
from edgeface.imaging.qr_codes import QrReader
from edgeface.people.service import PeopleService
from edgeface.security.vault import open_vault
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.core.types import FrameResult, Image

TRIALS = 20
SHARES = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
SIZE = (720, 1280)


def main() -> None:
    """Measure, print the tables, and write the figures."""
    set_up(Log(level="warning"))
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder) / "data", Log(level="warning")
        data.mkdir()
        camera = ReplayCamera(type="replay", path=CLIP)
        configuration = Configuration(data=data, cameras={CAMERA: camera}, log=log)
        PeopleService(configuration).enroll_folder(PEOPLE)
        cost = [*costs(configuration)]
    lines = [
        "| what | measured |",
        "|---|---:|",
        *(f"| CPU of {name} | {spent:.2f} s, {100 * spent / cost[0][1]:.1f} % |" for name, spent in cost),
        *(f"| read, {share:.0%} of the picture's width | {count} of {TRIALS} |" for share, count in distances()),
    ]
    table = "\n".join(lines)
    print(table)
    print(figures.save("passes", table))


def costs(configuration: Configuration) -> Iterator[tuple[str, float]]:
    """CPU seconds of the camera, and what the reader of passes adds: its thread and its process."""
    yield "the camera, without the reader", min(played(configuration, []) for _ in range(2))
    started = children_cpu()
    first = QrReader()
    first.read(np.zeros((480, 640, 3), np.uint8))
    first.close()
    start = children_cpu() - started
    clock = SystemClock()
    rules_file = PassRulesFile(configuration.data, open_vault(configuration.data), configuration.device, clock)
    reader = PassReader(rules_file, clock, print, print)
    reader.doors = {CAMERA: ("front-door",)}
    reader.start()
    started = children_cpu()
    played(configuration, [reader.observe])
    thread, searched = thread_seconds("passes"), reader.facts()["searched"]
    reader.stop()
    child = children_cpu() - started
    yield "the reader's thread", thread
    yield f"the reader's process, {searched} pictures", child
    yield "the reader, thread and process", thread + child
    yield "the reader, without the start of its process", thread + child - start


def thread_seconds(name: str) -> float:
    """CPU seconds of a thread of this process (proc_pid_stat(5))."""
    (thread,) = (one for one in threading.enumerate() if one.name == name)
    fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def played(configuration: Configuration, observers: list[Callable[[FrameResult], None]]) -> float:
    """CPU seconds of this process while the daemon plays the clip."""
    started = process_cpu()
    if Daemon(configuration, observers=observers).run():
        raise SystemExit("the daemon failed")
    return process_cpu() - started


def children_cpu() -> float:
    """CPU seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def distances() -> Iterator[tuple[float, int]]:
    """How many of TRIALS passes are read, by their share of the picture's width."""
    random.seed(1)
    frames, reader = clip(), QrReader()
    for share in SHARES:
        made = (picture(random.choice(frames), share) for _ in range(TRIALS))
        yield share, sum(reader.read(image) == text for text, image in made)
    reader.close()


def clip() -> list[Image]:
    """Every tenth frame of the clip, in the size of the pictures."""
    capture, frames = cv2.VideoCapture(str(CLIP)), []
    while (read := capture.read())[0]:
        frames.append(cv2.resize(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), SIZE[::-1], interpolation=cv2.INTER_CUBIC))
    return [np.asarray(frame, np.uint8) for frame in frames[::10]]


def picture(frame: Image, share: float) -> tuple[str, Image]:
    """A pass of usual length in a frame: its text, and the picture."""
    text = "EFP1:" + base64.b32encode(random.randbytes(130)).decode()
    if len(text) > MAX_CHARACTERS:
        raise SystemExit("longer than a pass may be")
    modules = np.array(
        [[0 if dark else 255 for dark in row] for row in segno.make_qr(text, error="l").matrix], np.uint8
    )
    code = np.kron(np.pad(modules, 4, constant_values=255), np.ones((16, 16), np.uint8)).astype(np.uint8)
    place = placed(len(code), share * SIZE[1])
    # At three times the size first, so that edges between modules are as smooth as a lens makes them.
    large = np.diag([3.0, 3.0, 1.0]) @ place
    wide = (SIZE[1] * 3, SIZE[0] * 3)
    shown, mask = (cv2.warpPerspective(one, large, wide) for one in (code, np.full_like(code, 255, np.uint8)))
    shown, mask = (cv2.resize(one, SIZE[::-1], interpolation=cv2.INTER_AREA)[..., None] for one in (shown, mask))
    mixed = frame * (1 - mask / 255) + (shown * 0.75 + 30) * (mask / 255)
    noisy = cv2.GaussianBlur(mixed, (0, 0), 0.8) + np.random.default_rng(1).normal(0, 5, mixed.shape)
    return text, np.clip(noisy, 0, 255).astype(np.uint8)


def placed(modules: int, side: float) -> np.ndarray:
    """Where a square of `modules` pixels appears: turned by up to 12 degrees and tilted by up to 8 %."""
    half, tilt, angle = side / 2, random.uniform(0, 0.08) * side, np.deg2rad(random.uniform(-12, 12))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[-half, tilt - half], [half, -half], [half, half], [-half, half - tilt]]) @ turn
    middle = random.uniform(side * 0.6, SIZE[1] - side * 0.6), SIZE[0] / 2
    square = np.array([[0, 0], [modules, 0], [modules, modules], [0, modules]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(square, (corners + middle).astype(np.float32)))


if __name__ == "__main__":
    main()
