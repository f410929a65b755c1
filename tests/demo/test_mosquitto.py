from pathlib import Path

import pytest

from edgeface.core.errors import EdgefaceError
from edgeface.demo import mosquitto
from edgeface.demo.mosquitto import Mosquitto

pytestmark = pytest.mark.broker


def test_it_comes_back_on_the_same_port(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        port = broker.port
        seen = [broker.running]
        broker.kill()
        seen.append(broker.running)
        broker.start()
        broker.pause()
        assert broker.port == port
    broker.stop()
    assert seen == [True, False]
    assert "mosquitto version" in broker.log


def test_a_wrong_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(EdgefaceError, match=r"does not start.*nonsense"):
        Mosquitto(tmp_path, ["nonsense true"]).start()


def test_a_missing_mosquitto_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(mosquitto, "_EXTRA_PATH", ())
    with pytest.raises(EdgefaceError, match="mosquitto is not installed: apt-get install mosquitto"):
        mosquitto.find()
