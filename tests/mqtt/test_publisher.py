"""The publisher of a device without a broker: what it logs, and what it must not."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.core.clock import SystemClock
from edgeface.core.types import Claim
from edgeface.journal.journal import Journal
from edgeface.mqtt import topics
from edgeface.mqtt.publisher import LogPublisher, names_in_view


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[LogPublisher]:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        yield LogPublisher(journal, SystemClock())


def test_a_claim_is_no_warning_where_no_door_can_be_configured(
    publisher: LogPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        publisher.claim(Claim("porch", 1, 0.0, "alice", 0.9, 0.9, False, 5, 1))
    assert not caplog.records


def test_the_log_has_the_state_and_no_display_name(publisher: LogPublisher, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        publisher.set(topics.PEOPLE.at(camera="porch"), names_in_view(["Alice Example"]))
        publisher.set(topics.STATE, {"uptime": 5})
    assert "Alice" not in caplog.text
    assert "'uptime': 5" in caplog.text
