"""The database is lost, and comes back from backups made before people were forgotten: they stay forgotten."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.centre.context import opened
from edgeface.centre.settings import Database
from tests.support.centre_server import SITE, centre, serving
from tests.support.postgres import Postgres, memory
from tools.faults.part import say
from tools.fleet_faults.backups import DATABASE, POINT, BaseBackup, Dump, PgBackRest
from tools.fleet_faults.stage import Stage, followed, moved
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edgeface.centre.settings import CentreSettings
    from edgeface.core.clock import Clock
    from tests.support.fleet_device import Device
    from tools.fleet_faults.backups import Backup

_FORGOTTEN, _NEW = range(50), 10
_BAR = "0 forgotten matched or listed, numbers above all signed, digests equal"


def run(options: Options) -> list[Row]:
    """Back up in each way, forget, lose the database, and restore each backup in turn."""
    with _place(options.folder) as place:
        backups, server = _server(place)
        try:
            lost = _lose(place, server, backups, options.people)
        finally:
            server.close()
        rows = [_restore(lost, backup) for backup in backups]
    return rows if PgBackRest.PROGRAM.exists() else [*rows, Row("restored, pgbackrest", "", "", _BAR, skipped=True)]


@dataclass
class _Lost:
    """A centre without its database; one device has forgotten what it should, the other has not."""

    place: Path
    settings: CentreSettings
    clock: Clock
    devices: Sequence[Device]
    people: int
    signed: int
    """The highest change number that a device has signed."""
    seconds: dict[str, float]
    """How long each backup took, by its title."""


@contextmanager
def _place(folder: Path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="edgeface-fleet-", dir=memory() or folder))
    place.chmod(0o711)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _server(place: Path) -> tuple[list[Backup], Postgres]:
    """A server that archives its log, and the ways to back it up."""
    folder, archive = place / "backups", place / "archive"
    base, rest = BaseBackup(folder, archive), PgBackRest(folder)
    backups: list[Backup] = [base, *([rest] if rest.PROGRAM.exists() else []), Dump(folder)]
    commands = [f"cp %p {archive}/%f", *([rest.archive_command()] if rest.PROGRAM.exists() else [])]
    server = Postgres(settings=("archive_mode=on", f"archive_command={' && '.join(commands)}"))
    for one in (folder, archive):
        one.mkdir()
        shutil.chown(one, server.root.owner())
    server.start()
    if rest.PROGRAM.exists():
        rest.prepare(server)
    return backups, server


def _lose(place: Path, server: Postgres, backups: Sequence[Backup], people: int) -> _Lost:
    """Back up, forget and enroll, archive everything, and kill the server."""
    with centre(server.create(DATABASE), place) as context, serving(context, place) as running:
        stage = Stage(running, server, context.settings.database.conninfo)
        stage.put(range(people))
        devices = [stage.device(place, name) for name in ("front", "away")]
        for one in devices:
            followed(one)
        seconds = {backup.title: _seconds_of(backup, server) for backup in backups}
        server.execute(f"SELECT pg_create_restore_point('{POINT}')")
        stage.forget(_FORGOTTEN)
        stage.put(range(people, people + _NEW))
        followed(devices[0])
        signed = stage.proof("front").seq
    server.archive_all()
    server.crash()
    return _Lost(place, context.settings, running.clock, devices, people, signed, seconds)


def _seconds_of(backup: Backup, server: Postgres) -> float:
    began = time.monotonic()
    backup.back_up(server)
    return time.monotonic() - began


def _restore(lost: _Lost, backup: Backup) -> Row:
    """Load one backup, do what an administrator does, and have the devices follow."""
    with ExitStack() as stack:
        began = time.monotonic()
        server = backup.restored()
        stack.callback(server.close)
        loaded, began = time.monotonic() - began, time.monotonic()
        database = Database(conninfo=server.conninfo(DATABASE))
        settings = lost.settings.model_copy(update={"database": database})
        with opened(settings, lost.clock, restored=True) as context:
            seq = context.store.site(SITE).seq
        numbered = time.monotonic() - began
        context = stack.enter_context(opened(settings, lost.clock))
        running = stack.enter_context(serving(context, lost.place))
        stage = Stage(running, server, database.conninfo)
        problems = [problem for one in lost.devices for problem in followed(moved(one, stage)).problems]
        forgotten = {f"p-{n}" for n in _FORGOTTEN}
        back = sum(len(forgotten & one.matched) for one in lost.devices)
        back += len(forgotten & {one.id for one in context.store.people(SITE)})
        states = [one.state for one in context.store.proof(SITE).devices]
    saved = lost.seconds[backup.title]
    say(f"{backup.title}: saved {saved:.1f}, loaded {loaded:.1f}, numbered {numbered:.1f} s")
    above, lost.signed = seq > lost.signed, seq
    return Row(
        f"restored, {backup.title}",
        f"{lost.people:,} people; then {len(_FORGOTTEN)} forgotten, {_NEW} new, and the database lost",
        f"{back} forgotten matched or listed; saved in {saved:.1f} s, loaded in {loaded:.1f} s, edgeface centre "
        f"restored in {numbered:.1f} s; {states.count('equal')} of {len(states)} digests equal",
        _BAR,
        missed(forgotten_stay=not back, numbers_above_all_signed=above, digests_equal=set(states) == {"equal"})
        + tuple(problems),
    )
