"""The command that a Debian package installs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools/install/deb"


def test_the_command_imports_nothing_from_the_folder_that_it_is_called_in(tmp_path: Path) -> None:
    body = SCRIPT.read_text(encoding="utf-8").partition("<<'PYTHON'\n")[2].partition("\nPYTHON\n")[0]
    assert body.startswith("#!/usr/bin/python3 -s\n")
    command = tmp_path / "bin" / "edgeface"
    command.parent.mkdir()
    command.write_text(
        body.replace("/opt/edgeface/lib", str(ROOT)).replace("/usr/bin/python3", sys.executable), encoding="utf-8"
    )
    command.chmod(0o755)
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in ("edgeface", "argparse", "json"):
        (hostile / f"{name}.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    done = subprocess.run([command, "--version"], cwd=hostile, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("edgeface ")
