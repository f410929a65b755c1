"""A device that asks too much is told to wait, and no other one notices."""

import http.client
import threading
from contextlib import closing

import pytest

from edgeface.centre.devices import limits
from edgeface.centre.devices.limits import AT_A_TIME, DeviceLimits
from edgeface.centre.tables import proposals
from edgeface.fleet.messages import PREFIX, Proposal, Refused, Renewal, Rows
from edgeface.web.http.problems import Problem
from tests.support.broker import until
from tests.support.centre import MODEL, entry
from tests.support.centre_server import SITE, Running, exchanged
from tests.support.clock import FixedClock

CHANGES = f"/sites/{SITE}/changes?model={MODEL}&after="


def test_only_a_few_requests_of_a_device_are_served_at_a_time(running: Running) -> None:
    front, back = running.device("front"), running.device("back")
    found: list[int] = []

    def wait(connection: http.client.HTTPSConnection) -> None:
        with closing(connection):
            found.append(exchanged(connection, "GET", f"{CHANGES}0&wait=20")[0])

    threads = [threading.Thread(target=wait, args=(front.connection(),)) for _ in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    until(lambda: running.server.waiting == AT_A_TIME)
    with closing(front.connection()) as connection:
        connection.request("GET", f"{PREFIX}/sites/{SITE}/epoch")
        answer = connection.getresponse()
        detail = Refused.read(answer.read()).detail
    assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
    assert detail == "3 requests of this device are served already: retry in 5 s"
    assert back.ask("GET", f"{CHANGES}0")[0] == 200
    running.context.store.put(SITE, entry(1), "admin")
    for thread in threads:
        thread.join()
    assert found == [200] * AT_A_TIME
    assert front.ask("GET", f"{CHANGES}0")[0] == 200


def test_a_device_that_lists_in_a_loop_is_stopped(running: Running) -> None:
    front, back = running.device("front"), running.device("back")
    path = f"/sites/{SITE}/snapshot?model={MODEL}"
    with closing(front.connection()) as connection:
        found = [exchanged(connection, "GET", path)[0] for _ in range(32)]
        assert found == [200] * 30 + [429] * 2
        # It may follow, and list again after a while.
        assert exchanged(connection, "GET", f"{CHANGES}0")[0] == 200
        running.clock.sleep(120)
        assert [exchanged(connection, "GET", path)[0] for _ in range(2)] == [200, 429]
    assert back.ask("GET", path)[0] == 200


def test_a_new_certificate_is_no_new_allowance(running: Running) -> None:
    front = running.device("front")
    renewal = Renewal(request=front.csr()).packed()
    with closing(front.connection()) as connection:
        found = [exchanged(connection, "POST", "/renew", renewal)[0] for _ in range(11)]
    assert found == [200] * 10 + [429]


def test_more_proposals_than_may_wait_are_for_later(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposals, "MOST_WAITING", 1)
    front = running.device("front")
    running.context.store.put(SITE, entry(1), "admin")
    (row,) = Rows.read(front.ask("GET", f"/sites/{SITE}/snapshot?model={MODEL}")[1]).rows
    found = []
    for number in range(2):
        made = Proposal(number=bytes([number]) * 16, person=row.person, seq=1, epoch=0, forget=True)
        found.append(front.ask("POST", f"/sites/{SITE}/proposals", made.packed()))
    assert [status for status, _ in found] == [200, 429]
    assert "1 proposals of front wait for an admin" in Refused.read(found[1][1]).detail


@pytest.mark.parametrize("kind", limits.RATES)
def test_each_rate_is_for_one_device_and_comes_back(kind: limits.Kind) -> None:
    clock, rate = FixedClock(), limits.RATES[kind]
    counted = DeviceLimits(clock)
    for _ in range(rate.burst):
        counted.spend(kind, "front")
    with pytest.raises(Problem, match=f"too many {kind} of this device"):
        counted.spend(kind, "front")
    counted.spend(kind, "back")
    clock.sleep(rate.seconds)
    counted.spend(kind, "front")
    with pytest.raises(Problem):
        counted.spend(kind, "front")


def test_a_refused_request_is_not_counted_as_running() -> None:
    counted = DeviceLimits(FixedClock())
    for _ in range(10):
        with pytest.raises(KeyError), counted.one(b"front"):
            raise KeyError
    assert not counted._running
