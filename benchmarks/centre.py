"""What a centre and its database need: memory and CPU with 10,000 people, idle and with changes (`make bench-centre`).

Memory is PSS: what processes share counts once. Devices follow from the same machine; theirs is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.centre.records import Entry
from tests.support.centre_server import SITE
from tests.support.embeddings import unit
from tools.faults.part import say
from tools.fleet_faults.centre_process import centre_process, join_as
from tools.fleet_faults.followers import Followers, cpu
from tools.fleet_faults.stage import BY, MODEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.centre.store import Store
    from tests.support.postgres import Postgres

_BATCH, _CHANGES = 1_000, 10
_ROW = "{:<28}{:>14}{:>14}{:>16}{:>16}"


def main() -> None:
    """Fill a centre, have devices follow, and measure."""
    parser = argparse.ArgumentParser(prog="make bench-centre", description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60, help="to be idle")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, centre_process(Path(name)) as (centre, context):
        print(_ROW.format("", "centre MB", "database MB", "centre CPU", "database CPU"))
        _print("just started", centre.pid, centre.postgres, "", "")
        _fill(context.store, wanted.people)
        folders = [Path(name) / f"door-{n}" for n in range(wanted.devices)]
        for folder in folders:
            join_as(centre, context, folder)
        with Followers(centre.url, folders) as followers:
            followers.wait(context.store.site(SITE).seq)
            time.sleep(5)
            before = _cpu(centre.pid, centre.postgres)
            time.sleep(wanted.seconds)
            used = [
                (now - then) / wanted.seconds
                for now, then in zip(_cpu(centre.pid, centre.postgres), before, strict=True)
            ]
            _print("idle", centre.pid, centre.postgres, *(f"{one:.2%}" for one in used))
            each = [_change(context.store, followers, centre.pid, centre.postgres, n) for n in range(_CHANGES)]
            middle = [statistics.median(column) for column in zip(*each, strict=True)]
            _print("a change", centre.pid, centre.postgres, *(f"{one:.2f} s" for one in middle))
        say(f"{wanted.people} people, {wanted.devices} devices")


def _fill(store: Store, people: int) -> None:
    for start in range(0, people, _BATCH):
        numbers = range(start, min(start + _BATCH, people))
        store.put_all(SITE, [Entry(id=f"p-{n}", name=f"Person {n}", embeddings={MODEL: unit(n)}) for n in numbers], BY)


def _change(store: Store, followers: Followers, pid: int, postgres: Postgres, n: int) -> list[float]:
    before = _cpu(pid, postgres)
    seq = store.put(SITE, Entry(id=f"p-{n}", name=f"Changed {n}", embeddings={MODEL: unit(n)}), BY)
    followers.wait(seq)
    time.sleep(2)
    return [now - then for now, then in zip(_cpu(pid, postgres), before, strict=True)]


def _print(what: str, pid: int, postgres: Postgres, *more: str) -> None:
    print(_ROW.format(what, f"{_memory([pid]):.0f}", f"{_memory(postgres.processes()):.0f}", *more), flush=True)


def _cpu(pid: int, postgres: Postgres) -> tuple[float, float]:
    """CPU seconds so far of the centre, and of the database with those of its processes that have ended."""
    return cpu([pid]), cpu(postgres.processes())


def _memory(processes: Sequence[int]) -> float:
    """Megabytes."""
    texts = (Path(f"/proc/{one}/smaps_rollup").read_text(encoding="utf-8") for one in processes)
    return sum(int(text.split("\nPss:")[1].split()[0]) for text in texts) / 1000


if __name__ == "__main__":
    main()
