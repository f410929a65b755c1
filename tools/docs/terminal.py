"""A shell on a terminal, as a person at a keyboard has it: types lines and answers, reads what appears.

It needs nothing but Python and bash, because it also runs inside a system that is being tried (tools/first_hour).
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    Condition = Callable[[], object]

_PROMPT = re.compile(rb"<ready (\d+)>")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


SETTING = {"PS1": "<ready $?>", "PS2": "", "TERM": "dumb", "COLUMNS": "500", "LINES": "100"}
"""What the shell needs in its environment; a program that starts it elsewhere must pass it on."""


_AGAIN = 5.0
"""Seconds after which Ctrl-C is sent again."""


class TerminalError(Exception):
    """A command did not end, or asked something that has no answer, in time."""


class Done(NamedTuple):
    """What a line has done."""

    status: int
    output: str
    """What appeared, the line and the answers included."""


class Terminal:
    """A bash on its own terminal; a context manager that ends it."""

    def __init__(self, folder: Path, environment: Mapping[str, str], command: tuple[str, ...] = ("bash",)) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [*command, "--noprofile", "--norc", "--noediting", "-i"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**environment, **SETTING},
            start_new_session=True,
        )
        os.close(theirs)
        self._read_to_prompt({}, 60.0, None)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The group: a program that is still running ends with its shell.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(5)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
        os.close(self._ours)

    def type(
        self,
        line: str,
        answers: Mapping[str, str] | None = None,
        *,
        seconds: float = 600.0,
        until: Condition | None = None,
    ) -> Done:
        """Type a line and wait until the prompt is back.

        Each key of `answers` is a part of a question, which is answered wherever it appears. Once `until` is true,
        Ctrl-C ends the program. Raises TerminalError after `seconds`.
        """
        os.write(self._ours, line.encode() + b"\n")
        return self._read_to_prompt(answers or {}, seconds, until)

    def _read_to_prompt(self, answers: Mapping[str, str], seconds: float, until: Condition | None) -> Done:
        deadline, interrupted, seen, asked = time.monotonic() + seconds, -_AGAIN, b"", 0
        while (prompt := _PROMPT.search(seen)) is None:
            if time.monotonic() > deadline:
                raise TerminalError(f"no prompt after {seconds:.0f} s; so far: {_text(seen)[-2000:]}")
            if select.select([self._ours], [], [], 0.2)[0]:
                seen += os.read(self._ours, 65536)
            # The first line is the echo of what was typed.
            asked = asked or seen.find(b"\n") + 1
            for question, answer in answers.items() if asked else ():
                if question.encode() in seen[asked:]:
                    asked = len(seen)
                    os.write(self._ours, answer.encode() + b"\n")
                    break
            if until is not None and time.monotonic() > interrupted + _AGAIN and until():
                # Again after a while: between two programs of a line, bash may lose it.
                interrupted = time.monotonic()
                os.write(self._ours, b"\x03")
        return Done(int(prompt[1]), _text(seen[: prompt.start()]))


def _text(seen: bytes) -> str:
    return _ESCAPES.sub("", seen.decode(errors="replace")).replace("\r\n", "\n").replace("\r", "")
