"""A broker that stalls, dies and comes back, and a network that fails: nothing arrives late, and nothing is lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tools.faults.part import Options, Row, say
from tools.faults.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LONG = 12.0
_BETWEEN = (4.0, 12.0)
_BYTES = 300.0

Fault = tuple[str, "Callable[[], None]", "Callable[[], None]"]
"""Its name, what starts it, and what ends it."""


def run(options: Options) -> Row:
    """Let each fault last for 12 s, at random moments of the clip; then wait until the audit topic has caught up."""
    with Site(options.folder / "stalls") as site:
        site.enroll_demo()
        site.start()
        missed: set[str] = set()
        faults = [fault for _ in range(options.stalls) for fault in _faults(site)]
        for number, (name, begin, end) in enumerate(faults):
            time.sleep(options.dice.uniform(*_BETWEEN))
            begin()
            time.sleep(_LONG)
            end()
            if not site.alive:
                raise RuntimeError(f"the daemon died of a {name}")
            if end == site.broker.start:
                # A broker acknowledges messages without subscribers: those before our listener was back reach no one.
                time.sleep(2)
                missed |= {id_ for id_, said in site.rows().items() if said} - site.listener.ids()
            say(f"{number + 1} of {len(faults)}, {name}: {len(site.listener.received)} messages received")
        return _row(site, options, missed)


def _faults(site: Site) -> Iterator[Fault]:
    yield "stalled broker", site.broker.pause, site.broker.resume
    yield "stalled network", site.proxy.stall, site.proxy.passes
    yield "dead uplink", lambda: site.proxy.half_open("up"), site.proxy.passes
    yield "dead downlink", lambda: site.proxy.half_open("down"), site.proxy.passes
    yield "trickle", lambda: site.proxy.trickle(_BYTES, "up"), site.proxy.passes
    yield "dead broker", site.broker.kill, site.broker.start


def _row(site: Site, options: Options, missed: set[str]) -> Row:
    books = site.settle(frozenset(missed))
    for message in books.late:
        say(f"late: a {message.kind} after {message.after:.1f} s")
    received = site.listener.received
    afterwards = sum(message.audit and message.after is not None for message in received)
    say(f"{len(books.there)} rows, {len(missed)} acknowledged by a broker without subscribers")
    return Row(
        "broker away",
        f"{options.stalls} times 12 s each: broker stalled, network stalled, dead up or down, trickling, broker killed",
        len(books.lost),
        len(books.late),
        len(books.torn),
        f"{len(books.there)} rows; {sum(not m.audit for m in received)} events received in time, "
        f"{afterwards} later as audit",
        books.faults,
    )
