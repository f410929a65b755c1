"""The outputs of a door's controller: a pin or the log; a thread of its own switches each off in time."""

from __future__ import annotations

import logging
import threading
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import Field

from edgeface.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.core.clock import Clock

_log = logging.getLogger(__name__)

Pin = Annotated[int, Field(ge=0, le=27)]
"""A BCM number of a Raspberry Pi: 17 is GPIO17, not pin 17 of the header."""

_TICK = 0.25
"""Seconds between two ticks of a switch's thread."""
_HANG_TIMEOUT = 5.0
"""Seconds without a tick after which the thread counts as hanging."""
_JOIN_TIMEOUT = 2.0


class SwitchDevice(Protocol):
    """The hardware that is switched: off at first, and off after close."""

    def on(self) -> None:
        """Switch on."""

    def off(self) -> None:
        """Switch off."""

    def close(self) -> None:
        """Switch off and release the device."""


@contextmanager
def quiet_gpiozero() -> Iterator[None]:
    """Hide that gpiozero falls back from one library for pins to the next; raises OSError if none works."""
    from gpiozero import BadPinFactory, GPIOZeroWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GPIOZeroWarning)
        try:
            yield
        except BadPinFactory as error:
            raise OSError(
                "no library for pins works: sudo apt install python3-lgpio, and run it on the board"
            ) from error


def open_pin(key: str, pin: int, *, active_high: bool) -> SwitchDevice:
    """Open a pin through gpiozero, switched off; raises ConfigError, which names `key`, if that fails.

    Without `active_high`, it is for a board that switches on when its input is low.
    """
    try:
        from gpiozero import OutputDevice
    except ImportError as error:
        section = key.partition(".")[0]
        raise ConfigError(f"{section}.type: gpio needs gpiozero: pip install 'edgeface[door]'") from error
    try:
        with quiet_gpiozero():
            device: SwitchDevice = OutputDevice(pin, active_high=active_high, initial_value=False)
    except Exception as error:  # each pin factory of gpiozero raises its own errors
        raise ConfigError(f"{key}: GPIO{pin} cannot be used: {error}") from error
    return device


class LogSwitch:
    """No hardware, for trials: the log shows when an output would switch."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = False

    def on(self) -> None:
        """Log that it would be on."""
        self._show(on=True)

    def off(self) -> None:
        """Log that it would be off."""
        self._show(on=False)

    def close(self) -> None:
        """Log that it would be off."""
        self.off()

    def _show(self, *, on: bool) -> None:
        if on != self._shown:
            self._shown = on
            _log.info("the %s would be %s", self._name, "on" if on else "off")


class TimedSwitch:
    """Holds a device on for a time; only its own thread touches the device.

    The thread meets the time whatever the rest of the process does. If the device fails, the thread switches off, as
    far as it can, and ends; `healthy` is then False. The thread calls `on_change`, which must return at once.
    """

    def __init__(self, name: str, device: SwitchDevice, clock: Clock, on_change: Callable[[], None]) -> None:
        """Start the thread; the device is off."""
        self._name = name
        self._device = device
        self._clock = clock
        self._on_change = on_change
        self._span = _NEVER
        self._ticked_at = clock.monotonic()
        self._wake = threading.Event()
        self._closing = False
        self.is_on = False
        """Whether the device is on."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether the thread runs and does not hang."""
        return self._thread.is_alive() and self._clock.monotonic() - self._ticked_at < _HANG_TIMEOUT

    def hold(self, until: float, *, since: float = float("-inf")) -> None:
        """Have it on from `since` to `until` (monotonic), instead of any earlier span; returns at once."""
        self._span = (since, until)
        self._wake.set()

    def release(self) -> None:
        """Have it switched off; returns at once."""
        self._span = _NEVER
        self._wake.set()

    def shut(self) -> None:
        """Have it switched off within 0.25 s and kept off, despite later `hold`; a signal handler may call it."""
        self._closing = True

    def close(self) -> None:
        """Switch off and close the device."""
        self.shut()
        self._wake.set()
        self._thread.join(_JOIN_TIMEOUT)
        if self._thread.is_alive():
            _log.error("the thread of the %s hangs: it may still be on", self._name)

    def _run(self) -> None:
        try:
            # Callbacks run in reverse order: off, then close, even if switching off fails.
            with ExitStack() as stack:
                stack.callback(self._device.close)
                stack.callback(self._set, on=False)
                while not self._closing:
                    self._tick()
        except Exception:  # noqa: BLE001 - each pin factory has its own errors, and any of them ends the thread
            _log.exception("the %s failed", self._name)
        self._on_change()

    def _tick(self) -> None:
        self._wake.clear()
        self._ticked_at = now = self._clock.monotonic()
        since, until = self._span
        self._set(on=since <= now < until)
        left = (since if now < since else until) - now
        self._wake.wait(min(_TICK, left) if left > 0 else _TICK)

    def _set(self, *, on: bool) -> None:
        # Off is repeated at each tick: a board that lost power for a moment may come back on.
        if on and self.is_on:
            return
        (self._device.on if on else self._device.off)()
        if on != self.is_on:
            self.is_on = on
            self._on_change()


_NEVER = (float("-inf"), float("-inf"))
