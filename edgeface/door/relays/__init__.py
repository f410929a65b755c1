"""The types of relays: one module for each, and the process that one belongs to. A settings object opens its driver."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgeface.door.relays.command import CommandRelay
from edgeface.door.relays.gpio import GpioRelay
from edgeface.door.relays.http import HttpRelay
from edgeface.door.relays.log import LogRelay
from edgeface.door.relays.mqtt import MqttRelay

RelaySettings = Annotated[GpioRelay | MqttRelay | HttpRelay | CommandRelay | LogRelay, Field(discriminator="type")]
