"""What the machine says of itself: model, CPU features, temperature, throttling."""

from __future__ import annotations

import resource
from pathlib import Path

_MODEL = Path("/proc/device-tree/model")
_CPUINFO = Path("/proc/cpuinfo")
_THERMAL = Path("/sys/class/thermal")
# Raspberry Pi's firmware driver (drivers/firmware/raspberrypi.c): bits as `vcgencmd get_throttled` gives them.
_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_THROTTLED_NOW = 0x6
"""Bit 1: the clock is capped; bit 2: throttled."""


def model() -> str:
    """The board as its device tree names it, or the CPU's name, or unknown."""
    name = _read(_MODEL).strip("\0\n ")
    return name or _cpuinfo("model name") or "unknown"


def cpu_features() -> frozenset[str]:
    """The kernel's names of the CPU's features (arm64: asimddp is the int8 dot product)."""
    return frozenset((_cpuinfo("Features") or _cpuinfo("flags")).split())


def temperature() -> float | None:
    """The hottest sensor in degrees Celsius; None where there is none."""
    texts = [_read(zone / "temp").strip() for zone in sorted(_THERMAL.glob("thermal_zone*"))]
    degrees = [int(text) / 1000 for text in texts if text.lstrip("-").isdigit()]
    return max(degrees, default=None)


def throttled() -> bool | None:
    """Whether the board slows itself down now; None where it cannot be told."""
    text = _read(_THROTTLED).strip()
    try:
        return bool(int(text, 16) & _THROTTLED_NOW) if text else None
    except ValueError:
        return None


def peak_rss() -> int:
    """The most memory this process has held, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _cpuinfo(key: str) -> str:
    lines = (line.partition(":") for line in _read(_CPUINFO).splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
