"""Finds SQLite connections that a test leaves open, on every version of Python.

Python reports an unclosed connection from 3.13 on only, and when it is collected: often in a later test.
"""

import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

ROOT = f"{Path(__file__).parents[2]}/"
PATIENCE = 20.0
"""Seconds for a thread that is ending, which may still be closing its connection."""

Made = tuple[sqlite3.Connection, tuple[str, ...]]
"""A connection, and the lines of this repository that made it, the innermost first."""


class Connections:
    """Remembers every connection that `sqlite3.connect` makes, in any thread."""

    def __init__(self) -> None:
        self._made: list[Made] = []
        self._lock = threading.Lock()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch sqlite3.connect inside the block."""
        plain = sqlite3.connect
        sqlite3.connect = partial(self._connect, plain)  # type: ignore[assignment]
        try:
            yield
        finally:
            sqlite3.connect = plain

    @contextmanager
    def all_closed(self) -> Iterator[None]:
        """Raise AssertionError when a connection that was made inside the block is still open after it."""
        before = {id(connection) for connection, _ in self._open()}
        yield
        end = time.monotonic() + PATIENCE
        while left := [made for made in self._open() if id(made[0]) not in before]:
            if time.monotonic() > end:
                _close(left)
                lines = ["opened at " + "\n     from ".join(where) for _, where in left]
                raise AssertionError("\n".join(["SQLite connections were left open", *lines]))
            time.sleep(0.01)

    def _connect(self, plain: Any, database: Any, **options: Any) -> sqlite3.Connection:
        # Python 3.13 warns of options by position, and 3.15 refuses them: here they are a TypeError on every version.
        connection: sqlite3.Connection = plain(database, **options)
        with self._lock:
            self._made.append((connection, _where()))
        return connection

    def _open(self) -> list[Made]:
        with self._lock:
            self._made = [made for made in self._made if _is_open(made[0])]
            return list(self._made)


def _close(left: list[Made]) -> None:
    """Close what is reported, so that Python does not report it again in a later test."""
    for connection, _ in left:
        # Only its own thread can close a connection of sqlite3's default.
        with suppress(sqlite3.ProgrammingError):
            connection.close()


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        # Any thread may ask this.
        return connection.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False


def _where() -> tuple[str, ...]:
    calls = [(frame.f_code, line) for frame, line in traceback.walk_stack(sys._getframe())]
    ours = [(code, line) for code, line in calls if _is_ours(code.co_filename)]
    return tuple(f"{code.co_filename.removeprefix(ROOT)}:{line} in {code.co_name}" for code, line in ours)


def _is_ours(file: str) -> bool:
    return file.startswith(ROOT) and "/site-packages/" not in file and file != __file__
