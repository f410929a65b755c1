"""A processor that lacks instructions is named before it ends the process."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edgeface.core import board
from edgeface.core.errors import ProcessorError
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
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    # In a process without other threads, as at the start of a command.
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    code += f"from edgeface.core.installed.processor import trial; print(trial({modules!r}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{found}\n"


def test_every_flag_costs_no_trial_and_a_missing_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    enough = processor.ENOUGH.get(platform.machine())
    if enough is None:
        pytest.skip("a processor without a list of flags")
    monkeypatch.setattr(processor, "trial", lambda modules: modules[0])
    monkeypatch.setattr(board, "instructions", lambda: enough)
    processor.require()
    monkeypatch.setattr(board, "instructions", lambda: enough - {min(enough)})
    with pytest.raises(ProcessorError, match=r"lacks instructions that numpy needs: use .*CPU type host"):
        processor.require()


def test_this_machine_can_run_everything() -> None:
    processor.require()
