"""People who were forgotten: no file of centre, standby, backups or devices has a readable byte of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from edgeface.core.sqlite import reading_only
from edgeface.fleet.facts import to_mean
from edgeface.gallery.snapshot import to_blob
from tests.support.embeddings import unit
from tools.faults.part import say
from tools.fleet_faults.stage import followed, stage
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.fleet_device import Device
    from tools.fleet_faults.stage import Stage

_PEOPLE, _FORGOTTEN = 300, 60
_SAMPLE = 24
"""Bytes of a longer text that are sought: a part that is overwritten elsewhere is found as well."""


def run(options: Options) -> list[Row]:
    """Copy the database twice, before and after people are forgotten, and search all there is."""
    folder, numbers = options.folder, range(_FORGOTTEN)
    with stage(folder) as centre:
        for n in range(_PEOPLE):
            centre.put([n], id=f"marvin-the-{n}th", name=f"Marvin Paranoid-{n}", groups=(f"androids-{n}",))
        devices = [centre.device(folder, name) for name in ("front", "back")]
        for device in devices:
            followed(device)
        keys = list(centre.running.context.store._keyring.keys_of([centre.persons[n] for n in numbers]).values())  # noqa: SLF001 - no one else may see a key
        rows = [row for device in devices for row in _rows(device)]
        control = _readable(_files(*centre.folders), keys)
        _copies(centre, folder / "before")
        centre.forget(numbers)
        for device in devices:
            followed(device)
        centre.postgres.execute("CHECKPOINT")
        _copies(centre, folder / "after")
        kept = {row for device in devices for row in _rows(device)}
        plain = [text for n in numbers for text in _plain(n)]
        places = {
            "the centre's folders": _files(*centre.folders),
            "database and WAL": centre.postgres.files(),
            "standby and dump from before": _files(folder / "before"),
            "standby and dump": _files(folder / "after"),
            "devices": _files(*(device.data for device in devices)),
        }
        found = {name: _readable(files, keys + plain) for name, files in places.items()}
        found["devices"] += _readable(places["devices"], [row for row in rows if row not in kept])
        left = [device.configuration.device for device in devices if len(device.stored) != _PEOPLE - _FORGOTTEN]
        equal = not centre.store.proof("tower").outstanding
    say(f"keys found before: {control}; readable now: {found}; sealed rows sought: {len(rows) - len(kept)}")
    total = sum(found.values())
    files = sum(len(one) for one in places.values())
    return [
        Row(
            "forgotten",
            f"{_FORGOTTEN} of {_PEOPLE} people; {files} files of the centre, database and WAL, two standbys, two dumps "
            "and two devices",
            f"{total} readable: keys, ids, names, groups, templates (and {control} of {2 * _FORGOTTEN} keys before)",
            "0 readable bytes",
            missed(
                nothing_readable=not total, search_finds_keys_before=control == 2 * _FORGOTTEN, devices_right=not left,
                signed_by_all=equal,
            ),
        )
    ]  # fmt: skip


def _plain(n: int) -> Iterable[bytes]:
    """What a person is known by, in each form that anything writes."""
    face = unit(n)
    yield from (f"marvin-the-{n}th".encode(), f"Marvin Paranoid-{n}".encode(), f"androids-{n}".encode())
    yield from (to_mean(face)[:_SAMPLE], to_mean(face)[-_SAMPLE:], to_blob(face)[:_SAMPLE], to_blob(face)[-_SAMPLE:])


def _readable(files: Iterable[Path], texts: Iterable[bytes]) -> int:
    """How often any of the texts is in the files."""
    sought = list(texts)
    found = 0
    for file in files:
        data = file.read_bytes()
        found += sum(text in data for text in sought)
    return found


def _files(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]


def _rows(device: Device) -> set[bytes]:
    """The sealed rows of gallery.db and fleet.db: what the device's own key would open."""
    found: set[bytes] = set()
    for name in ("gallery.db", "fleet.db"):
        with closing(reading_only(device.data / name)) as db:
            for table in ("people", "templates"):
                try:
                    found |= {row for (row,) in db.execute(f"SELECT sealed FROM {table}") if row is not None}  # noqa: S608 - two names
                except sqlite3.OperationalError:
                    continue
    return found


def _copies(centre: Stage, folder: Path) -> None:
    """What a standby begins with, and a backup."""
    folder.mkdir(mode=0o700)
    centre.postgres.tool("pg_basebackup", "-D", folder / "standby", "-X", "stream", "-c", "fast")
    centre.postgres.tool("pg_dump", "-f", folder / "dump.sql", "centre")
