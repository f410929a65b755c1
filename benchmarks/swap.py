"""Whether a door opens for a look-alike who steps into the place of a matched person: real daemon, broker and door.

Takes a folder PERSON/PHOTO of photos, as in LFW. For each look-alike that joins a person's evidence although it scores
low alone (benchmarks/identity.py), a clip shows the person and a companion, so that the door stays shut, and then the
look-alike in the person's place. A second clip shows the person instead: the door must open. Each clip is played by a
daemon of its own, with a door that requires level high.

    python -m benchmarks.swap FACES [--people 170] [--pairs 20] [--out build/swap.json]
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tqdm import tqdm

from benchmarks.identity import ALONE, ENROLLED, FPS, JOINS, arguments, load, noise, open_analyzer, strangers
from edgeface.demo.mosquitto import Mosquitto
from edgeface.imaging.opencv import cv2
from tools import figures
from tools.faults.listener import DOOR, DOOR_TOPIC
from tools.faults.site import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.identity import Known, Stranger
    from edgeface.core.types import Image

EMPTY, BOTH, AFTER = 1.0, 2.5, 8.0
"""Seconds of a clip: empty, the person with the companion, and who comes into the person's place."""
LATE = 0.3
"""Seconds after the swap from which a match counts as made after it: the camera's status arrives up to that late."""
_LEFT, _RIGHT = (110, 100), (380, 100)
_READY = 30.0
_CONFIG = """\
device: front
data: {folder}/data
cameras: {{porch: {{type: replay, path: {folder}/clip.avi}}}}
mqtt: {{port: {port}}}
doors: {{{door}: {{camera: porch, allow: [{{person: known}}], level: high, cooldown: 1}}}}
log: {{level: warning}}
"""
_DOOR = """\
door: {door}
keys: {{k1: {key}}}
relay: {{type: log}}
mqtt: {{port: {port}}}
"""


@dataclass(slots=True)
class Seen:
    """What a subscriber saw of one clip."""

    online: float | None = None
    """Wall seconds at which the camera was reported online."""
    matches: list[float] = field(default_factory=list)
    """Wall seconds of the pictures of the person's match events."""
    grants: int = 0
    opened: int = 0
    """Grants that the door accepted."""

    def take(self, topic: str, payload: bytes | bytearray) -> None:
        """Note one message."""
        if topic == "edgeface/front/porch/status" and payload == b"online":
            self.online = self.online or time.time()
        elif topic == "edgeface/front/porch/event" and (wire := json.loads(payload))["event_type"] == "match":
            self.matches.append(datetime.fromisoformat(wire["captured_at"].replace("Z", "+00:00")).timestamp())
        elif topic == f"{DOOR_TOPIC}/grant":
            self.grants += 1
        elif topic == f"{DOOR_TOPIC}/result":
            self.opened += bool(json.loads(payload).get("accepted"))

    @property
    def late_matches(self) -> int:
        """Match events of pictures from after the swap."""
        swap = (self.online or 0.0) + EMPTY + BOTH + LATE
        return sum(at > swap for at in self.matches)


def main() -> None:
    """Measure, print the table, and write the figures."""
    options = arguments(__doc__, "swap", people=170, pairs=20)
    people = load(open_analyzer(), options.faces, options.people)
    alike = [one for one in strangers(people)[0] if one.alone < ALONE and one.joins >= JOINS]
    pairs = sorted(alike, key=lambda one: -one.joins)[: options.pairs]
    if not pairs:
        raise SystemExit(f"no look-alike among {len(people)} people: give more people")
    with tempfile.TemporaryDirectory() as folder:
        text = table(played(Path(folder), pairs, people))
    print(text)
    figures.save(options.out.stem, text, options.out.parent)


def table(found: Sequence[tuple[Seen, Seen]]) -> str:
    """What was granted and matched, for look-alikes and for the people themselves."""
    lines = ["| in the person's place | clips | matched before | grants | opened the door | match events after |"]
    lines.append("|---" * 6 + "|")
    for name, seen in zip(("a look-alike", "the person"), zip(*found, strict=True), strict=True):
        cells = (
            len(seen),
            sum(len(one.matches) > one.late_matches for one in seen),
            sum(one.grants for one in seen),
            sum(one.opened > 0 for one in seen),
            sum(one.late_matches for one in seen),
        )
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def played(folder: Path, pairs: Sequence[Stranger], people: Sequence[Known]) -> list[tuple[Seen, Seen]]:
    """Play two clips for each pair: the look-alike takes the person's place, and the person stays."""
    found = []
    for number, pair in enumerate(tqdm(pairs, unit="pair", disable=None)):
        companion = unlike(pair, people)
        own = pair.known.images[ENROLLED:]
        swapped = play(folder / f"{number}-other", pair.known, companion, (pair.image,))
        found.append((swapped, play(folder / f"{number}-own", pair.known, companion, own)))
    return found


