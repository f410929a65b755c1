"""`make service-test`: the service in Debian 12 and 13, booted by systemd-nspawn, from install to uninstall."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from tools import figures
from tools.service import booted, roots

NEEDS = ("mmdebstrap", "systemd-nspawn", "cc")


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
    table = booted.tabled(results)
    print(table)
    figures.save("service-test", table)
    if arguments.markdown is not None:
        arguments.markdown.write_text(table)
    return 0 if all(step["ok"] for steps in results.values() for step in steps) else 1


def tested(root: roots.Root, checkout: Path) -> booted.Steps:
    """Boot one root and return the result of each step."""
    wheelhouse = roots.wheels(root.python, checkout)
    roots.deb(root.suite, checkout, wheelhouse)
    binds = {
        checkout: "/source",
        wheelhouse: "/wheels",
        roots.BUILD / "newer": "/newer",
        roots.year1970(): "/shim",
    }
    return booted.results(roots.fresh(root.suite), "tools.service.inside", binds, roots.BUILD / "results" / root.suite)


if __name__ == "__main__":
    sys.exit(main())
