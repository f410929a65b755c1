"""Running out of memory prints one line, never a traceback, in the command line and in the daemon's threads."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
import threading
from signal import SIGTERM
from typing import TYPE_CHECKING

import pytest

from edgeface.core.console import report_memory_of_threads
from edgeface.core.errors import is_out_of_memory
from edgeface.demo.scenario import CLIP
from tests.support.broker import until
from tests.support.film import DATA
from tests.support.signals import catches

if TYPE_CHECKING:
    from pathlib import Path

# Everything is loaded before the limit; what follows may use so many bytes more.
CLI = """
import resource, sys
import cv2, numpy, edgeface.config.loader, edgeface.people.service, edgeface.faces.analyzer
from edgeface.cli import main
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]), -1))
sys.exit(main.main(sys.argv[2:]))
"""
LINE = re.compile(r"edgeface: ([\w -]+: )?out of memory: end other programs, or .*")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"data: {tmp_path / 'data'}\ncameras: {{porch: {{type: replay, path: {CLIP}, loop: true}}}}\nweb: {{port: 0}}\n"
    )
    return path


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("spare", [2_000_000, 8_000_000, 20_000_000, 60_000_000])
@pytest.mark.parametrize("verb", ["enroll", "check"])
def test_a_command_without_memory_ends_with_one_line(config: Path, verb: str, spare: int) -> None:
    arguments = [verb, "--config", str(config)]
    if verb == "enroll":
        arguments += ["alice", "--name", "Alice", str(DATA / "obama.jpg")]
    done = subprocess.run(
        [sys.executable, "-c", CLI, str(spare), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    if done.returncode:
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("edgeface: ")] or [done.stderr]
        assert LINE.fullmatch(line) or "memory" in line or "cannot be" in line, done.stderr


def test_a_command_that_needs_memory_and_gets_none_says_so() -> None:
    code = CLI.replace("sys.exit(", "main._parsed = lambda argv: bytearray(1_000_000_000)\nsys.exit(")
    done = subprocess.run(
        [sys.executable, "-c", code, "10000000", "check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (70, "")
    assert LINE.fullmatch(done.stderr.strip()), done.stderr


@pytest.mark.slow(seconds=25)
@pytest.mark.parametrize("megabytes", [60, 200, 300, 450, 800])
def test_a_daemon_without_memory_prints_no_traceback(config: Path, megabytes: int) -> None:
    limit = f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, ({megabytes} << 20, -1));"
    code = f"{limit} sys.argv[0] = 'edgeface'; runpy.run_module('edgeface.cli', run_name='__main__')"
    command = [sys.executable, "-c", code, "run", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:
        until(lambda: daemon.poll() is not None or catches(daemon.pid, SIGTERM), 30)
        try:
            daemon.wait(4)
        except subprocess.TimeoutExpired:
            # A camera that cannot be opened for now is tried again.
            daemon.terminate()
        _, text = daemon.communicate(timeout=60)
    assert "Traceback" not in text
    assert "out of memory" in text or megabytes == 800, text
    assert len(text.splitlines()) < 12
    assert daemon.returncode in {0, 70}, text


def test_a_thread_without_memory_ends_with_one_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[object] = []
    monkeypatch.setattr(threading, "excepthook", others.append)
    monkeypatch.setattr(sys, "unraisablehook", others.append)
    report_memory_of_threads()
    report_memory_of_threads()

    def fail(error: Exception) -> None:
        raise error

    errors = (MemoryError(), OSError(errno.ENOMEM, "x"), MemoryError(), ValueError("another hook shows it"))
    for name, error in zip(("journal", "capture-porch", "journal", "journal"), errors, strict=True):
        thread = threading.Thread(target=fail, args=(error,), name=name)
        thread.start()
        thread.join()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(LINE.fullmatch(line) for line in lines)
    assert lines[0].startswith("edgeface: journal: out of memory")
    assert len(others) == 1


def test_every_way_to_say_it_is_known() -> None:
    import cv2
    import numpy as np

    found: list[BaseException] = []
    for allocate in (
        lambda: np.zeros(1 << 60, np.uint8),
        lambda: cv2.resize(np.zeros((2, 2), np.uint8), (1 << 20, 1 << 20)),
    ):
        with pytest.raises(Exception, match=r"(?i)memory|allocate") as raised:
            allocate()
        found.append(raised.value)
    found += [SystemError("error return without exception set")]
    found += [SystemError("<built-in function f> returned NULL without setting an exception")]
    found += [RuntimeError("can't start new thread"), ImportError("x.so: failed to map segment from shared object")]
    found += [ValueError("field 'target' is required for AnnAssign")]
    assert all(map(is_out_of_memory, found))
    assert not any(
        map(is_out_of_memory, [RuntimeError("x"), SystemError("x"), ImportError("x"), OSError(errno.ENOENT, "x"), None])
    )
