"""`make arm64`: on emulated ARM processors the demo clip gives the events of this machine, with the same people.

Two comparisons: single pictures, decoded here, through detection and embedding (`steps.py`), and the whole clip. A
processor that decodes the clip one level brighter takes other frames for its evidence now and then, so scores of
events are compared less strictly than embeddings.

A Debian root for arm64, the aarch64 wheels that a device would install, and qemu-user as a Cortex-A72 (Raspberry
Pi 4) and a Cortex-A76 (Raspberry Pi 5; the instructions of Jetson Orin's A78AE are a superset of its own).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tools import figures, needs
from tools.arm64 import emulation
from tools.service.roots import HERE, MIRROR, platforms, run

STEPS = Path(__file__).with_name("steps.py")
BUILD = HERE / "build" / "arm64"
ROOT = BUILD / "root"
SUITE, PYTHON, GLIBC = "bookworm", "3.11", 36
EDGEFACE = ("-m", "edgeface.cli")
BOARDS = {"cortex-a72": "Raspberry Pi 4", "cortex-a76": "Raspberry Pi 5, Jetson Orin"}
CLOSE, MOVED = 0.02, 0.03
"""Cosine by which an event's score may differ: at the same frame, and where another frame was the first or the last
that counted. Noise of one level in the decoded clip, on one processor, gives 0.004 and 0.018 (docs/platforms.md)."""
FRAMES = 0.2
"""Seconds by which an event may come earlier or later: three frames."""
PIXELS, COSINE = 0.1, 0.999
"""Landmarks of the same picture may be so far apart, and embeddings no less alike."""
LEVELS = 2
"""Levels of 255 by which a pixel may be decoded otherwise: conversion from YUV to RGB rounds otherwise."""

COLUMNS = [
    "processor",
    "board",
    "doctor",
    "decoding",
    "landmarks",
    "embeddings",
    "events",
    "people",
    "scores",
    "seconds",
]

Events = list[dict[str, Any]]


class Expected(NamedTuple):
    """What this machine makes of the clip, and of single pictures."""

    events: Events
    pictures: Path
    """Folder of what is measured."""
    measured: dict[str, Any]
    """`steps.measure` of it."""


def main() -> int:
    """Run each board; 0 if its events are those of this machine."""
    parser = argparse.ArgumentParser(prog="make arm64", description=__doc__.splitlines()[0])
    parser.add_argument("--cpu", choices=BOARDS, help="run only this processor")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table to FILE")
    arguments = parser.parse_args()
    needs.root("arm64", "entering another root")
    needs.programs("arm64", {"mmdebstrap": "mmdebstrap", **emulation.PROGRAMS})
    prepare()
    with tempfile.TemporaryDirectory() as folder:
        expected = here(Path(folder))
        chosen = [cpu for cpu in BOARDS if arguments.cpu in {None, cpu}]
        with ThreadPoolExecutor() as pool:
            rows = list(pool.map(lambda cpu: board(cpu, expected), chosen))
    table = "\n".join([f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS), *(row for row, _ in rows)]) + "\n"
    print(table)
    figures.save("arm64", table)
    if arguments.markdown is not None:
        arguments.markdown.write_text(table)
    return 0 if all(ok for _, ok in rows) else 1


def here(folder: Path) -> Expected:
    """Run the clip, and draw and measure the pictures, on this machine."""
    events, pictures, measured = folder / "events.jsonl", folder / "pictures", folder / "measured.json"
    run(sys.executable, "-m", "edgeface.cli", *replay(HERE, events))
    run(sys.executable, STEPS, "draw", pictures)
    run(sys.executable, STEPS, "measure", pictures, measured)
    return Expected(read(events), pictures, json.loads(measured.read_text()))


def prepare() -> None:
    """Make the root and copy the wheels and this checkout into it."""
    if not (ROOT / "usr/bin/python3").exists():
        print(f"making a root of Debian {SUITE} for arm64", flush=True)
        ROOT.parent.mkdir(parents=True, exist_ok=True)
        packages = "--include=python3,libstdc++6,tzdata"
        run("mmdebstrap", "--quiet", "--arch=arm64", "--variant=extract", packages, SUITE, ROOT, MIRROR)
    emulation.register()
    site = ROOT / "opt/edgeface"
    wanted, fetched = _dependencies(), ROOT / "opt/needs"
    if not fetched.exists() or fetched.read_text() != str(wanted):
        print("fetching the aarch64 wheels", flush=True)
        shutil.rmtree(site, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]
        run(*pip, site, *platforms("aarch64", PYTHON, glibc=GLIBC), *wanted)
        fetched.write_text(str(wanted))
    for name in ("edgeface", "models"):
        shutil.rmtree(site / name, ignore_errors=True)
        shutil.copytree(HERE / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dev", "proc", "root", "sys/devices/system/cpu", "tmp"):
        (ROOT / name).mkdir(parents=True, exist_ok=True)
    for name in ("possible", "present", "online"):
        (ROOT / "sys/devices/system/cpu" / name).write_text("0-3\n")
    # The photo decoder uses it to limit its own memory; nothing is mounted on the root's /proc.
    (ROOT / "proc/self").mkdir(exist_ok=True)
    (ROOT / "proc/self/statm").write_text("250000 20000 10000 1 0 50000 0\n")
    for device, minor in (("null", 3), ("urandom", 9)):
        if not (ROOT / "dev" / device).exists():
            os.mknod(ROOT / "dev" / device, 0o666 | 0o020000, os.makedev(1, minor))


def board(cpu: str, expected: Expected) -> tuple[str, bool]:
    """One processor's row of the table, and whether it agrees with this machine."""
    print(f"replaying the demo clip on an emulated {cpu}", flush=True)
    root = own_root(cpu)
    began = time.monotonic()
    doctor = emulate(root, cpu, *EDGEFACE, "doctor", "--config", "/root/config.yaml", check=False)
    print(doctor.stdout, flush=True)
    shutil.copytree(expected.pictures, root / "root/pictures")
    shutil.copy(STEPS, root / "root/steps.py")
    emulate(root, cpu, "/root/steps.py", "measure", "/root/pictures", "/root/measured.json")
    steps, alike = steps_agree(json.loads((root / "root/measured.json").read_text()), expected.measured)
    emulate(root, cpu, *EDGEFACE, *replay(Path("/opt/edgeface"), Path("/root/events.jsonl")))
    events, same = events_agree(read(root / "root/events.jsonl"), expected.events)
    cells = [cpu, BOARDS[cpu], f"exit {doctor.returncode}", *steps, *events, f"{time.monotonic() - began:.0f}"]
    return f"| {' | '.join(cells)} |", alike and same


