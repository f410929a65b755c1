"""One page about this machine: what is there, what is wrong, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edgeface import __version__, board, config
from edgeface.clock import SystemClock, process_cpu, synchronised
from edgeface.credentials import password, require_safe
from edgeface.errors import EdgefaceError
from edgeface.model import SHIPPED, open_shipped

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.settings import Configuration

Mark = Literal["ok", "note", "bad"]

PACKAGES = ("numpy", "opencv-python-headless", "ai-edge-litert", "tflite-runtime", "paho-mqtt", "pydantic", "mediapipe")
HOT = 80.0
"""Degrees Celsius at which a Raspberry Pi begins to slow down (raspberrypi.com, frequency management)."""
FREE_MB = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the page."""

    what: str
    says: str
    mark: Mark = "ok"
    remedy: str = ""


def run_doctor(arguments: argparse.Namespace) -> int:
    """`edgeface doctor`: 0 when nothing is bad, else 1."""
    bad = 0
    for finding in findings(arguments.config):
        print(f"{finding.mark:<5}{finding.what:<12}{finding.says}", flush=True)
        if finding.remedy:
            print(f"     {'':<12}-> {finding.remedy}")
        bad += finding.mark == "bad"
    print(f"\n{bad} problems" if bad != 1 else "\n1 problem")
    return 1 if bad else 0


def findings(path: Path) -> Iterator[Finding]:
    """Look at everything, slowest last."""
    yield from _machine()
    yield from _packages()
    yield from _clock()
    yield from _models()
    try:
        configuration = config.load(path)
    except EdgefaceError as error:
        yield Finding("config", str(error).replace("\n", "; "), "bad", f"edgeface check --config {path}")
    else:
        yield Finding("config", f"{path}: {len(configuration.cameras)} cameras")
        yield from _disk(configuration.data)
        yield from _broker(configuration)
        yield from _cameras(configuration)
    yield from _speed()


def _machine() -> Iterator[Finding]:
    yield Finding("edgeface", __version__)
    yield Finding("system", f"{platform.platform()}, Python {platform.python_version()}")
    features = board.cpu_features()
    dot = "asimddp" in features or "avx512_vnni" in features or "avx_vnni" in features
    yield Finding("board", f"{board.model()}, {os.cpu_count()} cores, int8 dot products: {'yes' if dot else 'no'}")
    heat, slow = board.temperature(), board.throttled()
    if heat is not None:
        hot = heat >= HOT
        yield Finding("heat", f"{heat:.0f} degrees", "bad" if hot else "ok", "cool the board" if hot else "")
    if slow:
        yield Finding("power", "the board slows itself down", "bad", "a stronger power supply, or a heat sink")


def _packages() -> Iterator[Finding]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    yield Finding("packages", ", ".join(found))


def _clock() -> Iterator[Finding]:
    if synchronised():
        yield Finding("clock", "synchronised")
    else:
        remedy = "timedatectl set-ntp true; until then times in events are only this machine's own"
        yield Finding("clock", "not known to be synchronised", "note", remedy)


def _models() -> Iterator[Finding]:
    for shipped in SHIPPED:
        try:
            open_shipped(shipped)
        except EdgefaceError as error:
            yield Finding("model", str(error), "bad", "install edgeface again")
        else:
            yield Finding("model", f"{shipped.file} {shipped.sha256[:8]}")


def _disk(folder: Path) -> Iterator[Finding]:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free // 1_000_000
    if not there.is_dir():
        yield Finding("data", f"{there} is not a folder", "bad", "move it away, or change data:")
    elif not os.access(there, os.W_OK):
        yield Finding("data", f"{there} cannot be written", "bad", "run as the user edgeface, or change data:")
    elif free < FREE_MB:
        yield Finding("data", f"{there} has {free} MB free", "bad", f"{FREE_MB} MB should be free")
    else:
        yield Finding("data", f"{folder}, {free} MB free")


def _broker(configuration: Configuration) -> Iterator[Finding]:
    mqtt = configuration.mqtt
    if mqtt is None:
        yield Finding("broker", "none is configured: events go to the log", "note")
        return
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        require_safe(mqtt)
        password(mqtt)
        socket.create_connection((mqtt.host, mqtt.port), timeout=5).close()
    except EdgefaceError as error:
        yield Finding("broker", str(error), "bad")
    except OSError as error:
        yield Finding("broker", f"{where}: {error.strerror or error}", "bad", "is it running, and the firewall open?")
    else:
        yield Finding("broker", f"{where} answers")


def _cameras(configuration: Configuration) -> Iterator[Finding]:
    for name, camera in configuration.cameras.items():
        try:
            picture = next(iter(camera.images()))
        except EdgefaceError as error:
            yield Finding("camera", f"{name}: {error}", "bad", "docs/cameras.md")
        except StopIteration:
            yield Finding("camera", f"{name}: gives no picture", "bad", "docs/cameras.md")
        else:
            height, width = picture.image.shape[:2]
            yield Finding("camera", f"{name}: {width} x {height}, brightness {picture.image.mean() / 255:.0%}")


def _speed() -> Iterator[Finding]:
    """CPU time of each part of the chain on a picture without faces and on one aligned crop."""
    import numpy as np

    from edgeface.detectors.blazeface import Blazeface
    from edgeface.embedder import open_embedder
    from edgeface.onet import Onet
    from edgeface.types import Box, Detection

    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    detector, landmarker, embedder = Blazeface().open(), Onet(), open_embedder()
    face = Detection(Box(200, 100, 300, 220), 1.0, np.full((6, 2), np.nan, np.float32))
    parts: dict[str, Callable[[], object]] = {
        "detect 640x480": lambda: detector.detect(image, 0, ()),
        "landmarks": lambda: landmarker.locate(image, face),
        "embed": lambda: embedder.embed(image[:112, :112]),
    }
    costs = {part: _cost(work) for part, work in parts.items()}
    yield Finding("speed", ", ".join(f"{part} {cost * 1000:.1f} ms" for part, cost in costs.items()) + " CPU")


def _cost(work: Callable[[], object], seconds: float = 1.0) -> float:
    """CPU seconds a call, over about `seconds`."""
    clock = SystemClock()
    work()
    calls, start, cpu = 0, clock.monotonic(), process_cpu()
    while clock.monotonic() - start < seconds:
        work()
        calls += 1
    return (process_cpu() - cpu) / calls
