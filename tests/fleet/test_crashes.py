"""A process that is killed between two steps leaves the old people or the new ones, and the next start finishes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeface.people import trace_search
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from tests.support.fleet_device import Device

ROOT = Path(__file__).parents[2]
CHILD = """
import os, signal, sys
from pathlib import Path
from edgeface.config.configuration import Configuration, Fleet
from edgeface.faces.embedder import embedder_name
from edgeface.fleet.device.follower import Follower
from edgeface.security.vault import open_vault
from contextlib import ExitStack
from tests.support.clock import FixedClock

data, url, wall, step = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
configuration = Configuration(device="front", data=data, fleet=Fleet(centres=(url,)))

def killed(name):
    if name == step:
        os.kill(os.getpid(), signal.SIGKILL)

follower = Follower(
    lambda: configuration, open_vault(data), embedder_name(configuration.embedder.model), FixedClock(epoch=wall),
    synced=lambda: True, wait=0.0, step=killed,
)
with ExitStack() as stack:
    book, applier = follower._opened(stack)
    follower.round(book, applier)
    follower._client.close()
"""


def killed(device: Device, step: str) -> None:
    """Do one round in a process that is killed at this step."""
    arguments = [str(device.data), device.centre.url, str(device.clock.wall()), step]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CHILD, *arguments], env=environment, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("step", "new"), [("marked", False), ("written", True), ("erased", True), ("committed", True)])
def test_killed_at_a_step(device: Device, step: str, new: bool) -> None:  # noqa: FBT001 - a column of the table
    alice, bob = device.centre.put("alice", unit(1)), device.centre.put("bob", unit(2))
    device.done()
    with device.gallery() as gallery:
        terms = trace_search.terms(gallery, ["alice"], 0.6)
    device.centre.forget(alice)
    device.centre.put("bob", unit(3), bob, name="Robert")
    device.centre.put("carol", unit(4))
    killed(device, step)
    assert device.matched == ({"bob", "carol"} if new else {"alice", "bob"})
    with device.gallery() as gallery:
        assert gallery.person("bob").name == ("Robert" if new else "Bob")
    device.done()
    assert device.matched == device.stored == {"bob", "carol"}
    assert trace_search.search(device.data, terms)[1] == []
    assert device.centre.proposals == []
    assert device.centre.asked.count("GET snapshot") == 1


def test_killed_while_someone_arrives_they_are_not_matched_without_a_lease(device: Device) -> None:
    device.centre.put("alice", unit(1))
    killed(device, "written")
    assert (device.stored, device.matched) == ({"alice"}, set())
    device.centre.refuse |= dict.fromkeys(("changes", "snapshot", "epoch"), 503)
    with device.opened():
        assert device.matched == set()
    device.rounds()
    assert device.stored == set()


def test_killed_before_the_erasure_of_who_is_no_longer_matched_it_is_done_without_the_centre(device: Device) -> None:
    device.centre.put("bob", unit(2))
    alice = device.centre.put("alice", unit(1))
    device.done()
    device.centre.forget(alice)
    killed(device, "erased")
    with device.gallery() as gallery:
        # As if the erasure itself had been cut off.
        gallery.begin_erasure()
    device.centre.refuse |= {"changes": 503, "snapshot": 503}
    device.rounds()
    assert device.stored == {"bob"}
    with device.gallery() as gallery:
        assert not gallery.unfinished
    device.centre.refuse.clear()
    device.done()
    assert device.centre.receipts[-1].count == 1
