"""How many modules a frame, an event and an enrollment enter: python -m tools.trace (Markdown, build/trace.json).

It runs `edgeface enroll` with one photo, and `edgeface run` on the demo clip with a broker and a door, under a
profile hook.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import edgeface
from edgeface.cli.main import main as edgeface_main
from edgeface.demo.mosquitto import Mosquitto
from tools import figures
from tools.trace.recorder import Recorder

PACKAGE = Path(edgeface.__file__).parent
CLIP, PEOPLE = PACKAGE / "demo_data" / "clip.mp4", PACKAGE / "demo_data" / "people"
OUT = Path("build/trace.json")

THREADS = ("capture", "vision", "publisher", "journal")
"""The path of a frame from the camera to the broker; the threads' names begin with these words."""

VISION, PIPELINE = "daemon/vision.py:_handle", "recognition/pipeline.py:process"
"""What handles a frame, with publishing its events, and the part of it that decides about them."""

_CONFIG = """
data: {folder}/data
cameras:
  porch: {{type: replay, path: {clip}}}
mqtt: {{port: {port}}}
doors:
  front: {{camera: porch, allow: [{{person: barack_obama}}]}}
"""


def main() -> None:
    """Print the table, and write it with the names of the modules to build/trace.json."""
    out = OUT.absolute()
    with tempfile.TemporaryDirectory() as name, Mosquitto(Path(name)) as broker:
        # The config.yaml of the current folder would count for the enrollment.
        os.chdir(name)
        config = Path(name) / "trace.yaml"
        config.write_text(_CONFIG.format(folder=name, clip=CLIP, port=broker.port))
        found = {"enroll": _enroll(config), **_run(config)}
    out.parent.mkdir(exist_ok=True)
    table = tabled(found)
    out.write_text(json.dumps({"figures": figures.rows(table), "modules": found}, indent=2) + "\n")
    print(table)


def tabled(found: dict[str, Any]) -> str:
    """The figures as a Markdown table."""
    threads = found["threads"]
    way = {module for entered in threads.values() for module in entered}
    rows = [
        *((f"{thread} thread", len(entered)) for thread, entered in threads.items()),
        ("camera to broker, all threads", len(way)),
        ("a frame in the pipeline, on average", found["average"]),
        ("the first frame with an event, in the pipeline", len(found["pipeline"])),
        ("the same with publishing", len(found["vision"])),
        ("enrolling one photo", len(found["enroll"])),
    ]
    return "\n".join(["| what | modules |", "|---|---|", *(f"| {what} | {count} |" for what, count in rows)])


def _enroll(config: Path) -> list[str]:
    """The modules that `edgeface enroll` enters with one photo of one person, without a config.yaml."""
    recorder = Recorder(PACKAGE)
    with recorder.recording():
        _edgeface("enroll", "--data", config.parent / "data", "barack_obama", PEOPLE / "Barack_Obama" / "obama.jpg")
    return recorder.thread("MainThread")


def _run(config: Path) -> dict[str, Any]:
    """The modules that the daemon's threads enter while it runs over the demo clip."""
    _edgeface("keys", "new", "--config", config)
    recorder = Recorder(PACKAGE, {"vision": VISION, "pipeline": PIPELINE})
    with recorder.recording():
        _edgeface("run", "--config", config)
    vision, pipeline = recorder.calls["vision"], recorder.calls["pipeline"]
    event = next(number for number, entered in enumerate(pipeline) if any(m.endswith("events.py") for m in entered))
    return {
        "threads": {thread: recorder.thread(thread) for thread in THREADS},
        "average": round(sum(map(len, pipeline)) / len(pipeline), 1),
        "pipeline": list(pipeline[event]),
        "vision": list(vision[event]),
    }


def _edgeface(*words: str | Path) -> None:
    status = edgeface_main([str(word) for word in words])
    if status:
        raise SystemExit(f"edgeface {words[0]} failed with status {status}")


if __name__ == "__main__":
    main()
