"""The demo's door: a signing key, a controller with a mock relay, and a listener that records the messages."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeface.access.policy import AllowRule, Door
from edgeface.core.clock import rfc3339
from edgeface.core.errors import BrokerError
from edgeface.demo.truth import SLACK
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
"""The door, and the only person it opens for."""

_KID = "demo"
_TIMEOUT = 5.0
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
    """The `doors:` of the demo's configuration; it opens for ALLOWED even if others are in the picture."""
    return {NAME: Door(camera=camera, allow=(AllowRule(person=ALLOWED),), single_face=False)}


def make_key(data: Path, wall: float) -> str:
    """Create the signing key of a data folder, as `edgeface keys new` does; returns the public part in base64."""
    records = new(read(data), _KID, open_vault(data), wall)
    write(data, records)
    return records[-1].public


class WatchedDoor:
    """A door controller in this process and a listener on its topics, from `start` to `stop`."""

    def __init__(self, port: int, public: str, clock: Clock, report: Callable[[str], None]) -> None:
        import paho.mqtt.client as mqtt
        from paho.mqtt.enums import CallbackAPIVersion

        self.accepted: list[AcceptedGrant] = []
        self.results: list[Wire] = []
        self.switched = 0
        """How often the relay was switched on."""
        self._topics = Topics(prefix="edgeface", door=NAME)
        self._clock = clock
        self._report = report
        self._port = port
        self._grants: dict[tuple[object, ...], bytes] = {}
        self._open = False
        self._ready, self._answered = threading.Event(), threading.Event()
        settings = DoorSettings(door=NAME, keys={_KID: public}, relay=LogRelay(), mqtt=Mqtt(port=port))
        self._controller = Controller(settings, clock)
        self._thread = threading.Thread(target=self._controller.run, name="door")
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "edgeface-demo-door-listener", protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(f"edgeface/doors/{NAME}/+", qos=1)
        self._client.on_message = lambda _client, _data, message: self._receive(message)

    def start(self) -> None:
        """Start both and wait for the door's first challenge; raises BrokerError if there is none."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self._thread.start()
        if not self._ready.wait(_TIMEOUT):
            self.stop()
            raise BrokerError(f"the demo's door received nothing from 127.0.0.1:{self._port}")

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

    def _print(self, text: str) -> None:
        self._report(f"{rfc3339(self._clock.wall())[11:23]}  {NAME}  {text}")


def door_faults(
    accepted: Sequence[AcceptedGrant], switched: int, answer: Wire | None, truth: Path, start: float
) -> list[str]:
    """List what the door did wrong, one line each; empty if all is right.

    `switched` is how often the relay was switched on, `answer` the door's answer to the replayed grant, `truth` the
    file that describes the clip, and `start` the wall time of the clip's first frame.
    """
    rows = json.loads(truth.read_text(encoding="utf-8"))["visits"]
    visits = [(row["from"], row["to"]) for row in rows if row["person"] == ALLOWED]
    lines = [f"the door opened for {one.person}" for one in accepted if one.person != ALLOWED]
    for since, until in visits:
        inside = [one for one in accepted if since <= one.at - start <= until + SLACK]
        if len(inside) != 1:
            lines.append(
                f"the door opened {len(inside)} times instead of once for {ALLOWED}, who came at {since:.1f} s"
            )
    if switched != len(visits):
        lines.append(f"the relay was switched on {switched} times instead of {len(visits)}")
    return [*lines, *_replay_faults(answer)]


def _replay_faults(answer: Wire | None) -> Sequence[str]:
    if answer is None:
        return ["the door did not answer a replayed grant"]
    if answer["accepted"] or answer["reason"] not in {"nonce", "replayed"}:
        return [f"the door's answer to a replayed grant: {answer['reason'] or 'accepted'}"]
    return []
