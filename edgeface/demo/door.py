"""The demo's doors: keys, controllers with mock relays, a simulated keypad, and listeners that record the messages."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeface.access.policy import AllowRule, Door
from edgeface.core.clock import rfc3339
from edgeface.core.errors import BrokerError
from edgeface.core.text import counted
from edgeface.demo.playback import AFTERWARDS, WHOLE, Finding
from edgeface.demo.truth import SLACK
from edgeface.door.controller import Controller
from edgeface.door.inputs.simulated import SimulatedContact
from edgeface.door.readers.simulated import SimulatedReader
from edgeface.door.relays.log import LogRelay
from edgeface.door.settings import DoorSettings, MinimumSettings, SealSettings
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import DOOR_GRANT, Topics
from edgeface.security.signing_keys import SIGNING, new, read, write
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paho.mqtt.client import MQTTMessage

    from edgeface.core.clock import Clock
    from edgeface.core.types import FrameResult
    from edgeface.demo.playback import Span
    from edgeface.door.relays import RelaySettings
    from edgeface.security.signing_keys import Purpose

NAME, OFFICE, ALLOWED = "front-door", "office-door", "barack_obama"
"""A door that opens for a face, one that needs a PIN too, and the only person that both open for."""
NUMBER, PIN = "1042", "4711"
"""What that person types at the keypad of the second door."""

FACTOR_SECONDS = 10.0
"""Seconds from PIN to face, the default of `factor_seconds`."""

_KID = "demo"
_TIMEOUT = 5.0
# A busy machine takes long to start a door's processes.
_START_TIMEOUT = 60.0
# A controller that opens by mistake reports it within this time.
_SETTLE = 0.5

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AcceptedGrant:
    """A grant that the door accepted, at wall seconds `at`."""

    person: str
    at: float
    envelope: bytes


def door_config(camera: str) -> dict[str, Door]:
    """The `doors:` of the demo's configuration; they open for ALLOWED even if others are in the picture."""
    allow = (AllowRule(person=ALLOWED),)
    return {
        NAME: Door(camera=camera, allow=allow, single_face=False),
        OFFICE: Door(camera=camera, allow=allow, single_face=False, factor="pin"),
    }


def make_key(data: Path, wall: float, purpose: Purpose = SIGNING) -> str:
    """Create a key of a data folder, as `edgeface keys new` does; returns the public part in base64."""
    records = new(read(data, purpose), _KID, open_vault(data), wall, purpose)
    write(data, records, purpose)
    return records[-1].public


def keypad(folder: Path, device: str, sealing: str) -> dict[str, Any]:
    """The keys of door.yaml for a door with a simulated keypad and contact: new named pipes in the folder."""
    pipe = folder / "keypad"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    leaf = folder / "contact"
    leaf.unlink(missing_ok=True)
    os.mkfifo(leaf, 0o600)
    return {
        "readers": (SimulatedReader(path=pipe),),
        "contact": SimulatedContact(path=leaf),
        "seal": (SealSettings(device=device, kid=_KID, key=sealing),),
        "minimum": MinimumSettings(factor=("pin",)),
    }


class Typist:
    """Types the PIN at the keypad at moments of the clip; an observer of the daemon's frames."""

    def __init__(self, pipe: Path, moments: Sequence[float], rate: float, report: Callable[[str], None]) -> None:
        """`moments` are seconds of a clip with `rate` frames per second."""
        self._pipe = pipe
        self._rate = rate
        self._moments = deque(moments)
        self._report = report

    def __call__(self, result: FrameResult) -> None:
        """Type if it is time."""
        if self._moments and result.frame.seq / self._rate >= self._moments[0]:
            moment = self._moments.popleft()
            with self._pipe.open("wb", buffering=0) as pipe:
                pipe.write(f"{NUMBER}#{PIN}#\n".encode())
            self._report(f"{rfc3339(result.frame.wall)[11:23]}  {OFFICE}  PIN typed, {moment:.1f} s into the clip")


