"""The image for arm64 on an emulated processor: the doctor, and the events of the demo clip."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tools.arm64.__main__ import CPUINFO, PARTS, events_agree
from tools.image import podman
from tools.image.podman import BUILD
from tools.image.running import CLIP, DEMO, MEDIA, NARROW, PEOPLE, require
from tools.image.steps import COMPRESSED, UNPACKED

if TYPE_CHECKING:
    from collections.abc import Callable

CPU = "cortex-a72"
TAG, OTHER = "localhost/edgeface:trial-arm64", "localhost/edgeface:trial"
SECONDS = 3600


def steps(*, keep: bool) -> list[Callable[[], str]]:
    """Build it, unless the last run's is kept; returns the steps."""
    if not keep:
        podman.build("arm64", TAG)
    podman.emulate()
    return [size, doctor, replay]


def size() -> str:
    """arm64, size: at most 450 MB unpacked, 160 MB compressed."""
    unpacked, compressed = podman.sizes(TAG)
    text = f"{unpacked:.0f} MB unpacked, {compressed:.1f} MB compressed"
    require(unpacked <= UNPACKED and compressed <= COMPRESSED, text)
    return text


def doctor() -> str:
    """arm64, edgeface doctor on an emulated Cortex-A72 (Raspberry Pi 4)."""
    status, text = _run(TAG, "doctor", *_emulation())
    problems = re.search(r"^\d+ problems?\b.*", text, re.MULTILINE)
    require(status == 0 and "aarch64" in text and problems, f"{status}: {text}")
    return f"exit {status}, {problems[0] if problems else ''}"


def replay() -> str:
    """arm64, the events of the demo clip are those of amd64."""
    there, here = _events(TAG, *_emulation()), _events(OTHER)
    cells, same = events_agree(there, here)
    require(same, "; ".join(cells))
    return "; ".join(cells)


def _events(tag: str, *options: str) -> list[dict[str, Any]]:
    status, text = _run(tag, f"replay {CLIP} --gallery {PEOPLE} --events -", *options)
    require(status == 0, f"{status}: {text[-1000:]}")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _run(tag: str, command: str, *options: str) -> tuple[int, str]:
    volume = ("--volume", f"{DEMO}:{MEDIA}:ro", "--tmpfs", "/tmp")  # noqa: S108 - of the container
    words = ("run", "--rm", "--no-healthcheck", *NARROW, "--network", "none", *volume, *options, tag, *command.split())
    done = podman.podman(*words, check=False, seconds=SECONDS)
    return done.returncode, done.stdout + done.stderr


def _emulation() -> tuple[str, ...]:
    """The processor, and what the kernel would list of it: qemu-user shows this machine's."""
    part, features = PARTS[CPU]
    file = BUILD / "cpuinfo-arm64"
    file.write_text(CPUINFO.format(part=part, features=features) * 4)
    return ("--env", f"QEMU_CPU={CPU}", "--volume", f"{file}:/proc/cpuinfo:ro")
