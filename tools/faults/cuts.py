"""Power cuts: an ext4 image is shut down hard while a process writes journal and gallery."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edgeface.core.errors import EdgefaceError
from edgeface.gallery.gallery import Gallery
from edgeface.journal.journal import Journal
from edgeface.security import head, integrity
from edgeface.security.vault import open_vault
from tools.faults.image import Image
from tools.faults.part import Options, Row, say
from tools.faults.site import ROOT, damage, rows
from tools.faults.writer import MODEL, TEMPLATES

if TYPE_CHECKING:
    from pathlib import Path

# This many cuts hit one data folder; the next folder starts empty, and its first writes are cut too.
_SAME = 5
_CONTROL = 5
_LONGEST = 1.2
_OPEN = 2.0


@dataclass(slots=True)
class Tally:
    """The result of a number of cuts."""

    cuts: int = 0
    rows: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)
    lost: int = 0
    torn: list[str] = field(default_factory=list)
    during: int = 0
    """Acknowledged during the call that cuts, and lost: the kernel occasionally reports success then."""
    slowest: float = 0.0
    """Seconds from mounting until both files are open."""

    @property
    def acknowledged(self) -> int:
        """Rows and people acknowledged to the writer."""
        return len(self.rows) + len(self.people)


def run(options: Options) -> Row:
    """Cut first with files that do not wait for the disk, which must lose something; then as edgeface opens them."""
    with Image(options.folder / "cuts") as image:
        lax = _cut_often(image, options, _CONTROL, "lax")
        say(f"control, synchronous=NORMAL: {lax.lost} of {lax.acknowledged} acknowledged lost over {lax.cuts} cuts")
        real = _cut_often(image, options, options.cuts, "full")
    say(f"as edgeface opens them: {real.lost} of {real.acknowledged} lost, {len(real.torn)} torn")
    faults = [] if lax.lost else ["the control lost nothing, so the cuts prove nothing"]
    faults += [] if real.slowest < _OPEN else [f"opening took {real.slowest:.1f} s"]
    return Row(
        "power cut",
        f"{real.cuts} cuts of an ext4 image, {len(real.rows)} rows and {len(real.people)} enrollments acknowledged",
        real.lost,
        None,
        len(real.torn),
        f"open again within {real.slowest:.2f} s; {real.during} more acknowledged at the moment of the cut and lost; "
        f"with synchronous=NORMAL {lax.lost} of {lax.acknowledged} lost",
        (*faults, *real.torn),
    )


def _cut_often(image: Image, options: Options, count: int, mode: str) -> Tally:
    tally = Tally()
    for number in range(count):
        folder = image.mount / f"{mode}-{number // _SAME}"
        if number % _SAME == 0:
            expected_rows, expected_people = set[str](), set[str]()
        seconds = options.dice.uniform(0, _LONGEST)
        new_rows, new_people, during = _write_and_cut(image, folder, f"{mode}{number}", seconds, mode)
        expected_rows |= new_rows
        expected_people |= new_people
        tally.rows |= new_rows
        tally.people |= new_people
        tally.cuts += 1
        began = time.monotonic()
        image.again()
        doubted = _restarted(folder) if mode == "full" else []
        there, whole, torn, opened = _look(folder)
        torn += doubted
        tally.slowest = max(tally.slowest, opened - began)
        lost = len(expected_rows - there) + len(expected_people - whole)
        tally.lost += lost
        tally.during += len(during - there - whole)
        # A loss is counted once, not again after the next cut.
        expected_rows &= there
        expected_people &= whole
        tally.torn += torn
        say(f"cut {number + 1} of {count} ({mode}): {len(new_rows) + len(new_people)} acknowledged, {lost} lost")
    return tally


def _write_and_cut(
    image: Image, folder: Path, prefix: str, seconds: float, mode: str
) -> tuple[set[str], set[str], set[str]]:
    """Rows and people acknowledged before the cut, and those acknowledged during it.

    ext4 gives up its log in that call. An fsync in progress may then find no transaction to wait for and report success
    (jbd2_complete_transaction in fs/jbd2/journal.c). After a real power cut there is no process left to receive it.
    """
    command = [sys.executable, "-m", "tools.faults.writer", str(folder), prefix, *(["lax"] if mode == "lax" else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    lines: list[list[str]] = []
    ready = threading.Event()

    def listen() -> None:
        for line in process.stdout or ():
            ready.set()
            if line.endswith("\n"):
                lines.append(line.split())

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        if not ready.wait(30):
            raise RuntimeError("the writer did not start")
        time.sleep(seconds)
        if process.poll() is not None:
            raise RuntimeError("the writer ended before the cut")
        before = len(lines)
        image.cut()
    finally:
        process.kill()
        process.wait()
        listener.join()
    new_rows = {id_ for kind, *ids in lines[:before] if kind == "J" for id_ in ids}
    new_people = {ids[0] for kind, *ids in lines[:before] if kind == "G"}
    return new_rows, new_people, {id_ for _, *ids in lines[before:] for id_ in ids}


def _restarted(folder: Path) -> list[str]:
    """Have the record look as after a restart of the machine; what is then taken for tampering."""
    if not (folder / head.FILE).exists():
        return []
    vault = open_vault(folder)
    with head.HeadFile(folder, vault).locked() as slot:
        if (record := slot.read()) is not None:
            slot.write(replace(record, boots={}))
    return [one.line for one in integrity.check(folder, vault)]


def _look(folder: Path) -> tuple[set[str], set[str], list[str], float]:
    """Rows that are present, people that are complete, what is torn, and when both files were open."""
    if not folder.exists():
        return set(), set(), [], time.monotonic()
    torn: list[str] = []
    whole: set[str] = set()
    opened = time.monotonic()
    try:
        with closing(Journal(folder / "journal.db")) as journal, closing(Gallery.open(folder, MODEL)) as gallery:
            opened = time.monotonic()
            torn += [problem for problem in (journal.problem, journal.set_aside) if problem is not None]
            people = gallery.people()
            gallery.snapshot()
            whole = {person.id for person in people if person.templates == TEMPLATES}
            torn += [f"{person.id}: {person.templates} templates" for person in people if person.id not in whole]
    except EdgefaceError as error:
        torn.append(f"{folder.name} cannot be opened: {error}")
    return set(rows(folder / "journal.db")), whole, torn + damage(folder), opened
