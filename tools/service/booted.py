"""Boots a Debian root with systemd-nspawn, runs a module of tools in it, and collects the results of its steps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Steps = list[dict[str, Any]]
"""Of each step its name, whether it did what it should, its seconds, and one line."""

LIMIT = 1500
"""Seconds for one root."""

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


def results(inside: Path, module: str, binds: Mapping[Path, str], out: Path) -> Steps:
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
        return [{"step": "boot", "ok": False, "seconds": 0.0, "detail": "the test did not finish"}]
    steps: Steps = json.loads(file.read_text())
    return steps


def boot(inside: Path, binds: Mapping[Path, str], out: Path) -> None:
    """Boot until the root powers itself off."""
    # nspawn requires its own folder in /run to be on a tmpfs, as it is where systemd runs.
    place = Path("/run/systemd/nspawn")
    place.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["findmnt", "--noheadings", "--types", "tmpfs", "--target", place], check=False, stdout=-3)
    if mounted.returncode:
        subprocess.run(["mount", "--types", "tmpfs", "tmpfs", place], check=True)
    command = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network"]
    # systemd's firewall is a BPF program, which a container may not load by default.
    command += ["--capability=CAP_BPF", "--system-call-filter=bpf"]
    command += ["--console=pipe", "--directory", str(inside)]
    command += [f"--bind-ro={here}:{there}" for here, there in binds.items()]
    command.append(f"--bind={out}:/results")
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    try:
        subprocess.run(command, env=environment, check=False, stdin=-3, stdout=-3, stderr=-3, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"not finished after {LIMIT} s\n")


def tabled(results: Mapping[str, Steps]) -> str:
    """The steps as a Markdown table, one column per root."""
    names = list(dict.fromkeys(str(step["step"]) for steps in results.values() for step in steps))
    lines = [f"| step | {' | '.join(results)} |", f"|---|{'---|' * len(results)}"]
    for name in names:
        cells = [next((said(step) for step in steps if step["step"] == name), "-") for steps in results.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def said(step: Mapping[str, Any]) -> str:
    """One step as a cell."""
    return f"{'yes' if step['ok'] else 'NO'}, {step['seconds']} s: {step['detail']}"
