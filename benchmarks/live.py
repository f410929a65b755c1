"""The running daemon, from capture to subscriber, with one camera and with four, compared with users' own loops.

    python -m benchmarks.live [--minutes 4] [--naive PYTHON] [--dlib PYTHON] [--write]

One camera: people come and go (benchmarks/visits.py) at 15 fps and 640x480, with a real broker and a subscriber on
loopback. Four cameras: each shows one face at all times, a new one about every two seconds, and the daemon is limited
to two cores. The other loops read the same clip in a thread, process the newest frame, and publish a name if they have
not seen it for two seconds. Writes build/bench/live.json. On a busy machine, --first gives the run priority.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import figures, visits
from benchmarks.site import Site, go_first
from tools.faults import table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.visits import Clip

OUT = Path("build/bench/live.json")
DOCUMENT = Path("docs/performance.md")
MARK = "live"
STARTS = 5
CORES = (0, 1)
"""The cores for the daemon with four cameras."""
_OTHERS = {"naive": "MediaPipe and MobileFaceNet on every frame", "dlib": "face_recognition"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run everything, print the table, and write it to the document if requested."""
    wanted = _parser().parse_args(arguments)
    if wanted.first:
        go_first()
    with tempfile.TemporaryDirectory(prefix="edgeface-live-") as scratch:
        folder = Path(scratch)
        people = visits.people(folder / "people")
        found: dict[str, Any] = {"machine": table.machine(), "date": datetime.now(timezone.utc).date().isoformat()}
        walk = visits.make(folder / "one.mp4", seconds=1.4, gap=0.6)
        found["edgeface"] = _one(folder / "one", walk, people, wanted.minutes * 60)
        for name in _OTHERS:
            python = getattr(wanted, name)
            if python.exists():
                found[name] = _other(folder / name, name, python, walk, people, wanted.minutes * 60)
            else:
                print(f"{name}: not run, {python} does not exist", flush=True)
        found["four"] = _four(folder / "four", people, wanted.minutes * 30)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    text = markdown(found)
    print(text)
    if wanted.write is not None:
        table.write(wanted.write, MARK, text)


def four(folder: Path) -> dict[str, Clip]:
    """Clips for four cameras, each with one face at all times, changing at different times; the folder must exist."""
    return {f"cam{n}": visits.make(folder / f"cam{n}.mp4", seconds=1.8 + 0.2 * n, gap=0.0, seed=n) for n in range(4)}


def markdown(found: dict[str, Any]) -> str:
    """The tables, with date and machine."""
    loops = {name: found[key] for key, name in {"edgeface": "edgeface", **_OTHERS}.items() if key in found}
    head = [f"Run on {found['date']}, {found['machine']}.", ""]
    rows: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("frames handled", lambda one: f"{one['handled']:.1%}"),
        ("capture to received, p50 / p95", lambda one: _ms(one["received_ms"])),
        ("face in view to received, p50 / p95", lambda one: _ms(one["usable_ms"])),
        ("visits announced with the correct name", lambda one: f"{one['right']} of {one['visits']}"),
        ("announced with a wrong name", lambda one: str(one["wrong"])),
        ("CPU per frame handled", lambda one: f"{one['cpu_ms']:.1f} ms"),
        ("memory, steady / peak", lambda one: f"{one['rss_steady']:.0f} / {one['rss_peak']:.0f} MB"),
        ("start to first frame handled", lambda one: f"{np.median(one['start_s']):.2f} s"),
    ]
    first = ["| one camera | " + " | ".join(loops) + " |", "|---|" + "---|" * len(loops)]
    first += [f"| {name} | " + " | ".join(tell(one) for one in loops.values()) + " |" for name, tell in rows]
    whole = found["four"]
    second = [
        "| four cameras | frames handled | capture to handled, p50 / p95 | capture to received, p50 / p95 |",
        "|---|---|---|---|",
    ]
    for name, camera in {**whole["cameras"], "all": whole}.items():
        cells = (f"{camera['handled']:.2%}", _ms(camera["dealt_ms"]), _ms(camera["received_ms"]))
        second.append(f"| {name} | " + " | ".join(cells) + " |")
    cost = f"CPU {whole['cpu_ms']:.1f} ms per frame, {whole['cores_used']:.2f} of two cores"
    last = f"{cost}; {whole['rss_peak']:.0f} MB."
    return "\n".join([*head, *first, "", *second, "", last])


def _one(folder: Path, clip: Clip, people: Path, seconds: float) -> dict[str, Any]:
    with Site(folder, {"porch": clip.path}) as site:
        site.enroll(people)
        found = figures.summary(site.run(site.daemon(), seconds), {"porch": clip})
        found["start_s"] = [site.started(site.daemon()) for _ in range(STARTS)]
    return _told("edgeface", found)


def _other(folder: Path, name: str, python: Path, clip: Clip, people: Path, seconds: float) -> dict[str, Any]:
    with Site(folder, {"porch": clip.path}) as site:
        files = ["--clip", str(clip.path), "--people", str(people), "--trace", str(site.trace)]
        command = [str(python), "-m", "benchmarks.user_loop", name, *files, "--port", str(site.broker.port)]
        found = figures.summary(site.run(command, seconds), {"porch": clip})
        found["start_s"] = [site.started(command) for _ in range(STARTS)]
    return _told(name, found)


def _four(folder: Path, people: Path, seconds: float) -> dict[str, Any]:
    folder.mkdir()
    clips = four(folder)
    with Site(folder, {name: clip.path for name, clip in clips.items()}, CORES) as site:
        site.enroll(people)
        run = site.run(site.daemon(), seconds, warm=10.0)
    found = figures.summary(run, clips)
    found["cameras"] = {name: figures.summary(run, {name: clip}) for name, clip in clips.items()}
    return _told("four cameras", found)


def _told(name: str, found: dict[str, Any]) -> dict[str, Any]:
    print(f"{name}: {json.dumps(found)}", flush=True)
    return found


def _ms(pair: dict[str, float]) -> str:
    return f"{pair['p50']:.0f} / {pair['p95']:.0f} ms"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.0, help="length with one camera; half of it with four")
    parser.add_argument("--naive", type=Path, default=Path("build/naive/bin/python"), metavar="PYTHON")
    parser.add_argument("--dlib", type=Path, default=Path("build/dlib/bin/python"), metavar="PYTHON")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=DOCUMENT,
        metavar="FILE",
        help=f"write the tables between FILE's {MARK} marks",
    )
    parser.add_argument("--first", action="store_true", help="run with priority over all other work; needs root")
    return parser


if __name__ == "__main__":
    main()
