"""No command of a fleet leaves a core with keys or facts of people in it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgeface.cli.fleet import centre, run, service
from edgeface.security.process import python_path

CHECK = """
import ctypes, resource, sys
from pathlib import Path
from edgeface.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.parametrize(
    "command", [("fleet", run.OF_DEVICE[1]), ("fleet", next(iter(centre._ACTIONS))), ("centre", "check")]
)
def test_a_command_that_fails_early_leaves_no_core_either(command: tuple[str, str], tmp_path: object) -> None:
    assert command[1] in {*run.OF_DEVICE, *centre._ACTIONS, *service._ACTIONS}
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *command, "--config", f"{tmp_path}/none.yaml"],
        check=True, capture_output=True, text=True, env={"PYTHONPATH": python_path()},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "(0, 0) 0"
