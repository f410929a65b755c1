"""kill -9 of the daemon at random moments, with a broker that sometimes stalls and people being enrolled."""

from __future__ import annotations

import statistics
import subprocess
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.imaging import photos
from edgeface.imaging.opencv import cv2
from tools.faults.part import Options, Row, say
from tools.faults.site import ROOT, Site, damage

if TYPE_CHECKING:
    import random
    from pathlib import Path

_PERSON = "eileen"
_LIFE = (0.5, 14.0)
_START = 2.0


@dataclass(slots=True)
class Tally:
    """The result of the kills."""

    starts: list[float] = field(default_factory=list)
    stalls: int = 0
    seen: set[str] = field(default_factory=set)
    """Ids that were in the journal after any kill."""
    enrolled: int = 0
    """Enrollments whose command reported success."""
    cut_short: int = 0
    gone: int = 0
    """Enrollments that were reported as done but are missing."""
    torn: list[str] = field(default_factory=list)
    templates: int = 0
    """The person's templates at the last check."""


def run(options: Options) -> Row:
    """Kill, start, check; at the end everything in the journal must have been received."""
    tally = Tally()
    with Site(options.folder / "kills") as site:
        site.enroll_demo()
        pictures = _pictures(options.folder)
        for number in range(options.kills):
            tally.starts.append(site.start())
            _live(site, options.dice, tally, pictures, at_an_event=number % 2 == 1)
            site.kill()
            site.broker.resume()
            tally.torn += damage(site.data)
            tally.seen |= set(site.rows())
            say(
                f"kill {number + 1} of {options.kills}: {len(site.rows())} rows, {len(site.listener.received)} messages"
            )
        tally.starts.append(site.start())
        return _row(site, options, tally)


def _row(site: Site, options: Options, tally: Tally) -> Row:
    books = site.settle()
    vanished = tally.seen - books.there
    told = len(site.listener.ids(audit=False))
    usual, slowest = statistics.median(tally.starts), max(tally.starts)
    say(f"in the journal {len(books.there)}, vanished {len(vanished)}; slowest start {slowest:.2f} s")
    faults = [f"{len(vanished)} rows vanished from the journal"] if vanished else []
    faults += [f"{tally.gone} enrollments gone"] if tally.gone else []
    # The median, so that other work on the machine does not decide.
    faults += [f"starting takes {usual:.1f} s"] if usual > _START else []
    return Row(
        "kill -9",
        f"{options.kills} kills of the daemon, {tally.stalls} with the broker stalled, half at the moment of an event; "
        f"{tally.enrolled} enrollments done, {tally.cut_short} killed",
        len(vanished | books.lost) + tally.gone,
        len(books.late),
        len(tally.torn) + len(books.torn),
        f"{len(books.there)} rows, {told} events received in time; "
        f"ready again in {usual:.1f} s, at most {slowest:.1f} s",
        (*faults, *tally.torn, *books.faults),
    )


def _live(site: Site, dice: random.Random, tally: Tally, pictures: list[Path], *, at_an_event: bool) -> None:
    """One life of the daemon: for a while or until an event arrives, with a stall and an enrollment in between."""
    before = len(site.listener.received)
    stalled = not at_an_event and dice.random() < 0.6  # noqa: PLR2004 - more often than not
    life, stall = dice.uniform(*_LIFE), dice.uniform(0, 6)
    enrollment = threading.Thread(target=_enroll, args=(site, dice, tally, pictures))
    enrollment.start()
    if at_an_event:
        # Nothing may come between the event and the kill.
        enrollment.join()
    began = time.monotonic()
    if stalled:
        tally.stalls += 1
        time.sleep(min(stall, life))
        site.broker.pause()
    while time.monotonic() < began + life and not (at_an_event and _new_event(site, before)):
        time.sleep(0.001)
    enrollment.join()


def _new_event(site: Site, before: int) -> bool:
    return any(not received.audit for received in site.listener.received[before:])


def _enroll(site: Site, dice: random.Random, tally: Tally, pictures: list[Path]) -> None:
    """Replace a person's templates with a different number of them, and perhaps kill the command midway."""
    count = dice.choice([n for n in range(1, len(pictures) + 1) if n != tally.templates])
    again = ["--again"] if tally.templates else []
    photos = [str(picture) for picture in pictures[:count]]
    command = site.command("enroll", "--config", str(site.config), *again, _PERSON, *photos)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        _, said = process.communicate(timeout=dice.choice([120.0, dice.uniform(0.3, 2.5)]))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        tally.cut_short += 1
        said = ""
    there = _templates(site)
    if process.returncode == 0:
        tally.enrolled += 1
        tally.gone += there != count
    elif process.returncode > 0:
        tally.torn.append(f"an enrollment was refused: {said.strip()}")
    elif there not in {tally.templates, count}:
        tally.torn.append(f"an enrollment of {count} templates left {there}")
    tally.templates = there


def _templates(site: Site) -> int:
    with closing(Gallery.open(site.data, embedder_name(None))) as gallery:
        return next((person.templates for person in gallery.people() if person.id == _PERSON), 0)


def _pictures(folder: Path) -> list[Path]:
    """One photograph at several sizes, each giving one template of the same person."""
    image = photos.load(ROOT / "tests" / "data" / "astronaut.jpg")
    paths = []
    for percent in (100, 90, 80, 70):
        path = folder / f"eileen-{percent}.jpg"
        small = cv2.resize(image, None, fx=percent / 100, fy=percent / 100, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(path), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        paths.append(path)
    return paths