def unlike(pair: Stranger, people: Sequence[Known]) -> Image:
    """A photo of the person who resembles both least."""
    faces = (pair.known.template, pair.embedding)
    least = min(people, key=lambda one: max(float(one.template @ face) for face in faces))
    return least.images[0]


def play(folder: Path, known: Known, companion: Image, after: Sequence[Image]) -> Seen:
    """Enroll the person, start a broker, a door and the daemon, and play one clip."""
    folder.mkdir()
    write_clip(folder / "clip.avi", known.images[ENROLLED:], companion, after)
    photos = [folder / f"{number}.png" for number in range(ENROLLED)]
    for path, image in zip(photos, known.images, strict=False):
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    seen = Seen()
    with Mosquitto(folder) as broker, subscribed(broker.port, seen):
        config, door = folder / "config.yaml", folder / "door.yaml"
        config.write_text(_CONFIG.format(folder=folder, port=broker.port, door=DOOR), encoding="utf-8")
        edgeface("enroll", "known", *map(str, photos), "--skip-bad", "--config", str(config))
        edgeface("keys", "new", "--kid", "k1", "--config", str(config))
        (key,) = re.findall(r"^  \"k1\": (\S+)$", edgeface("keys", "show", "--config", str(config)), re.MULTILINE)
        door.write_text(_DOOR.format(door=DOOR, key=key, port=broker.port), encoding="utf-8")
        with process(folder, "door", "--config", str(door)), process(folder, "run", "--config", str(config)):
            if not until(lambda: seen.online is not None, _READY):
                raise RuntimeError(f"the daemon did not start: {folder}")
            time.sleep(EMPTY + BOTH + AFTER + 0.5)
    return seen


def write_clip(path: Path, own: Sequence[Image], companion: Image, after: Sequence[Image]) -> None:
    """A grey picture with camera noise, first empty, then with two people, then with one in the place of the first."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (640, 480))
    try:
        for number in range(round((EMPTY + BOTH + AFTER) * FPS)):
            seconds, turn = number / FPS, number // 3
            shown = [(own[turn % len(own)], _LEFT), (companion, _RIGHT)]
            if seconds >= EMPTY + BOTH:
                shown = [(after[turn % len(after)], _LEFT)]
            writer.write(cv2.cvtColor(scene(shown if seconds >= EMPTY else (), number), cv2.COLOR_RGB2BGR))
    finally:
        writer.release()


def scene(shown: Sequence[tuple[Image, tuple[int, int]]], number: int) -> Image:
    """One picture; each photo moves up and down by a pixel."""
    canvas = np.full((480, 640, 3), 110, np.int16)
    for photo, (x, y) in shown:
        top = y + number % 3 - 1
        canvas[top : top + photo.shape[0], x : x + photo.shape[1]] = photo[: 480 - top, : 640 - x]
    return np.asarray(np.clip(canvas + noise(number % 16), 0, 255), np.uint8)


def edgeface(*arguments: str) -> str:
    """Run a verb to its end and return what it prints; raises RuntimeError if it fails."""
    command = [sys.executable, "-m", "edgeface.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"edgeface {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[None]:
    """Run a verb in the background, and stop it at the end."""
    command = [sys.executable, "-m", "edgeface.cli", *arguments]
    with (folder / f"{arguments[0]}.log").open("ab") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        running.terminate()
        running.wait(_READY)


@contextmanager
def subscribed(port: int, seen: Seen) -> Iterator[None]:
    """Note every message of the broker; returns once the subscription holds."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="swap", protocol=paho.MQTTv5)
    ready: list[bool] = []
    client.on_connect = lambda client, *_: client.subscribe("edgeface/#", qos=1)
    client.on_subscribe = lambda *_: ready.append(True)
    client.on_message = lambda _client, _data, message: seen.take(message.topic, message.payload)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        if not until(lambda: ready, _READY):
            raise RuntimeError("the broker does not answer")
        yield
    finally:
        client.disconnect()
        client.loop_stop()


if __name__ == "__main__":
    main()
