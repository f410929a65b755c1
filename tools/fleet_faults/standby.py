"""The primary is killed while four writers change people, and its standby is promoted: what waited, and what was lost.

With synchronous replication, nothing that was acknowledged may be lost. Asynchronous replication loses the latest
changes, here those of a time without a connection between the two servers: the keyring is then ahead of the database.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from edgeface.centre.context import KEYRING, opened
from edgeface.centre.records import Entry
from edgeface.core.errors import FleetError
from tests.support.centre_server import SITE, centre, serving
from tests.support.embeddings import unit
from tests.support.postgres import Postgres, memory
from tools.faults.part import say
from tools.fleet_faults.stage import BY, MODEL, Stage, but_the_alarm, doors, followed, moved
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.centre.store import Store
    from tests.support.fleet_device import Device

_WRITERS = 4
_FORGOTTEN = range(20)
_SEEN = range(100)
"""Whose faces are tried at the door."""
_ATTEMPTS = 4
"""To reach the promoted database; each may wait for 10 s."""
_SECONDS_OF_WRITING = 3.0
_SECONDS_TO_PROMOTE = 2.0
"""In which an administrator notices and decides; the figures count from the kill."""


def run(options: Options) -> list[Row]:
    """Try both kinds of replication."""
    people = min(options.people, 1_000)
    return [_kept(options.folder, people), _lost(options.folder, people), machine_lost(options.folder, people)]


@dataclass
class _Pair:
    """A primary with a standby, and the centre that knows both."""

    primary: Postgres
    standby: Postgres
    stage: Stage

    def replicate(self, kind: str) -> None:
        """Wait for the standby at each commit if `kind` is `*`; do not if it is empty."""
        _alter(self.primary, f"ALTER SYSTEM SET synchronous_standby_names TO '{kind}'")

    def cut(self) -> None:
        """The standby gets nothing more, as if the network between the two were away."""
        _alter(self.standby, "ALTER SYSTEM SET primary_conninfo TO ''")
        deadline = time.monotonic() + 20
        while _one(self.primary, "SELECT count(*) FROM pg_stat_replication") and time.monotonic() < deadline:
            time.sleep(0.05)

    def fail_over(self) -> float:
        """Kill the primary, and promote the standby later; returns the monotonic seconds of the kill."""
        killed = time.monotonic()
        self.primary.crash()
        time.sleep(_SECONDS_TO_PROMOTE)
        self.standby.execute("SELECT pg_promote()")
        say(f"promoted after {time.monotonic() - killed:.1f} s")
        return killed


@contextmanager
def pair(folder: Path) -> Iterator[_Pair]:
    """Two servers that replicate asynchronously, and a centre with both in its conninfo."""
    place = Path(tempfile.mkdtemp(prefix="edgeface-fleet-", dir=memory() or folder))
    servers = [Postgres()]
    try:
        primary = servers[0]
        primary.start()
        primary.create("centre")
        standby = Postgres(fill=lambda new: _copy(primary, new))
        servers.append(standby)
        standby.start()
        hosts = ",".join(str(one.root) for one in servers)
        conninfo = f"host={hosts} dbname=centre user=edgeface target_session_attrs=read-write connect_timeout=3"
        with centre(conninfo, place) as context, serving(context, place) as running:
            yield _Pair(primary, standby, Stage(running, primary, conninfo))
    finally:
        for one in servers:
            one.close()
        shutil.rmtree(place)


@dataclass
class _Writers:
    """Threads that change people as an administrator does, and try again after an error."""

    store: Store
    acknowledged: list[tuple[float, int]] = field(default_factory=list)
    """When each change was acknowledged, in monotonic seconds, and its number."""
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> _Writers:
        self._threads += [threading.Thread(target=self._write, args=(n,)) for n in range(_WRITERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def since(self, when: float) -> float:
        """Seconds from a moment to the first acknowledged change after the pause that contains it."""
        times = sorted(at for at, _ in self.acknowledged)
        pauses = [(later - before, later) for before, later in itertools.pairwise(times) if later > when]
        return max(pauses)[1] - when if pauses else float("inf")

    def _write(self, number: int) -> None:
        done = 0
        while not self._ending.is_set():
            entry = Entry(id=f"new-{number}-{done}", name="New", embeddings={MODEL: unit(10_000 * number + done)})
            with suppress(FleetError):
                seq = self.store.put(SITE, entry, BY)
                self.acknowledged.append((time.monotonic(), seq))
                done += 1
            time.sleep(0.02)


def _kept(folder: Path, people: int) -> Row:
    with pair(folder) as servers:
        stage = servers.stage
        stage.put(range(people))
        device = stage.device(folder, "kept")
        followed(device)
        servers.replicate("*")
        with _Writers(stage.store) as writers:
            time.sleep(_SECONDS_OF_WRITING)
            stage.forget(_FORGOTTEN)
            before = doors(device, _SEEN)
            killed = servers.fail_over()
            away = doors(device, _SEEN)
            time.sleep(_SECONDS_OF_WRITING)
        waited = writers.since(killed)
        follower = followed(device)
        known = {one.seq for one in stage.store.history(SITE, 0, 1 << 30)}
        lost = [seq for _, seq in writers.acknowledged if seq not in known]
        equal = stage.proof("kept").state == "equal"
        faults = missed(
            nothing_lost=not lost, digests_equal=equal, doors_as_before=away == before, writing_again=waited < 30,  # noqa: PLR2004
            forgotten_stay=not _matched(device, _FORGOTTEN),
        )  # fmt: skip
    return Row(
        "standby promoted, synchronous",
        f"{people:,} people, {_WRITERS} writers; primary killed, standby promoted {_SECONDS_TO_PROMOTE:.0f} s later; "
        f"{len(writers.acknowledged):,} changes acknowledged",
        f"{len(lost)} lost; enrolling waited {waited:.1f} s, without a restart of the centre; doors as before; digests "
        f"{'equal' if equal else 'differ'}",
        "0 lost, digests equal, doors as before",
        faults + follower.problems,
    )  # fmt: skip


def _lost(folder: Path, people: int) -> Row:
    """The centre runs on with both servers in its conninfo, which docs/fleet-operations.md advises against."""
    with pair(folder) as servers:
        stage = servers.stage
        stage.put(range(people))
        device, away = stage.device(folder, "ahead"), stage.device(folder, "away")
        for one in (device, away):
            followed(one)
        time.sleep(1)
        servers.cut()
        with _Writers(stage.store) as writers:
            time.sleep(_SECONDS_OF_WRITING)
            stage.forget(_FORGOTTEN)
        followed(device)
        signed = stage.proof("ahead").seq
        killed = servers.fail_over()
        refused = _refused(stage)
        # The other device still has them: it gets nothing before the database fits again.
        for one in (device, away):
            followed(one)
        came_back = _matched(device, _FORGOTTEN)
        known = {one.seq for one in stage.store.history(SITE, 0, 1 << 30)}
        lost = [seq for _, seq in writers.acknowledged if seq not in known]
        settings, clock = stage.running.context.settings, stage.running.clock
        stage.running.server.stop()
        began = time.monotonic()
        with opened(settings, clock, restored=True) as context:
            seq = context.store.site(SITE).seq
        restored = time.monotonic() - began
        with opened(settings, clock) as context, serving(context, folder) as running:
            again = Stage(running, servers.standby, stage.conninfo, persons=stage.persons)
            problems: tuple[str, ...] = ()
            for one in (device, away):
                problems += followed(moved(one, again)).problems
                came_back += _matched(one, _FORGOTTEN)
            came_back += len({one.id for one in context.store.people(SITE)} & _ids(_FORGOTTEN))
            equal = [one.state for one in context.store.proof(SITE).devices].count("equal")
        say(f"{time.monotonic() - killed:.0f} s from the kill to equal devices")
    return Row(
        "standby promoted, asynchronous",
        f"{people:,} people; {len(writers.acknowledged):,} changes and {len(_FORGOTTEN)} forgotten while the standby "
        "was cut off, one of two devices had them; primary killed, standby promoted, edgeface centre restored",
        f"{len(lost):,} changes lost; the centre {'refuses' if refused else 'takes'} others until it is restored, in "
        f"{restored:.1f} s; {came_back} forgotten matched or listed; {equal} of 2 digests equal",
        "refused until restored, 0 forgotten matched, numbers above all signed, digests equal",
        missed(
            changes_were_lost=bool(lost), refused_until_restored=refused, forgotten_stay=not came_back,
            numbers_above_all_signed=seq > signed,
            digests_equal=equal == 2,  # noqa: PLR2004 - both
        )
        + but_the_alarm(problems),
    )  # fmt: skip


def machine_lost(folder: Path, people: int) -> Row:
    """The first machine is lost with its disks: left are the standby, the second copy of the keyring, and a backup."""
    place = folder / "second-machine"
    with pair(folder) as servers:
        stage = servers.stage
        stage.put(range(people))
        device = stage.device(folder, "follows")
        followed(device)
        servers.replicate("*")
        # The backup of the centre's folder has the authority, and nothing that changes with people.
        shutil.copytree(stage.folders[0], place / "data", ignore=shutil.ignore_patterns(KEYRING))
        stage.forget(_FORGOTTEN)
        stage.put(range(people, people + len(_FORGOTTEN)))
        settings, clock, last = stage.running.context.settings, stage.running.clock, stage.store.site(SITE).seq
        stage.running.server.stop()
        for copy in (place / "second", place / "data" / KEYRING):
            shutil.copytree(settings.keyring, copy)
        began = servers.fail_over()
        settings = settings.model_copy(update={"data": place / "data", "keyring": place / "second"})
        with opened(settings, clock) as context, serving(context, folder) as running:
            started = time.monotonic() - began
            follower = followed(moved(device, Stage(running, servers.standby, stage.conninfo)))
            seq = context.store.site(SITE).seq
            equal = context.store.proof(SITE).outstanding == ()
            back = _matched(device, _FORGOTTEN) + len({one.id for one in context.store.people(SITE)} & _ids(_FORGOTTEN))
    return Row(
        "first of two machines lost",
        f"{people:,} people; left are a synchronous standby, the second copy of the keyring, and an older backup of "
        "the centre's folder without the keyring",
        f"{last - seq} changes lost; {back} forgotten matched or listed; the second machine serves after "
        f"{started:.1f} s; digests {'equal' if equal else 'differ'}",
        "0 lost, 0 forgotten matched, digests equal",
        missed(nothing_lost=seq == last, forgotten_stay=not back, digests_equal=equal) + follower.problems,
    )


def _refused(stage: Stage) -> bool:
    """Whether the centre refuses a change in the promoted database, and says why, once it has connected to it."""
    for _ in range(_ATTEMPTS):
        try:
            stage.put([_FORGOTTEN.stop], name="Changed")
        except FleetError as error:
            say(str(error))
            if "does not answer" not in str(error):
                return "edgeface centre restored" in str(error)
        else:
            break
    return False


def _matched(device: Device, numbers: range) -> int:
    """How many of them are matched at the device, by anyone's template."""
    return len(device.matched & _ids(numbers))


def _ids(numbers: range) -> set[str]:
    return {f"p-{n}" for n in numbers}


def _copy(primary: Postgres, new: Postgres) -> None:
    new.run("pg_basebackup", "-h", primary.root, "-U", "edgeface", "-D", new.data, "-X", "stream", "-c", "fast", "-R")


def _alter(server: Postgres, statement: str) -> None:
    server.execute(statement)
    server.execute("SELECT pg_reload_conf()")
    time.sleep(0.5)


def _one(server: Postgres, query: str) -> int:
    with psycopg.connect(server.conninfo("postgres")) as connection:
        row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0
