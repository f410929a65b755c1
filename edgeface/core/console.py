"""Lines for the terminal."""

from __future__ import annotations

import sys
from typing import TextIO


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
