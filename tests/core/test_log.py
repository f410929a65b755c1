from __future__ import annotations

import io
import json
import logging
import os
from typing import TYPE_CHECKING

import pytest

from edgeface.core.clock import rfc3339
from edgeface.core.log import INTERVAL, JsonLine, OneLine, Repeats, is_journal
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from pathlib import Path


def record(message: str, level: int = logging.WARNING, exc: BaseException | None = None) -> logging.LogRecord:
    info = (type(exc), exc, exc.__traceback__) if exc is not None else None
    return logging.LogRecord("edgeface.test", level, __file__, 1, message, None, info)


def test_the_same_warning_is_logged_once_an_interval_and_counted() -> None:
    clock = FixedClock()
    repeats = Repeats(clock)
    assert repeats.filter(record("broker away"))
    assert not any(repeats.filter(record("broker away")) for _ in range(41))
    assert repeats.filter(record("camera away"))
    clock.sleep(INTERVAL)
    again = record("broker away")
    assert repeats.filter(again)
    assert again.getMessage() == "broker away (and 41 more times)"


def test_information_is_never_held_back() -> None:
    repeats = Repeats(FixedClock())
    assert all(repeats.filter(record("match", logging.INFO)) for _ in range(3))


def test_memory_stays_bounded_whatever_is_logged() -> None:
    repeats = Repeats(FixedClock())
    for n in range(10_000):
        repeats.filter(record(f"trouble {n}"))
    assert len(repeats._seen) <= 257


def test_lines_have_a_time_unless_they_go_to_journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = record("a door opens")
    assert OneLine().format(one) == "warning edgeface.test: a door opens"
    assert OneLine(times=True).format(one) == f"{rfc3339(one.created)} warning edgeface.test: a door opens"
    with (tmp_path / "journal").open("w") as stream:
        facts = os.fstat(stream.fileno())
        for named, expected in ((None, False), ("8:1", False), (f"{facts.st_dev}:{facts.st_ino}", True)):
            if named is not None:
                monkeypatch.setenv("JOURNAL_STREAM", named)
            assert is_journal(stream) is expected
    assert not is_journal(io.StringIO())


@pytest.mark.parametrize("text", ["a\nforged line", "\x1b[31mred", "\u202eright to left", "tab\there\r"])
@pytest.mark.parametrize("formatter", [OneLine(), JsonLine()])
def test_a_record_is_one_line_without_control_characters(text: str, formatter: logging.Formatter) -> None:
    line = formatter.format(record(text))
    assert line.isprintable()
    assert len(line.splitlines()) == 1


def test_json_lines_are_json_and_hold_a_traceback_in_one_line() -> None:
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("broken\nin two")
    line = JsonLine().format(record("failed", logging.ERROR, caught.value))
    assert "RuntimeError" in json.load(io.StringIO(line))["message"]
    assert "\n" not in line
