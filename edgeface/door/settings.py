"""door.yaml as frozen objects; docs/door.yaml is the commented reference of every key."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from edgeface.core import settings_file
from edgeface.core.log import Log
from edgeface.core.settings import Id, Settings
from edgeface.core.text import printable_path
from edgeface.door.relay import RelaySettings
from edgeface.door.verifier import Level, Liveness, Minimum, Rules, require_key
from edgeface.mqtt.settings import Mqtt

if TYPE_CHECKING:
    from pathlib import Path


def _key(text: str) -> str:
    try:
        require_key(base64.b64decode(text, validate=True))
    except binascii.Error:
        raise ValueError("not base64; `edgeface keys show` prints the key as it belongs here") from None
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


class DoorSettings(Settings):
    """All of door.yaml."""

    door: Id
    """The door's name, as in `doors:` of config.yaml."""
    keys: Annotated[dict[Id, PublicKey], Field(min_length=1, max_length=16)]
    """Public keys of the devices by kid."""
    minimum: MinimumSettings = MinimumSettings()
    relay: RelaySettings
    mqtt: Mqtt = Mqtt()
    log: Log = Log()

    @model_validator(mode="before")
    @classmethod
    def _no_discovery(cls, values: Any) -> Any:
        mqtt = values.get("mqtt") if isinstance(values, dict) else None
        if isinstance(mqtt, dict) and {"discovery", "discovery_prefix"} & set(mqtt):
            raise ValueError("mqtt.discovery belongs in config.yaml: a door does not announce itself to Home Assistant")
        return values

    def rules(self) -> Rules:
        """The door's rules for the verifier."""
        keys = {kid: base64.b64decode(key) for kid, key in self.keys.items()}
        least = self.minimum
        score = round(least.score * 10_000)
        minimum = Minimum(least.level, least.frames, least.liveness, least.age_ms, score, least.people)
        return Rules(self.door, keys, minimum)


def load(path: Path) -> DoorSettings:
    """Read the file; raises ConfigError with one line per mistake: FILE:LINE: KEY: the problem."""
    return parse(settings_file.read(path), printable_path(path))


def parse(data: bytes, name: str) -> DoorSettings:
    """Check a file's content; each line of a ConfigError starts with `name`."""
    sections = ("minimum", "mqtt", "log")
    return settings_file.parse(DoorSettings, data, name, optional=sections, reference="docs/door.yaml")
