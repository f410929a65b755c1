"""Another recognition loop, run as a user would write it: a reader thread, the newest frame, a broker.

    python -m benchmarks.user_loop naive --clip CLIP --people FOLDER --port PORT --trace FILE

It runs in the environment of benchmarks/loops/NAME.py, which also needs paho-mqtt.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
import uuid
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.loops.seen import Image

CAMERA = "porch"
AWAY = 2.0
"""Seconds without a person after which they are announced again: recognition.gap."""


class Shot(NamedTuple):
    """A picture of the clip, with the time at which it was read."""

    seq: int
    monotonic: float
    wall: float
    image: Image


class Newest:
    """A thread that plays a clip in a loop at its frame rate, and the newest picture of it."""

    def __init__(self, clip: Path) -> None:
        self._clip = clip
        self._shot: Shot | None = None
        self._changed = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def take(self) -> Shot:
        """Wait for a picture that has not been taken yet."""
        with self._changed:
            self._changed.wait_for(lambda: self._shot is not None)
            shot, self._shot = self._shot, None
            assert shot is not None  # noqa: S101 - for the type checker: it was just waited for
            return shot

    def _run(self) -> None:
        began = time.monotonic()
        for seq, (rate, image) in enumerate(self._pictures()):
            time.sleep(max(0.0, began + seq / rate - time.monotonic()))
            with self._changed:
                self._shot = Shot(seq, time.monotonic(), time.time(), image)
                self._changed.notify()

    def _pictures(self) -> Iterator[tuple[float, Image]]:
        while True:
            capture = cv2.VideoCapture(str(self._clip))
            rate = float(capture.get(cv2.CAP_PROP_FPS))
            while (read := capture.read())[0]:
                yield rate, np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), np.uint8)
            capture.release()


def main() -> None:
    """Process frames until terminated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loop", help="a module of benchmarks/loops")
    for option in ("--clip", "--people", "--trace"):
        parser.add_argument(option, type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--device", default="bench")
    given = parser.parse_args()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", given.port)
    client.loop_start()
    photos = {folder.name: sorted(folder.iterdir()) for folder in sorted(given.people.iterdir())}
    loop = import_module(f"benchmarks.loops.{given.loop}").Loop(photos, (640, 480))
    newest, last = Newest(given.clip), dict[str, float]()
    with given.trace.open("w", buffering=1, encoding="ascii") as out:
        while True:
            shot = newest.take()
            names = {seen.name for seen in loop.look(shot.image, shot.monotonic) if seen.name is not None}
            for name in sorted(names):
                if shot.monotonic - last.get(name, -AWAY) >= AWAY:
                    client.publish(f"edgeface/{given.device}/{CAMERA}/event", json.dumps(_event(name, shot)), 1)
                last[name] = shot.monotonic
            trace.write(out, CAMERA, shot.seq, shot.monotonic)


def _event(name: str, shot: Shot) -> dict[str, Any]:
    captured = datetime.fromtimestamp(shot.wall, tz=timezone.utc).isoformat(timespec="milliseconds")
    return {
        "event_type": "match",
        "id": str(uuid.uuid4()),
        "camera": CAMERA,
        "person": name,
        "captured_at": captured.replace("+00:00", "Z"),
    }


if __name__ == "__main__":
    main()
