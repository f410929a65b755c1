"""Whether this processor has the instructions for which the installed packages were compiled."""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module

from edgeface.core import board
from edgeface.core.errors import ProcessorError

ENOUGH = {
    "x86_64": frozenset({"ssse3", "sse4_1", "sse4_2", "popcnt", "cx16", "lahf_lm"}),
    "aarch64": frozenset({"fp", "asimd"}),
}
"""By machine, the flags of /proc/cpuinfo with which every package runs: x86-64-v2 of the psABI, and ARMv8.0."""

MODULES = ("numpy", "cv2", "ai_edge_litert.interpreter")
_BASELINE = 3
"""Exit status of the trial if a package itself reports that the processor is too old."""


def require(flags: frozenset[str] | None = None, modules: tuple[str, ...] = MODULES) -> None:
    """Raise ProcessorError if a package would end this process with an illegal instruction.

    `flags` are the processor's, by default those of this machine. With all flags of ENOUGH nothing is tried; otherwise
    a child process imports the packages first.
    """
    if ENOUGH.get(platform.machine(), frozenset("?")) <= (board.instructions() if flags is None else flags):
        return
    module = trial(modules)
    if module is not None:
        newer = (
            "an Intel or AMD processor of 2009 or newer (x86-64-v2)" if platform.machine() == "x86_64" else "64-bit ARM"
        )
        raise ProcessorError(
            f"this processor ({board.model()}) lacks instructions that {module.partition('.')[0]} needs: use {newer};"
            " a virtual machine needs the CPU type host"
        )


def trial(modules: tuple[str, ...]) -> str | None:
    """The first of the modules that this processor cannot run; None if all can, or are not installed."""
    reading, writing = os.pipe()
    # A fork, not another program: an emulator of another processor would not be asked to run that.
    child = os.fork()
    if child == 0:
        os.close(reading)
        _import(modules, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="ascii") as pipe:
        tried = pipe.read().split()
    _, status = os.waitpid(child, 0)
    return tried[-1] if status and tried else None


def _import(modules: tuple[str, ...], writing: int) -> None:
    """Name each module, then import it; ends the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    for module in modules:
        os.write(writing, f"{module}\n".encode())
        try:
            import_module(module)
        except RuntimeError as error:
            # numpy compares the processor with its baseline, if it gets that far.
            os._exit(_BASELINE if "baseline" in str(error) else 0)
        except BaseException:  # noqa: BLE001 - whatever else is wrong is reported by the command itself
            os._exit(0)
    os._exit(0)
