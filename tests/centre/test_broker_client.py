"""The centre at a real broker and a real database: every row once, whatever stops, and nothing for hostile messages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.centre.mqtt import audit_topic
from edgeface.centre.mqtt.broker_client import BrokerClient
from edgeface.core.clock import SystemClock
from edgeface.mqtt.connection import Message
from edgeface.mqtt.settings import Mqtt
from tests.support.audit_rows import match
from tests.support.broker import Listener, until
from tests.support.centre import SITE, Centre, entry
from tests.support.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.demo.mosquitto import Mosquitto

pytestmark = pytest.mark.broker
AUDIT = "edgeface/front/audit"
ROWS = 300


@contextmanager
def at_broker(centre: Centre, broker: Mosquitto, **settings: Any) -> Iterator[BrokerClient]:
    """The centre's thread at the broker."""
    made = BrokerClient(Mqtt(port=broker.port, **settings), centre.conninfo, centre.store, SystemClock())
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def device(broker: Mosquitto, listen: Callable[..., Listener]) -> Listener:
    """A client that publishes as a device does."""
    return listen(broker, "nothing")


@pytest.fixture
def joined(centre: Centre) -> Centre:
    centre.joined("front")
    return centre


def stored(centre: Centre) -> list[int]:
    """The numbers of the stored rows, the earliest first; a row that is there twice appears twice."""
    with centre.store._database.reading() as transaction:
        rows = transaction.execute("SELECT id FROM events ORDER BY at, id").fetchall()
    known = {match(n)["id"]: n for n in range(ROWS)}
    return [known[id_] for (id_,) in rows]


def test_rows_are_stored_once_and_hostile_ones_are_counted(joined: Centre, broker: Mosquitto, device: Listener) -> None:
    with at_broker(joined, broker) as client:
        until(lambda: client.connected)
        for row in (match(1), match(2), match(1)):
            device.publish(AUDIT, json.dumps(row))
        device.publish("edgeface/back/audit", json.dumps(match(3, device="back")))
        device.publish(AUDIT, "not json")
        device.publish(AUDIT, json.dumps(match(4)), retain=True)
        device.publish(AUDIT, "x" * 20_000)
        device.publish(AUDIT, json.dumps(match(5)))
        until(lambda: client.counts["stored"] == 3)
        assert dict(client.counts) == {"stored": 3, "repeated": 1, "refused": 1, "unreadable": 2}
        assert stored(joined) == [1, 2, 5]
        assert client.problem is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"v":1}',
        b"[" * 9_000,
        json.dumps(match(1, v=True)).encode(),
        json.dumps(match(1, v=2)).encode(),
        json.dumps(match(1, device="back")).encode(),
        json.dumps(match(1, device=None)).encode(),
        json.dumps(match(1, id="01")).encode(),
        json.dumps(match(1, id="Z" * 26)).encode(),
        json.dumps(match(1, id=7)).encode(),
        json.dumps(match(1, event_type="Match'); DROP TABLE events; --")).encode(),
        json.dumps(match(1, event_type=["match"])).encode(),
        json.dumps(match(1, person="../alice")).encode(),
        json.dumps(match(1, camera=["porch"])).encode(),
        json.dumps(match(1, door={})).encode(),
        json.dumps(match(1, score=float("nan"))).encode(),
        json.dumps(match(1)).replace("0.7123", "1e999").encode(),
        json.dumps(match(1, name="\ud800")).encode(),
        json.dumps(match(1)).replace("0.7123", "1" * 5_000).encode(),
        json.dumps(match(1, deep=[[[[[[[[[]]]]]]]]])).encode(),
    ],
)
def test_a_message_that_no_device_writes_is_no_row(payload: bytes) -> None:
    assert audit_topic.read("edgeface", Message(AUDIT, payload, retained=False)) is None


@pytest.mark.parametrize(
    "topic", ["edgeface/front/porch/audit", "edgeface/Front/audit", "edgeface//audit", "other/front/audit", "audit"]
)
def test_the_device_is_that_of_the_topic(topic: str) -> None:
    payload = json.dumps(match(1)).encode()
    assert audit_topic.read("edgeface", Message(topic, payload, retained=False)) is None
    assert audit_topic.read("edgeface", Message(AUDIT, payload, retained=True)) is None
    row = audit_topic.read("edgeface", Message(AUDIT, payload, retained=False))
    assert row is not None
    assert (row.device, row.kind, row.person, json.loads(row.facts)) == ("front", "match", "alice", match(1))


