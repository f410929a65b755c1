"""`make first-hour`: README from top to bottom in a fresh Debian 12 and 13, as root, with sudo and without rights."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

from tools import figures
from tools.docs.commands import Command, commands
from tools.docs.terminal import TerminalError
from tools.first_hour.roads import BUSY, RIGHTS, SUITES, Road, Typed, walk
from tools.service import roots

NEEDS = ("mmdebstrap", "systemd-nspawn")
BEFORE = ("git clone", "cd edgeface")
"""What a reader types before the first line that is tried here: the checkout is copied."""

MOST_COMMANDS = 12
_ASKED = ("not", "once", "twice")
SHOWN = 12
"""Lines of output of a command in the transcript."""

_HEAD = """\
# The first hour

From `git clone` to a match at one's own camera, as [README](../README.md) describes it. `make first-hour` types its
lines at a terminal in a fresh Debian 12 and 13, and writes this page. The camera is the bundled clip; the photos are
three of one person on it. Written on {today}, on x86-64.

`git clone` and `cd` count as commands; the checkout was copied. The broker was started by hand, because nothing has
booted there. Lines after `#` are those of an admin. On a machine that is too busy for its clip, the demo says so; the
road continues.
"""

_LONG = re.compile(r"^(Get:|Setting up|  Downloading|\s*$)|Downloading|━")


def main() -> int:
    """Walk the requested roads; 0 if each led to a match."""
    parser = argparse.ArgumentParser(prog="make first-hour", description=__doc__)
    parser.add_argument("--only", choices=SUITES, action="append", help="only this Debian")
    parser.add_argument("--rights", choices=RIGHTS, action="append", help="only this reader")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the transcripts to FILE")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("first-hour: a container needs root: sudo make first-hour")
    for need in NEEDS:
        if shutil.which(need) is None:
            raise SystemExit(f"first-hour: {need} is missing: apt-get install mmdebstrap systemd-container")
    lines = readme_lines()
    chosen = [Road(suite, rights) for suite in arguments.only or SUITES for rights in arguments.rights or RIGHTS]
    walked = {road: list(shown(road, lines)) for road in chosen}
    table = tabled(walked)
    print(table)
    figures.save("first-hour", table)
    if arguments.write is not None:
        arguments.write.write_text(document(walked, table))
    return 0 if all(good(steps) for steps in walked.values()) else 1


def readme_lines() -> list[Command]:
    """What README has a reader type on the way to their own camera: the demo once, and the lines after it."""
    found = list(commands((roots.HERE / "README.md").read_text(encoding="utf-8"), "README.md"))
    demo = next(one for one in found if one.text == "make demo")
    return [demo, *(one for one in found if one.heading == "Your own camera")]


def shown(road: Road, lines: list[Command]) -> list[Typed]:
    """Walk one road, and print each line when it is done."""
    steps: list[Typed] = []
    try:
        for step in walk(road, lines):
            steps.append(step)
            print(f"{road.suite} {road.rights}: {step.line}: status {step.status}, {step.seconds:.0f} s", flush=True)
            if step.status:
                print("\n".join(transcript([step])), flush=True)
    except TerminalError as error:
        steps.append(Typed("(no prompt)", 1, 0.0, f"{error}\n", "reader"))
    return steps


def good(steps: list[Typed]) -> bool:
    """Whether it led to a match: one line may fail, that which names what an admin has to install."""
    failed = [step for step in steps if step.status and BUSY not in step.output]
    asked = [step for step in steps if step.by == "admin"]
    return len(failed) == len(asked) <= 1 and steps[-1].line == "edgeface run" and count(steps) <= MOST_COMMANDS


def count(steps: list[Typed]) -> int:
    """The commands from the clone to the match."""
    return len(BEFORE) + len(steps)


def tabled(walked: dict[Road, list[Typed]]) -> str:
    """One road a row."""
    rows = [
        "| Debian | rights | led to a match | commands | apt asked for | minutes of the machine |",
        "|---|---|---|---|---|---|",
    ]
    for road, steps in walked.items():
        asked = min(2, sum(step.by == "admin" for step in steps))
        minutes = sum(step.seconds for step in steps) / 60
        yes = "yes" if good(steps) else "NO"
        rows.append(f"| {road.suite} | {road.rights} | {yes} | {count(steps)} | {_ASKED[asked]} | {minutes:.1f} |")
    return "\n".join(rows) + "\n"


def document(walked: dict[Road, list[Typed]], table: str) -> str:
    """docs/first-hour.md."""
    today = datetime.now(timezone.utc).date().isoformat()
    parts = [_HEAD.format(today=today), table]
    for road, steps in walked.items():
        parts += [f"## {road.suite}, {'rights: ' + road.rights}\n", "```text", *transcript(steps), "```\n"]
    return "\n".join(parts)


def transcript(steps: list[Typed]) -> list[str]:
    """What was typed and the last lines of what appeared, without the progress of downloads."""
    lines = []
    for step in steps:
        lines.append(f"{'#' if step.by == 'admin' else '$'} {step.line}")
        output = [line.rstrip() for line in step.output.splitlines() if not _LONG.search(line)]
        lines += ["..."] * (len(output) > SHOWN) + output[-SHOWN:]
    return lines


if __name__ == "__main__":
    sys.exit(main())
