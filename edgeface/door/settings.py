"""door.yaml as frozen objects; docs/door.yaml is the commented reference of every key."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from edgeface.core import settings_file
from edgeface.core.log import Log
from edgeface.core.settings import FactorKind, Folder, Id, Settings
from edgeface.core.text import printable_path
from edgeface.door.inputs import ContactSettings, DoorbellSettings, ExitButtonSettings
from edgeface.door.inputs.gpio import GpioButton, GpioContact
from edgeface.door.inputs.simulated import SimulatedButton, SimulatedContact
from edgeface.door.readers import ReaderSettings
from edgeface.door.readers.keypad import KeypadSettings
from edgeface.door.readers.simulated import SimulatedReader
from edgeface.door.readers.wiegand import WiegandReader
from edgeface.door.relays import RelaySettings
from edgeface.door.relays.gpio import GpioRelay
from edgeface.door.relays.log import LogRelay
from edgeface.door.turn_lamps import GpioTurnLamps, TurnLampSettings
from edgeface.door.verifier import (
    FACTORS,
    Factor,
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

FactorKinds = (
    Literal["none", "any"]
    | Annotated[tuple[FactorKind, ...], Field(strict=False, min_length=1, examples=[["pin", "card"]])]
)
"""No kind of second factor, any kind, or one of these kinds."""


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
    people: Annotated[tuple[Id, ...], Field(strict=False, max_length=1000, examples=[["alice", "bob"]])] = ()
    """Ids of the people who may come in; empty: everyone that the devices allow."""
    factor: FactorKinds = "none"
    """The second factor: none is required; any kind; or one of these kinds."""
    liveness_kind: LivenessKind = "off"
    """The liveness checks that the face must have passed; both: passive and challenge."""
    level_basis: LevelBasis = "measured"
    """estimated: also accept levels that a model has estimated beyond the calibration data."""
    challenge_or_factor: FactorKinds = "none"
    """The second factors that may replace the challenge in `liveness_kind`, for people who cannot turn their head."""

    @model_validator(mode="after")
    def _challenge_is_required(self) -> MinimumSettings:
        if self.challenge_or_factor != "none" and self.liveness_kind not in {"challenge", "both"}:
            raise ValueError("challenge_or_factor replaces a challenge that liveness_kind does not require")
        return self


class SealSettings(Settings):
    """A device to which the door seals second factors."""

    device: Id
    """`device:` in its config.yaml."""
    kid: Id | None = None
    """The name of its sealing key; left out with `owner`, whose list has it."""
    key: Annotated[str, AfterValidator(_sealing_key)] | None = None
    """Base64 of the 32 bytes of an X25519 key; left out as `kid`."""

    @property
    def raw(self) -> bytes:
        """The key; empty without one."""
        return base64.b64decode(self.key or "")


class DoorSettings(Settings):
    """All of door.yaml."""

    door: Id
    """The door's name, as in `doors:` of config.yaml."""
    keys: Annotated[dict[Id, PublicKey], Field(min_length=1, max_length=16)] | None = None
    """Public keys of the devices by kid; these, or those of the owner's list."""
    owner: Annotated[dict[Id, PublicKey], Field(min_length=1, max_length=2)] | None = None
    """Public keys by kid of the owner, who signs the list of device keys; two while the key is renewed."""
    data: Folder = Path("/var/lib/edgeface-door")
    """The folder in which the door remembers what must not become older, and has the key that signs its reports."""
    minimum: MinimumSettings = MinimumSettings()
    relay: RelaySettings
    readers: Annotated[
        tuple[ReaderSettings, ...], Field(strict=False, max_length=4, examples=[[{"type": "pn532"}]])
    ] = ()
    """Where people show a second factor."""
    keypad: KeypadSettings = KeypadSettings()
    seal: Annotated[
        tuple[SealSettings, ...], Field(strict=False, max_length=4, examples=[[{"device": "edgeface"}]])
    ] = ()
    """The devices that receive second factors, one key each."""
    turn_lamps: TurnLampSettings | None = None
    """Lamps that show to which side a challenge asks a person to turn; left out: none."""
    contact: ContactSettings | None = None
    """Whether the door is open; left out: not known."""
    doorbell: DoorbellSettings | None = None
    """A button that asks to be let in, and opens nothing; left out: none."""
    exit_button: ExitButtonSettings | None = None
    """A button inside that opens the door for `relay.seconds`, without network or device; left out: none."""
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
    def _keys_have_one_source(self) -> DoorSettings:
        if (self.keys is None) == (self.owner is None):
            raise ValueError("either keys, the public keys of the devices, or owner, whose list has them")
        for one in self.seal:
            if self.owner is None and (one.kid is None or one.key is None):
                raise ValueError("seal: a device needs kid and key, as `edgeface keys show` prints them")
            if self.owner is not None and (one.kid is not None or one.key is not None):
                raise ValueError("seal: with owner, only the device: the owner's list has its key")
        return self

    @model_validator(mode="after")
    def _readers_fit(self) -> DoorSettings:
        if self.readers and not self.seal:
            raise ValueError("readers need seal: the device's key, as `edgeface keys show` prints it")
        if len({one.device for one in self.seal}) < len(self.seal):
            raise ValueError("seal: one key per device; the device opens its current and its next key")
        if not isinstance(self.relay, LogRelay) and any(isinstance(one, SimulatedReader) for one in self.readers):
            raise ValueError("readers: type: simulated is for trials, and only with relay: {type: log}")
        return self

    @model_validator(mode="after")
    def _inputs_fit(self) -> DoorSettings:
        simulated = any(isinstance(one, (SimulatedContact, SimulatedButton)) for one in self._inputs)
        if simulated and not isinstance(self.relay, LogRelay):
            raise ValueError(
                "contact, doorbell, exit_button: simulated is for trials, and only with relay: {type: log}"
            )
        return self

    @model_validator(mode="after")
    def _pins_are_free(self) -> DoorSettings:
        pins = [pin for one in self.readers if isinstance(one, WiegandReader) for pin in (one.data0, one.data1)]
        if isinstance(self.relay, GpioRelay):
            pins.append(self.relay.pin)
        if isinstance(self.turn_lamps, GpioTurnLamps):
            pins += [self.turn_lamps.left, self.turn_lamps.right]
        pins += [one.pin for one in self._inputs if isinstance(one, (GpioContact, GpioButton))]
        if len(set(pins)) < len(pins):
            raise ValueError("relay, turn_lamps, readers and inputs: a pin is used twice")
        return self

    @property
    def owner_keys(self) -> dict[str, bytes]:
        """The owner's public keys by kid, 32 bytes each; empty without an owner."""
        return {kid: base64.b64decode(key) for kid, key in (self.owner or {}).items()}

    @property
    def _inputs(self) -> tuple[ContactSettings | DoorbellSettings | None, ...]:
        return self.contact, self.doorbell, self.exit_button

    def rules(self) -> Rules:
        """The door's rules for the verifier; without keys while they are to come from the owner's list."""
        keys = {kid: base64.b64decode(key) for kid, key in (self.keys or {}).items()}
        least = self.minimum
        score = round(least.score * 10_000)
        minimum = Minimum(
            least.level,
            least.frames,
            least.liveness,
            least.age_ms,
            score,
            least.people,
            _kinds(least.factor),
            least.liveness_kind,
            least.level_basis,
            _kinds(least.challenge_or_factor),
        )
        return Rules(self.door, keys, minimum)


def _kinds(configured: FactorKinds) -> tuple[Factor, ...]:
    if isinstance(configured, tuple):
        return configured
    return FACTORS if configured == "any" else ()


def load(path: Path) -> DoorSettings:
    """Read the file; raises ConfigError with one line per mistake: FILE:LINE: KEY: the problem."""
    return parse(settings_file.read(path), printable_path(path))


def parse(data: bytes, name: str) -> DoorSettings:
    """Check a file's content; each line of a ConfigError starts with `name`."""
    sections = ("minimum", "readers", "keypad", "seal", "mqtt", "log")
    return settings_file.parse(DoorSettings, data, name, optional=sections, reference="docs/door.yaml")
