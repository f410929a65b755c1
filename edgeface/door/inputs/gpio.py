"""A contact or a button at a pin of a Raspberry Pi, through gpiozero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from edgeface.core.errors import ConfigError
from edgeface.core.settings import Settings
from edgeface.door.inputs.base import ContactTimes, OpenInput, Wired
from edgeface.door.switches import Pin, quiet_gpiozero

if TYPE_CHECKING:
    from collections.abc import Callable

Pull = Literal["up", "down", "none"]
Voltage = Literal["high", "low"]


class _Pin(Settings):
    """A pin that is read."""

    type: Literal["gpio"] = "gpio"
    pin: Pin
    """BCM number: 5 is GPIO5, not pin 5 of the header."""
    pull: Pull = "up"
    """The Pi's own resistor: up for a contact to ground, down for one to 3.3 V, none for a resistor of one's own."""

    def require(self) -> None:
        """Raise ConfigError if gpiozero is missing."""
        try:
            import gpiozero  # noqa: F401 - imported again when the pin is opened
        except ImportError as error:
            raise ConfigError("type: gpio needs gpiozero: pip install 'edgeface[door]'") from error

    def _opened(self, wake: Callable[[], None], active: Voltage) -> OpenInput:
        """Open the pin; raises OSError."""
        try:
            with quiet_gpiozero():
                return _Input(self.pin, self.pull, active, wake)
        except Exception as error:  # each pin factory of gpiozero raises its own errors
            raise OSError(f"GPIO{self.pin} cannot be used: {error}") from error


class GpioContact(ContactTimes, _Pin):
    """A door contact at a pin."""

    open_is: Voltage = "high"
    """The pin while the door is open: high for a contact to ground that is closed while the door is shut."""

    def connect(self, wake: Callable[[], None]) -> OpenInput:
        """Open the pin; raises OSError."""
        return self._opened(wake, self.open_is)


class GpioButton(_Pin):
    """A button at a pin."""

    pressed_is: Voltage = "low"
    """The pin while the button is pressed: low for a button to ground."""

    def connect(self, wake: Callable[[], None]) -> OpenInput:
        """Open the pin; raises OSError."""
        return self._opened(wake, self.pressed_is)


class _Input(Wired):
    def __init__(self, pin: int, pull: Pull, active: Voltage, wake: Callable[[], None]) -> None:
        from gpiozero import DigitalInputDevice

        # gpiozero takes active_state only without a resistor, and inverts the level with one that pulls up.
        pulled = {"up": True, "down": False, "none": None}[pull]
        self._device: Any = DigitalInputDevice(pin, pull_up=pulled, active_state=True if pulled is None else None)
        self._active = (active == "high") is not bool(pulled)
        self._device.when_activated = self._device.when_deactivated = wake

    def level(self, _now: float) -> bool:
        """Read the pin."""
        return bool(self._device.value) is self._active

    def close(self) -> None:
        """Release the pin."""
        self._device.close()
