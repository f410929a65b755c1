"""`make release`: wheel, sdist and Debian packages, built twice under different conditions, compared and checked."""

from __future__ import annotations

import argparse
import shutil
import sys
from typing import TYPE_CHECKING

from tools import figures, needs
from tools.release import build, checks

if TYPE_CHECKING:
    from pathlib import Path

OUT = build.HERE / "build" / "release"
FINAL = "published"
"""The folder with what is published."""


def main() -> int:
    """Build, compare and check; 0 if all is well."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("--checks-only", action="store_true", help="check what was built before")
    arguments = parser.parse_args()
    needs.programs("release", {"dpkg-deb": "dpkg", "lintian": "lintian", "git": "git"})
    at = build.commit()
    if left_out := build.uncommitted():
        print(f"{left_out} files with changes that are not committed are not in this release")
    if not arguments.checks_only:
        for conditions in build.ROUNDS:
            print(f"building under {', '.join(map(str, conditions))}", flush=True)
            build.build(conditions, OUT / "work", *at)
    one, other = (OUT / "work" / conditions.folder / "out" for conditions in build.ROUNDS)
    rows = [compared(one, other), *checks.results(one)]
    good = all(row[1] for row in rows)
    if good:
        publish(one)
    table = tabled(rows + [(file.name, True, f"{file.stat().st_size / 1e6:.1f} MB") for file in sorted(one.iterdir())])
    print(table)
    figures.save("release", table)
    return 0 if good else 1


def compared(one: Path, other: Path) -> tuple[str, bool, str]:
    """Whether two builds have the same files with the same bytes."""
    here, there = build.digests(one), build.digests(other)
    unlike = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    line = f"not the same: {', '.join(unlike)}" if unlike else f"{len(here)} files, the same bytes"
    what = "Two builds in other folders, with another umask, time zone, locale and hash seed"
    return what, bool(here) and not unlike, line


def publish(work: Path) -> None:
    """Put the files where a reader finds them, with their checksums and the lists of contents."""
    final = OUT / FINAL
    shutil.rmtree(final, ignore_errors=True)
    shutil.copytree(work, final)
    for file in checks.packages(work):
        data = checks.member(file, checks.SBOM)
        (final / f"{file.stem}.cdx.json").write_bytes(data)
    shutil.copy(work.parent / "licences.md", final)
    lines = [f"{sha}  {name}\n" for name, sha in build.digests(final).items()]
    (final / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    print(f"{final.relative_to(build.HERE)}: {len(lines)} files and SHA256SUMS")


def tabled(rows: list[tuple[str, bool, str]]) -> str:
    """The checks as a Markdown table."""
    lines = ["| what | good | result |", "|---|---|---|"]
    lines += [
        f"| {what} | {'yes' if good else 'NO'} | {line.replace('|', chr(92) + '|')} |" for what, good, line in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
