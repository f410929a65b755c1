"""What must hold after an update from 0.1, wherever edgeface runs: each step asks edgeface itself.

A step gets a function that runs `edgeface` with arguments, in /opt, from a package or in a container, and returns one
line. It raises Failed with what was expected. The data is that of tests/data/v0.1.
"""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tools.steps import require

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = "731e149671cc22b8b9379c6b97bc5be1d1c1cacda5f4a74b8834f413cc576a6e"
"""The last link of 0.1's journal."""
PEOPLE = ("barack_obama", "grace_hopper", "joe_biden")
UNKNOWN = "u-b2d6"
KIDS = {"2026-10": "retired", "2026-11": "active", "2026-12": "next"}
ACCOUNTS = ("alice", "grafana")
FILES = ("gallery.db", "journal.db", "key", "key.id", "keys.json", "web.json")

_LINE = re.compile(r"^\S*config\.yaml:\d+: ")


class Answer(NamedTuple):
    """What a command did."""

    status: int
    text: str


class Edgeface(Protocol):
    """Runs one command of edgeface, as the user of the service or as root."""

    def __call__(self, *arguments: str) -> Answer:
        """The exit status, and output and errors together."""


def place(fixture: Path, data: Path, config: Path, *, clip: str, seen_data: str | None = None) -> None:
    """Copy 0.1's files, with the modes that edgeface gives.

    `clip` is the path of the demo's clip, and `seen_data` that of the data folder, as edgeface will see them. The
    caller gives the files to the service's user.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(fixture / "data" / name, data / name)
        (data / name).chmod(0o600)
    text = (fixture / "config.yaml").read_text(encoding="utf-8")
    for before, after in (
        ("data: data", f"data: {seen_data or data}"),
        # From the start again and again, so that each start sees people.
        ("path: clip.mp4", f"path: {clip}\n    loop: true"),
        ("port: 18839", "port: 1883"),
    ):
        require(before in text, f"{fixture}/config.yaml has no line {before!r}")
        text = text.replace(before, after)
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(text, encoding="utf-8")


def config_accepted(edgeface: Edgeface) -> str:
    """The configuration is accepted, or each changed key is named with its line."""
    said = edgeface("check", "--file-only")
    if said.status == 0:
        return "accepted"
    lines = said.text.strip().splitlines()
    require(lines and all(map(_LINE.match, lines)), f"status {said.status}: {said.text.strip()[-300:]}")
    return f"{len(lines)} keys named with their line"


def people_known(edgeface: Edgeface) -> str:
    """Everyone is known."""
    listed, unknown = _good(edgeface("people")), _good(edgeface("people", "--unknown"))
    missing = [one for one in PEOPLE if one not in listed] + [UNKNOWN] * (UNKNOWN not in unknown)
    require(not missing, f"not listed: {', '.join(missing)}")
    return f"{len(PEOPLE)} people and {UNKNOWN}"


def journal_readable(edgeface: Edgeface) -> str:
    """The journal verifies, from 0.1's last row on."""
    said = _good(edgeface("audit", "verify", "--head", HEAD)).strip()
    return said.splitlines()[0]


def keys_accepted(edgeface: Edgeface) -> str:
    """The keys that sign grants are there, in their states."""
    said = _good(edgeface("keys", "show"))
    wrong = [kid for kid, state in KIDS.items() if not re.search(rf"{kid}\b.*\b{state}\b", said)]
    require(not wrong, f"{', '.join(wrong)}: missing or in another state: {said.strip()[-300:]}")
    return ", ".join(f"{kid} {state}" for kid, state in KIDS.items())


def accounts_known(edgeface: Edgeface) -> str:
    """Who may use the page still may."""
    said = _good(edgeface("web", "list"))
    missing = [one for one in ACCOUNTS if one not in said]
    require(not missing, f"not listed: {', '.join(missing)}")
    return ", ".join(ACCOUNTS)


def data_sound(edgeface: Edgeface) -> str:
    """The doctor finds nothing wrong with the data."""
    said = edgeface("doctor", "--json")
    found = json.loads(said.text[said.text.index("[" if said.text.lstrip().startswith("[") else "{") :])
    text = json.dumps(found)
    bad = [word for word in ("written by", "damaged", "cannot be read", "was altered", "put back") if word in text]
    require(not bad, f"it names: {', '.join(bad)}")
    return f"exit status {said.status}"


def matched(edgeface: Edgeface) -> int:
    """How many matches the journal has."""
    said = _good(edgeface("audit", "show", "--kind", "match", "--last", "10000"))
    return sum(any(one in line for one in PEOPLE) for line in said.splitlines())


STEPS: tuple[Callable[[Edgeface], str], ...] = (
    config_accepted, people_known, journal_readable, keys_accepted, accounts_known, data_sound,
)  # fmt: skip
"""In this order; they change nothing but the schema."""


def all_of(edgeface: Edgeface) -> str:
    """Run all steps; one line."""
    return "; ".join(f"{step.__name__.replace('_', ' ')}: {step(edgeface)}" for step in STEPS)


def _good(said: Answer) -> str:
    require(said.status == 0, f"status {said.status}: {' '.join(said.text.split())[-300:]}")
    return said.text
