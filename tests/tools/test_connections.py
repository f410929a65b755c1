"""The guard of tests/conftest.py finds connections that stay open."""

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.support import connections as support
from tests.support.connections import Connections


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "PATIENCE", 0.05)


def test_a_connection_that_is_left_open_is_named_with_the_line_that_made_it(
    connections: Connections, tmp_path: Path
) -> None:
    here = r"opened at tests/tools/test_connections\.py:\d+ in test_a_connection_that_is_left_open"
    with pytest.raises(AssertionError, match=here), connections.all_closed():
        _left = sqlite3.connect(tmp_path / "left.db")


def test_one_that_is_left_to_the_garbage_collector_counts(connections: Connections) -> None:
    with pytest.raises(AssertionError, match="left open"), connections.all_closed():
        sqlite3.connect(":memory:").execute("SELECT 1")


def test_one_of_another_thread_counts(connections: Connections) -> None:
    def work() -> None:
        sqlite3.connect(":memory:", check_same_thread=False)

    def elsewhere() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    with pytest.raises(AssertionError, match="in work"), connections.all_closed():
        elsewhere()


def test_a_connection_that_is_closed_or_was_there_before_is_none_of_it(
    connections: Connections, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(":memory:")), connections.all_closed():
        with closing(sqlite3.connect(tmp_path / "closed.db")) as closed:
            closed.execute("CREATE TABLE a (b)")
        with suppress(sqlite3.OperationalError):
            sqlite3.connect(tmp_path / "no-such-folder" / "x.db")


def test_a_thread_that_is_ending_is_waited_for(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "PATIENCE", 10.0)
    with connections.all_closed():
        late = sqlite3.connect(":memory:", check_same_thread=False)
        timer = threading.Timer(0.05, late.close)
        timer.start()
    timer.join()
