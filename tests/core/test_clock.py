from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.core import clock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of systemd-timesyncd's mark, which does not exist yet."""
    monkeypatch.setattr(clock, "_TIMESYNC", tmp_path / "synchronized")
    return tmp_path / "synchronized"


def kernel(monkeypatch: pytest.MonkeyPatch, answer: int | None) -> None:
    """A libc whose adjtimex returns `answer`; None is a libc without adjtimex."""

    class Libc:
        def __init__(self, _name: None) -> None:
            if answer is not None:
                self.adjtimex = lambda _buffer: answer

    monkeypatch.setattr(ctypes, "CDLL", Libc)


@pytest.mark.parametrize(
    ("answer", "disciplined"), [(0, True), (1, True), (2, True), (4, True), (5, False), (-1, False), (None, False)]
)
def test_the_clock_is_synchronised_when_the_kernel_or_timesyncd_says_so(
    marks: Path, monkeypatch: pytest.MonkeyPatch, answer: int | None, *, disciplined: bool
) -> None:
    kernel(monkeypatch, answer)
    assert clock.synchronised() is disciplined
    marks.touch()
    assert clock.synchronised() is True


def test_asking_the_kernel_changes_nothing_and_fits_its_structure(marks: Path) -> None:
    assert not marks.exists()
    buffer: Any = (ctypes.c_ubyte * 4096)(*([0] * 1024 + [0xA5] * 3072))
    answer = ctypes.CDLL(None).adjtimex(buffer)
    assert answer in {-1, 0, 1, 2, 3, 4, 5}
    assert set(buffer[1024:]) == {0xA5}, "the kernel wrote beyond what clock.py gives it"
    assert clock.synchronised() is (0 <= answer < 5)


def test_a_mark_that_cannot_be_read_is_no_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kernel(monkeypatch, -1)
    monkeypatch.setattr(clock, "_TIMESYNC", tmp_path / ("x" * 300))
    assert clock.synchronised() is False


def test_it_answers_without_a_libc_to_load() -> None:
    script = (
        "import ctypes\n"
        "def gone(*a, **k): raise OSError('no libc')\n"
        "ctypes.CDLL = gone\n"
        "from edgeface.core.clock import synchronised\n"
        "print(synchronised())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"True", "False"}
