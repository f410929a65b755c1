"""Records which modules of a package are entered, by thread: the hook behind `python -m tools.trace`."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import CodeType, FrameType

Modules: TypeAlias = dict[str, None]
"""The modules that were entered, in order, as paths relative to the package."""


class Recorder:
    """The modules that each thread enters, and those that each call of a watched function enters.

    `watched` maps names to functions, as "PATH:NAME" with the path relative to the package. What runs while a module
    is imported does not count: an import loads a module and does not enter it.
    """

    def __init__(self, package: Path, watched: Mapping[str, str] | None = None) -> None:
        self._folder = f"{package}/"
        self._names = {function: name for name, function in (watched or {}).items()}
        self._threads: dict[str, Modules] = {}
        self._open: dict[int, dict[CodeType, Modules]] = {}
        self._importing: dict[int, int] = {}
        self.calls: dict[str, list[Modules]] = {name: [] for name in watched or {}}
        """The modules entered by each call of each watched function."""

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record this thread, and those that start meanwhile."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def thread(self, name: str) -> list[str]:
        """The modules that the threads whose names begin with `name` have entered, in order."""
        return list(
            dict.fromkeys(m for thread, found in self._threads.items() if thread.startswith(name) for m in found)
        )

    def _profile(self, frame: FrameType, event: str, _: object) -> None:
        code, thread = frame.f_code, threading.get_ident()
        if code.co_name == "<module>" and event in {"call", "return"}:
            self._importing[thread] = self._importing.get(thread, 0) + (1 if event == "call" else -1)
        elif event == "call" and code.co_filename.startswith(self._folder) and not self._importing.get(thread):
            self._enter(code, self._open.setdefault(thread, {}))
        elif event == "return" and thread in self._open:
            self._open[thread].pop(code, None)

    def _enter(self, code: CodeType, watched: dict[CodeType, Modules]) -> None:
        module = code.co_filename.removeprefix(self._folder)
        name = self._names.get(f"{module}:{code.co_name}")
        if name is not None:
            watched[code] = {}
            self.calls[name].append(watched[code])
        thread = self._threads.setdefault(threading.current_thread().name, {})
        for entered in (thread, *watched.values()):
            entered[module] = None
