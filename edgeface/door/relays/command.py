"""A relay that commands of your own switch, each with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from edgeface.core.settings import Settings
from edgeface.door.relays.base import ANSWER_TIMEOUT, OpenSeconds, RelayError

if TYPE_CHECKING:
    from edgeface.door.relays.base import DoorContext, RelayDriver

Arguments = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...],
    Field(strict=False, min_length=1, max_length=20, examples=[["/usr/local/bin/relay", "on"]]),
]
"""A program and its arguments; no shell reads them."""

_MAX_OUTPUT = 100


class CommandRelay(Settings):
    """Programs that switch a relay and read it back."""

    type: Literal["command"] = "command"
    on: Arguments
    """Switches on. EDGEFACE_RELAY_SECONDS has the seconds, for a timer of the device's own."""
    off: Arguments
    """Switches off."""
    state: Arguments | None = None
    """Writes on or off; without it, an exit status of 0 is all that confirms a command."""
    seconds: OpenSeconds = 3.0
    """How long the relay stays on after the last grant."""

    def driver(self, _context: DoorContext) -> RelayDriver:
        """Nothing is started yet."""
        return CommandDriver(self)


class CommandDriver:
    """Runs a program for each command and reading; each is killed after ANSWER_TIMEOUT, with what it has started."""

    pace = 2.0
    repeats_off = False

    def __init__(self, settings: CommandRelay) -> None:
        self._settings = settings
        self._on = False

    def on(self, seconds: float) -> None:
        """Run `on`."""
        _run("on", self._settings.on, f"{seconds:.1f}")
        self._on = True

    def off(self) -> None:
        """Run `off`."""
        _run("off", self._settings.off)
        self._on = False

    def is_on(self) -> bool:
        """Run `state`; without it, the last command that ended with 0."""
        if self._settings.state is None:
            return self._on
        word = _run("state", self._settings.state).strip()
        if word not in {b"on", b"off"}:
            raise RelayError("relay.state: it writes neither on nor off")
        return word == b"on"

    def close(self) -> None:
        """There is nothing to release."""


def _run(key: str, arguments: tuple[str, ...], seconds: str | None = None) -> bytes:
    """The first bytes of its output; raises RelayError if it fails or takes too long."""
    environment = {**os.environ, **({} if seconds is None else {"EDGEFACE_RELAY_SECONDS": seconds})}
    try:
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise RelayError(f"relay.{key}: {arguments[0]} cannot be run: {error}") from error
    with child:
        try:
            output, _ = child.communicate(timeout=ANSWER_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise RelayError(f"relay.{key}: it took longer than {ANSWER_TIMEOUT:g} s and was killed") from None
    if child.returncode:
        raise RelayError(f"relay.{key}: it ended with {child.returncode}")
    return bytes(output[:_MAX_OUTPUT])
