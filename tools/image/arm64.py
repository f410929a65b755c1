"""The image for arm64 on an emulated processor: the doctor, and events of the demo clip."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from edgeface.imaging.opencv import cv2
from tools.arm64 import emulation
from tools.arm64.__main__ import events_agree
from tools.image import podman
from tools.image.container import DEMO, MEDIA, NARROW, PEOPLE, TEMPORARY
from tools.image.podman import BUILD
from tools.image.steps import small_enough
from tools.steps import require

if TYPE_CHECKING:
    from collections.abc import Callable

CPU = "cortex-a72"
TAG, OTHER = "localhost/edgeface:trial-arm64", "localhost/edgeface:trial"
SECONDS = 3600
FRAMES, COUNT = "/frames", 75
"""Five seconds of the clip, with a match. `make arm64` replays the whole clip, which takes half an hour."""


def steps(*, keep: bool) -> list[Callable[[], str]]:
    """The steps, after building the image unless `keep`."""
    if not keep:
        podman.build("arm64", TAG)
    (BUILD / "frames").mkdir(exist_ok=True)
    emulation.register()
    return [size, doctor, replay]


def size() -> str:
    """arm64, size: at most 450 MB unpacked, 160 MB compressed."""
    return small_enough(TAG)


def doctor() -> str:
    """arm64, edgeface doctor on an emulated Cortex-A72 (Raspberry Pi 4)."""
    status, text = _run(TAG, "doctor", *_emulation())
    problems = re.search(r"^\d+ problems?\b.*", text, re.MULTILINE)
    require(status == 0 and "aarch64" in text and problems, f"{status}: {text}")
    return f"exit {status}, {problems[0] if problems else ''}"


def replay() -> str:
    """arm64, the events of the first five seconds of the demo clip are those of amd64."""
    _write_frames()
    there, here = _events(TAG, *_emulation()), _events(OTHER)
    cells, same = events_agree(there, here)
    require(same, "; ".join(cells))
    return "; ".join(cells)


def _write_frames() -> None:
    """Decode them here, once for both processors."""
    clip = cv2.VideoCapture(str(DEMO / "clip.mp4"))
    for number in range(COUNT):
        read, image = clip.read()
        require(read, "the demo clip is too short")
        cv2.imwrite(str(BUILD / "frames" / f"{number:03}.png"), image)


def _events(tag: str, *options: str) -> list[dict[str, Any]]:
    status, text = _run(tag, f"replay {FRAMES} --gallery {PEOPLE} --events -", *options)
    require(status == 0, f"{status}: {text[-1000:]}")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _run(tag: str, command: str, *options: str) -> tuple[int, str]:
    volumes = ("--volume", f"{DEMO}:{MEDIA}:ro", "--volume", f"{BUILD / 'frames'}:{FRAMES}:ro", "--tmpfs", TEMPORARY)
    words = ("run", "--rm", "--no-healthcheck", *NARROW, "--network", "none", *volumes, *options, tag, *command.split())
    done = podman.podman(*words, check=False, seconds=SECONDS)
    return done.returncode, done.stdout + done.stderr


def _emulation() -> tuple[str, ...]:
    """The processor, and what its kernel would list: qemu-user shows this machine's."""
    file = BUILD / "cpuinfo-arm64"
    file.write_text(emulation.cpuinfo(CPU))
    return ("--env", f"QEMU_CPU={CPU}", "--volume", f"{file}:/proc/cpuinfo:ro")
