"""The demo's door: a key, a controller with a relay that only the log knows, and a listener who keeps what was said."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeface.access.policy import AllowRule, Door
from edgeface.core.clock import rfc3339
from edgeface.core.errors import BrokerError
from edgeface.door.controller import Controller
from edgeface.door.relay import LogRelay
from edgeface.door.settings import DoorSettings
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import DOOR_GRANT, Topics
from edgeface.security.signing_keys import new, read, write
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from paho.mqtt.client import MQTTMessage

    from edgeface.core.clock import Clock

NAME, ALLOWED = "front-door", "barack_obama"
"""The door, and the only one who may come in."""

_KID = "demo"
_PATIENCE = 5.0
# A controller that wrongly opens needs less than this to say so.
_AFTERMATH = 0.5
_SLACK = 1.0

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opening:
    """A grant that the door has accepted."""

    person: str
    at: float
    """Wall seconds."""
    envelope: bytes


def configured(camera: str) -> dict[str, Door]:
    """The `doors:` of the demo's configuration: two people may stand in the picture, one of them may come in."""
    return {NAME: Door(camera=camera, allow=(AllowRule(person=ALLOWED),), single_face=False)}


def make_key(data: Path, wall: float) -> str:
    """Make the signing key of a data folder, as `edgeface keys new` does; gives the public part in base64."""
    records = new(read(data), _KID, open_vault(data), wall)
    write(data, records)
    return records[-1].public


class WatchedDoor:
    """A door with its controller in this process, and a listener on its topics, from `start` to `stop`."""

    def __init__(self, port: int, public: str, clock: Clock, tell: Callable[[str], None]) -> None:
        import paho.mqtt.client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion

        self.openings: list[Opening] = []
        self.results: list[Wire] = []
        self.switched = 0
        """How often the relay went on."""
        self._topics = Topics(prefix="edgeface", door=NAME)
        self._clock = clock
        self._tell = tell
        self._port = port
        self._grants: dict[tuple[object, ...], bytes] = {}
        self._open = False
        self._ready, self._answered = threading.Event(), threading.Event()
        settings = DoorSettings(door=NAME, keys={_KID: public}, relay=LogRelay(), mqtt=Mqtt(port=port))
        self._controller = Controller(settings, clock)
        self._thread = threading.Thread(target=self._controller.run, name="door")
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "edgeface-demo-door-listener", protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(f"edgeface/doors/{NAME}/+", qos=1)
        self._client.on_message = lambda _client, _data, message: self._hear(message)

    def start(self) -> None:
        """Start both, and wait for the door's first challenge; BrokerError when none comes."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self._thread.start()
        if not self._ready.wait(_PATIENCE):
            self.stop()
            raise BrokerError(f"the demo's door gets no answer from 127.0.0.1:{self._port}")

    def play_again(self) -> Wire | None:
        """Publish the first grant that was accepted once more, and give the door's answer; None when there is none."""
        if not self.openings:
            return None
        self._answered.clear()
        self._client.publish(self._topics(DOOR_GRANT).name, self.openings[0].envelope, qos=1)
        if not self._answered.wait(_PATIENCE):
            return None
        answer = self.results[-1]
        self._clock.sleep(_AFTERMATH)
        return answer

    def stop(self) -> None:
        """Stop both; the relay is off then."""
        self._controller.stop()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _hear(self, message: MQTTMessage) -> None:
        _, kind = self._topics.door_of(message.topic) or ("", "")
        if kind == "challenge":
            self._ready.set()
        elif kind == "grant":
            envelope = bytes(message.payload)
            self._grants[_stamp(json.loads(json.loads(envelope)["payload"]))] = envelope
        elif kind == "result":
            self._judged(json.loads(message.payload))
        elif kind == "state" and message.payload:
            self._show(json.loads(message.payload))

    def _judged(self, result: Wire) -> None:
        envelope = self._grants.get((result["device"], result["grant_boot"], result["grant_seq"]))
        person = json.loads(json.loads(envelope)["payload"])["person"] if envelope is not None else "nobody known"
        if result["accepted"]:
            self.openings.append(Opening(person, self._clock.wall(), envelope or b""))
        self.results.append(result)
        verdict = "grant accepted" if result["accepted"] else f"grant rejected: {result['reason']}"
        self._say(f"{verdict:<26} {person}")
        self._answered.set()

    def _show(self, state: Wire) -> None:
        if state["open"] != self._open:
            self._open = state["open"]
            self.switched += self._open
            self._say("opens" if self._open else "shuts")

    def _say(self, text: str) -> None:
        self._tell(f"{rfc3339(self._clock.wall())[11:23]}  {NAME}  {text}")


def faults(openings: Sequence[Opening], switched: int, answer: Wire | None, truth: Path, start: float) -> list[str]:
    """Say in one line each what the door did wrong: whom it let in, whom not, and what it made of the old grant.

    `switched` is how often the relay went on, `answer` what the door said to the old grant; `truth` is the file of the
    clip, `start` the wall time of the clip's first frame.
    """
    rows = json.loads(truth.read_text(encoding="utf-8"))["visits"]
    visits = [(row["from"], row["to"]) for row in rows if row["person"] == ALLOWED]
    lines = [f"the door opened for {one.person}" for one in openings if one.person != ALLOWED]
    for since, until in visits:
        inside = [one for one in openings if since <= one.at - start <= until + _SLACK]
        if len(inside) != 1:
            lines.append(f"the door opened {len(inside)} times, not once, for {ALLOWED} from {since:.1f} s on")
    if switched != len(visits):
        lines.append(f"the relay went on {switched} times, not {len(visits)}")
    return [*lines, *_of_the_replay(answer)]


def _of_the_replay(answer: Wire | None) -> Sequence[str]:
    if answer is None:
        return ["the door gave no answer to a grant that was played again"]
    if answer["accepted"] or answer["reason"] not in {"nonce", "replayed"}:
        return [f"the door's answer to a grant that was played again: {answer['reason'] or 'accepted'}"]
    return []


def _stamp(payload: Wire) -> tuple[object, ...]:
    return payload["device"], payload["boot"], payload["seq"]
