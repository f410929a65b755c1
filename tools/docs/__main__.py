"""`make docs-check`: types every command of README and docs in a sandbox, and lists those that need a device."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from typing import NamedTuple

from tools.docs.commands import Command, commands
from tools.docs.links import broken_links
from tools.docs.sandbox import Sandbox
from tools.service import roots

BUILD = roots.HERE / "build"
DEVICE = "needs a device"
MOST_ON_DEVICE = 0.15
TESTS = {
    f"run by make {name}-test": (roots.HERE / "tools" / name / "inside.py").read_text(encoding="utf-8")
    for name in ("service", "update")
}
"""The text of each test in booted roots, by the mark of the commands that it runs."""


class Tried(NamedTuple):
    """What came of one command."""

    command: Command
    how: str
    """ran, planned (make --dry-run), needs a device, run by make ..., or failed."""
    says: str
    """The last lines of its output if it failed."""


def main() -> int:
    """Try all; 0 if nothing failed and few commands need a device."""
    parser = argparse.ArgumentParser(prog="make docs-check", description=__doc__)
    parser.add_argument("--only", help="only files whose name contains this")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("docs-check: an overlay of this machine needs root: sudo make docs-check")
    found = [one for one in everything() if arguments.only is None or arguments.only in one.file]
    tried = [*marked(found), *typed(found)]
    problems = [*broken_links(), *too_many(tried)]
    report(tried, problems)
    return 1 if problems or any(one.how == "failed" for one in tried) else 0


def everything() -> list[Command]:
    """The commands of README and docs."""
    files = [roots.HERE / "README.md", *sorted((roots.HERE / "docs").rglob("*.md"))]
    # It is written by `make first-hour`, which has typed what it contains.
    files = [file for file in files if file.name != "first-hour.md"]
    texts = ((file.read_text(encoding="utf-8"), str(file.relative_to(roots.HERE))) for file in files)
    return [command for text, name in texts for command in commands(text, name)]


def marked(found: list[Command]) -> list[Tried]:
    """The commands that are not tried here; those of a test must be in it."""
    return [
        Tried(one, one.mark, "")
        if one.mark == DEVICE or in_its_test(one)
        else Tried(one, "failed", "not in the test that its mark names")
        for one in found
        if one.mark
    ]


def in_its_test(command: Command) -> bool:
    """Whether the test that a command's mark names runs the same programs with the same verbs."""
    verbs = re.findall(r"\b(edgeface|systemctl|make) ([a-z-]+)", command.text)
    words = {"make": ('tools/install/{}"',), "edgeface": ('"edgeface", "{}"', 'edgeface("{}"')}
    words["systemctl"] = ('"systemctl", "{}"',)
    text = TESTS.get(command.mark, "")
    return all(any(form.format(verb) in text for form in words[program]) for program, verb in verbs)


def typed(found: list[Command]) -> list[Tried]:
    """Type the commands without a mark, each heading with people, events and configuration as at the start."""
    tried, place, has_centre = [], ("", ""), False
    with Sandbox(BUILD / "docs-check") as sandbox:
        for one in found:
            if one.mark:
                continue
            if place != (place := (one.file, one.heading)):
                sandbox.reset()
                if one.file == "docs/api.md":
                    sandbox.run("systemctl start edgeface")
                if one.file.startswith("docs/fleet") and not has_centre:
                    sandbox.centre()
                    has_centre = True
            done = sandbox.try_command(one.text)
            planned = re.match(r"(sudo )?make ", one.text) is not None
            how = "failed" if done.status else "planned" if planned else "ran"
            tried.append(Tried(one, how, done.output[-600:] if done.status else ""))
            print(f"{how}: {one.file}:{one.line}: {one.text}", flush=True)
            if done.status:
                print(done.output[-600:], flush=True)
    return tried


def too_many(tried: list[Tried]) -> list[str]:
    """What is wrong with the marks."""
    device = [one for one in tried if one.how == DEVICE]
    problems = [
        f"{one.command.file}:{one.command.line}: README has no marks"
        for one in tried
        if one.command.mark and one.command.file == "README.md"
    ]
    if len(device) > MOST_ON_DEVICE * len(tried):
        problems.append(f"{len(device)} of {len(tried)} commands need a device: at most {MOST_ON_DEVICE:.0%}")
    return problems


def report(tried: list[Tried], problems: list[str]) -> None:
    """Print the marked ones, what failed and the sums; leave all of it in build/docs-check.json."""
    for one in tried:
        if one.how == DEVICE:
            print(f"{one.how}: {one.command.file}:{one.command.line}: {one.command.text}: {one.command.reason}")
    for one in tried:
        if one.how == "failed":
            print(f"failed: {one.command.file}:{one.command.line}: {one.command.text}: {one.says}")
    for problem in problems:
        print(problem)
    counts = Counter(one.how for one in tried)
    print(", ".join(f"{how} {count}" for how, count in counts.most_common()))
    rows = [{**one.command._asdict(), "how": one.how, "says": one.says} for one in tried]
    text = json.dumps({"counts": counts, "problems": problems, "commands": rows}, indent=1, ensure_ascii=False)
    (BUILD / "docs-check.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
