import itertools
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgeface.demo.mosquitto import Mosquitto
from tests.support.broker import Listener
from tests.support.web import _enrolled, _outcomes, client, server, site, stage  # noqa: F401 - fixtures


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Makes started brokers, each with its own lines for mosquitto.conf; all are stopped afterwards."""
    brokers: list[Mosquitto] = []

    def make(*options: str) -> Mosquitto:
        folder = tmp_path / f"broker-{len(brokers)}"
        folder.mkdir()
        broker = Mosquitto(folder, options)
        brokers.append(broker)
        broker.start()
        return broker

    yield make
    for broker in brokers:
        broker.stop()


@pytest.fixture
def broker(make_broker: Callable[..., Mosquitto]) -> Mosquitto:
    """A started mosquitto on a free loopback port that lets everybody in."""
    return make_broker()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Makes subscribers of a broker: listen(broker, "edgeface/#")."""
    listeners: list[Listener] = []
    names = itertools.count()

    def make(
        broker: Mosquitto,
        *topics: str,
        user: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Listener:
        listener = Listener(broker.port, topics, name=f"listener-{next(names)}", user=user, tls=tls)
        listeners.append(listener)
        return listener

    yield make
    for listener in listeners:
        listener.close()


@pytest.fixture
def python() -> str:
    """The interpreter of the tests, for children that are killed."""
    return sys.executable
