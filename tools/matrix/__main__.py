"""`make matrix`: the test suite on the newest of everything, on the oldest TFLite runtime, and in Debian 13."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tools import figures
from tools.matrix import environments
from tools.matrix.environments import EnvironmentMissingError
from tools.matrix.results import Result, Versions, tabled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tools.matrix.environments import Environment

    Make = Callable[[], Environment]

NAMES = ("newest", "tflite-runtime", "trixie")


def main() -> int:
    """Run the requested environments; 0 if every suite was run and nothing failed."""
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("--python", action="append", default=[], metavar="PROGRAM", help="an interpreter to use")
    parser.add_argument("--only", action="append", choices=NAMES, help="run only this one; may be repeated")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table to FILE")
    parser.add_argument("tests", nargs="*", help="arguments for pytest; default: all tests")
    arguments = parser.parse_args()
    chosen = arguments.only or NAMES
    results: dict[str, Result | str] = {}
    for name, environment in _environments(chosen, arguments.python):
        results[name] = _tested(name, environment, arguments.tests)
    table = tabled(_title(), results)
    print(table)
    figures.save("matrix", table)
    if arguments.markdown is not None:
        arguments.markdown.write_text(table)
    return 0 if all(isinstance(result, Result) and result.good for result in results.values()) else 1


def _environments(chosen: Sequence[str], named: list[str]) -> Iterator[tuple[str, Make | str]]:
    """By column title, how to make each environment, or why it cannot be made."""
    pythons = environments.pythons(named)
    source = environments.checkout()
    if "newest" in chosen:
        # Those named, or the newest one found.
        wanted = pythons if named else dict(list(pythons.items())[:1])
        for version, program in wanted.items():
            yield f"newest, {version}", partial(environments.newest, version, program, source)
        if not wanted:
            yield "newest", "no Python 3.10 or newer; name one with PYTHONS="
    if "tflite-runtime" in chosen:
        found = pythons.get(environments.TFLITE_PYTHON)
        missing = f"no Python {environments.TFLITE_PYTHON}; name one with PYTHONS="
        yield "tflite-runtime", missing if found is None else partial(environments.tflite, found, source)
    if "trixie" in chosen:
        root = os.geteuid() == 0
        yield "Debian 13", partial(environments.trixie, source) if root else "entering another root needs root"


def _tested(name: str, make: Make | str, tests: list[str]) -> Result | str:
    if isinstance(make, str):
        return make
    print(f"{name}: making the environment", flush=True)
    try:
        environment = make()
        environment.make()
        versions = Versions.read(environment.versions())
        print(f"{name}: Python {versions.python}, running the tests", flush=True)
        return Result.read(versions, *environment.test(tests))
    # A missing tool normally ends the program; here the other environments are still worth running.
    except (EnvironmentMissingError, SystemExit) as error:
        return str(error)


def _title() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**30
    day = dt.datetime.now(tz=dt.timezone.utc).date()
    return f"{day}, {platform.machine()}, {os.cpu_count()} cores, {memory} GiB, {_system()}"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


if __name__ == "__main__":
    if shutil.which("git") is None:
        raise SystemExit("matrix: git is missing")
    sys.exit(main())
