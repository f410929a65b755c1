"""No relay, for trials: the log shows when one would switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from edgeface.core.settings import Settings
from edgeface.door.relays.base import OpenSeconds
from edgeface.door.relays.command import CommandRelay
from edgeface.door.relays.gpio import GpioRelay, LocalDriver
from edgeface.door.relays.http import HttpRelay
from edgeface.door.relays.mqtt import MqttRelay
from edgeface.door.switches import LogSwitch

if TYPE_CHECKING:
    from edgeface.door.relays.base import DoorContext, RelayDriver
    from edgeface.door.switches import SwitchDevice


class LogRelay(Settings):
    """No relay. The keys of the other types are ignored, so that a trial changes one word of door.yaml."""

    type: Literal["log"] = "log"
    seconds: OpenSeconds = 3.0
    """How long the relay would stay on after the last grant."""

    @model_validator(mode="before")
    @classmethod
    def _only_its_own(cls, values: Any) -> Any:
        return (
            {key: value for key, value in values.items() if key not in _OTHERS} if isinstance(values, dict) else values
        )

    def switch(self) -> SwitchDevice:
        """Open the switch, which is off."""
        return LogSwitch("relay")

    def driver(self, _context: DoorContext) -> RelayDriver:
        """Open it, off."""
        return LocalDriver(self.switch())


_OTHERS = {key for one in (GpioRelay, MqttRelay, HttpRelay, CommandRelay) for key in one.model_fields} - set(
    LogRelay.model_fields
)
