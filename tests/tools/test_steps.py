"""What the targets that run steps share: a result for each step, a wait with a limit, ports, programs and threads."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools import figures, needs
from tools.ports import listens
from tools.steps import Failed, Result, attempt, passed, require, table, until
from tools.threads import busiest, freeze, reap

if TYPE_CHECKING:
    from collections.abc import Callable


def good() -> str:
    """a step that works."""
    return "seen"


def bad() -> str:
    """a step that fails."""
    require((), "this | that\nis wrong")
    return "never"


def broken() -> str:
    """a step with a mistake."""
    raise KeyError("x")


def ending() -> str:
    """a step that ends the program."""
    raise SystemExit("podman: exit status 1")


@pytest.mark.parametrize(
    ("step", "ok", "detail"),
    [
        (good, True, "seen"),
        (bad, False, "this | that\nis wrong"),
        (broken, False, "KeyError: 'x'"),
        (ending, False, "SystemExit: podman: exit status 1"),
    ],
)
def test_whatever_a_step_does_is_its_result(step: Callable[[], str], ok: bool, detail: str) -> None:  # noqa: FBT001
    result = attempt(step)
    assert (f"{result.step}.", result.ok, result.detail) == (step.__doc__, ok, detail)
    assert passed({"result": [result]}) is ok


def test_no_step_is_no_success() -> None:
    assert not passed({"bookworm": [], "trixie": []})


def test_a_table_has_a_column_for_each_place_and_is_read_back_by_figures() -> None:
    first = [
        Result("install", ok=True, seconds=1.25, detail="0.2"),
        Result("stop", ok=False, seconds=0, detail="a|b\nc"),
    ]
    text = table({"bookworm": first, "trixie": first[:1]})
    assert figures.rows(text) == [
        {"step": "install", "bookworm": "yes, 1.2 s: 0.2", "trixie": "yes, 1.2 s: 0.2"},
        {"step": "stop", "bookworm": "NO, 0.0 s: a|b; c", "trixie": "-"},
    ]


def test_a_wait_ends_when_the_condition_holds_or_names_it_when_the_time_is_over() -> None:
    looks = iter([False, False, True])
    assert 0 < until(lambda: next(looks), 60, "a condition", every=0.01) < 60
    with pytest.raises(Failed, match=r"^not within 0 s: another condition$"):
        until(lambda: False, 0, "another condition")


def test_a_port_listens_until_its_program_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listens(port)
    assert not listens(port)


def test_a_missing_program_is_one_line_with_its_package() -> None:
    needs.programs("image", {"sh": "dash"})
    with pytest.raises(SystemExit, match=r"^image: no-such-program is missing: sudo apt-get install caddy$"):
        needs.programs("image", {"sh": "dash", "no-such-program": "caddy"})


@pytest.mark.skipif(os.geteuid() != 0, reason="what root may")
def test_root_is_enough() -> None:
    needs.root("image", "making roots")


@pytest.mark.skipif(os.geteuid() == 0, reason="what others may not")
def test_other_users_are_told_the_command() -> None:
    with pytest.raises(SystemExit, match=r"^image: making roots needs root: sudo make image$"):
        needs.root("image", "making roots")


def test_a_frozen_thread_stands_still_and_its_process_can_be_ended() -> None:
    code = "import threading\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()\nprint(flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            until(lambda: busiest(process.pid) != process.pid, 20, "the second thread computes")
            thread = busiest(process.pid)
            freeze(thread)
            stat = Path(f"/proc/{process.pid}/task/{thread}/stat")
            until(lambda: re.search(r"\) t ", stat.read_text()), 20, "the thread is stopped by its tracer")
        finally:
            process.kill()

        def ended() -> bool:
            reap(thread)
            return process.poll() is not None

        until(ended, 20, "the process has ended")
