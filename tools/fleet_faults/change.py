"""Many devices with many people: how soon a change is with all of them."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.centre.records import Entry
from tests.support.centre_server import SITE
from tests.support.embeddings import unit
from tests.support.postgres import memory
from tools.faults.part import say
from tools.fleet_faults.centre_process import centre_process, join_as
from tools.fleet_faults.followers import Followers, cpu
from tools.fleet_faults.stage import BY, MODEL
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.centre.store import Store
    from tools.fleet_faults.followers import Had

_CHANGES, _FORGET_EVERY = 16, 4
_BATCH = 1_000
_MOST_SECONDS = 5.0
_LIST_SECONDS = 1_800.0


def run(options: Options) -> list[Row]:
    """Have all devices list, then change people one at a time."""
    # In memory, if there is room: one disk is not 200.
    place = Path(tempfile.mkdtemp(prefix="edgeface-fleet-", dir=memory() or options.folder))
    try:
        with centre_process(options.folder) as (centre, context):
            store = context.store
            people = [
                Entry(id=f"p-{n}", name=f"Person {n}", embeddings={MODEL: unit(n)}) for n in range(options.people)
            ]
            for start in range(0, len(people), _BATCH):
                store.put_all(SITE, people[start : start + _BATCH], BY)
            folders = [place / f"door-{n}" for n in range(options.devices)]
            for folder in folders:
                join_as(centre, context, folder)
            began = time.monotonic()
            with Followers(centre.url, folders) as followers:
                listed = len(followers.wait(store.site(SITE).seq, _LIST_SECONDS))
                seconds = time.monotonic() - began
                say(f"{listed} devices have listed after {seconds:.0f} s ({followers.cpu():.0f} s CPU)")
                before = [followers.cpu(), cpu([centre.pid])]
                times = [_time(store, followers, n) for n in range(_CHANGES)] if listed == options.devices else []
                used = [followers.cpu() - before[0], cpu([centre.pid]) - before[1]]
            outstanding = len(store.proof(SITE).outstanding)
    finally:
        shutil.rmtree(place)
    return [_row(options, seconds, times, used, outstanding, followers.problems)]


def _row(
    options: Options,
    listed: float,
    times: Sequence[Sequence[Had]],
    used: Sequence[float],
    outstanding: int,
    problems: set[str],
) -> Row:
    written, erased = (
        _p99([one.written for change in times for one in change]),
        _p99([one.committed for change in times[::_FORGET_EVERY] for one in change]),
    )
    last = [max(one.committed for one in change) for change in times]
    faults = missed(
        p99_at_most_5_s=written <= _MOST_SECONDS,
        erased_p99_at_most_5_s=erased <= _MOST_SECONDS,
        all_have_it=sum(map(len, times)) == _CHANGES * options.devices,
        digests_equal=not outstanding,
    )
    each = [1000 * seconds / (_CHANGES * options.devices) for seconds in used]
    return Row(
        "a change with all",
        f"{options.devices} devices x {options.people:,} people, each with follower, gallery and vault; {_CHANGES} "
        "changes, a quarter of them forgotten; everything on this machine",
        f"all had listed after {listed / 60:.0f} min; p99 {written:.1f} s at the doors, {erased:.1f} s until who was "
        f"forgotten is erased; with all {statistics.median(last or [0]):.1f} s (median), "
        f"{max(last, default=0):.1f} (worst); CPU of a change: {each[0]:.0f} ms a device, {each[1]:.0f} ms of the "
        "centre for it",
        "p99 <= 5 s",
        faults + tuple(sorted(problems)),
    )


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.99 * len(values)))] if values else float("inf")


def _time(store: Store, followers: Followers, n: int) -> list[Had]:
    """How long each device took for one change."""
    person = next(one.person for one in store.people(SITE) if one.id == f"p-{n}")
    began = time.monotonic()
    if n % _FORGET_EVERY:
        embeddings = {MODEL: unit(1_000_000 + n)}
        seq = store.put(SITE, Entry(id=f"p-{n}", name=f"Changed {n}", embeddings=embeddings, person=person), BY)
    else:
        seq = store.forget(SITE, person, BY)
    found = [one._replace(written=one.written - began, committed=one.committed - began) for one in followers.wait(seq)]
    if found:
        with_half, with_all = statistics.median(one.written for one in found), max(one.committed for one in found)
        say(f"change {n + 1}: with half {with_half:.2f}, with all {with_all:.2f} s")
    return found
