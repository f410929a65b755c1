"""`make service-test`: the service in Debian 12 and 13, booted by systemd-nspawn, from install to uninstall."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import figures
from tools.service import roots

NEEDS = ("mmdebstrap", "systemd-nspawn", "cc")
LIMIT = 1500
"""Seconds for one root."""

UNIT = """\
[Unit]
Description=the service test
After=multi-user.target

[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/usr/bin/python3 -u /source/tools/service/inside.py
StandardOutput=append:/results/log.txt
StandardError=inherit
ExecStopPost=/usr/bin/systemctl poweroff --no-block
"""


def main() -> int:
    """Run the requested roots; 0 if every step did what it should."""
    parser = argparse.ArgumentParser(prog="make service-test", description=__doc__)
    parser.add_argument("--only", choices=[root.suite for root in roots.ROOTS], help="test only this root")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table to FILE")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("service-test: booting a container needs root: sudo make service-test")
    for need in NEEDS:
        if shutil.which(need) is None:
            raise SystemExit(f"service-test: {need} is missing: apt-get install mmdebstrap systemd-container gcc")
    checkout = roots.source()
    chosen = [root for root in roots.ROOTS if arguments.only in {None, root.suite}]
    results = {root.suite: tested(root, checkout) for root in chosen}
    table = tabled(results)
    print(table)
    figures.save("service-test", table)
    if arguments.markdown is not None:
        arguments.markdown.write_text(table)
    return 0 if all(step["ok"] for steps in results.values() for step in steps) else 1


def tested(root: roots.Root, checkout: Path) -> list[dict[str, object]]:
    """Boot one root and return the result of each step."""
    wheelhouse = roots.wheels(root.python, checkout)
    roots.deb(root.suite, checkout, wheelhouse)
    inside = roots.fresh(root.suite)
    results = roots.BUILD / "results" / root.suite
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    (inside / "etc/systemd/system/service-test.service").write_text(UNIT)
    wanted = inside / "etc/systemd/system/multi-user.target.wants/service-test.service"
    wanted.unlink(missing_ok=True)
    wanted.symlink_to("../service-test.service")
    print(f"booting Debian {root.suite}", flush=True)
    boot(inside, checkout, wheelhouse, results)
    file = results / "results.json"
    if not file.exists():
        sys.stderr.write((results / "log.txt").read_text()[-4000:] if (results / "log.txt").exists() else "no log\n")
        return [{"step": "boot", "ok": False, "seconds": 0.0, "detail": "the test did not finish"}]
    steps: list[dict[str, object]] = json.loads(file.read_text())
    return steps


def boot(inside: Path, checkout: Path, wheelhouse: Path, results: Path) -> None:
    """Boot until the root powers itself off."""
    # nspawn requires its own folder in /run to be on a tmpfs, as it is where systemd runs.
    place = Path("/run/systemd/nspawn")
    place.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["findmnt", "--noheadings", "--types", "tmpfs", "--target", place], check=False, stdout=-3)
    if mounted.returncode:
        subprocess.run(["mount", "--types", "tmpfs", "tmpfs", place], check=True)
    newer = roots.BUILD / "newer"
    binds = [
        f"--bind-ro={checkout}:/source",
        f"--bind-ro={wheelhouse}:/wheels",
        f"--bind-ro={newer}:/newer",
        f"--bind-ro={roots.year1970()}:/shim",
    ]
    command = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network"]
    # systemd's firewall is a BPF program, which a container may not load by default.
    command += ["--capability=CAP_BPF", "--system-call-filter=bpf"]
    command += ["--console=pipe", "--directory", str(inside), *binds, f"--bind={results}:/results"]
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    try:
        subprocess.run(command, env=environment, check=False, stdin=-3, stdout=-3, stderr=-3, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"not finished after {LIMIT} s\n")


def tabled(results: dict[str, list[dict[str, object]]]) -> str:
    """The steps as a Markdown table, one column per root."""
    names = list(dict.fromkeys(str(step["step"]) for steps in results.values() for step in steps))
    lines = [f"| step | {' | '.join(results)} |", f"|---|{'---|' * len(results)}"]
    for name in names:
        cells = [next((said(step) for step in steps if step["step"] == name), "-") for steps in results.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def said(step: dict[str, object]) -> str:
    """One step as a cell."""
    return f"{'yes' if step['ok'] else 'NO'}, {step['seconds']} s: {step['detail']}"


if __name__ == "__main__":
    sys.exit(main())
