"""The whole chain on a clip that ships: enrollment, the real daemon, a real broker, and a subscriber who listens."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections import Counter
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration, Privacy, Web
from edgeface.core.board import peak_rss
from edgeface.core.clock import SystemClock, process_cpu
from edgeface.core.console import say
from edgeface.core.errors import BrokerError, EdgefaceError
from edgeface.core.log import Log, set_up
from edgeface.daemon.daemon import Daemon
from edgeface.demo import door as demo_door
from edgeface.demo import truth
from edgeface.demo.mosquitto import Mosquitto
from edgeface.demo.report import Recorder, write_sheet, write_video
from edgeface.demo.subscriber import Subscriber, sentence
from edgeface.mqtt.settings import Mqtt
from edgeface.people.service import PeopleService

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from edgeface.access.policy import Door
    from edgeface.demo.subscriber import Heard

DATA = Path(__file__).parents[1] / "demo_data"
CLIP = DATA / "clip.mp4"
PEOPLE = DATA / "people"
TRUTH = DATA / "truth.json"
DEVICE, CAMERA = "demo", "porch"


def run_demo(arguments: argparse.Namespace) -> int:
    """`edgeface demo`: 0 when every visit was said, and answered by the door, as it should be; 1 when one was not."""
    out: Path = arguments.out
    _prepare(out)
    set_up(Log(level="warning"))
    with Mosquitto(out) as broker:
        configuration = _configuration(out, broker.port, demo_door.configured(CAMERA) if arguments.door else {})
        print(f"enrolling from {PEOPLE}", flush=True)
        PeopleService(configuration).enroll_folder(PEOPLE)
        print(f"a broker listens on 127.0.0.1:{broker.port}; the daemon watches {CLIP.name}\n", flush=True)
        recorder, amiss = Recorder(), list[str]()
        with _guarded(configuration, broker.port, recorder, amiss):
            heard, summary = _watch(configuration, broker.port, out, recorder)
        faults = truth.faults(TRUTH, [event.wire for event in heard], recorder.start or 0.0) + amiss
        summary["faults"] = faults
        _leave(out, recorder, summary)
        _tell(summary, out)
        if arguments.keep:
            return stay(configuration)
    return 1 if faults else 0


def _leave(out: Path, recorder: Recorder, summary: dict[str, Any]) -> None:
    """Write what there is to look at."""
    write_sheet(out / "faces.png", recorder.decided)
    write_video(out / "video.mp4", CLIP, recorder.faces, summary["clip_fps"])
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


def _prepare(out: Path) -> None:
    """Make the folder, and take away what an earlier demo left there."""
    try:
        shutil.rmtree(out / "data", ignore_errors=True)
        (out / "data").mkdir(parents=True)
    except OSError as error:
        raise EdgefaceError(f"{out}: cannot be written ({error.strerror})") from error


def _configuration(out: Path, port: int, doors: dict[str, Door]) -> Configuration:
    return Configuration(
        device=DEVICE,
        data=out / "data",
        cameras={CAMERA: ReplayCamera(type="replay", path=CLIP)},
        mqtt=Mqtt(port=port),
        doors=doors,
        privacy=Privacy(pictures="all"),
        web=configured(),
        log=Log(level="warning"),
    )


@contextmanager
def _guarded(configuration: Configuration, port: int, recorder: Recorder, amiss: list[str]) -> Iterator[None]:
    """Have a door where the configuration has one; what it did wrong is in `amiss` afterwards."""
    if not configuration.doors:
        yield
        return
    clock = SystemClock()
    public = demo_door.make_key(configuration.data, clock.wall())
    door = demo_door.WatchedDoor(port, public, clock, say)
    door.start()
    print(f"{demo_door.NAME} opens for {demo_door.ALLOWED} and nobody else; its relay is a mock\n", flush=True)
    try:
        yield
        print(f"\nthe first grant is published again, {clock.wall() - (recorder.start or 0.0):.0f} s into the clip:")
        answer = door.play_again()
    finally:
        door.stop()
    amiss += demo_door.faults(door.openings, door.switched, answer, TRUTH, recorder.start or 0.0)


def _watch(
    configuration: Configuration, port: int, out: Path, recorder: Recorder
) -> tuple[Sequence[Heard], dict[str, Any]]:
    """Run the daemon over the clip while a subscriber listens, and sum up."""
    clock = SystemClock()
    topic = f"edgeface/{DEVICE}/+/event"
    subscriber = Subscriber(port, topic, out / "events.jsonl", clock, lambda heard: say(sentence(heard)))
    if not subscriber.start():
        raise BrokerError(f"the demo's subscriber gets no answer from 127.0.0.1:{port}")
    started, cpu = clock.monotonic(), process_cpu()
    daemon = Daemon(configuration, clock, [recorder])
    announce(daemon)
    status = daemon.run()
    seconds, spent = clock.monotonic() - started, process_cpu() - cpu
    subscriber.stop()
    if status:
        raise EdgefaceError("the daemon failed; its log is above")
    frames = len(recorder.faces)
    return subscriber.heard, {
        "seconds": round(seconds, 2),
        "clip_fps": recorder.fps,
        "frames": frames,
        "fps": round(frames / seconds, 2),
        "faces": sum(len(faces) for faces in recorder.faces.values()),
        "tracks": len(recorder.tracks),
        "events": dict(Counter(heard.wire["event_type"] for heard in subscriber.heard)),
        "cpu_ms_per_frame": round(spent / max(1, frames) * 1000, 2),
        "cpu_percent_of_one_core": round(100 * spent / seconds, 1),
        "peak_rss_mb": round(peak_rss() / 1e6, 1),
        "latency_ms": _percentiles(
            [heard.after * 1000 for heard in subscriber.heard if heard.wire["event_type"] != "left"]
        ),
    }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50 and p95 by nearest rank; empty without values."""
    ranked = sorted(values)
    if not ranked:
        return {}
    return {f"p{rank}": round(ranked[min(len(ranked) - 1, len(ranked) * rank // 100)], 1) for rank in (50, 95)}


def _tell(summary: dict[str, Any], out: Path) -> None:
    events = ", ".join(f"{count} {kind}" for kind, count in summary["events"].items())
    latency = ", ".join(f"{rank} {value:.0f} ms" for rank, value in summary["latency_ms"].items())
    print(f"""
frames      {summary["frames"]} in {summary["seconds"]:.1f} s, {summary["fps"]:.1f} a second
faces       {summary["faces"]} in {summary["tracks"]} tracks
events      {events}
CPU         {summary["cpu_ms_per_frame"]:.1f} ms a frame, {summary["cpu_percent_of_one_core"]:.0f} % of one core
memory      {summary["peak_rss_mb"]:.0f} MB at most
latency     {latency}, from capture to received
to look at  {out}/video.mp4, {out}/faces.png, {out}/events.jsonl, {out}/summary.json
""")
    for fault in summary["faults"]:
        print(f"not as it should be: {fault}")
    if not summary["faults"]:
        print("every visit was said as it should be")


def configured() -> Web | None:
    """A page on any free port of this machine; None where the extra `web` is not installed."""
    return Web(port=0) if find_spec("starlette") is not None and find_spec("uvicorn") is not None else None


def announce(daemon: Daemon) -> None:
    """Say the page's address as soon as it listens; the link signs in once."""

    def run() -> None:
        link = daemon.sign_in_link()
        if link is not None:
            say(f"the page: {link}\n")

    threading.Thread(target=run, name="announce", daemon=True).start()


def stay(configuration: Configuration) -> int:
    """Go on with the clip from its start, again and again, until Ctrl-C; gives the daemon's exit status."""
    looped = {CAMERA: ReplayCamera(type="replay", path=CLIP, loop=True)}
    daemon = Daemon(configuration.model_copy(update={"cameras": looped}))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: daemon.stop())
    say("\nthe clip goes on from its start, again and again; Ctrl-C ends it")
    announce(daemon)
    return daemon.run()
