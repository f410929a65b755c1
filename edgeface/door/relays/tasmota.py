"""What Tasmota devices take and answer, over HTTP and MQTT alike: https://tasmota.github.io/docs/Commands/."""

from __future__ import annotations

import math
from typing import Any


def pulse_time(seconds: float) -> int:
    """The value of Tasmota's PulseTime, not shorter than `seconds`.

    1 to 111 are tenths of a second, 112 to 64,900 are whole seconds from 12 on (https://tasmota.github.io/docs/Commands/).
    """
    tenths = math.ceil(round(seconds * 10, 3))
    return tenths if tenths <= 111 else 100 + math.ceil(seconds)  # noqa: PLR2004 - see above


def tasmota_state(channel: int, answer: dict[str, Any]) -> bool | None:
    """The state in Tasmota's answer; None if it has none."""
    names = ("POWER", "POWER1") if channel == 0 else (f"POWER{channel + 1}",)
    word = next((answer[name] for name in names if name in answer), None)
    return {"ON": True, "OFF": False}.get(word) if isinstance(word, str) else None
