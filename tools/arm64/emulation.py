"""Programs for arm64 on this machine, by qemu-user."""

from __future__ import annotations

from pathlib import Path

from tools.service.roots import run

PROGRAMS = {"qemu-aarch64-static": "qemu-user-static", "update-binfmts": "binfmt-support"}
"""What it needs, and their Debian packages."""
_FORMATS = Path("/proc/sys/fs/binfmt_misc")
# qemu-user shows the host's processor; LiteRT's cpuinfo needs to see an ARM one, and gives up otherwise.
_CPUINFO = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: {part}
CPU revision\t: 3

"""
_FEATURES = "fp asimd evtstrm crc32 cpuid"
_PARTS = {"cortex-a72": ("0xd08", _FEATURES), "cortex-a76": ("0xd0b", f"{_FEATURES} aes atomics fphp asimdhp asimddp")}


def register() -> None:
    """Have the kernel run programs for arm64 by qemu-user."""
    if not (_FORMATS / "register").exists():
        run("mount", "-t", "binfmt_misc", "binfmt_misc", _FORMATS)
    if not (_FORMATS / "qemu-aarch64").exists():
        run("update-binfmts", "--enable", "qemu-aarch64")


def cpuinfo(cpu: str) -> str:
    """/proc/cpuinfo of a board with four cores of this processor."""
    part, features = _PARTS[cpu]
    return _CPUINFO.format(part=part, features=features) * 4
