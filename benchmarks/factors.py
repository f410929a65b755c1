"""What can be learned about a PIN or a code: by the time that a check takes, by trying, and from a stolen data folder.

- time: checks of right, wrong, duress and unknown PINs and codes in random order, with the gallery on the disk and the
  hash that the product uses. The clock is moved on between them, so that no lock and no pause skips the hash.
- rate: wrong PINs at one door, as fast as it takes them, over a week of a simulated clock.
- stolen: hashes per second on one core, and what they mean for whoever has the data folder and its key.

    python -m benchmarks.factors [--rounds 60]
"""

from __future__ import annotations

import argparse
import random
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from edgeface.access.factor_messages import CodeFactor, PinFactor
from edgeface.access.second_factor import FactorVerifier, Presented
from edgeface.core.clock import DAY, SystemClock, thread_cpu
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.security.attempts import MAX_LOCK, DoorAttempts, PersonAttempts
from edgeface.security.pins import CODES_PER_PERSON, COST, StoredPin, slow_hash
from tools import figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.access.factor_messages import ShownFactor

MODEL = "benchmark:00000000"
SALT = b"0123456789abcdef"
SHOWN: dict[str, ShownFactor] = {
    "right PIN": PinFactor("1042", "4711"),
    "duress PIN": PinFactor("1042", "8315"),
    "wrong PIN": PinFactor("1042", "0815"),
    "unknown number": PinFactor("7777", "4711"),
    "right code": CodeFactor("40819273"),
    "unknown code": CodeFactor("40819274"),
}
WEEK = 7
REAL = SystemClock()


@dataclass
class Clock:
    """A clock that is moved by hand."""

    now: float = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def wall(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.now += seconds


def main() -> None:
    """Measure, print the table, and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=60, help="checks of each kind; default: %(default)s")
    options = parser.parse_args()
    lines = [f"| {what} | {value} |" for what, value in (*times(options.rounds), *rates(), *stolen())]
    table = "\n".join(["| what | value |", "|---|---:|", *lines])
    print(table)
    print(figures.save("factors", table))


def times(rounds: int) -> Iterator[tuple[str, str]]:
    """The time of a check by its outcome."""
    clock, taken, worked = Clock(), {what: list[float]() for what in SHOWN}, {what: list[float]() for what in SHOWN}
    with tempfile.TemporaryDirectory() as folder, closing(Gallery.open(Path(folder), MODEL)) as gallery:
        face = np.eye(1, 192, dtype=np.float32)[0]
        gallery.enroll("alice", None, [Template(face, MODEL, "photo", 1.0)], 1.0)
        stored = StoredPin(SALT, slow_hash("4711", SALT), slow_hash("8315", SALT))
        gallery.set_pin("alice", "1042", stored, 1.0)
        gallery.set_code("alice", "40819273", 1.0)
        verifier = FactorVerifier(gallery, clock)
        order = [what for what in SHOWN for _ in range(rounds)]
        random.Random(1).shuffle(order)
        for what in order:
            clock.sleep(MAX_LOCK)
            before, cpu = REAL.monotonic(), thread_cpu()
            verifier.check(Presented("front", SHOWN[what], clock.now))
            worked[what].append(1000 * (thread_cpu() - cpu))
            taken[what].append(1000 * (REAL.monotonic() - before))
    for what in SHOWN:
        for name, each in (("ms", taken[what]), ("CPU ms", worked[what])):
            low, high = np.percentile(each, (10, 90))
            yield f"{what}: {name}, median (10 % to 90 %)", f"{median(each):.1f} ({low:.1f} to {high:.1f})"


def rates() -> Iterator[tuple[str, str]]:
    """How many wrong PINs a door checks."""
    door, checked, now = DoorAttempts(), 0, 0.0
    while now < WEEK * DAY:
        while not door.paused(now):
            door, checked = door.charged(now), checked + 1
        now += 1.0
    yield "wrong PINs over many people that a door checks in a week", f"{checked:,}"
    person, checked, now = PersonAttempts(), 0, 0.0
    while now < WEEK * DAY:
        if not person.locked(now):
            person, checked = person.charged(now), checked + 1
        now += 1.0
    yield "wrong PINs of one person that a door checks in a week", f"{checked:,}"


def stolen() -> Iterator[tuple[str, str]]:
    """What a data folder with its key holds against."""
    each = []
    for n in range(10):
        before = thread_cpu()
        slow_hash(f"{n:08}", SALT)
        each.append(thread_cpu() - before)
    seconds = median(each)
    yield f"one hash ({COST.memory >> 10} MiB, {COST.passes} passes) on one core", f"{1000 * seconds:.0f} ms"
    for digits in (4, 6, 8):
        yield f"all PINs of {digits} digits of one person, one core", duration(seconds * 10**digits)
    for digits in (6, 8):
        people = 10**digits // CODES_PER_PERSON
        yield f"all codes of {digits} digits of everyone, one core", duration(seconds * 10**digits)
        yield f"the first code of {people:,} people of {digits} digits, one core", duration(seconds * CODES_PER_PERSON)


def duration(seconds: float) -> str:
    """A time in the largest unit that it has at least two of."""
    for unit, length in (("years", 365 * DAY), ("days", DAY), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} s"


if __name__ == "__main__":
    main()
