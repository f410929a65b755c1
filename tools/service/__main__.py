"""`make service-test`: the service in Debian 12 and 13, booted by systemd-nspawn, from install to uninstall."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools import figures, needs
from tools.service import booted, roots
from tools.steps import Result, passed, table


def main() -> int:
    """Run the requested roots; 0 if every step did what it should."""
    parser = argparse.ArgumentParser(prog="make service-test", description=__doc__)
    parser.add_argument("--only", choices=[root.suite for root in roots.ROOTS], help="test only this root")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table to FILE")
    arguments = parser.parse_args()
    needs.root("service-test", booted.ROOT)
    needs.programs("service-test", {**booted.PROGRAMS, "cc": "gcc"})
    checkout = roots.source()
    chosen = [root for root in roots.ROOTS if arguments.only in {None, root.suite}]
    results = {root.suite: tested(root, checkout) for root in chosen}
    text = table(results)
    print(text)
    figures.save("service-test", text)
    if arguments.markdown is not None:
        arguments.markdown.write_text(text)
    return 0 if passed(results) else 1


def tested(root: roots.Root, checkout: Path) -> list[Result]:
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
