"""What the tests of the whole chain share."""

import json
import secrets
import threading
from collections.abc import Callable, Iterator

import pytest

from edgeface.demo.mosquitto import Mosquitto
from tests.support.broker import Listener

DOOR = "edgeface/doors/front-door"


@pytest.fixture
def door(broker: Mosquitto, listen: Callable[..., Listener]) -> Iterator[Listener]:
    """A listener on everything, while the front door publishes a nonce twice a second."""
    listener, done = listen(broker, "edgeface/#"), threading.Event()

    def publish() -> None:
        while not done.wait(0.5):
            listener.client.publish(f"{DOOR}/challenge", json.dumps({"nonce": secrets.token_urlsafe(18), "boot": "d1"}))

    thread = threading.Thread(target=publish)
    thread.start()
    yield listener
    done.set()
    thread.join()
