import gc
import subprocess
import sys
from pathlib import Path

from edgeface.cli.main import main

SCRIPT = """\
import gc
from edgeface.cli.parser import parser

arguments = parser().parse_args(["run", "--config", "missing.yaml"])
started = []
gc.callbacks.append(lambda phase, _: started.append(phase))
try:
    arguments.verb(arguments)
except Exception as error:
    print(type(error).__name__, len(started))
"""


def test_imports_of_a_command_are_not_searched_for_garbage(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    name, collections = done.stdout.split()
    assert name == "ConfigError"
    assert int(collections) < 20


def test_garbage_is_collected_again_when_the_command_runs(tmp_path: Path) -> None:
    assert main(["check", "--config", str(tmp_path / "missing.yaml")]) == 78
    assert gc.isenabled()
