"""The broker of the trial, and a subscriber to its events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgeface.core.clock import SystemClock
from edgeface.demo.mosquitto import free_port
from edgeface.demo.subscriber import Subscriber
from tools.image.container import BROKER, NETWORK
from tools.image.podman import mosquitto, podman
from tools.steps import until

if TYPE_CHECKING:
    from pathlib import Path


class Broker:
    """mosquitto in a container of its own, and a subscriber on this machine."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._subscriber: Subscriber | None = None

    def __enter__(self) -> Broker:
        self._folder.mkdir(parents=True, exist_ok=True)
        settings = self._folder / "mosquitto.conf"
        settings.write_text("listener 1883\nallow_anonymous true\n")
        _remove()
        podman("network", "create", NETWORK)
        options = ["--publish", f"127.0.0.1:{self.port}:1883", "--network", NETWORK]
        options += ["--volume", f"{settings}:/mosquitto.conf:ro"]
        command = ("/usr/sbin/mosquitto", "-c", "/mosquitto.conf")
        podman("run", "--detach", "--name", BROKER, *options, mosquitto(), *command)
        file = self._folder / "events.jsonl"
        self._subscriber = Subscriber(self.port, "edgeface/+/+/event", file, SystemClock(), lambda _: None)
        until(self._subscribed, 60, "the broker answers", every=1)
        return self

    def __exit__(self, *_: object) -> None:
        if self._subscriber is not None:
            self._subscriber.stop()
        _remove()

    def _subscribed(self) -> bool:
        try:
            return self._subscriber is not None and self._subscriber.start()
        except OSError:
            return False

    def match(self, seconds: float = 60) -> str:
        """Wait for a new match; returns who it names."""
        events = self._subscriber.events if self._subscriber is not None else []
        known = len(events)

        def matched() -> list[str]:
            return [one.wire["person"] for one in events[known:] if one.wire["event_type"] == "match"]

        until(matched, seconds, "a match arrives at the broker")
        return matched()[0]

    def topic(self, name: str) -> str:
        """The retained message of a topic; empty if there is none within two seconds."""
        done = podman("exec", BROKER, "mosquitto_sub", "-t", name, "-C", "1", "-W", "2", check=False)
        return done.stdout.strip()

    def state(self) -> dict[str, Any]:
        """The retained state of the device."""
        text = self.topic("edgeface/edgeface/state")
        found: dict[str, Any] = json.loads(text) if text else {}
        return found


def _remove() -> None:
    podman("rm", "--force", "--time", "1", "--ignore", BROKER)
    podman("network", "rm", "--force", NETWORK, check=False)
