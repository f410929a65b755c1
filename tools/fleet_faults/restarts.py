"""The centre's process and its database are killed while people change: real devices then have what it has."""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from edgeface.centre.records import Entry
from edgeface.core.errors import EdgefaceError
from tests.support.centre_server import SITE
from tests.support.embeddings import unit
from tools.faults.part import say
from tools.fleet_faults.centre_process import CentreProcess, centre_process, join_as
from tools.fleet_faults.followers import Followers
from tools.fleet_faults.stage import BY, MODEL
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from edgeface.centre.store import Store

_DEVICES, _KILLS = 4, 12
_SECONDS = (1.0, 4.0)


def run(options: Options) -> list[Row]:
    """Change people from one process, kill the other and the database in turn, then compare what devices signed."""
    dice = random.Random(options.seed)
    folders = [options.folder / f"door-{n}" for n in range(_DEVICES)]
    with centre_process(options.folder) as (centre, context):
        for folder in folders:
            join_as(centre, context, folder)
        with Followers(centre.url, folders) as followers:
            done, ending = [0], threading.Event()
            writer = threading.Thread(target=_write, args=(context.store, dice, done, ending))
            writer.start()
            for kill in range(_KILLS):
                time.sleep(dice.uniform(*_SECONDS))
                _kill(centre, database=kill % 3 == 2)  # noqa: PLR2004 - every third time
                say(f"kill {kill + 1}: {done[0]} changes")
            ending.set()
            writer.join()
            seq = context.store.site(SITE).seq
            have = len(followers.wait(seq, 120))
            time.sleep(2)
        states = [one.state for one in context.store.proof(SITE).devices]
    equal = states.count("equal")
    return [
        Row(
            "centre and database killed",
            f"{_KILLS} kills of edgeface centre serve, every third time with the database; {done[0]:,} changes, "
            f"{_DEVICES} devices",
            f"{have} devices have the last change, {equal} digests equal",
            "every device equal",
            missed(last_change_everywhere=have == _DEVICES, digests_equal=equal == _DEVICES),
        )
    ]


def _write(store: Store, dice: random.Random, done: list[int], ending: threading.Event) -> None:
    while not ending.is_set():
        n = dice.randrange(300)
        with suppress(EdgefaceError):
            known = next((one for one in store.people(SITE) if one.id == f"p-{n}"), None)
            if known is not None and dice.random() < 1 / 3:
                store.forget(SITE, known.person, BY)
            else:
                embeddings = {MODEL: unit(dice.randrange(1 << 30))}
                store.put(SITE, Entry(id=f"p-{n}", name=f"Person {n}", embeddings=embeddings), BY)
            done[0] += 1
        time.sleep(0.02)


def _kill(centre: CentreProcess, *, database: bool) -> None:
    centre.kill()
    if database:
        centre.postgres.crash()
        time.sleep(0.5)
        centre.postgres.start()
    centre.start()