class WatchedDoor:
    """A door controller in this process and a listener on its topics, from `start` to `stop`."""

    def __init__(
        self,
        folder: Path,
        port: int,
        public: str,
        clock: Clock,
        report: Callable[[str], None],
        name: str = NAME,
        *,
        relay: RelaySettings | None = None,
        **more: Any,
    ) -> None:
        """Without `relay`, the log is one; the controller keeps its files in `folder`; `more` are keys of door.yaml."""
        import paho.mqtt.client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion

        self.accepted: list[AcceptedGrant] = []
        self.results: list[Wire] = []
        self.contacts: list[str | None] = []
        """The states of the contact, one after the other."""
        self.switched = 0
        """How often the relay was switched on."""
        self._name = name
        self._topics = Topics(prefix="edgeface", door=name)
        self._clock = clock
        self._report = report
        self._port = port
        self._grants: dict[tuple[object, ...], bytes] = {}
        self._open = False
        contact = more.get("contact")
        self._leaf: Path | None = contact.path if isinstance(contact, SimulatedContact) else None
        self._contact: str | None = None
        self._ready, self._answered = threading.Event(), threading.Event()
        keys = {_KID: public}
        data = folder / "doors"
        data.mkdir(mode=0o700, exist_ok=True)
        more = {"data": data, "mqtt": Mqtt(port=port), **more}
        settings = DoorSettings(door=name, keys=keys, relay=relay or LogRelay(), **more)
        self._controller = Controller(settings, clock)
        self._thread = threading.Thread(target=self._controller.run, name=name)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, f"edgeface-demo-{name}-listener", protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(f"edgeface/doors/{name}/+", qos=1)
        self._client.on_message = lambda _client, _data, message: self._receive(message)

    def start(self) -> None:
        """Start both and wait for the door's first challenge; raises BrokerError if there is none."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT):
            self.stop()
            raise BrokerError(f"the demo's door received nothing from 127.0.0.1:{self._port}")
        self._swing(opened=False)

    def replay_grant(self) -> Wire | None:
        """Publish the first accepted grant again; returns the door's answer, None if there is none."""
        if not self.accepted:
            return None
        self._answered.clear()
        self._client.publish(self._topics(DOOR_GRANT).name, self.accepted[0].envelope, qos=1)
        if not self._answered.wait(_TIMEOUT):
            return None
        answer = self.results[-1]
        self._clock.sleep(_SETTLE)
        return answer

    def stop(self) -> None:
        """Stop both, which switches the relay off."""
        self._controller.stop()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _receive(self, message: MQTTMessage) -> None:
        _, kind = self._topics.door_of(message.topic) or ("", "")
        if kind == "challenge":
            self._ready.set()
        elif kind == "grant":
            envelope = bytes(message.payload)
            payload = json.loads(json.loads(envelope)["payload"])
            self._grants[payload["device"], payload["boot"], payload["seq"]] = envelope
        elif kind == "result":
            self._record_result(json.loads(message.payload))
        elif kind == "state" and message.payload:
            self._record_state(json.loads(message.payload))

    def _record_result(self, result: Wire) -> None:
        envelope = self._grants.get((result["device"], result["grant_boot"], result["grant_seq"]))
        person = json.loads(json.loads(envelope)["payload"])["person"] if envelope is not None else "unknown person"
        if result["accepted"]:
            self.accepted.append(AcceptedGrant(person, self._clock.wall(), envelope or b""))
        self.results.append(result)
        verdict = "grant accepted" if result["accepted"] else f"grant rejected: {result['reason']}"
        self._print(f"{verdict:<26} {person}")
        self._answered.set()

    def _record_state(self, state: Wire) -> None:
        if state["open"] != self._open:
            self._open = state["open"]
            self.switched += self._open
            self._print("opens" if self._open else "shuts")
            self._swing(opened=self._open)
        before, self._contact = self._contact, state["contact"]
        if self._contact != before:
            self.contacts.append(self._contact)
        if self._contact != before and before not in {None, "unknown"}:
            self._print(f"contact: {self._contact}")

    def _swing(self, *, opened: bool) -> None:
        """Open or shut the simulated leaf, as the person would who comes in."""
        if self._leaf is None:
            return
        # Without a reader, the controller has stopped.
        with suppress(OSError):
            pipe = os.open(self._leaf, os.O_WRONLY | os.O_NONBLOCK)
            os.write(pipe, b"open\n" if opened else b"shut\n")
            os.close(pipe)

    def _print(self, text: str) -> None:
        self._report(f"{rfc3339(self._clock.wall())[11:23]}  {self._name}  {text}")


