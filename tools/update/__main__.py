"""`make update-test`: from 0.1 to this version and back, in booted Debian 12 and 13, in /opt and by signed packages."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from tools import figures
from tools.service import booted, roots
from tools.update import prepare

NEEDS = ("mmdebstrap", "systemd-nspawn", "reprepro", "gpg", "git", "dpkg-deb")


def main() -> int:
    """Run the requested roots; 0 if every step did what it should."""
    parser = argparse.ArgumentParser(prog="make update-test", description=__doc__)
    parser.add_argument("--only", choices=[root.suite for root in roots.ROOTS], help="test only this root")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("update-test: booting a container needs root: sudo make update-test")
    for need in NEEDS:
        if shutil.which(need) is None:
            wanted = "mmdebstrap systemd-container reprepro gnupg git dpkg"
            raise SystemExit(f"update-test: {need} is missing: apt-get install {wanted}")
    results = {root.suite: tested(root) for root in roots.ROOTS if arguments.only in {None, root.suite}}
    table = booted.tabled(results)
    print(table)
    figures.save("update-test", table)
    return 0 if all(step["ok"] for steps in results.values() for step in steps) else 1


def tested(root: roots.Root) -> booted.Steps:
    """Boot one root and return the result of each step."""
    checkout = roots.source(prepare.BUILD / "source")
    wheelhouse = roots.wheels(root.python, checkout)
    old = prepare.old_wheels(root, wheelhouse)
    print(f"making packages of four versions for {root.suite}", flush=True)
    made = prepare.packages(root, checkout, wheelhouse, old)
    binds = {
        checkout: "/source",
        prepare.old_source(): "/old-source",
        wheelhouse: "/wheels",
        old: "/old-wheels",
        roots.BUILD / "newer": "/newer",
        prepare.repositories(root, made): "/repositories",
    }
    return booted.results(roots.fresh(root.suite), "tools.update.inside", binds, prepare.BUILD / "results" / root.suite)


if __name__ == "__main__":
    sys.exit(main())
