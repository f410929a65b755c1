"""Writers at the centre that are killed, with a database that is killed: what a follower then has.

`prove` runs as many changes as wanted; `make test` runs 5,000 of them.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import psycopg

from edgeface.centre.keys.keyring import Keyring
from edgeface.centre.records import Entry
from edgeface.centre.store import Store
from edgeface.core.errors import FleetError, GoneError
from edgeface.fleet import digest
from tests.support.centre import MODEL, embedding
from tests.support.postgres import Postgres

SITES = ("house", "tower")
BATCH = 10
"""The number of people that a writer enrolls or changes in one call."""
if TYPE_CHECKING:
    from collections.abc import Iterator

Change = tuple[str, int, bytes]
"""Site, number and person."""


@dataclass
class Outcome:
    """What came of it; `lost`, `twice` and `wrong` are empty when all is well."""

    acknowledged: int = 0
    unacknowledged: int = 0
    """Changes in the table that no writer was told of, since it or the database was killed."""
    writers_killed: int = 0
    database_killed: int = 0
    seconds: float = 0.0
    lost: list[Change] = field(default_factory=list)
    """Acknowledged, and not in the table or not read by the follower."""
    twice: list[Change] = field(default_factory=list)
    """Read twice by the follower, or acknowledged twice."""
    wrong: list[str] = field(default_factory=list)
    """Digests that are not that of the table, and keys or rows that stand alone."""


class Follower(threading.Thread):
    """Follows one site by number, as a device does."""

    def __init__(self, store: Store, site: str) -> None:
        super().__init__()
        self.store, self.site = store, site
        self.seq = 0
        self.seen: list[Change] = []
        self.people: dict[bytes, int] = {}
        self.digest: str | None = None
        self.until: int | None = None
        """The number at which it ends, once that is known."""

    def run(self) -> None:
        while self.until is None or self.seq < self.until:
            with suppress(FleetError):
                self._read()
                self.store.wait(self.site, self.seq, 0.5)

    def _read(self) -> None:
        rows = self.store.changes(self.site, MODEL, self.seq)
        assert rows is not None
        for row in rows.rows:
            self.seen.append((self.site, row.seq, row.person))
            if row.key is None:
                self.people.pop(row.person, None)
            else:
                self.people[row.person] = row.seq
        self.seq, self.digest = rows.seq, rows.digest


class Writers:
    """Processes that change people as fast as they can; one that is killed is replaced."""

    def __init__(self, conninfo: str, folders: tuple[Path, Path], folder: Path, count: int) -> None:
        self._command = [sys.executable, "-m", __name__, conninfo, *map(str, folders)]
        self._folder = folder
        self._made = 0
        self._running: list[subprocess.Popen[bytes]] = []
        self._files: list[Path] = []
        for _ in range(count):
            self._start()

    def _start(self) -> None:
        path = self._folder / f"writer-{self._made}"
        with path.open("wb") as file, path.with_suffix(".log").open("wb") as log:
            self._running.append(subprocess.Popen([*self._command, str(self._made)], stdout=file, stderr=log))
        self._files.append(path)
        self._made += 1

    def kill_one(self, chance: random.Random) -> None:
        """Kill any writer, and start another."""
        process = self._running.pop(chance.randrange(len(self._running)))
        process.kill()
        process.wait()
        self._start()

    def end(self) -> None:
        """Kill them all."""
        for process in self._running:
            process.kill()
        for process in self._running:
            process.wait()

    def count(self) -> int:
        """Changes acknowledged so far; raises AssertionError if a writer has ended by itself."""
        logs = [path.with_suffix(".log").read_text()[-2000:] for path in self._files]
        assert [process.args for process in self._running if process.poll() is not None] == [], logs
        return sum(path.read_bytes().count(b"\n") for path in self._files)

    def acknowledged(self) -> list[Change]:
        """All changes of which a writer was told; a killed one may have left half a line."""
        lines = [line for path in self._files for line in path.read_text().split("\n")[:-1]]
        return [(site, seq, bytes.fromhex(person)) for site, seq, person in map(json.loads, lines)]


def prove(folder: Path, changes: int, *, writers: int = 8, kills: int = 6, seed: int = 1) -> Outcome:
    """Make `changes` changes; kill a writer `kills` times meanwhile, and every third time the database too."""
    chance, outcome, start = random.Random(seed), Outcome(), time.monotonic()
    server = Postgres(folder, fsync=True)
    try:
        server.start()
        conninfo = server.create("centre")
        folders = folder / "first", folder / "second"
        Keyring.create(*folders)
        with closing(Keyring(*folders)) as keyring, closing(Store(conninfo, keyring)) as store:
            store.migrate()
            for site in SITES:
                store.add_site(site)
            followers = [Follower(store, site) for site in SITES]
            for follower in followers:
                follower.start()
            at_work = Writers(conninfo, folders, folder, writers)
            try:
                _disturb(server, at_work, outcome, chance, changes, kills)
            finally:
                at_work.end()
                with suppress(FleetError):
                    store.migrate()
                for follower in followers:
                    follower.until = store.site(follower.site).seq
                    follower.join()
            outcome.seconds = time.monotonic() - start
            _judge(outcome, at_work.acknowledged(), followers, store, keyring, conninfo)
    finally:
        server.close()
    return outcome


def _disturb(
    server: Postgres, writers: Writers, outcome: Outcome, chance: random.Random, changes: int, kills: int
) -> None:
    for kill in range(1, kills + 1):
        while writers.count() < changes * kill / kills:
            time.sleep(chance.uniform(0.05, 0.15))
        writers.kill_one(chance)
        outcome.writers_killed += 1
        if kill % 3 == 1:
            server.crash(immediate=outcome.database_killed % 2 == 1)
            server.start()
            outcome.database_killed += 1
    while writers.count() < changes + BATCH:
        time.sleep(0.05)


def _judge(
    outcome: Outcome,
    acknowledged: list[Change],
    followers: list[Follower],
    store: Store,
    keyring: Keyring,
    conninfo: str,
) -> None:
    with psycopg.connect(conninfo) as connection:
        table = connection.execute("SELECT site, seq, person FROM changes").fetchall()
        rows = connection.execute("SELECT site, person, seq FROM people WHERE NOT gone").fetchall()
    seen = [change for follower in followers for change in follower.seen]
    latest = {(site, person): seq for site, seq, person in sorted(seen)}
    # A follower gets the latest of each person: an earlier change counts as read with it.
    read = {change for change in acknowledged if change[1] <= latest.get((change[0], change[2]), 0)}
    outcome.lost = sorted(set(acknowledged) - (set(table) & read))
    outcome.twice = [change for found in (seen, acknowledged) for change, times in Counter(found).items() if times > 1]
    outcome.acknowledged, outcome.unacknowledged = len(acknowledged), len(set(table) - set(acknowledged))
    for follower in followers:
        site = store.site(follower.site)
        expected = digest.to_hex(
            digest.of(site.site, [(person, seq) for home, person, seq in rows if home == site.site])
        )
        own = digest.to_hex(digest.of(site.site, follower.people.items()))
        if {expected} != {own, follower.digest, digest.to_hex(site.digest)}:
            outcome.wrong.append(f"{site.site}: digest")
        if sorted(seq for name, seq, _ in table if name == site.site) != list(range(1, site.seq + 1)):
            outcome.wrong.append(f"{site.site}: numbers are missing")
        if [seq for _, seq, _ in follower.seen] != sorted({seq for _, seq, _ in follower.seen}):
            outcome.wrong.append(f"{site.site}: read out of order")
    if keyring.keys().keys() != {person for _, person, _ in rows}:
        outcome.wrong.append("keys and rows differ")


def _work(store: Store, number: int, out: IO[bytes]) -> None:
    """Change people until killed; a change is told of once the store has returned."""
    chance, names = random.Random(number), itertools.count()
    people: dict[str, dict[bytes, str]] = {site: {} for site in SITES}
    while True:
        site = chance.choice(SITES)
        with suppress(GoneError):
            try:
                done = _step(store, site, people[site], chance, f"w{number}", names)
            except FleetError:
                time.sleep(0.05)
            else:
                told = [json.dumps([site, seq, person.hex()]) + "\n" for person, seq in done.items()]
                out.write("".join(told).encode())
                out.flush()


def _step(
    store: Store, site: str, mine: dict[bytes, str], chance: random.Random, writer: str, names: Iterator[int]
) -> dict[bytes, int]:
    """Enroll a few people, change a few, or forget one; returns the number of each one's change."""
    if len(mine) > BATCH and chance.random() < 0.2:
        person = chance.choice(list(mine))
        mine.pop(person)
        return {person: store.forget(site, person, writer)}
    if len(mine) < 2 * BATCH:
        people = {os.urandom(16): f"{writer}-{next(names)}" for _ in range(BATCH)}
        mine.update(people)
        embeddings = {MODEL: embedding(1)}
    else:
        people = {person: mine[person] for person in chance.sample(list(mine), BATCH)}
        embeddings = {}
    entries = [
        Entry(id=one, name=f"{one} {chance.random()}", embeddings=embeddings, person=person)
        for person, one in people.items()
    ]
    return dict(zip(people, store.put_all(site, entries, writer), strict=True))


if __name__ == "__main__":
    with closing(Keyring(Path(sys.argv[2]), Path(sys.argv[3]))) as opened:
        _work(Store(sys.argv[1], opened, connections=1), int(sys.argv[4]), sys.stdout.buffer)
