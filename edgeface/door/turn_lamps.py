"""Two outputs of the controller that show to which side a head-turn challenge asks a person to turn.

They are outputs of their own, and nothing that arrives here can reach the relay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from edgeface.access.protocol import read_object
from edgeface.core.settings import Id, Settings
from edgeface.door.switches import LogSwitch, Pin, TimedSwitch, open_pin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgeface.core.clock import Clock
    from edgeface.core.types import Turn
    from edgeface.door.switches import SwitchDevice

MAX_SECONDS = 10.0
"""How long a lamp stays on after a message, at most; a turn has 8 s."""
PAUSE = 0.4
"""Seconds that a lamp is off before it shows another turn to the same side."""


class LogTurnLamps(Settings):
    """No lamps, for trials: the log shows when they would switch."""

    type: Literal["log"] = "log"
    device: Id
    """`device:` in the config.yaml of the device whose challenges the lamps show."""
    camera: Id
    """Its camera."""

    def switches(self) -> dict[Turn, SwitchDevice]:
        """Open both, off."""
        return {"left": LogSwitch("left lamp"), "right": LogSwitch("right lamp")}


class GpioTurnLamps(Settings):
    """Lamps or buzzers at two pins of a Raspberry Pi, through gpiozero."""

    type: Literal["gpio"] = "gpio"
    device: Id
    """`device:` in the config.yaml of the device whose challenges the lamps show."""
    camera: Id
    """Its camera."""
    left: Pin
    """BCM number of the pin for a turn to the person's own left."""
    right: Pin
    """BCM number of the pin for a turn to the person's own right."""
    active_high: bool = True
    """False for a board that switches on when its input is low."""

    def switches(self) -> dict[Turn, SwitchDevice]:
        """Open both pins, switched off; raises ConfigError if that fails."""
        left = open_pin("turn_lamps.left", self.left, active_high=self.active_high)
        try:
            right = open_pin("turn_lamps.right", self.right, active_high=self.active_high)
        except BaseException:
            left.close()
            raise
        return {"left": left, "right": right}


TurnLampSettings = Annotated[GpioTurnLamps | LogTurnLamps, Field(discriminator="type")]


class TurnSignal(NamedTuple):
    """What a challenge asks for."""

    turn: Turn | None
    """None: nothing, the challenge has ended."""
    seconds: float
    """Seconds left for the turn when the message was sent; 0 without a turn."""


def read_turn(payload: bytes) -> TurnSignal | None:
    """Read a message of a camera's challenge topic; None if it breaks the contract."""
    facts = read_object(payload) or {}
    version, turn, seconds = facts.get("v"), facts.get("turn", ...), facts.get("seconds")
    # True and 1.0 equal 1 in Python.
    if type(version) is not int or version != 1:
        return None
    if turn is None:
        return TurnSignal(None, 0.0)
    # A list is in no set.
    if turn not in ("left", "right") or not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        return None
    # An integer of a thousand digits does not become a float, and 1e999 is infinite.
    return TurnSignal(turn, float(min(seconds, MAX_SECONDS))) if 0 <= seconds < float("inf") else None


class TurnLamps:
    """The lamps of one door; its main thread uses them, and each lamp has a thread that switches it off in time."""

    def __init__(
        self, settings: GpioTurnLamps | LogTurnLamps | None, clock: Clock, on_change: Callable[[], None]
    ) -> None:
        """Open the lamps, off; raises ConfigError if that fails. Without settings there are none."""
        devices = {} if settings is None else settings.switches()
        self._clock = clock
        self._lamps: Mapping[Turn, TimedSwitch] = {
            turn: TimedSwitch(f"{turn} lamp", device, clock, on_change) for turn, device in devices.items()
        }

    def on_message(self, payload: bytes, *, retained: bool) -> None:
        """Show what a message asks for; one that is retained or breaks the contract changes nothing."""
        signal = None if retained else read_turn(payload)
        if signal is None:
            return
        now = self._clock.monotonic()
        for turn, lamp in self._lamps.items():
            if turn == signal.turn:
                lamp.hold(now + signal.seconds, since=now + PAUSE if lamp.is_on else now)
            else:
                lamp.release()

    def off(self) -> None:
        """Have both switched off; returns at once."""
        for lamp in self._lamps.values():
            lamp.release()

    def close(self) -> None:
        """Switch off and close both."""
        for lamp in self._lamps.values():
            lamp.close()

    @property
    def problem(self) -> str | None:
        """The first lamp that has failed, in one line; None if all work."""
        return next((f"turn_lamps.{turn}: has failed" for turn, lamp in self._lamps.items() if not lamp.healthy), None)
