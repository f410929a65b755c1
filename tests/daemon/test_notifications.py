"""What happens in a daemon becomes a notification."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.cameras.capture import CaptureState, Status
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.core.clock import SystemClock
from edgeface.daemon.notifications import AwayCameras, Notifications
from edgeface.journal.database import noted
from edgeface.security.vault import Vault, VaultKey
from tests.support.broker import until
from tests.support.http_receiver import Receiver, receiver

CONFIG = """\
cameras: {{porch: {{type: opencv, source: 0}}}}
notify:
  targets: {{house: {{type: webhook, url: "{url}", secret_env: HOUSE_SECRET, allow_local: true}}}}
  rules: [{{to: [house], kinds: [refused, duress, integrity, replayed], pause: 0}}]
"""

VAULT = Vault(VaultKey("file", bytes(32)))


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def configuration(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    monkeypatch.setenv("HOUSE_SECRET", "a secret")
    return loader.parse(CONFIG.format(url=hook.url).encode(), "config.yaml")


def state(status: Status) -> CaptureState:
    error = "delivers no image" if status == "offline" else None
    return CaptureState(status, 0, 0, 0.0, 0, 0, None, error)


def titles(hook: Receiver) -> list[str]:
    return [one.json["title"] for one in hook.received]


def test_a_camera_that_is_away_for_long_is_reported_once_and_once_when_it_is_back() -> None:
    away = AwayCameras()
    offline, online = ("camera_offline", "porch", "delivers no image"), ("camera_online", "porch", None)
    for now, status, reported in (
        (0.0, "offline", []),
        (29.9, "offline", []),
        (29.95, "online", []),
        (40.0, "offline", []),
        (70.0, "offline", [offline]),
        (100.0, "offline", []),
        (110.0, "online", [online]),
        (111.0, "online", []),
        (120.0, "offline", []),
        (150.0, "offline", [offline]),
        (160.0, "disabled", []),
        (170.0, "online", []),
    ):
        assert away.take({"porch": state(status)}, now) == reported, now  # type: ignore[arg-type]


def test_what_the_journal_records_is_sent_if_a_rule_says_so(configuration: Configuration, hook: Receiver) -> None:
    found = Notifications(configuration, VAULT, SystemClock(), {"alice": "Alice"}.get)
    found.start()
    try:
        for kind, facts in (
            ("refused", {"door": "front-door", "person": "alice", "reason": "schedule"}),
            ("granted", {"door": "front-door", "person": "alice"}),
            ("duress", {"door": "front-door", "person": "bob"}),
            ("integrity", {"file": "gallery.db", "found": "put back"}),
        ):
            found.row(noted(kind, 1_790_000_000.0, facts))
        until(lambda: len(hook.received) == 3, 20)
    finally:
        found.close()
    assert titles(hook) == [
        "Alice refused at front-door",
        "Duress PIN of bob at front-door",
        "The data folder was tampered with",
    ]
    assert hook.received[0].json["reason"] == "schedule"
    assert hook.received[2].json["reason"] == "gallery.db"


def test_another_configuration_is_applied_while_it_runs(configuration: Configuration, hook: Receiver) -> None:
    found = Notifications(configuration.model_copy(update={"notify": None}), VAULT, SystemClock(), lambda _: None)
    found.start()
    try:
        found.row(noted("refused", 1_790_000_000.0, {"door": "front-door"}))
        found.apply(configuration)
        found.row(noted("duress", 1_790_000_000.0, {"door": "front-door", "person": "bob"}))
        until(lambda: hook.received, 20)
        found.apply(configuration.model_copy(update={"notify": None}))
        found.row(noted("refused", 1_790_000_000.0, {"door": "front-door"}))
        assert found.facts() is None
    finally:
        found.close()
    assert titles(hook) == ["Duress PIN of bob at front-door"]


def test_a_notification_has_the_display_name_of_the_camera_for_people_and_its_id_for_programs(
    configuration: Configuration, hook: Receiver
) -> None:
    def called(name: str | None) -> Configuration:
        camera = configuration.cameras["porch"].model_copy(update={"name": name})
        return configuration.model_copy(update={"cameras": {"porch": camera}})

    names = ("Front {door} 🚪", "Gate", None)
    found = Notifications(called("Yard"), VAULT, SystemClock(), lambda _: None)
    found.start()
    try:
        for name in names:
            found.apply(called(name))
            found.row(noted("replayed", 1_790_000_000.0, {"camera": "porch", "reason": "pictures"}))
        until(lambda: len(hook.received) == len(names), 20)
    finally:
        found.close()
    assert titles(hook) == [f"A recording in place of camera {name or 'porch'}" for name in names]
    assert {one.json["camera"] for one in hook.received} == {"porch"}


def test_without_the_section_there_is_nothing(tmp_path: Path) -> None:
    found = Notifications(
        Configuration.model_construct(cameras={}, data=tmp_path), VAULT, SystemClock(), lambda _: None
    )
    found.start()
    found.cameras({"porch": state("offline")})
    assert found.facts() is None
    assert found.problems == ()
    found.close()
