"""Home Assistant core with edgeface, both real, and a real broker.

Discovery, restarts, the shipped blueprint, a trigger of a person, the button that ignores, and what erasing removes.

    python -m tools.home_assistant PYTHON [--events 50]

PYTHON has Home Assistant (make home-assistant-test makes it). A clip shows a stranger and a person who come and go.
Prints a table, and writes build/home-assistant.json; the exit status is 1 if something was not as it should be.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import visits
from edgeface.demo.mosquitto import Mosquitto, free_port
from edgeface.faces.embedder import embedder_name
from edgeface.faces.settings import EmbedderSettings
from edgeface.gallery.gallery import Gallery
from tests.support.broker import Listener
from tools.faults import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OUT = Path("build/home-assistant.json")
ROOT = Path(__file__).parents[2]
BLUEPRINT = ROOT / "docs" / "home-assistant" / "stranger.yaml"
_START = 60.0
_EVENT, _IMAGE = "event.front_porch_face_event", "image.front_porch_face"
_BUTTON = "button.front_porch_ignore_last_stranger"
_PAGE = "https://edgeface.local:8099/"
_STRANGERS = 2
"""In the clip."""
_CAMERA, _SEEN = "sensor.obama_last_camera", "sensor.obama_last_seen"
_PERSON, _RENAMED, _ARRIVED = "obama", "Barack", "obama at porch"
_CONFIG = """\
device: front
data: {data}
cameras: {{porch: {{type: replay, path: {clip}, loop: true}}}}
mqtt: {{port: {port}, people: everyone}}
doors: {{gate: {{camera: porch, allow: [{{person: obama}}], level: normal}}}}
privacy: {{snapshots: all}}
unknown: {{per_minute: 60}}
web: {{port: {web}, hosts: [edgeface.local]}}
"""
EXPECTED = {
    "binary_sensor.front_porch_face_in_view": {"on", "off"},
    "binary_sensor.front_porch_problem": {"off"},
    "sensor.front_porch_people": {"nobody", "stranger", "obama", "obama, stranger", "stranger, obama"},
    "switch.front_porch_recognition": {"on"},
    "sensor.door_gate_last_decision": {"none", "refused"},
}
"""What may be shown, by entity; there is no controller at the door, so its own entities are unavailable."""
DEVICES = {
    "edgeface front": None,
    "front porch": "edgeface front",
    "Door gate": "edgeface front",
    _PERSON: "edgeface front",
}


@dataclass
class HomeAssistant:
    """The process with Home Assistant."""

    process: subprocess.Popen[str]
    version: str = ""
    lines: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)
    sent: list[dict[str, Any]] = field(default_factory=list)

    def read(self) -> None:
        """Sort what it writes, in a thread of its own."""
        for line in self.process.stdout or ():
            said = json.loads(line)
            self.sent.append(said["sent"]) if "sent" in said else self.lines.put(said)

    def ask(self, word: str = "states") -> dict[str, Any]:
        """Its answer to a line."""
        if self.process.stdin is None:
            raise RuntimeError("it has no input")
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.lines.get(timeout=_START)

    def stop(self) -> None:
        """End it as a restart does, with its registries on the disk."""
        try:
            self.process.communicate("stop\n", timeout=_START)
        except (subprocess.TimeoutExpired, OSError, ValueError):
            self.process.kill()
            self.process.wait()

    @property
    def with_pictures(self) -> list[dict[str, Any]]:
        """The notifications of the blueprint."""
        return [one for one in self.sent if one["data"].get("tag")]


@contextmanager
def home_assistant(python: Path, folder: Path, port: int) -> Iterator[HomeAssistant]:
    """Home Assistant, from its start to its end; `folder` is its configuration."""
    command = [str(python), str(Path(__file__).with_name("inside.py")), str(folder), str(port)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    made = HomeAssistant(process)
    threading.Thread(target=made.read, daemon=True).start()
    try:
        made.version = made.lines.get(timeout=_START)["version"]
        yield made
    finally:
        made.stop()


@contextmanager
def daemon(folder: Path) -> Iterator[None]:
    """Edgeface, from its start to its end."""
    command = [sys.executable, "-m", "edgeface.cli", "run", "--config", str(folder / "config.yaml")]
    with (folder / "edgeface.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def enroll(folder: Path, people: Path) -> None:
    """Enroll a folder of PERSON/PHOTO."""
    command = [sys.executable, "-m", "edgeface.cli", "enroll", "--config", str(folder / "config.yaml")]
    subprocess.run([*command, "--folder", str(people)], check=True, capture_output=True, cwd=ROOT)


def wrong(seen: dict[str, Any], *, met: bool) -> list[str]:
    """What is not as expected; `met` is whether the person has been seen since edgeface first ran."""
    states = seen["states"]
    place, at = states.get(_CAMERA), str(states.get(_SEEN))
    wanted = {"porch"} if met else {"porch", "unknown"}
    people = [f"{_CAMERA}: {place}, {_SEEN}: {at}"] if place not in wanted or (met and at[:2] != "20") else []
    people += [] if _BUTTON in states and states[_BUTTON] != "unavailable" else [f"{_BUTTON}: {states.get(_BUTTON)}"]
    linked = len(seen["links"]) == 1 and seen["links"][0].startswith("http://edgeface.local:")
    people += [] if linked else [f"links: {seen['links']}"]
    found = people + [
        f"{name}: {states.get(name)}" for name, right in EXPECTED.items() if states.get(name) not in right
    ]
    return found + [f"device {name}: via {seen['devices'].get(name)}" for name, via in DEVICES.items()
                    if name not in seen["devices"] or seen["devices"][name] != via]  # fmt: skip


def settled(ha: HomeAssistant, seconds: float, *, met: bool = True) -> tuple[float, list[str]]:
    """Seconds until every state is right, and what is still wrong after `seconds`."""
    began = time.monotonic()
    while True:
        faults, took = wrong(ha.ask(), met=met), time.monotonic() - began
        if not faults or took > seconds:
            return took, faults
        time.sleep(0.05)


def until(condition: Callable[[], object], seconds: float) -> bool:
    """Whether a condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path)
    parser.add_argument("--events", type=int, default=50, help="notifications whose picture is compared")
    wanted = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="edgeface-ha-") as scratch:
        found = run(wanted.python, Path(scratch), wanted.events)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(markdown(found))
    return int(bool(found["faults"]))


