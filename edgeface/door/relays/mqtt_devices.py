"""What relays and locks are sent over MQTT, and what they report; none has been tried with real hardware."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Protocol

from edgeface.door.relays.base import RelayError
from edgeface.door.relays.tasmota import pulse_time, tasmota_state
from edgeface.door.relays.web_client import json_object


class Command(NamedTuple):
    """One message to a device."""

    topic: str
    payload: str


class MqttDevice(Protocol):
    """One kind of device."""

    listens: tuple[str, ...]
    """The topics on which it reports."""

    def on(self, seconds: float, /) -> tuple[Command, ...]:
        """The messages that switch on, or unlock; with a timer of `seconds` where the device has one."""

    def off(self) -> Command:
        """The message that switches off, or locks; it is also the last will."""

    def query(self) -> Command | None:
        """The message that asks for the state; None for a device that only reports by itself."""

    def state(self, topic: str, payload: bytes, /) -> bool | None:
        """The state in a message; None if it has none. Raises RelayError if the device reports a fault."""


class ShellyGen2:
    """RPC over MQTT, with the timer `toggle_after`.

    https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Mqtt and .../gen2/ComponentsAndServices/Switch
    """

    def __init__(self, topic: str, channel: int, answers: str) -> None:
        """`topic` is the device's prefix; it answers on `answers`/rpc."""
        self._topic, self._channel, self._answers = f"{topic}/rpc", channel, answers
        self._number = 0
        self.listens: tuple[str, ...] = (f"{answers}/rpc",)

    def on(self, seconds: float) -> tuple[Command, ...]:
        """Switch.Set with a timer."""
        return (self._call("Switch.Set", on=True, toggle_after=round(seconds, 1)),)

    def off(self) -> Command:
        """Switch.Set."""
        return self._call("Switch.Set", on=False)

    def query(self) -> Command:
        """Switch.GetStatus."""
        return self._call("Switch.GetStatus")

    def state(self, _topic: str, payload: bytes) -> bool | None:
        """`output` of the answer to the latest call, if that was Switch.GetStatus."""
        answer = json_object(payload)
        if answer.get("id") != self._number:
            return None
        if isinstance(error := answer.get("error"), dict):
            raise RelayError(f"it answers with error {int(error.get('code') or 0)}")
        result = answer.get("result")
        output = result.get("output") if isinstance(result, dict) and result.get("id") == self._channel else None
        return output if isinstance(output, bool) else None

    def _call(self, method: str, **parameters: Any) -> Command:
        self._number += 1
        call = {
            "id": self._number,
            "src": self._answers,
            "method": method,
            "params": {"id": self._channel, **parameters},
        }
        return Command(self._topic, json.dumps(call, separators=(",", ":")))


class ShellyGen1:
    """https://shelly-api-docs.shelly.cloud/gen1/#shelly1-shelly1pm-mqtt; its timer cannot be set over MQTT."""

    def __init__(self, topic: str, channel: int, _answers: str) -> None:
        """`topic` is shellies/ and the device's name."""
        self._topic = f"{topic}/relay/{channel}"
        self.listens: tuple[str, ...] = (self._topic,)

    def on(self, _seconds: float) -> tuple[Command, ...]:
        """The word on."""
        return (Command(f"{self._topic}/command", "on"),)

    def off(self) -> Command:
        """The word off."""
        return Command(f"{self._topic}/command", "off")

    def query(self) -> None:
        """It reports by itself, on every change and every 30 s."""

    def state(self, _topic: str, payload: bytes) -> bool | None:
        """on, off, or overpower."""
        return _of_word(payload, {b"on": True, b"off": False}, {b"overpower"})


class Tasmota:
    """https://tasmota.github.io/docs/MQTT/ and https://tasmota.github.io/docs/Commands/, with the timer PulseTime."""

    def __init__(self, topic: str, channel: int, _answers: str) -> None:
        """`topic` is Tasmota's own %topic%; full topics are the default, %prefix%/%topic%/."""
        self._topic, self._channel = f"cmnd/{topic}", channel
        self.listens: tuple[str, ...] = (f"stat/{topic}/RESULT",)

    def on(self, seconds: float) -> tuple[Command, ...]:
        """PulseTime, which the device keeps, and Power."""
        number = self._channel + 1
        pulse = Command(f"{self._topic}/PulseTime{number}", str(pulse_time(seconds)))
        return (pulse, Command(f"{self._topic}/Power{number}", "ON"))

    def off(self) -> Command:
        """Power OFF."""
        return Command(f"{self._topic}/Power{self._channel + 1}", "OFF")

    def query(self) -> Command:
        """Power without a payload."""
        return Command(f"{self._topic}/Power{self._channel + 1}", "")

    def state(self, _topic: str, payload: bytes) -> bool | None:
        """POWER of a device with one relay, else POWER and its number."""
        answer = json_object(payload)
        if answer.get("Command") in ("Unknown", "Error"):
            raise RelayError("it does not know the command PulseTime or Power")
        return tasmota_state(self._channel, answer)


class Zigbee2MqttLock:
    """https://www.zigbee2mqtt.io/guide/usage/exposes.html#lock; some locks have `auto_relock`, which is set there."""

    def __init__(self, topic: str, _channel: int, _answers: str) -> None:
        """`topic` is zigbee2mqtt/ and the friendly name."""
        self._topic = topic
        self.listens: tuple[str, ...] = (topic,)

    def on(self, _seconds: float) -> tuple[Command, ...]:
        """UNLOCK."""
        return (Command(f"{self._topic}/set", '{"state":"UNLOCK"}'),)

    def off(self) -> Command:
        """LOCK."""
        return Command(f"{self._topic}/set", '{"state":"LOCK"}')

    def query(self) -> None:
        """It reports by itself; asking would cost the lock's battery."""

    def state(self, _topic: str, payload: bytes) -> bool | None:
        """`state`, and `lock_state`, which also knows a bolt that is not fully out."""
        answer = json_object(payload)
        if answer.get("lock_state") == "not_fully_locked":
            raise RelayError("it is not fully locked")
        word = answer.get("state")
        return {"UNLOCK": True, "LOCK": False}.get(word) if isinstance(word, str) else None


class HomeAssistantLock:
    """A lock with the topics of Home Assistant's MQTT lock: https://www.home-assistant.io/integrations/lock.mqtt/."""

    def __init__(self, topic: str, state_topic: str) -> None:
        """`topic` is its command_topic."""
        self._topic = topic
        self.listens: tuple[str, ...] = (state_topic,)

    def on(self, _seconds: float) -> tuple[Command, ...]:
        """UNLOCK, the default of payload_unlock."""
        return (Command(self._topic, "UNLOCK"),)

    def off(self) -> Command:
        """LOCK, the default of payload_lock."""
        return Command(self._topic, "LOCK")

    def query(self) -> None:
        """It reports by itself."""

    def state(self, _topic: str, payload: bytes) -> bool | None:
        """LOCKED and UNLOCKED; while it is LOCKING or UNLOCKING, it has no state."""
        return _of_word(payload, {b"UNLOCKED": True, b"LOCKED": False}, {b"JAMMED", b"MOTOR_JAMMED"})


def _of_word(payload: bytes, words: dict[bytes, bool], faults: set[bytes]) -> bool | None:
    if payload in faults:
        raise RelayError(f"it reports {payload.decode()}")
    return words.get(payload)
