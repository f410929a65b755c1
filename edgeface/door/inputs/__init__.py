"""Inputs at a door: its contact, the doorbell and the exit button. `type:` chooses where each is read.

An exit button has no type that anyone on the network can reach.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgeface.door.inputs.gpio import GpioButton, GpioContact
from edgeface.door.inputs.mqtt import MqttButton, MqttContact
from edgeface.door.inputs.simulated import SimulatedButton, SimulatedContact

ContactSettings = Annotated[GpioContact | MqttContact | SimulatedContact, Field(discriminator="type")]
DoorbellSettings = Annotated[GpioButton | MqttButton | SimulatedButton, Field(discriminator="type")]
ExitButtonSettings = Annotated[GpioButton | SimulatedButton, Field(discriminator="type")]
