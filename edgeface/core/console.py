"""Lines for the terminal."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, TextIO

from edgeface.core.errors import OUT_OF_MEMORY, is_out_of_memory


def say(line: str) -> None:
    """Print one line on standard output."""
    _write(sys.stdout, line)


def complain(line: str) -> None:
    """Print one line on standard error."""
    _write(sys.stderr, f"edgeface: {line}")


def _write(stream: TextIO, line: str) -> None:
    # A name must not end in a traceback on a terminal that is not UTF-8.
    coding = stream.encoding or "utf-8"
    stream.write(line.encode(coding, "replace").decode(coding) + "\n")
    stream.flush()


def complain_of_memory(what: str = "") -> None:
    """Print that there is no memory, on standard error; itself it needs next to none."""
    os.write(sys.stderr.fileno(), f"edgeface: {what}{OUT_OF_MEMORY}\n".encode())


def report_memory_of_threads() -> None:
    """From now on, a thread that runs out of memory ends with one line instead of a traceback, once for each name."""
    if getattr(threading.excepthook, "__name__", "") == "_memory_of_thread":
        return
    before, before_unraisable = threading.excepthook, sys.unraisablehook
    reported = set[str]()

    def _memory_of_thread(arguments: Any) -> None:
        name = "a thread" if arguments.thread is None else arguments.thread.name
        if not is_out_of_memory(arguments.exc_value):
            before(arguments)
        elif name not in reported:
            # A reader of a camera starts again and again.
            reported.add(name)
            complain_of_memory(f"{name}: ")

    def _memory_unraisable(arguments: Any) -> None:
        if is_out_of_memory(arguments.exc_value):
            complain_of_memory()
        else:
            before_unraisable(arguments)

    threading.excepthook, sys.unraisablehook = _memory_of_thread, _memory_unraisable
