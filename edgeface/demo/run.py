"""`edgeface demo`: enrollment, the real daemon, a real broker and a subscriber, on the supplied clip."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgeface.cameras.replay import ReplayCamera
from edgeface.core.board import peak_rss
from edgeface.core.clock import SystemClock, process_cpu
from edgeface.core.console import say
from edgeface.core.errors import BrokerError, EdgefaceError, UsageError, system_reason
from edgeface.core.log import Log, set_up
from edgeface.core.text import counted
from edgeface.daemon.daemon import Daemon
from edgeface.demo import door as demo_door
from edgeface.demo.attack import attack
from edgeface.demo.mosquitto import Mosquitto
from edgeface.demo.playback import Finding, Playback, Pulse
from edgeface.demo.report import Recorder, write_sheet, write_video
from edgeface.demo.scenario import CAMERA, DEVICE, PEOPLE, TRUTH, supplied
from edgeface.demo.simulated_shelly import simulated_shelly
from edgeface.demo.subscriber import Subscriber, sentence
from edgeface.people.factors import FactorService
from edgeface.people.service import PeopleService
from edgeface.security.sealing_keys import SEALING
from edgeface.security.signing_keys import SIGNING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import FrameResult
    from edgeface.demo.scenario import Scenario
    from edgeface.demo.subscriber import ReceivedEvent

WRONG, TOO_SLOW = 1, 75
"""Exit statuses: edgeface did something wrong; the machine was too slow or too busy to tell (EX_TEMPFAIL)."""


def run_demo(arguments: argparse.Namespace) -> int:
    """Run the demo; the exit status is 0 if all events, and the door's answers, are right, WRONG or TOO_SLOW."""
    out: Path = arguments.out
    _prepare(out)
    set_up(Log(level="warning"))
    with Mosquitto(out) as broker:
        scenario = _scenario(arguments, broker.port)
        configuration = scenario.configuration
        say(f"enrolling people from {PEOPLE}")
        people = PeopleService(configuration)
        people.enroll_folder(PEOPLE)
        if demo_door.OFFICE in configuration.doors:
            FactorService(people).set_pin(demo_door.ALLOWED, demo_door.PIN, demo_door.NUMBER)
        say(f"the broker listens on 127.0.0.1:{broker.port}; the daemon plays {scenario.clip.name}\n")
        recorder, found = Recorder(SystemClock()), list[Finding]()
        pulse = Pulse(SystemClock())
        with _doors(scenario, broker.port, recorder, found) as observers:
            events, summary = _run_daemon(configuration, broker.port, out, recorder, observers)
        pulse.stop()
        playback = Playback(recorder.looks, scenario.rate, pulse.pauses)
        found = scenario.event_faults([event.wire for event in events], playback.seconds) + found
        if not broker.running:
            found = [Finding("the broker stopped during the demo, so events are missing"), *found]
        write_sheet(out / "faces.png", recorder.decided)
        frames = write_video(out / "video.mp4", scenario.clip, recorder.faces, scenario.rate)
        judgement = playback.judged(found, frames)
        summary |= {
            "clip_fps": scenario.rate,
            "clip_frames": frames,
            "faults": judgement.wrong,
            "not_judged": judgement.not_judged,
        }
        (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        _print_summary(summary, out)
        if arguments.keep:
            return _keep_running(scenario)
    if judgement.wrong:
        return WRONG
    return TOO_SLOW if judgement.not_judged else 0


def _prepare(out: Path) -> None:
    """Create the folder, and remove the data of an earlier demo; raises EdgefaceError."""
    try:
        shutil.rmtree(out / "data", ignore_errors=True)
        (out / "data").mkdir(parents=True)
    except OSError as error:
        raise EdgefaceError(f"{out}: cannot be written ({system_reason(error)})") from error


def _scenario(arguments: argparse.Namespace, port: int) -> Scenario:
    """What is asked for; raises UsageError if the attack has no door, or the models no attack."""
    if arguments.models is not None and not arguments.attack:
        raise UsageError("--models needs --attack: without a phone there is nothing to tell from a face")
    if not arguments.attack:
        return supplied(arguments.out, port, doors=arguments.door)
    if not arguments.door:
        raise UsageError("--attack needs --door: a phone is held before it")
    return attack(arguments.out, port, arguments.models)


@contextmanager
def _doors(
    scenario: Scenario, port: int, recorder: Recorder, found: list[Finding]
) -> Iterator[Sequence[Callable[[FrameResult], None]]]:
    """Run the doors if the scenario has some, and replay a grant at the end; what they did wrong goes to `found`.

    Yields what has to observe the frames.
    """
    if not scenario.configuration.doors:
        yield scenario.observers
        return
    clock, data = SystemClock(), scenario.configuration.data
    public = demo_door.make_key(data, clock.wall(), SIGNING)
    with simulated_shelly() as (shelly, relay):
        door = demo_door.WatchedDoor(data.parent, port, public, clock, say, relay=relay)
        with _started(door), _office(scenario, port, public, recorder, found) as typists:
            say(f"doors open for {demo_door.ALLOWED} only; {demo_door.NAME} has a simulated Shelly relay over HTTP\n")
            yield (*scenario.observers, *typists)
            playback = Playback(recorder.looks, scenario.rate)
            say(f"\nreplaying the first grant, {playback.seconds(clock.wall()):.0f} s into the clip:")
            answer = door.replay_grant()
            found += demo_door.door_faults(door.accepted, door.switched, answer, scenario.opens, playback.seconds)
        found += demo_door.relay_faults(shelly.on, shelly.switched, door.switched)


@contextmanager
def _office(
    scenario: Scenario, port: int, public: str, recorder: Recorder, found: list[Finding]
) -> Iterator[Sequence[demo_door.Typist]]:
    """Run the door with a keypad if the scenario has it; yields who types there."""
    if demo_door.OFFICE not in scenario.configuration.doors:
        yield ()
        return
    clock, data = SystemClock(), scenario.configuration.data
    more = demo_door.keypad(data.parent, DEVICE, demo_door.make_key(data, clock.wall(), SEALING))
    office = demo_door.WatchedDoor(data.parent, port, public, clock, say, demo_door.OFFICE, **more)
    with _started(office):
        say(f"{demo_door.OFFICE} opens only with a PIN; its keypad and its contact are simulated")
        yield (demo_door.Typist(more["readers"][0].path, demo_door.typing_moments(TRUTH), scenario.rate, say),)
    playback = Playback(recorder.looks, scenario.rate)
    found += demo_door.office_faults(office.accepted, office.switched, TRUTH, playback.seconds)
    found += demo_door.contact_faults(office.contacts, office.switched)


@contextmanager
def _started(door: demo_door.WatchedDoor) -> Iterator[None]:
    door.start()
    try:
        yield
    finally:
        door.stop()


def _run_daemon(
    configuration: Configuration,
    port: int,
    out: Path,
    recorder: Recorder,
    observers: Sequence[Callable[[FrameResult], None]],
) -> tuple[Sequence[ReceivedEvent], dict[str, Any]]:
    """Run the daemon on the clip with a subscriber; returns the events received and a summary."""
    clock = SystemClock()
    topic = f"edgeface/{DEVICE}/+/event"
    subscriber = Subscriber(port, topic, out / "events.jsonl", clock, lambda event: say(sentence(event)))
    # A busy machine takes its time.
    if not subscriber.start(timeout=60.0):
        raise BrokerError(f"the demo's subscriber received nothing from 127.0.0.1:{port}")
    started, cpu = clock.monotonic(), process_cpu()
    daemon = Daemon(configuration, clock, [recorder, *observers])
    _announce_page(daemon)
    status = daemon.run()
    seconds, spent = clock.monotonic() - started, process_cpu() - cpu
    subscriber.stop()
    if status:
        raise EdgefaceError("the daemon failed; its log is above")
    frames = len(recorder.faces)
    delays = [event.after * 1000 for event in subscriber.events if event.wire["event_type"] != "left"]
    return subscriber.events, {
        "seconds": round(seconds, 2),
        "frames": frames,
        "fps": round(frames / seconds, 2),
        "faces": sum(len(faces) for faces in recorder.faces.values()),
        "tracks": len(recorder.tracks),
        "events": dict(Counter(event.wire["event_type"] for event in subscriber.events)),
        "cpu_ms_per_frame": round(spent / max(1, frames) * 1000, 2),
        "cpu_percent_of_one_core": round(100 * spent / seconds, 1),
        "peak_rss_mb": round(peak_rss() / 1e6, 1),
        "latency_ms": _percentiles(delays),
    }


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50 and p95 by nearest rank; empty without values."""
    ranked = sorted(values)
    if not ranked:
        return {}
    return {f"p{rank}": round(ranked[min(len(ranked) - 1, len(ranked) * rank // 100)], 1) for rank in (50, 95)}


def _print_summary(summary: dict[str, Any], out: Path) -> None:
    events = ", ".join(f"{count} {kind}" for kind, count in summary["events"].items())
    latency = ", ".join(f"{rank} {value:.0f} ms" for rank, value in summary["latency_ms"].items())
    seen = f"{summary['frames']} of {summary['clip_frames']} looked at"
    say(f"""
frames      {seen}, in {summary["seconds"]:.1f} s, {summary["fps"]:.1f} fps
faces       {summary["faces"]} in {counted(summary["tracks"], "track")}
events      {events}
CPU         {summary["cpu_ms_per_frame"]:.1f} ms per frame, {summary["cpu_percent_of_one_core"]:.0f} % of one core
memory      {summary["peak_rss_mb"]:.0f} MB peak
latency     {latency}, from capture to receipt
results     {out}/video.mp4, {out}/faces.png, {out}/events.jsonl, {out}/summary.json
""")
    for fault in summary["faults"]:
        say(f"wrong: {fault}")
    for line in summary["not_judged"]:
        say(f"not judged: {line}")
    if summary["not_judged"]:
        say("this machine was too slow or too busy for the clip; run the demo again when it has less to do")
    elif not summary["faults"]:
        say("every visit was published correctly")


def _announce_page(daemon: Daemon) -> None:
    """Print the page's address once it listens; the link signs in once."""

    def run() -> None:
        link = daemon.sign_in_link()
        if link is not None:
            say(f"the page: {link}\n")

    threading.Thread(target=run, name="announce", daemon=True).start()


def _keep_running(scenario: Scenario) -> int:
    """Play the clip in a loop until Ctrl-C; returns the daemon's exit status."""
    looped = {CAMERA: ReplayCamera(type="replay", path=scenario.clip, loop=True)}
    daemon = Daemon(scenario.configuration.model_copy(update={"cameras": looped}))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: daemon.stop())
    say("\nthe clip plays in a loop until Ctrl-C")
    _announce_page(daemon)
    return daemon.run()