def test_every_row_is_stored_once_though_the_database_is_killed(
    tmp_path: Path, broker: Mosquitto, device: Listener
) -> None:
    server = Postgres(fsync=True)
    server.start()
    try:
        with Centre.make(server.create("killed"), tmp_path) as centre:
            centre.joined("front")
            with at_broker(centre, broker) as client:
                until(lambda: client.connected)
                for n in range(ROWS):
                    device.publish(AUDIT, json.dumps(match(n)))
                    if n in {50, 200}:
                        server.crash()
                    if n in {150, 250}:
                        server.start()
                until(lambda: client.counts["stored"] + client.counts["repeated"] >= ROWS, 30)
                until(lambda: stored(centre) == list(range(ROWS)), 10)
    finally:
        server.close()


def test_every_row_is_stored_once_though_the_centre_is_killed(
    conninfo: str, tmp_path: Path, broker: Mosquitto, device: Listener
) -> None:
    config = tmp_path / "centre.yaml"
    config.write_text(
        f"names: [localhost]\ndatabase: {{conninfo: '{conninfo}'}}\ndata: {tmp_path}/data\nkeyring: {tmp_path}/second\n"
        f"devices: {{host: 127.0.0.1, port: 0}}\nadmins: {{port: 0}}\nmqtt: {{port: {broker.port}}}\n"
    )
    run = [sys.executable, "-m", "edgeface.cli", "centre", "--config", str(config)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([*run, "init"], check=True, env=environment, capture_output=True)
    log = tmp_path / "log"

    def serve() -> subprocess.Popen[bytes]:
        with log.open("wb") as file:
            made = subprocess.Popen([*run, "serve"], stderr=file, env=environment)
        until(lambda: "connected to the broker" in log.read_text() or made.poll() is not None, 30)
        assert made.poll() is None, log.read_text()
        return made

    with Centre(conninfo, (tmp_path / "data" / "keyring", tmp_path / "second"), SystemClock()) as centre:  # type: ignore[arg-type]
        centre.store.add_site(SITE)
        centre.joined("front")
        served = serve()
        try:
            for n in range(ROWS):
                device.publish(AUDIT, json.dumps(match(n)))
                if n == 100:
                    served.kill()
                    served.wait()
                if n == 200:
                    served = serve()
            until(lambda: stored(centre) == list(range(ROWS)), 20)
            served.terminate()
            assert served.wait(20) == 0
        finally:
            served.kill()
            served.wait()
    assert "Traceback" not in log.read_text()
    assert not re.search("alice|Unmistakable", log.read_text(), re.IGNORECASE)


def test_of_two_centres_one_is_at_the_broker_and_the_other_goes_on(
    joined: Centre, broker: Mosquitto, device: Listener
) -> None:
    with at_broker(joined, broker) as first:
        until(lambda: first.connected)
        with at_broker(joined, broker) as second:
            device.publish(AUDIT, json.dumps(match(1)))
            until(lambda: stored(joined) == [1])
            assert not second.connected
            assert second.problem is None
            first._stopping.set()
            first._waker.wake()
            until(lambda: not first.connected)
            device.publish(AUDIT, json.dumps(match(2)))
            until(lambda: second.counts["stored"] == 1, 10)
            assert stored(joined) == [1, 2]


def test_the_change_number_of_each_site_is_retained_at_the_broker(
    joined: Centre, broker: Mosquitto, listen: Callable[..., Listener]
) -> None:
    joined.store.put(SITE, entry(1), "admin")
    with at_broker(joined, broker, prefix="home/faces") as client:
        until(lambda: client.connected)
        early = listen(broker, "home/faces/sites/+/seq")
        until(lambda: early.payloads(f"home/faces/sites/{SITE}/seq")[-1:] == [b"1"])
        joined.store.put(SITE, entry(2), "admin")
        until(lambda: early.payloads(f"home/faces/sites/{SITE}/seq")[-1:] == [b"2"])
        joined.store.add_site("annex")
        joined.store.put("annex", entry(3), "admin")
        until(lambda: early.payloads("home/faces/sites/annex/seq")[-1:] == [b"1"])
    late = listen(broker, f"home/faces/sites/{SITE}/seq")
    until(lambda: [(one.payload, one.retained) for one in late.heard] == [(b"2", True)])


def test_a_broker_that_is_away_is_a_problem_until_it_is_back(joined: Centre, broker: Mosquitto) -> None:
    broker.stop()
    with at_broker(joined, broker) as client:
        until(lambda: client.problem is not None)
        assert not client.connected
        broker.start()
        until(lambda: client.connected, 10)
        assert client.problem is None
