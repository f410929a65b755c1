"""door.yaml as frozen objects; docs/door.yaml is the commented reference of every key."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from edgeface.core import settings_file
from edgeface.core.log import Log
from edgeface.core.settings import FactorKind, Id, Settings
from edgeface.core.text import printable_path
from edgeface.door.readers import ReaderSettings
from edgeface.door.readers.keypad import KeypadSettings
from edgeface.door.readers.simulated import SimulatedReader
from edgeface.door.readers.wiegand import WiegandReader
from edgeface.door.relay import GpioRelay, RelaySettings
from edgeface.door.verifier import (
    FACTORS,
    Level,
    LevelBasis,
    Liveness,
    LivenessKind,
    Minimum,
    Rules,
    require_key,
)
from edgeface.mqtt.settings import Mqtt
from edgeface.security.sealed_box import SealedBoxError, require_public

if TYPE_CHECKING:
    from pathlib import Path


def _key(text: str) -> str:
    try:
        require_key(base64.b64decode(text, validate=True))
    except binascii.Error:
        raise ValueError("not base64; `edgeface keys show` prints the key as it belongs here") from None
    return text


def _sealing_key(text: str) -> str:
    try:
        require_public(base64.b64decode(text, validate=True))
    except (binascii.Error, SealedBoxError):
        raise ValueError("not a sealing key; `edgeface keys show` prints it as it belongs here") from None
    return text


PublicKey = Annotated[str, AfterValidator(_key)]
"""Base64 of the 32 bytes of an Ed25519 key."""


class MinimumSettings(Settings):
    """What the door requires, whatever the devices claim."""

    level: Level = "normal"
    """low, normal, high: as in config.yaml."""
    frames: Annotated[int, Field(ge=1, le=10)] = 3
    """Good frames behind the decision."""
    liveness: Liveness = "off"
    """live: only faces that passed a liveness check."""
    age_ms: Annotated[int, Field(ge=1, le=3000)] = 3000
    """Milliseconds from the frame's capture to the signature."""
    score: Annotated[float, Field(ge=-1, le=1, strict=False)] = -1.0
    """Cosine, as in events."""
    people: Annotated[tuple[Id, ...], Field(strict=False, max_length=1000)] = ()
    """Ids of the people who may come in; empty: everyone that the devices allow."""
    factor: Literal["none", "any"] | Annotated[tuple[FactorKind, ...], Field(strict=False, min_length=1)] = "none"
    """The second factor: none is required; any kind; or one of these kinds."""
    liveness_kind: LivenessKind = "off"
    """The liveness checks that the face must have passed; both: passive and challenge."""
    level_basis: LevelBasis = "measured"
    """estimated: also accept levels that a model has estimated beyond the calibration data."""


class SealSettings(Settings):
    """A device to which the door seals second factors."""

    device: Id
    """`device:` in its config.yaml."""
    kid: Id
    """The name of its sealing key."""
    key: Annotated[str, AfterValidator(_sealing_key)]
    """Base64 of the 32 bytes of an X25519 key."""

    @property
    def raw(self) -> bytes:
        """The key."""
        return base64.b64decode(self.key)


class DoorSettings(Settings):
    """All of door.yaml."""

    door: Id
    """The door's name, as in `doors:` of config.yaml."""
    keys: Annotated[dict[Id, PublicKey], Field(min_length=1, max_length=16)]
    """Public keys of the devices by kid."""
    minimum: MinimumSettings = MinimumSettings()
    relay: RelaySettings
    readers: Annotated[tuple[ReaderSettings, ...], Field(strict=False, max_length=4)] = ()
    """Where people show a second factor."""
    keypad: KeypadSettings = KeypadSettings()
    seal: Annotated[tuple[SealSettings, ...], Field(strict=False, max_length=4)] = ()
    """The devices that receive second factors, one key each."""
    mqtt: Mqtt = Mqtt()
    log: Log = Log()

    @model_validator(mode="before")
    @classmethod
    def _no_discovery(cls, values: Any) -> Any:
        mqtt = values.get("mqtt") if isinstance(values, dict) else None
        if isinstance(mqtt, dict) and {"discovery", "discovery_prefix"} & set(mqtt):
            raise ValueError("mqtt.discovery belongs in config.yaml: a door does not announce itself to Home Assistant")
        return values

    @model_validator(mode="after")
    def _readers_fit(self) -> DoorSettings:
        if self.readers and not self.seal:
            raise ValueError("readers need seal: the device's key, as `edgeface keys show` prints it")
        if len({one.device for one in self.seal}) < len(self.seal):
            raise ValueError("seal: one key per device; the device opens its current and its next key")
        if isinstance(self.relay, GpioRelay):
            if any(isinstance(one, SimulatedReader) for one in self.readers):
                raise ValueError("readers: type: simulated is for trials, and only with relay: {type: log}")
            self._require_free_pins(self.relay.pin)
        return self

    def _require_free_pins(self, relay: int) -> None:
        pins = [
            relay,
            *(pin for one in self.readers if isinstance(one, WiegandReader) for pin in (one.data0, one.data1)),
        ]
        if len(set(pins)) < len(pins):
            raise ValueError("relay and readers: a pin is used twice")

    def rules(self) -> Rules:
        """The door's rules for the verifier."""
        keys = {kid: base64.b64decode(key) for kid, key in self.keys.items()}
        least = self.minimum
        score = round(least.score * 10_000)
        kinds = {"none": (), "any": FACTORS}
        minimum = Minimum(
            least.level,
            least.frames,
            least.liveness,
            least.age_ms,
            score,
            least.people,
            kinds[least.factor] if isinstance(least.factor, str) else least.factor,
            least.liveness_kind,
            least.level_basis,
        )
        return Rules(self.door, keys, minimum)


def load(path: Path) -> DoorSettings:
    """Read the file; raises ConfigError with one line per mistake: FILE:LINE: KEY: the problem."""
    return parse(settings_file.read(path), printable_path(path))


def parse(data: bytes, name: str) -> DoorSettings:
    """Check a file's content; each line of a ConfigError starts with `name`."""
    sections = ("minimum", "readers", "keypad", "seal", "mqtt", "log")
    return settings_file.parse(DoorSettings, data, name, optional=sections, reference="docs/door.yaml")
