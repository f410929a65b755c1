"""Boots a Debian root with systemd-nspawn, runs a module of tools in it, and collects the results of its steps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.steps import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 1500
"""Seconds for one root."""
ROOT = "booting a container"
"""Why it needs root."""
PROGRAMS = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container"}

_UNIT = """\
[Unit]
Description=a test of edgeface
After=multi-user.target

[Service]
Type=oneshot
TimeoutStartSec=infinity
WorkingDirectory=/source
ExecStart=/usr/bin/python3 -u -m {module}
StandardOutput=append:/results/log.txt
StandardError=inherit
ExecStopPost=/usr/bin/systemctl poweroff --no-block
"""


def results(inside: Path, module: str, binds: Mapping[Path, str], out: Path) -> list[Result]:
    """Boot a root, run the module, which is in /source, and return what it writes to /results/results.json."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (inside / "etc/systemd/system/service-test.service").write_text(_UNIT.format(module=module))
    wanted = inside / "etc/systemd/system/multi-user.target.wants/service-test.service"
    wanted.unlink(missing_ok=True)
    wanted.symlink_to("../service-test.service")
    print(f"booting {inside.name}", flush=True)
    boot(inside, binds, out)
    file = out / "results.json"
    if not file.exists():
        sys.stderr.write((out / "log.txt").read_text()[-4000:] if (out / "log.txt").exists() else "no log\n")
        return [Result("boot", ok=False, seconds=0.0, detail="the test did not finish")]
    return [Result(**step) for step in json.loads(file.read_text())]


def boot(inside: Path, binds: Mapping[Path, str], out: Path) -> None:
    """Boot until the root powers itself off."""
    # nspawn requires its own folder in /run to be on a tmpfs, as it is where systemd runs.
    place = Path("/run/systemd/nspawn")
    place.mkdir(parents=True, exist_ok=True)
    find: list[str | Path] = ["findmnt", "--noheadings", "--types", "tmpfs", "--target", place]
    mounted = subprocess.run(find, check=False, stdout=subprocess.DEVNULL)
    if mounted.returncode:
        subprocess.run(["mount", "--types", "tmpfs", "tmpfs", place], check=True)
    command = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network"]
    # systemd's firewall is a BPF program, which a container may not load by default.
    command += ["--capability=CAP_BPF", "--system-call-filter=bpf"]
    command += ["--console=pipe", "--directory", str(inside)]
    command += [f"--bind-ro={here}:{there}" for here, there in binds.items()]
    command.append(f"--bind={out}:/results")
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    null = subprocess.DEVNULL
    try:
        subprocess.run(command, env=environment, check=False, stdin=null, stdout=null, stderr=null, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"not finished after {LIMIT} s\n")