def own_root(cpu: str) -> Path:
    """A root for one processor, with its /proc/cpuinfo."""
    root = BUILD / cpu
    shutil.rmtree(root, ignore_errors=True)
    run("cp", "-a", "--reflink=auto", ROOT, root)
    (root / "proc/cpuinfo").write_text(emulation.cpuinfo(cpu))
    (root / "root/config.yaml").write_text(
        "data: /root/data\ncameras: {porch: {type: replay, path: /opt/edgeface/edgeface/demo_data/clip.mp4}}\n"
    )
    return root


def steps_agree(there: dict[str, Any], own: dict[str, Any]) -> tuple[list[str], bool]:
    """Cells for decoding, landmarks and embeddings, and whether all are near enough."""
    decoding = f"{there['levels']} of 255"
    if reasons(there) != reasons(own):
        return [decoding, "NOT THE SAME FACES", ""], False
    faces = [both for name in own["faces"] for both in zip(there["faces"][name], own["faces"][name], strict=True)]
    pixels = max(float(np.abs(np.subtract(one["landmarks"], other["landmarks"])).max()) for one, other in faces)
    cosine = min(float(np.dot(one["embedding"], other["embedding"])) for one, other in faces)
    near = there["levels"] <= LEVELS and pixels <= PIXELS and cosine >= COSINE
    return [decoding, f"{pixels:.3f} px", f"{cosine:.4f}, {len(faces)} faces"], near


def reasons(measured: dict[str, Any]) -> dict[str, list[str | None]]:
    """How each face of each picture was judged."""
    return {name: [face["reason"] for face in faces] for name, faces in measured["faces"].items()}


def events_agree(there: Events, own: Events) -> tuple[list[str], bool]:
    """Cells for events, people and scores, and whether the events are the same."""
    gaps: dict[str, float] = {"same frame": 0.0, "another frame": 0.0}
    same = [told(event) for event in there] == [told(event) for event in own]
    for one, other in zip(there, own, strict=False):
        late = abs(at(one) - at(other))
        same = same and late <= FRAMES
        if one["score"] is not None and other["score"] is not None:
            frame = "another frame" if late else "same frame"
            gaps[frame] = max(gaps[frame], abs(one["score"] - other["score"]))
    people = ", ".join(dict.fromkeys(event["person"] for event in there if event["person"])) or "no one"
    cells = [f"{len(there)} of {len(own)}" + ("" if same else ", NOT THE SAME"), people]
    cells.append(", ".join(f"{frame} {gap:.4f}" for frame, gap in gaps.items()))
    return cells, same and gaps["same frame"] <= CLOSE and gaps["another frame"] <= MOVED


def emulate(root: Path, cpu: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Python inside the root, as that processor would."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/bin",
        "HOME": "/root",
        "QEMU_CPU": cpu,
        "PYTHONPATH": "/opt/edgeface",
        "LANG": "C.UTF-8",
    }
    command = ["/usr/sbin/chroot", str(root), "/usr/bin/python3", *arguments]
    done = subprocess.run(
        command, env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if check and done.returncode:
        raise SystemExit(f"arm64: {' '.join(arguments[:3])}: exit status {done.returncode}\n{done.stdout[-2000:]}")
    return done


def replay(folder: Path, out: Path) -> list[str]:
    """The arguments of the replay command."""
    data = folder / "edgeface" / "demo_data"
    return ["replay", str(data / "clip.mp4"), "--gallery", str(data / "people"), "--events", str(out)]


def told(event: dict[str, Any]) -> tuple[object, ...]:
    """The parts of an event that must be the same everywhere."""
    return event["event_type"], event["person"], event["unknown"] is None, event["camera"]


def at(event: dict[str, Any]) -> float:
    """When an event was captured, in seconds."""
    return datetime.fromisoformat(event["captured_at"].replace("Z", "+00:00")).timestamp()


def read(path: Path) -> Events:
    """The events of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def _dependencies() -> list[str]:
    text = (HERE / "pyproject.toml").read_text()
    block = text[text.index("dependencies = [") : text.index("]", text.index("dependencies = ["))]
    return [line.strip().strip('",') for line in block.splitlines() if line.strip().startswith('"')]


if __name__ == "__main__":
    sys.exit(main())
