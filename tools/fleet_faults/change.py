"""Many devices with many people: how soon a change is with all of them.

A few have a gallery, which takes up every change as on a real device. All others do what the centre and the network
see of a device: they check the rows, compare the digest and sign receipts.
"""

from __future__ import annotations

import shutil
import statistics
import time
from typing import TYPE_CHECKING

from edgeface.centre.records import Entry
from tests.support.centre_server import SITE
from tests.support.embeddings import unit
from tools.faults.part import say
from tools.fleet_faults.centre_process import centre_process, join_as
from tools.fleet_faults.followers import Followers, cpu
from tools.fleet_faults.stage import BY, MODEL
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeface.centre.store import Store

_CHANGES, _FORGET_EVERY = 16, 4
_BATCH = 1_000
_MOST_SECONDS = 5.0


def run(options: Options) -> list[Row]:
    """List on one device, copy its folder for the others, which join under their own names; then change people."""
    with centre_process(options.folder) as (centre, context):
        store = context.store
        people = [Entry(id=f"p-{n}", name=f"Person {n}", embeddings={MODEL: unit(n)}) for n in range(options.people)]
        for start in range(0, len(people), _BATCH):
            store.put_all(SITE, people[start : start + _BATCH], BY)
        names = [f"door-{n}" for n in range(options.devices)]
        folders = [options.folder / name for name in names]
        join_as(centre, context, folders[0])
        with Followers(centre.url, folders[:1]) as first:
            first.wait(store.site(SITE).seq)
        say("the first device has listed")
        for n, folder in enumerate(folders[1:], start=1):
            if n < options.galleries:
                shutil.copytree(folders[0], folder)
            join_as(centre, context, folder, again=True)
        began = time.monotonic()
        with Followers(centre.url, folders) as followers:
            followers.wait(store.site(SITE).seq)
            listed = time.monotonic() - began
            say(f"{len(folders)} devices follow after {listed:.0f} s")
            before = [followers.cpu(), cpu([centre.pid])]
            times = [_time(store, followers, n) for n in range(_CHANGES)]
            used = [followers.cpu() - before[0], cpu([centre.pid]) - before[1]]
        proof = store.proof(SITE)
    return [_row(options, listed, times, used, len(proof.outstanding), followers.problems)]


def _row(
    options: Options,
    listed: float,
    times: Sequence[Sequence[float]],
    used: Sequence[float],
    outstanding: int,
    problems: set[str],
) -> Row:
    each = sorted(second for change in times for second in change)
    last = [max(change) for change in times]
    p99 = each[min(len(each) - 1, round(0.99 * len(each)))]
    faults = missed(
        p99_at_most_5_s=p99 <= _MOST_SECONDS,
        all_have_it=len(each) == _CHANGES * options.devices,
        digests_equal=not outstanding,
    )
    return Row(
        "a change with all",
        f"{options.devices} devices x {options.people:,} people, {options.galleries} of them with a gallery; "
        f"{_CHANGES} changes, a quarter of them forgotten; everything on this machine",
        f"all follow after {listed:.0f} s; p50 {statistics.median(each):.1f}, p99 {p99:.1f} s; with all "
        f"{statistics.median(last):.1f} s (median), {max(last):.1f} (worst); CPU for each: "
        f"{used[0] / len(times):.2f} s at the devices, {used[1] / len(times):.2f} s at the centre",
        "p99 <= 5 s",
        faults + tuple(sorted(problems)),
    )


def _time(store: Store, followers: Followers, n: int) -> list[float]:
    """Seconds until each device has one change."""
    person = next(one.person for one in store.people(SITE) if one.id == f"p-{n}")
    began = time.monotonic()
    if n % _FORGET_EVERY:
        embeddings = {MODEL: unit(1_000_000 + n)}
        seq = store.put(SITE, Entry(id=f"p-{n}", name=f"Changed {n}", embeddings=embeddings, person=person), BY)
    else:
        seq = store.forget(SITE, person, BY)
    found = [at - began for at in followers.wait(seq)]
    say(f"change {n + 1}: with half {statistics.median(found):.2f}, with all {max(found):.2f} s")
    return found
