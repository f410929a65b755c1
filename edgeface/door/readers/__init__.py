"""Readers at a door: what someone shows in addition to the face. One file a reader; `type:` chooses it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgeface.door.readers.keyboard import KeyboardReader
from edgeface.door.readers.pn532 import Pn532Reader
from edgeface.door.readers.simulated import SimulatedReader
from edgeface.door.readers.wiegand import WiegandReader

ReaderSettings = Annotated[KeyboardReader | WiegandReader | Pn532Reader | SimulatedReader, Field(discriminator="type")]
