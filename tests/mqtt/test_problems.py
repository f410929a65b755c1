import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.core.clock import SystemClock
from edgeface.demo.mosquitto import Mosquitto, free_port
from edgeface.journal.journal import Journal
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.problems import Backoff
from edgeface.mqtt.settings import Mqtt
from tests.support.broker import until
from tests.support.clock import FixedClock
from tests.support.proxy import Proxy
from tests.support.slack import Slack


def pauses(clock: FixedClock, count: int, took: float) -> Iterator[float]:
    backoff = Backoff(clock)
    for _ in range(count):
        backoff.begin()
        clock.now += took
        pause = backoff.pause()
        yield pause
        clock.now += pause


@pytest.mark.parametrize("took", [0.0, 0.5, 3.0])
def test_an_hour_of_attempts_is_no_storm_and_never_far_apart(took: float) -> None:
    clock = FixedClock()
    given = list(pauses(clock, 1000, took))
    assert all(pause >= 0.75 for pause in given)
    assert max(took + pause for pause in given[5:]) <= 4.0
    assert clock.now / 1000 >= 3.0, "three seconds apart on average"
    assert given[0] <= 1.0
    assert len({round(pause, 6) for pause in given[5:]}) > 900, "two devices do not come back at the same moment"


def test_a_good_connection_that_ends_is_tried_again_soon() -> None:
    clock = FixedClock()
    backoff = Backoff(clock)
    for _ in range(6):
        backoff.begin()
        backoff.pause()
    backoff.begin()
    clock.now += 3600
    assert backoff.pause() <= 1.0
    backoff.begin()
    assert backoff.pause() <= 2.0


@pytest.mark.broker
@pytest.mark.slow(seconds=6)
def test_a_broker_that_comes_back_is_found_within_five_seconds(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    # The port is closed until the proxy passes.
    with Mosquitto(tmp_path) as broker, Proxy(broker.port) as proxy:
        proxy.refuse()
        publisher = MqttPublisher(Mqtt(port=proxy.port), "front", SystemClock(), journal, on_enabled=lambda *_: None)
        threads = threading.active_count() + 2
        publisher.start()
        until(lambda: publisher.counters()["failures"] >= 3, 12)
        assert threading.active_count() <= threads
        proxy.passes()
        began = time.monotonic()
        with Slack() as slack:
            until(lambda: publisher.connected, 6)
        assert time.monotonic() - began <= 5 + slack.late
        publisher.close()
    journal.close()


@pytest.mark.broker
def test_the_first_connection_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    journal = Journal(tmp_path / "journal.db")
    with Mosquitto(tmp_path) as broker:
        publisher = MqttPublisher(Mqtt(port=broker.port), "front", SystemClock(), journal, on_enabled=lambda *_: None)
        publisher.start()
        until(lambda: publisher.connected)
        publisher.close()
    journal.close()
    lines = [one.getMessage() for one in caplog.records if "connected to the broker" in one.getMessage()]
    assert lines == [f"connected to the broker 127.0.0.1:{broker.port}, plaintext"]


def test_a_closed_port_is_reported_in_one_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    port = free_port()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", port))
        publisher = MqttPublisher(Mqtt(port=port), "front", SystemClock(), journal, on_enabled=lambda *_: None)
        publisher.start()
        until(lambda: publisher.problem is not None)
        assert publisher.problem == f"the broker 127.0.0.1:{port} cannot be reached: Connection refused"
        publisher.close()
    journal.close()
