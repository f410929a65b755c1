"""`make update-test`: from 0.1 to this version and back, in booted Debian 12 and 13, in /opt and by signed packages."""

from __future__ import annotations

import argparse
import sys

from tools import figures, needs
from tools.service import booted, roots
from tools.steps import Result, passed, table
from tools.update import prepare

PROGRAMS = {**booted.PROGRAMS, "reprepro": "reprepro", "gpg": "gnupg", "git": "git", "dpkg-deb": "dpkg"}


def main() -> int:
    """Run the requested roots; 0 if every step did what it should."""
    parser = argparse.ArgumentParser(prog="make update-test", description=__doc__)
    parser.add_argument("--only", choices=[root.suite for root in roots.ROOTS], help="test only this root")
    arguments = parser.parse_args()
    needs.root("update-test", booted.ROOT)
    needs.programs("update-test", PROGRAMS)
    results = {root.suite: tested(root) for root in roots.ROOTS if arguments.only in {None, root.suite}}
    text = table(results)
    print(text)
    figures.save("update-test", text)
    return 0 if passed(results) else 1


def tested(root: roots.Root) -> list[Result]:
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
