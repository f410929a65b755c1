"""A device that was away for 25 days: it gets who has gone and who is new, and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edgeface.core.clock import thread_cpu
from tests.support.proxy import Proxy
from tools.faults.part import say
from tools.fleet_faults.stage import DAY, but_the_alarm, followed, stage
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from tools.fleet_faults.stage import Stage

_AWAY = 25
_MOST_BYTES, _MOST_SECONDS = 2_000_000, 5.0


def run(options: Options) -> list[Row]:
    """List, be away, follow; the bytes are those on the wire, with TLS, in both directions."""
    people = options.people
    with stage(options.folder) as centre, Proxy(centre.running.server.device_port) as proxy:
        centre.set_back(_AWAY)
        centre.put(range(people))
        device = centre.device(options.folder, port=proxy.port)
        followed(device)
        say(f"{len(device.matched)} people listed")
        _change(centre, people)
        centre.set_back(-_AWAY)
        device.clock.sleep(_AWAY * DAY)
        links, began, cpu = len(proxy.links), time.monotonic(), thread_cpu()
        follower = followed(device)
        seconds, cpu = time.monotonic() - began, thread_cpu() - cpu
        size = sum(len(link.up.took) + len(link.down.gave) for link in proxy.links[links:])
        equal = centre.proof().state == "equal"
        right = device.matched == {f"p-{n}" for n in centre.persons}
        others = but_the_alarm(follower.problems)
        faults = missed(
            at_most_2_MB=size <= _MOST_BYTES,
            within_5_s=seconds <= _MOST_SECONDS,
            digests_equal=equal,
            right_people=right,
            alarm_about_the_erased=others != follower.problems,
        )
        return [
            Row(
                "back after 25 days",
                f"{people:,} people: {people // 2:,} are gone and {people // 10:,} changed; {people // 20:,} new",
                f"{size / 1e6:.2f} MB, {seconds:.1f} s ({cpu:.1f} s CPU of the device) with a new certificate, digests "
                f"{'equal' if equal else 'differ'}",
                "<= 2 MB, <= 5 s, digests equal",
                faults + others,
            )
        ]


def _change(centre: Stage, people: int) -> None:
    began = time.monotonic()
    centre.forget(range(people // 2))
    centre.put(range(people // 2, people // 2 + people // 10), name="Changed")
    centre.put(range(people, people + people // 20))
    say(f"changed at the centre in {time.monotonic() - began:.0f} s")
