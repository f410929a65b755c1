"""The relay of a door, whose off time is kept by a thread of its own, away from the network."""

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

_BEAT = 0.25
"""Seconds between two turns of the relay's thread."""
_SILENT = 5.0
"""Seconds without a turn after which the thread hangs."""
_JOIN = 2.0

OpenSeconds = Annotated[float, Field(ge=0.2, le=60, strict=False)]


class Switch(Protocol):
    """What is switched: off when it is made, and off after close."""

    def on(self) -> None:
        """Let the door be opened."""
        ...

    def off(self) -> None:
        """Hold it shut."""
        ...

    def close(self) -> None:
        """Switch off and let go of the device."""
        ...


class LogRelay(Settings):
    """No relay: the log says when one would switch, for trials."""

    type: Literal["log"] = "log"
    seconds: OpenSeconds = 3.0
    """How long the door can be opened after the last grant."""

    def switch(self) -> Switch:
        """Make the switch."""
        return _LogSwitch()


class GpioRelay(Settings):
    """A relay at a pin of a Raspberry Pi, by gpiozero."""

    type: Literal["gpio"] = "gpio"
    pin: Annotated[int, Field(ge=0, le=27)]
    """BCM number: 17 is GPIO17, not pin 17 of the header."""
    active_high: bool = True
    """False for a relay board that switches on when its input is pulled to ground."""
    seconds: OpenSeconds = 3.0
    """How long the door can be opened after the last grant."""

    def switch(self) -> Switch:
        """Take the pin, switched off; ConfigError when it cannot be had."""
        try:
            from gpiozero import OutputDevice
        except ImportError as error:
            raise ConfigError("relay.type: gpio needs gpiozero: pip install 'edgeface[door]'") from error
        try:
            device: Switch = OutputDevice(self.pin, active_high=self.active_high, initial_value=False)
        except Exception as error:  # each pin factory of gpiozero raises errors of its own
            raise ConfigError(f"relay.pin: GPIO{self.pin} cannot be used: {error}") from error
        return device


RelaySettings = Annotated[GpioRelay | LogRelay, Field(discriminator="type")]


class Relay:
    """Holds a switch on until a deadline; only its own thread touches the switch.

    The thread keeps the deadline whatever the rest of the process does. When the switch fails the thread switches
    off, as far as it can, and ends: `healthy` is False then. `on_change` is called by the thread and returns at once.
    """

    def __init__(self, settings: GpioRelay | LogRelay, clock: Clock, on_change: Callable[[], None]) -> None:
        """Take the switch, off, and start the thread; ConfigError when the switch cannot be had."""
        self._seconds = settings.seconds
        self._clock = clock
        self._on_change = on_change
        self._switch = settings.switch()
        self._deadline = float("-inf")
        self._beat = clock.monotonic()
        self._rung = threading.Event()
        self._closing = False
        self.is_open = False
        """Whether the switch is on."""
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether the thread turns."""
        return self._thread.is_alive() and self._clock.monotonic() - self._beat < _SILENT

    def open(self, now: float) -> None:
        """Have the switch on from now until its seconds after `now`, monotonic; returns at once."""
        self._deadline = now + self._seconds
        self._rung.set()

    def shut(self) -> None:
        """Have it switched off for good within 0.25 s, whatever `open` says; a signal's handler may call it."""
        self._closing = True

    def close(self) -> None:
        """Switch off and let go of the switch."""
        self.shut()
        self._rung.set()
        self._thread.join(_JOIN)
        if self._thread.is_alive():
            _log.error("the relay's thread hangs: the switch may still be on")

    def _run(self) -> None:
        try:
            # The last to be entered is the first to be done: off, then closed, whatever the other does.
            with ExitStack() as stack:
                stack.callback(self._switch.close)
                stack.callback(self._set, on=False)
                while not self._closing:
                    self._turn()
        except Exception:  # noqa: BLE001 - each pin factory has errors of its own, and all of them end the daemon
            _log.exception("the relay has failed")
        self._on_change()

    def _turn(self) -> None:
        self._rung.clear()
        self._beat = now = self._clock.monotonic()
        left = self._deadline - now
        self._set(on=left > 0)
        self._rung.wait(min(_BEAT, left) if left > 0 else _BEAT)

    def _set(self, *, on: bool) -> None:
        # Off is said again at each turn: a board that was away for a moment comes back as it likes.
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
