import itertools
import logging
import os
import ssl
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edgeface.core import systemd
from edgeface.core.installed import container
from edgeface.demo.mosquitto import Mosquitto
from tests.support.broker import Listener
from tests.support.connections import Connections
from tests.support.web import _enrolled, _outcomes, client, context, server, stage  # noqa: F401 - fixtures

with suppress(ImportError):
    from playwright.sync_api import expect

    # Milliseconds; on a busy machine, the default of 5 s is short.
    expect.set_options(timeout=20_000)

with suppress(ImportError):
    # GStreamer loads system libraries with which matplotlib crashes, unless its own were loaded before.
    import matplotlib.ft2font  # noqa: F401


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, since many tests wait; 4 at most, since some measure time."""
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put files with GStreamer last, and the longest ones first where processes share them (pytest --dist=loadfile).

    GStreamer loads system libraries with which mediapipe crashes, if it is imported after them.
    """
    files = defaultdict[Path, list[pytest.Item]](list)
    for item in items:
        files[item.path].append(item)
    shared = config.getoption("dist", "no") != "no"
    ordered = sorted(files.values(), key=_weight, reverse=True) if shared else list(files.values())
    with_gstreamer = [members for members in ordered if any(map(_needs_gstreamer, members))]
    others = [members for members in ordered if members not in with_gstreamer]
    items[:] = itertools.chain.from_iterable([*others, *with_gstreamer])


def _needs_gstreamer(item: pytest.Item) -> bool:
    return item.get_closest_marker("needs_gstreamer") is not None


def _weight(members: list[pytest.Item]) -> tuple[float, int]:
    """Seconds of the slow tests, a mark of a whole file counted once, and how many tests there are."""
    marks = {id(mark): mark for item in members if (mark := item.get_closest_marker("slow")) is not None}
    return sum(mark.kwargs["seconds"] for mark in marks.values()), len(members)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Undo what a daemon or a verb sets for the log of the whole process.

    Its handler writes to the standard error of one test, which is closed when that test ends.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _no_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts are those of a machine, wherever the tests run."""
    monkeypatch.setattr(container, "ROOT", Path("/nonexistent"))
    for name in ("container", "KUBERNETES_SERVICE_HOST", systemd.HEALTH):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def connections() -> Iterator[Connections]:
    """Watches SQLite's connections; at the end of the session all must be closed."""
    watcher = Connections()
    with watcher.watched(), watcher.all_closed():
        yield watcher


@pytest.fixture(autouse=True)
def _every_connection_is_closed(connections: Connections) -> Iterator[None]:
    """Fails the very test that leaves a connection open, unless a fixture of a wider scope has made it."""
    with connections.all_closed():
        yield


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