def run(python: Path, folder: Path, events: int) -> dict[str, Any]:
    """The figures, with `faults` that is empty if all was right."""
    clip = visits.make(folder / "clip.mp4", seconds=1.8, gap=1.2)
    shutil.copytree(visits.people(folder / "people") / "obama", folder / "enrolled" / "obama")
    settings = folder / "hass"
    (settings / "blueprints" / "automation" / "edgeface").mkdir(parents=True)
    shutil.copy(BLUEPRINT, settings / "blueprints" / "automation" / "edgeface" / "stranger.yaml")
    use = {
        "path": "edgeface/stranger.yaml",
        "input": {"event": _EVENT, "image": _IMAGE, "send": "notify.phone", "page": _PAGE},
    }
    (settings / "automations.json").write_text(
        json.dumps([{"id": "stranger", "alias": "stranger", "use_blueprint": use}])
    )
    broker = Mosquitto(folder)
    (folder / "config.yaml").write_text(
        _CONFIG.format(data=folder / "data", clip=clip.path, port=broker.port, web=free_port()), encoding="utf-8"
    )
    enroll(folder, folder / "enrolled")
    found: dict[str, Any] = {"machine": table.machine(), "date": datetime.now(timezone.utc).date().isoformat()}
    with ExitStack() as stack:
        stack.callback(broker.stop)
        broker.start()
        found |= restarts(python, settings, folder, broker)
        found |= pictures(python, settings, folder, broker, events)
        found |= changes(python, settings, folder, broker)
    late = [f"{what}: {one['wrong']}" for what, one in found["restarts"].items() if one["wrong"]]
    found["faults"] = [*late, *([] if found["wrong_pictures"] == 0 else ["a wrong picture"]),
                       *([] if found["compared"] >= events else ["too few notifications"]),
                       *([] if found["without_page"] == 0 else ["a notification without the page"]),
                       *([] if found["arrivals"] else ["the trigger of a person did not start"]),
                       *(f"{what}: not done" for what, took in found["changes"].items() if took is None)]  # fmt: skip
    return found


def restarts(python: Path, settings: Path, folder: Path, broker: Mosquitto) -> dict[str, Any]:
    """The states after the first start, and after a restart of each of the three."""
    took: dict[str, Any] = {}

    def note(what: str, ha: HomeAssistant, seconds: float, *, met: bool = True) -> None:
        passed, faults = settled(ha, seconds, met=met)
        took[what] = {"seconds": round(passed, 2), "wrong": faults}

    with daemon(folder):
        with home_assistant(python, settings, broker.port) as ha:
            # Home Assistant needs some time to create the entities of discovery for the first time.
            note("first start", ha, 20.0, met=False)
            version: str = ha.version
            note("a person who is recognised for the first time", ha, 20.0)
            arrive(settings, ha.ask()["ids"][_PERSON])
        with home_assistant(python, settings, broker.port) as ha:
            note("Home Assistant restarted", ha, 10.0)
            broker.stop()
            broker.start()
            # Home Assistant connects again after up to 10 s of its own.
            note("broker restarted", ha, 20.0)
    with home_assistant(python, settings, broker.port) as ha:
        time.sleep(1.0)
        with daemon(folder):
            note("edgeface restarted", ha, 15.0)
    return {"home_assistant": version, "restarts": took}


