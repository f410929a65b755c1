"""The relay of a door; a thread of its own switches it off in time, whatever the network does."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import Field

from edgeface.core.errors import ConfigError
from edgeface.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.core.clock import Clock

_log = logging.getLogger(__name__)

_TICK = 0.25
"""Seconds between two ticks of the relay's thread."""
_HANG_TIMEOUT = 5.0
"""Seconds without a tick after which the thread counts as hanging."""
_JOIN_TIMEOUT = 2.0

OpenSeconds = Annotated[float, Field(ge=0.2, le=60, strict=False)]


class SwitchDevice(Protocol):
    """The hardware that is switched: off at first, and off after close."""

    def on(self) -> None:
        """Release the door."""

    def off(self) -> None:
        """Lock the door."""

    def close(self) -> None:
        """Switch off and release the device."""


class LogRelay(Settings):
    """No relay, for trials: the log shows when one would switch."""

    type: Literal["log"] = "log"
    seconds: OpenSeconds = 3.0
    """How long the relay stays on after the last grant."""

    def switch(self) -> SwitchDevice:
        """Open the switch, which is off."""
        return _LogSwitch()


class GpioRelay(Settings):
    """A relay at a pin of a Raspberry Pi, through gpiozero."""

    type: Literal["gpio"] = "gpio"
    pin: Annotated[int, Field(ge=0, le=27)]
    """BCM number: 17 is GPIO17, not pin 17 of the header."""
    active_high: bool = True
    """False for a relay board that switches on when its input is low."""
    seconds: OpenSeconds = 3.0
    """How long the relay stays on after the last grant."""

    def switch(self) -> SwitchDevice:
        """Open the pin, switched off; raises ConfigError if that fails."""
        try:
            from gpiozero import OutputDevice
        except ImportError as error:
            raise ConfigError("relay.type: gpio needs gpiozero: pip install 'edgeface[door]'") from error
        try:
            device: SwitchDevice = OutputDevice(self.pin, active_high=self.active_high, initial_value=False)
        except Exception as error:  # each pin factory of gpiozero raises its own errors
            raise ConfigError(f"relay.pin: GPIO{self.pin} cannot be used: {error}") from error
        return device


RelaySettings = Annotated[GpioRelay | LogRelay, Field(discriminator="type")]


class Relay:
    """Holds a switch on until a deadline; only its own thread touches the switch.

    The thread meets the deadline whatever the rest of the process does. If the switch fails, the thread switches
    off, as far as it can, and ends; `healthy` is then False. The thread calls `on_change`, which must return at once.
    """

    def __init__(self, settings: GpioRelay | LogRelay, clock: Clock, on_change: Callable[[], None]) -> None:
        """Open the switch, off, and start the thread; raises ConfigError if the switch cannot be opened."""
        self._seconds = settings.seconds
        self._clock = clock
        self._on_change = on_change
        self._switch = settings.switch()
        self._deadline = float("-inf")
        self._ticked_at = clock.monotonic()
        self._wake = threading.Event()
        self._closing = False
        self.is_open = False
        """Whether the switch is on."""
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether the thread runs and does not hang."""
        return self._thread.is_alive() and self._clock.monotonic() - self._ticked_at < _HANG_TIMEOUT

    def open(self, now: float) -> None:
        """Have the switch on until its seconds after `now` (monotonic) are over; returns at once."""
        self._deadline = now + self._seconds
        self._wake.set()

    def shut(self) -> None:
        """Have it switched off within 0.25 s and kept off, despite later `open`; a signal handler may call it."""
        self._closing = True

    def close(self) -> None:
        """Switch off and close the switch."""
        self.shut()
        self._wake.set()
        self._thread.join(_JOIN_TIMEOUT)
        if self._thread.is_alive():
            _log.error("the relay thread hangs: the switch may still be on")

    def _run(self) -> None:
        try:
            # Callbacks run in reverse order: off, then close, even if switching off fails.
            with ExitStack() as stack:
                stack.callback(self._switch.close)
                stack.callback(self._set, on=False)
                while not self._closing:
                    self._tick()
        except Exception:  # noqa: BLE001 - each pin factory has its own errors, and any of them ends the controller
            _log.exception("the relay failed")
        self._on_change()

    def _tick(self) -> None:
        self._wake.clear()
        self._ticked_at = now = self._clock.monotonic()
        left = self._deadline - now
        self._set(on=left > 0)
        self._wake.wait(min(_TICK, left) if left > 0 else _TICK)

    def _set(self, *, on: bool) -> None:
        # Off is repeated at each tick: a board that lost power for a moment may come back on.
        if on and self.is_open:
            return
        (self._switch.on if on else self._switch.off)()
        if on != self.is_open:
            self.is_open = on
            self._on_change()


class _LogSwitch:
    def __init__(self) -> None:
        self._shown = False

    def on(self) -> None:
        self._show(on=True)

    def off(self) -> None:
        self._show(on=False)

    def close(self) -> None:
        self.off()

    def _show(self, *, on: bool) -> None:
        if on != self._shown:
            self._shown = on
            _log.info("the relay would be %s", "on" if on else "off")
