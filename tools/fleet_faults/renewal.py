"""A device that was away for 40 days: its lease and its certificate are over, and one command brings it back."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from edgeface.centre.authority import DEVICE_DAYS
from tests.support.proxy import Proxy
from tools.faults.part import say
from tools.faults.site import ROOT
from tools.fleet_faults.stage import DAY, followed, stage
from tools.fleet_faults.step import Options, Row, missed

if TYPE_CHECKING:
    from tests.support.fleet_device import Device

_AWAY = 40
_MOST_BYTES = 10 * 1024 * 1024
_HOLDS = 30.0
"""Seconds for which the certificate still holds when the device joins: TLS goes by the machine's own clock."""


def run(options: Options) -> list[Row]:
    """List, let lease and certificate end, start, join again by the command, list."""
    with stage(options.folder) as centre, Proxy(centre.running.server.device_port) as proxy:
        centre.put(range(options.people))
        centre.set_back(DEVICE_DAYS - _HOLDS / DAY)
        joined = time.monotonic()
        device = centre.device(options.folder, port=proxy.port)
        centre.set_back(_AWAY - DEVICE_DAYS)
        device.clock.epoch = centre.running.clock.wall()
        followed(device)
        before = len(device.matched)
        say(f"{before} people listed")
        time.sleep(max(0.0, joined + _HOLDS + 2 - time.monotonic()))
        centre.set_back(-_AWAY)
        device.clock.sleep(_AWAY * DAY)
        follower = followed(device, 2)
        empty, problems = not device.matched, follower.problems
        say(f"before the command: {len(device.matched)} matched; {'; '.join(problems)}")
        said = _command(device)
        links, began = len(proxy.links), time.monotonic()
        problems = followed(device).problems
        seconds = time.monotonic() - began
        size = sum(len(link.up.took) + len(link.down.gave) for link in proxy.links[links:])
        equal, back = centre.proof().state == "equal", len(device.matched) == options.people
        faults = missed(
            people_before=before == options.people, no_one_matched_before_the_command=empty,
            certificate_renewed=not said, at_most_10_MiB=size <= _MOST_BYTES, digests_equal=equal,
            everyone_matched_after_it=back,
        )  # fmt: skip
        return [
            Row(
                "back after 40 days",
                f"{options.people:,} people; the certificate of 30 days and the lease are over",
                f"{'no one' if empty else 'someone'} matched before edgeface fleet join --again; "
                f"then the whole list, {size / 1048576:.2f} MiB, {seconds:.1f} s, digests "
                f"{'equal' if equal else 'differ'}",
                "no one matched before, list <= 10 MiB",
                faults + problems,
            )
        ]


def _command(device: Device) -> str:
    """Join again as an administrator does; returns what went wrong."""
    config = device.data.parent / "config.yaml"
    config.write_text(
        f"device: front\ndata: {device.data}\nfleet: {{centres: [{device.centre.url}]}}\nserve: {{}}\n", "utf-8"
    )
    words = ("fleet", "join", device.centre.url, device.centre.code(), "--again", "--config", str(config))
    done = subprocess.run(
        [sys.executable, "-m", "edgeface.cli", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    say(" ".join((done.stdout + done.stderr).split()))
    return done.stderr if done.returncode else ""