def pictures(python: Path, settings: Path, folder: Path, broker: Mosquitto, events: int) -> dict[str, Any]:
    """What the blueprint sent, compared with the pictures that edgeface published for the same events."""
    topic = "edgeface/front/porch/snapshot"
    with home_assistant(python, settings, broker.port) as ha, daemon(folder):
        listener = Listener(broker.port, [topic], "pictures")
        until(lambda: len(ha.with_pictures) >= events, 6.0 * events)
        published = {
            heard.about.get("event"): hashlib.sha256(heard.payload).hexdigest() for heard in listener.of(topic)
        }
        listener.close()
    compared = [one for one in ha.with_pictures if one["data"]["tag"] in published]
    right = [one for one in compared if one["pictures"].get(_IMAGE) == published[one["data"]["tag"]]]
    linked = [one for one in compared if str(one["data"].get("image", "")).startswith(f"/api/image_proxy/{_IMAGE}")]
    return {
        "compared": len(compared),
        "wrong_pictures": len(compared) - len(right),
        "without_link": len(compared) - len(linked),
        "without_page": sum(not is_linked(one["data"]) for one in compared),
        "title": compared[0]["title"] if compared else None,
        "arrivals": sum(one["title"] == _ARRIVED for one in ha.sent),
    }


def is_linked(data: dict[str, Any]) -> bool:
    """Whether a tap on a notification opens edgeface's page about strangers, on both kinds of phone."""
    url = str(data.get("url"))
    return url.startswith(f"{_PAGE}unknowns") and data.get("clickAction") == url


def arrive(settings: Path, device: str) -> None:
    """Add an automation of a person's device trigger, for the next start of Home Assistant."""
    trigger = {"trigger": "device", "domain": "mqtt", "device_id": device, "type": "at porch", "subtype": _PERSON}
    action = {"action": "notify.phone", "data": {"title": _ARRIVED, "message": ""}}
    path = settings / "automations.json"
    more = {"id": "arrived", "alias": "arrived", "triggers": [trigger], "actions": [action], "mode": "parallel"}
    path.write_text(json.dumps([*json.loads(path.read_text()), more]))


def changes(python: Path, settings: Path, folder: Path, broker: Mosquitto) -> dict[str, Any]:
    """Seconds until the button, a new name, and erasing have had their effect; None for what had none."""
    took: dict[str, float | None] = {}

    def note(what: str, condition: Callable[[], object]) -> None:
        began = time.monotonic()
        took[what] = round(time.monotonic() - began, 2) if until(condition, 10.0) else None

    def edgeface(*words: str) -> None:
        command = [sys.executable, "-m", "edgeface.cli", *words, "--config", str(folder / "config.yaml")]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)

    with home_assistant(python, settings, broker.port) as ha, daemon(folder):
        settled(ha, 15.0)
        for number in range(1, _STRANGERS + 1):
            until(partial(is_more, ha, len(ha.with_pictures)), 20.0)
            ha.ask(f"press {_BUTTON}")
            note(f"the button: stranger {number} is ignored", partial(are_ignored, folder / "data", number))
            # A visit that was announced before ends.
            time.sleep(4.0)
        known = len(ha.with_pictures)
        time.sleep(15.0)
        took["and no stranger is announced in the next 15 s"] = 15.0 if len(ha.with_pictures) == known else None
        edgeface("rename", _PERSON, _RENAMED)
        note("a new name is the device's", lambda: _RENAMED in ha.ask()["devices"])
        edgeface("forget", _PERSON)
        note("someone erased has no device and no entities", lambda: is_gone(ha.ask()))
        listener = Listener(broker.port, ["#"], "left")
        time.sleep(1.0)
        # The state names a person of a door's rule who is not enrolled: config.yaml does.
        found = [one for one in listener.heard if one.retained and one.topic != "edgeface/front/state"]
        left = [one.topic for one in found if _PERSON in f"{one.topic} {one.payload.decode()}"]
        listener.close()
        took["and the broker retains nothing about them"] = 1.0 if not left else None
    return {"changes": took}


def is_more(ha: HomeAssistant, known: int) -> bool:
    """Whether there are more notifications of the blueprint."""
    return len(ha.with_pictures) > known


def are_ignored(data: Path, number: int) -> bool:
    """Whether so many people are on the ignore list."""
    with closing(Gallery.open(data, embedder_name(EmbedderSettings().model))) as gallery:
        return sum(one.ignored for one in gallery.people()) == number


def is_gone(seen: dict[str, Any]) -> bool:
    """Whether Home Assistant has nothing about the person any more."""
    return not {_PERSON, _RENAMED} & {*seen["devices"]} and not {_CAMERA, _SEEN} & {*seen["states"]}


def markdown(found: dict[str, Any]) -> str:
    """The table, with date and machine."""
    head = f"Run on {found['date']}, {found['machine']}, Home Assistant core {found['home_assistant']}."
    rows = [
        (f"{what}: every state right", f"after {one['seconds']} s" if not one["wrong"] else "; ".join(one["wrong"]))
        for what, one in found["restarts"].items()
    ]
    rows += [
        ("notifications of the blueprint", f'{found["compared"]}, such as "{found["title"]}"'),
        ("of these, with the picture of another event", str(found["wrong_pictures"])),
        ("of these, without a link to the picture", str(found["without_link"])),
        ("of these, without a link to the page that enrolls", str(found["without_page"])),
        (f'automations that "{_ARRIVED}" has started', str(found["arrivals"])),
        *((what, "no" if took is None else f"within {took} s") for what, took in found["changes"].items()),
    ]
    return "\n".join([head, "", "| what | result |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


if __name__ == "__main__":
    raise SystemExit(main())
