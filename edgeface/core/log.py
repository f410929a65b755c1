"""Logging: one line per record on standard error; repeated warnings are counted and logged once per interval.

Lines have a time unless they go to journald, which adds its own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Literal, TextIO

from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.settings import Settings
from edgeface.core.text import counted

if TYPE_CHECKING:
    from edgeface.core.clock import Clock


class Log(Settings):
    """One line per record on standard error, with its time unless it goes to journald."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


INTERVAL = 60.0
"""Seconds in which the same warning of the same logger is logged once."""

_MAX_WARNINGS = 256


class Repeats(logging.Filter):
    """Passes a warning once per interval, with the number of repetitions in between."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged now."""
        if record.levelno < logging.WARNING:
            return True
        key, now = (record.name, record.getMessage()), self._clock.monotonic()
        logged, hidden = self._seen.pop(key, (-INTERVAL, 0))
        if now - logged < INTERVAL:
            self._seen[key] = (logged, hidden + 1)
            return False
        if hidden:
            record.msg, record.args = f"{record.getMessage()} (and {counted(hidden, 'more time')})", None
        self._seen[key] = (now, 0)
        if len(self._seen) > _MAX_WARNINGS:
            self._seen.pop(next(iter(self._seen)))
        return True


class OneLine(logging.Formatter):
    """`level logger: message`, with control characters escaped, so that a record is always one line."""

    def __init__(self, *, times: bool = False) -> None:
        """With `times`, the time is before the level, in UTC."""
        super().__init__()
        self._times = times

    def format(self, record: logging.LogRecord) -> str:
        """Write the record as one line of text."""
        time = f"{rfc3339(record.created)} " if self._times else ""
        text = f"{time}{record.levelname.lower()} {record.name}: {_message(self, record)}"
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class JsonLine(logging.Formatter):
    """One JSON object per line: time, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record as one line of JSON."""
        fields = {
            "time": rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(self, record),
        }
        return json.dumps(fields, ensure_ascii=True)


def set_up(settings: Log, clock: Clock | None = None) -> None:
    """Send the log of the whole process to standard error in the configured form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLine() if settings.format == "json" else OneLine(times=not is_journal(sys.stderr)))
    handler.addFilter(Repeats(clock or SystemClock()))
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)


def is_journal(stream: TextIO) -> bool:
    """Whether what is written to a stream goes to journald (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        facts = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"


def _message(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.getMessage()
    return f"{text}\n{formatter.formatException(record.exc_info)}" if record.exc_info else text