def door_faults(
    accepted: Sequence[AcceptedGrant],
    switched: int,
    answer: Wire | None,
    visits: Sequence[Span],
    seconds: Callable[[float], float],
) -> list[Finding]:
    """List what the door did wrong; empty if all is right.

    `switched` is how often the relay was switched on, `answer` the door's answer to the replayed grant, `visits` those
    for which the door opens, once each, and `seconds` gives the clip's time at a wall time.
    """
    found = [Finding(f"the door opened for {one.person}") for one in accepted if one.person != ALLOWED]
    for since, until in visits:
        inside = [one for one in accepted if since <= seconds(one.at) <= until + SLACK]
        if len(inside) != 1:
            times = f"opened {counted(len(inside), 'time')} instead of once"
            text = f"the door {times} for {ALLOWED}, who came at {since:.1f} s"
            found.append(Finding(text, (since, until + AFTERWARDS)))
    if switched != len(visits):
        times = counted(switched, "time")
        found.append(Finding(f"the relay was switched on {times} instead of {len(visits)}", WHOLE))
    return [*found, *_replay_faults(answer)]


def relay_faults(on: bool, switched: int, opened: int) -> list[Finding]:  # noqa: FBT001 - the relay's own state
    """List what the door's relay did wrong after the door has stopped.

    `switched` is how often the relay itself was switched on, `opened` how often the door reported that it was.
    """
    found = [Finding("the relay is still on")] if on else []
    if switched != opened:
        times = counted(switched, "time")
        found.append(Finding(f"the relay was switched on {times}, and the door reported {opened}", WHOLE))
    return found


def allowed_visits(truth: Path) -> list[Span]:
    """When the allowed person is in view, by the file that describes the clip."""
    rows = json.loads(truth.read_text(encoding="utf-8"))["visits"]
    return [(row["from"], row["to"]) for row in rows if row["person"] == ALLOWED]


def typing_moments(truth: Path) -> tuple[float, float]:
    """When the PIN is typed: while someone else is in view, and during the allowed person's last visit."""
    rows = json.loads(truth.read_text(encoding="utf-8"))["visits"]
    other = next(row for row in rows if row["person"] != ALLOWED)
    return other["from"] + 1.0, allowed_visits(truth)[-1][0] + 1.0


def contact_faults(contacts: Sequence[str | None], switched: int) -> list[Finding]:
    """List what the contact of a door did wrong that was opened so often, and only by its relay."""
    opened = contacts.count("open")
    text = f"the contact opened {counted(opened, 'time')}, and the relay {switched}"
    found = [] if opened == switched else [Finding(text, WHOLE)]
    return [*found, *(Finding(f"the contact was {word}", WHOLE) for word in ("held", "forced") if word in contacts)]


def office_faults(
    accepted: Sequence[AcceptedGrant], switched: int, clip: Path, seconds: Callable[[float], float]
) -> list[Finding]:
    """List what the door with a keypad did wrong: it opens once, for the person and the PIN at the same time.

    `clip` is the file that describes the clip; the other arguments are those of `door_faults`.
    """
    typed = typing_moments(clip)[1]
    until = typed + FACTOR_SECONDS
    right = [one for one in accepted if one.person == ALLOWED and typed <= seconds(one.at) <= until]
    found = []
    if len(right) != 1:
        times = counted(len(right), "time")
        found.append(Finding(f"the office door opened {times} instead of once for face and PIN", (typed, until)))
    if len(accepted) != len(right) or switched != len(accepted):
        counts = f"{counted(len(accepted), 'grant')}, {counted(switched, 'opening')}"
        early = any(one.person != ALLOWED or seconds(one.at) < typed for one in accepted)
        text = f"the office door opened for a face or a PIN alone: {counts}"
        found.append(Finding(text, None if early else WHOLE))
    return found


def _replay_faults(answer: Wire | None) -> Sequence[Finding]:
    if answer is None:
        return [Finding("the door did not answer a replayed grant", WHOLE)]
    if answer["accepted"]:
        return [Finding("the door's answer to a replayed grant: accepted")]
    if answer["reason"] not in {"nonce", "replayed"}:
        return [Finding(f"the door's answer to a replayed grant: {answer['reason']}", WHOLE)]
    return []
