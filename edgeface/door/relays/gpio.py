"""A relay at a pin of a Raspberry Pi."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from edgeface.core.settings import Settings
from edgeface.door.relays.base import OpenSeconds
from edgeface.door.switches import Pin, open_pin

if TYPE_CHECKING:
    from edgeface.door.relays.base import DoorContext, RelayDriver
    from edgeface.door.switches import SwitchDevice


class GpioRelay(Settings):
    """A relay at a pin of a Raspberry Pi, through gpiozero."""

    type: Literal["gpio"] = "gpio"
    pin: Pin
    """BCM number: 17 is GPIO17, not pin 17 of the header."""
    active_high: bool = True
    """False for a relay board that switches on when its input is low."""
    seconds: OpenSeconds = 3.0
    """How long the relay stays on after the last grant."""

    def switch(self) -> SwitchDevice:
        """Open the pin, switched off; raises ConfigError if that fails."""
        return open_pin("relay.pin", self.pin, active_high=self.active_high)

    def driver(self, _context: DoorContext) -> RelayDriver:
        """Open it, switched off; raises ConfigError if that fails."""
        return LocalDriver(self.switch())


class LocalDriver:
    """A device of this machine; what it reports is the level of its pin, where it has one."""

    pace = 0.25
    repeats_off = True

    def __init__(self, device: SwitchDevice) -> None:
        self._device = device
        self._on = False

    def on(self, _seconds: float) -> None:
        """Switch on; it has no timer of its own."""
        self._device.on()
        self._on = True

    def off(self) -> None:
        """Switch off."""
        self._device.off()
        self._on = False

    def is_on(self) -> bool:
        """Whether the pin has the level for on."""
        level: Any = getattr(self._device, "value", self._on)
        return bool(level)

    def close(self) -> None:
        """Release the device."""
        self._device.close()
