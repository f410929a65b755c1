"""Tries a mutation in a copy of the tree: the tests of its row run there, and one of them must fail."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tools.mutants.mutations import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.mutants.mutations import Mutation

SECONDS = 300.0
"""Limit for the tests of one row, which take a minute at most."""

Outcome = Literal["passed", "failed", "too slow", "not run"]
_STATUSES: dict[int, Outcome] = {0: "passed", 1: "failed"}
"""By exit status of pytest; any other means that no test has failed, such as a module that cannot be imported."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (?:\w+/)*(.+?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Result:
    """What the tests of a row gave."""

    outcome: Outcome
    seconds: float
    by: str = ""
    """The test that failed, or the last line of what pytest printed."""


def copy_tree(folder: Path, root: Path = ROOT) -> Path:
    """Copy the working tree, without what git ignores, into a new folder; returns the folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    return folder


def attempt(copy: Path, mutation: Mutation, tests: Sequence[str], seconds: float = SECONDS) -> Result:
    """Run the tests without the control, and put the file back as it was."""
    file, kept = copy / mutation.file, copy.with_name(f"{copy.name}.kept")
    # Moved back with its time, so that Python takes no compiled mutation for it.
    shutil.copy2(file, kept)
    try:
        file.write_text(mutation.mutated(file.read_text(encoding="utf-8")), encoding="utf-8")
        return run(copy, tests, seconds)
    finally:
        shutil.move(kept, file)


def run(copy: Path, tests: Sequence[str], seconds: float = SECONDS) -> Result:
    """Run tests in a copy of the tree, up to the first one that fails."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "OPENBLAS_NUM_THREADS": "1"}
    # With a seed, generated cases are the same in each run.
    options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    began = time.monotonic()
    # In a session of its own: whatever the tests have started ends with them.
    with subprocess.Popen(
        command, cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            printed = process.communicate(timeout=seconds)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Result("too slow", time.monotonic() - began, f"more than {seconds:g} s")
    failed = _FAILED.search(printed)
    last = (printed.strip().splitlines() or [""])[-1]
    outcome = _STATUSES.get(process.returncode, "not run")
    return Result(outcome, time.monotonic() - began, failed[1] if failed else last)
