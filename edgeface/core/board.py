"""Facts about this machine: model, CPU features, temperature, power, clock."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from edgeface.core.text import cleaned

PROC, SYS = Path("/proc"), Path("/sys")

# Bits as `vcgencmd get_throttled` gives them (raspberrypi.com, vcgencmd); the same bits, shifted by 16, are since boot.
_BITS = {0x1: "under-voltage", 0x2: "clock capped", 0x4: "throttled", 0x8: "near the temperature limit"}
_SLOW = 0x2 | 0x4
_BEFORE = 16
_SECONDS = 2.0

_INODE = 9
"""The column of /proc/net/tcp with the inode (proc(5))."""

FREE_MB = 200
"""Megabytes that should stay free on the disk of the data folder."""

# The kernel's names (arch/arm64/kernel/cpuinfo.c, arch/x86/include/asm/cpufeatures.h), and what each provides.
_FEATURES = {
    "asimd": "asimd",
    "asimdhp": "fp16",
    "atomics": "lse",
    "asimddp": "dot products",
    "i8mm": "int8 matrices",
    "avx": "avx",
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_vnni": "dot products",
    "avx_vnni": "dot products",
}
DOT = "dot products"
"""Four int8 multiplications in one instruction: what makes int8 models fast."""


class Power(NamedTuple):
    """What a Raspberry Pi's firmware reports about its supply and clock rate."""

    now: tuple[str, ...]
    before: tuple[str, ...]
    """Since boot."""


def model(proc: Path = PROC) -> str:
    """The board's name from its device tree, or the name of the CPU, or of the architecture."""
    name = _read(proc / "device-tree" / "model").strip("\0\n ")
    return name or _cpuinfo(proc, "model name") or platform.machine() or "unknown"


def system() -> str:
    """The distribution, kernel and architecture."""
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        name = ""
    return ", ".join(filter(None, (name, f"{platform.system()} {platform.release()}", platform.machine())))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def cpu_features(proc: Path = PROC) -> tuple[str, ...]:
    """CPU features that matter to neural networks: asimd, fp16, lse, dot products, int8 matrices, avx, avx2, avx512."""
    has = instructions(proc)
    return tuple(dict.fromkeys(name for flag, name in _FEATURES.items() if flag in has))


def instructions(proc: Path = PROC) -> frozenset[str]:
    """The CPU features by the kernel's names; empty if it does not list any."""
    return frozenset(_cpuinfo(proc, "Features", "flags").split())


def temperature(sys: Path = SYS) -> float | None:
    """Degrees Celsius of the hottest sensor; None if there is none."""
    texts = [_read(zone / "temp").strip() for zone in sorted((sys / "class" / "thermal").glob("thermal_zone*"))]
    degrees = [int(text) / 1000 for text in texts if text.lstrip("-").isdigit()]
    return max(degrees, default=None)


def throttled(sys: Path = SYS) -> bool | None:
    """Whether the board is slowed down now; None if unknown."""
    bits = _firmware(sys)
    return None if bits is None else bool(bits & _SLOW)


def power(sys: Path = SYS) -> Power | None:
    """Under-voltage and throttling, now and since boot; None if unknown."""
    bits = _firmware(sys)
    if bits is None:
        bits = _vcgencmd()
    return None if bits is None else Power(_named(bits), _named(bits >> _BEFORE))


def rtc(sys: Path = SYS) -> str | None:
    """The kernel's name of the battery-backed clock; None if there is none."""
    names = (_read(device / "name").strip() for device in sorted((sys / "class" / "rtc").glob("rtc*")))
    return next((name for name in names if name), None)


def peak_rss() -> int:
    """The most memory this process has held, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _named(bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in _BITS.items() if bits & bit)


def _firmware(sys: Path) -> int | None:
    """The bits from the kernel's driver (drivers/firmware/raspberrypi.c); the device tree names its folder."""
    files = sorted((sys / "devices" / "platform").glob("soc*/soc*:firmware/get_throttled"))
    return _hexadecimal(_read(files[0])) if files else None


def _vcgencmd() -> int | None:
    """The bits from the firmware's own program, which needs /dev/vcio."""
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "get_throttled"], capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return _hexadecimal(done.stdout.decode("ascii", "replace").rpartition("=")[2])


def _hexadecimal(text: str) -> int | None:
    try:
        return int(text.strip(), 16)
    except ValueError:
        return None


def _cpuinfo(proc: Path, *keys: str) -> str:
    """The first value of any of these keys; the rest is not read, because with many cores the kernel is slow."""
    try:
        with (proc / "cpuinfo").open(errors="replace") as file:
            lines = (line.partition(":") for line in file)
            return next((value.strip() for name, _, value in lines if name.strip() in keys), "")
    except OSError:
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def port_holder(port: int, proc: Path = PROC) -> str | None:
    """The program that listens at a TCP port of this machine; None if no one does, or another user's program."""
    sockets = {f"socket:[{inode}]" for name in ("tcp", "tcp6") for inode in _listeners(proc / "net" / name, port)}
    for descriptor in proc.glob("[0-9]*/fd/*") if sockets else ():
        try:
            if str(descriptor.readlink()) in sockets:
                return cleaned((descriptor.parents[1] / "comm").read_text())
        except OSError:
            continue  # of another user, or closed since
    return None


def _listeners(table: Path, port: int) -> list[str]:
    """The inodes of the sockets that listen at a port, from /proc/net/tcp (proc(5)): state 0A, port in hexadecimal."""
    rows = [line.split() for line in _read(table).splitlines()[1:]]
    found = [row for row in rows if len(row) > _INODE and row[3] == "0A"]
    return [row[_INODE] for row in found if row[1].endswith(f":{port:04X}")]
