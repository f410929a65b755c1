"""A broker that has no MQTT 5 is told so in one sentence: in the log, the state of the publisher, and the doctor."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from edgeface.core.clock import SystemClock
from edgeface.doctor.broker import findings
from edgeface.journal.journal import Journal
from edgeface.mqtt import advice
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt
from tests.config.test_loader import SMALLEST
from tests.support.broker import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LEVEL = 8
"""Where a CONNECT has the version of the protocol: 4 is 3.1.1, 5 is 5."""


class OldBroker:
    """Speaks MQTT 3.1.1 only: it answers version 5 with return code 1 (3.2.2.3), or with nothing at all."""

    def __init__(self, *, answers: bool, old: bool = True) -> None:
        self._answers, self._old = answers, old
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.levels: list[int] = []
        self.heard = b""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with peer:
                packet = peer.recv(1000)
                self.heard += packet
                self.levels.append(packet[_LEVEL] if len(packet) > _LEVEL else 0)
                if self.levels[-1] == 4 and self._old:
                    peer.sendall(b"\x20\x02\x00\x05")  # not authorised: it asks for a password, and speaks 3.1.1
                elif self._answers:
                    peer.sendall(b"\x20\x02\x00\x01")

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture(params=[True, False], ids=["return code 1", "closes"])
def old(request: pytest.FixtureRequest) -> Iterator[OldBroker]:
    broker = OldBroker(answers=request.param)
    yield broker
    broker.close()


def sentence(port: int) -> str:
    return (
        f"the broker 127.0.0.1:{port} does not speak MQTT 5, which edgeface needs: update it (mosquitto 1.6,"
        " RabbitMQ 3.13 or newer), or use another"
    )


def test_a_broker_without_mqtt_5_is_told_so(old: OldBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path / "journal.db")
    publisher = MqttPublisher(Mqtt(port=old.port), "front", SystemClock(), journal, on_enabled=lambda *_: None)
    publisher.start()
    until(lambda: publisher.problem is not None)
    assert publisher.problem == sentence(old.port)
    assert publisher.facts()["mqtt"]["problem"] == sentence(old.port)
    assert sentence(old.port) in caplog.text
    publisher.close()
    journal.close()


def test_the_doctor_says_it_too(old: OldBroker) -> None:
    from edgeface.config import loader

    configuration = loader.parse(f"{SMALLEST}mqtt: {{port: {old.port}}}\n".encode(), "c")
    finding = next(one for one in findings(configuration) if one.what == "broker")
    assert (finding.mark, finding.says, finding.remedy) == ("bad", sentence(old.port), advice.OLD_MQTT)


def test_the_question_has_no_name_and_no_password(tmp_path: Path) -> None:
    """What closes every connection may be no broker: it learns what every client of its port tells."""
    broker = OldBroker(answers=False, old=False)
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    secret.chmod(0o600)
    journal = Journal(tmp_path / "journal.db")
    settings = Mqtt(port=broker.port, username="front", password_file=secret)
    publisher = MqttPublisher(settings, "front", SystemClock(), journal, on_enabled=lambda *_: None)
    publisher.start()
    until(lambda: publisher.problem is not None)
    assert "may not support MQTT 5" in str(publisher.problem)
    publisher.close()
    journal.close()
    broker.close()
    assert 4 in broker.levels
    assert broker.heard.count(b"hunter2") == broker.levels.count(5)
