"""A processor that lacks instructions is named before it ends the process."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edgeface.core.installed import processor

if TYPE_CHECKING:
    from pathlib import Path

MODULES = {
    "fine": "",
    "illegal": "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n",
    "baseline": "raise RuntimeError('NumPy was built with baseline optimizations: (X86_V2)')\n",
    "unrelated": "raise RuntimeError('no')\n",
    "stubborn": "raise SystemExit(1)\n",
}


@pytest.mark.parametrize(
    ("modules", "found"),
    [
        (("fine", "illegal"), "illegal"),
        (("illegal", "fine"), "illegal"),
        (("fine", "baseline"), "baseline"),
        (("fine", "unrelated"), "None"),
        (("fine", "no_such_module"), "None"),
        (("stubborn",), "None"),
        (("fine",), "None"),
    ],
)
def test_the_trial_names_the_module_that_cannot_run(tmp_path: Path, modules: tuple[str, ...], found: str) -> None:
    assert child(tmp_path, f"print(processor.trial({modules!r}))") == f"{found}\n"


@pytest.mark.skipif(platform.machine() not in processor.ENOUGH, reason="a processor without a list of flags")
def test_with_every_flag_nothing_is_tried_and_without_one_the_module_is_named(tmp_path: Path) -> None:
    enough = processor.ENOUGH[platform.machine()]
    assert child(tmp_path, require(enough, "illegal")) == "fine\n"
    assert child(tmp_path, require(enough - {min(enough)}, "fine")) == "fine\n"
    said = child(tmp_path, require(enough - {min(enough)}, "illegal"))
    assert re.search(r"lacks instructions that illegal needs: use .*CPU type host\n", said), said


def child(folder: Path, code: str) -> str:
    """What code prints about the modules, in a process without other threads, as at the start of a command."""
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text)
    head = f"import sys; sys.path.insert(0, {str(folder)!r})\nfrom edgeface.core.installed import processor\n"
    done = subprocess.run([sys.executable, "-c", head + code], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout


def require(flags: frozenset[str], module: str) -> str:
    """Code that prints why a processor with these flags does not suffice for a module, or `fine`."""
    return (
        f"try: processor.require({flags!r}, ({module!r},))\n"
        "except processor.ProcessorError as error: print(error)\n"
        "else: print('fine')"
    )


def test_this_machine_can_run_everything() -> None:
    processor.require()
