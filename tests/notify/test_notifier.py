"""Notices arrive at real targets on this machine, through the process that sends them."""

import base64
import hashlib
import hmac
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from edgeface.core.clock import Clock, SystemClock
from edgeface.notify.notice import Notice, of_camera
from edgeface.notify.notifier import Notifier
from edgeface.notify.rules import RuleContext
from edgeface.notify.sender_process import TIMEOUT
from edgeface.notify.settings import Notify
from edgeface.notify.subscriptions import SubscriptionFile
from edgeface.security.vault import Vault, VaultKey
from tests.support.broker import until
from tests.support.http_receiver import Receiver, receiver

SHARED = "a shared secret of some length"
NO_BROWSERS = SubscriptionFile(Path("/nowhere"), Vault(VaultKey("file", bytes(32))))
JPEG = b"\xff\xd8 a face \xff\xd9"


class MovedClock(SystemClock):
    """The real one, that many seconds ahead."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SHARED + "\n")
    (tmp_path / "secret").chmod(0o600)
    return tmp_path


def webhook(url: str, folder: Path, **more: Any) -> dict[str, Any]:
    return {"type": "webhook", "url": url, "secret_file": folder / "secret", "allow_local": True, **more}


def apprise(url: str, folder: Path, **more: Any) -> dict[str, Any]:
    (folder / "url").write_text(url + "\n")
    (folder / "url").chmod(0o600)
    return {"type": "apprise", "url_file": folder / "url", "allow_local": True, **more}


@contextmanager
def notifying(
    *targets: dict[str, Any],
    browsers: SubscriptionFile | None = None,
    page: str | None = None,
    clock: Clock | None = None,
    started: bool = True,
    **rule: Any,
) -> Iterator[Notifier]:
    named = {f"t{n}": one for n, one in enumerate(targets)}
    rules = [{"to": tuple(named), "kinds": ("unknown", "camera_offline"), "pause": 0.0, **rule}]
    settings = TypeAdapter(Notify).validate_python({"targets": named, "rules": rules, "page": page})
    notifier = Notifier(settings, RuleContext({}, {}), clock or SystemClock(), browsers or NO_BROWSERS)
    if started:
        notifier.start()
    try:
        yield notifier
    finally:
        notifier.close()
    assert not notifier.alive


def stranger(track: int = 1, age: float = 0.0) -> Notice:
    now = time.monotonic() - age
    return Notice(
        "unknown", f"E{track}", 1_790_000_000.0, now, camera="porch", unknown="u-7f3a19c2", visit=("porch", track),
        picture=JPEG,
    )  # fmt: skip


def test_a_webhook_gets_the_notice_signed_and_with_its_picture(hook: Receiver, folder: Path) -> None:
    with notifying(webhook(hook.url, folder, pictures=True)) as notifier:
        notifier.notice(stranger())
        until(lambda: hook.received, 20)
        until(lambda: notifier.facts()["targets"]["t0"]["sent"] == 1)
    (got,) = hook.received
    assert got.json == {
        "v": 1,
        "kind": "unknown",
        "event": "E1",
        "at": "2026-09-21T14:13:20.000Z",
        "camera": "porch",
        "door": None,
        "person": None,
        "name": None,
        "unknown": "u-7f3a19c2",
        "reason": None,
        "title": "Stranger at porch",
        "link": None,
        "missed": 0,
        "picture": base64.b64encode(JPEG).decode(),
    }
    # Standard Webhooks 1.0, as any of its libraries verifies it.
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    digest = base64.b64encode(hmac.new(SHARED.encode(), signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{digest}"
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 30


def test_a_secret_as_standard_webhooks_writes_it_is_its_key_in_base64(hook: Receiver, folder: Path) -> None:
    (folder / "secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    with notifying(webhook(hook.url, folder)) as notifier:
        notifier.notice(stranger())
        until(lambda: hook.received, 20)
    (got,) = hook.received
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{digest}"


def test_a_secret_that_is_no_base64_is_the_targets_problem(hook: Receiver, folder: Path) -> None:
    (folder / "secret").write_text("whsec_not base64\n")
    with notifying(webhook(hook.url, folder)) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.problems == ("notify t0: its secret has no base64 after whsec_",), 20)
    assert hook.received == []


def test_without_pictures_there_is_text_only(hook: Receiver, folder: Path) -> None:
    with notifying(webhook(hook.url, folder)) as notifier:
        notifier.notice(stranger())
        until(lambda: hook.received, 20)
    assert hook.received[0].json["picture"] is None


def test_apprise_sends_to_its_service_with_the_picture(hook: Receiver, folder: Path) -> None:
    pytest.importorskip("apprise")
    with notifying(apprise(f"json://127.0.0.1:{hook.port}/x", folder, pictures=True)) as notifier:
        notifier.notice(stranger())
        until(lambda: hook.received, 30)
    got = hook.received[0].json
    assert got["title"] == "Stranger at porch"
    assert "stranger u-7f3a19c2" in got["message"]
    assert base64.b64decode(got["attachments"][0]["base64"]) == JPEG


def test_a_target_that_was_down_gets_it_later_and_hears_what_it_missed(folder: Path) -> None:
    with receiver() as first:
        port = first.port
    with notifying(webhook(f"http://127.0.0.1:{port}/hook", folder)) as notifier:
        notifier.notice(stranger(1, age=120.0))
        notifier.notice(stranger(2))
        until(lambda: notifier.facts()["targets"]["t0"]["failed"], 20)
        assert notifier.problems == ("notify t0: it cannot be reached",)
        with receiver(port) as hook:
            until(lambda: hook.received, 20)
            until(lambda: notifier.problems == ())
        assert hook.received[0].json["event"] == "E2"
        assert hook.received[0].json["missed"] == 1
        facts = notifier.facts()["targets"]["t0"]
        assert (facts["sent"], facts["expired"], facts["waiting"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        *(("webhook", one) for one in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0")),  # noqa: S104
        *(("apprise", one) for one in ("127.0.0.1", "localhost", "10.255.255.1")),
    ],
)
def test_a_local_address_is_refused_unless_it_is_allowed(hook: Receiver, folder: Path, kind: str, to: str) -> None:
    pytest.importorskip("apprise")
    if kind == "webhook":
        target = webhook(f"https://{to}:{hook.port}/", folder, allow_local=False)
    else:
        target = apprise(f"json://{to}:{hook.port}/", folder, allow_local=False)
    with notifying(target) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.problems, 20)
        assert "private network" in notifier.problems[0]
    assert hook.received == []


@pytest.mark.parametrize("kind", ["webhook", "apprise"])
def test_no_redirect_is_followed(hook: Receiver, folder: Path, kind: str) -> None:
    pytest.importorskip("apprise")
    with receiver() as other:
        hook.status, hook.location = 307, other.url
        target = webhook(hook.url, folder) if kind == "webhook" else apprise(f"json://127.0.0.1:{hook.port}/", folder)
        with notifying(target) as notifier:
            notifier.notice(stranger())
            until(lambda: notifier.problems, 20)
        assert other.received == []
    assert hook.received


@pytest.mark.parametrize("kind", ["webhook", "apprise"])
def test_a_refusal_is_named_by_its_status_and_nothing_secret(hook: Receiver, folder: Path, kind: str) -> None:
    pytest.importorskip("apprise")
    hook.status = 401
    url = f"json://user:pass-word@127.0.0.1:{hook.port}/token-in-path"
    target = webhook(hook.url, folder) if kind == "webhook" else apprise(url, folder)
    with notifying(target) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.problems, 20)
        assert notifier.problems == ("notify t0: it answers HTTP 401",)


def test_a_slow_target_delays_no_other(hook: Receiver, folder: Path) -> None:
    with receiver() as slow, notifying(webhook(slow.url, folder), webhook(hook.url, folder)) as notifier:
        slow.slow = 60.0
        notifier.notice(stranger(1))
        until(lambda: len(hook.received) == len(slow.received) == 1, 10)
        notifier.notice(stranger(2))
        until(lambda: len(hook.received) == 2)


def test_a_process_that_was_killed_is_replaced_and_nothing_is_lost(hook: Receiver, folder: Path) -> None:
    with notifying(webhook(hook.url, folder)) as notifier:
        notifier.notice(stranger(1))
        until(lambda: len(hook.received) == 1, 20)
        assert notifier._process is not None
        notifier._process.kill()
        notifier.notice(stranger(2))
        until(lambda: [one.json["event"] for one in hook.received][-1] == "E2", 30)


def test_a_secret_that_cannot_be_read_is_the_problem_of_its_target_alone(hook: Receiver, folder: Path) -> None:
    broken = {**webhook(hook.url, folder), "secret_file": folder / "nowhere"}
    with notifying(broken, webhook(hook.url, folder)) as notifier:
        assert len(notifier.problems) == 1
        assert "No such file" in notifier.problems[0]
        notifier.notice(of_camera("camera_offline", "porch", "no answer", 1_790_000_000.0, time.monotonic()))
        until(lambda: hook.received, 20)
    assert hook.received[0].json["title"] == "Camera porch is offline"


def test_a_flood_of_strangers_is_limited_and_counted(hook: Receiver, folder: Path) -> None:
    with notifying(webhook(hook.url, folder), per_hour=5) as notifier:
        for n in range(200):
            notifier.notice(stranger(n))
        until(lambda: notifier.facts()["held_back"] + notifier.facts()["dropped"] == 195, 20)
        until(lambda: notifier.facts()["targets"]["t0"]["sent"] == 5, 20)
    assert len(hook.received) == 5


def test_other_targets_and_rules_are_taken_while_it_runs(hook: Receiver, folder: Path) -> None:
    with receiver() as other, notifying(webhook(hook.url, folder), per_hour=1) as notifier:
        notifier.notice(stranger(1))
        until(lambda: notifier.facts()["targets"]["t0"]["sent"] == 1, 20)
        notifier.notice(stranger(2))
        until(lambda: notifier.facts()["held_back"] == 1)
        (folder / "new").write_text("another secret\n")
        (folder / "new").chmod(0o600)
        targets = {
            "t0": {**webhook(hook.url, folder), "secret_file": folder / "new"},
            "more": webhook(other.url, folder),
        }
        same = {"to": ("t0",), "kinds": ("unknown", "camera_offline"), "pause": 0.0, "per_hour": 1}
        rules = [same, {"to": ("more",), "kinds": ("unknown",)}]
        notifier.apply(TypeAdapter(Notify).validate_python({"targets": targets, "rules": rules}), RuleContext({}, {}))
        notifier.notice(stranger(3))
        until(lambda: other.received, 20)
        # The limit of the rule that has stayed still holds.
        assert notifier.facts()["targets"]["t0"]["sent"] == 1
        notifier.send_test()
        until(lambda: len(hook.received) == 2, 20)
        assert other.received[0].json["event"] == "E3"
    got = hook.received[1]
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    digest = base64.b64encode(hmac.new(b"another secret", signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{digest}"


def test_a_message_under_way_survives_a_change_of_targets(hook: Receiver, folder: Path) -> None:
    with receiver() as other, notifying(webhook(hook.url, folder)) as notifier:
        hook.slow = 1.0
        notifier.notice(stranger(1))
        until(lambda: hook.received, 20)
        targets = {"t0": webhook(hook.url, folder), "more": webhook(other.url, folder)}
        rules = [{"to": ("t0", "more"), "kinds": ("unknown",)}]
        notifier.apply(TypeAdapter(Notify).validate_python({"targets": targets, "rules": rules}), RuleContext({}, {}))
        notifier.notice(stranger(2))
        until(lambda: notifier.facts()["targets"]["t0"]["sent"] == 2, 20)
        until(lambda: other.received, 20)
    assert [one.json["event"] for one in hook.received] == ["E1", "E2"]
    assert notifier.facts()["targets"]["t0"]["failed"] == 0


def test_pictures_that_wait_are_not_sent_once_they_are_forbidden(folder: Path) -> None:
    with receiver() as first:
        port = first.port
    with notifying(webhook(f"http://127.0.0.1:{port}/", folder, pictures=True)) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.problems, 20)
        targets = {"t0": webhook(f"http://127.0.0.1:{port}/", folder)}
        rules = [{"to": ("t0",), "kinds": ("unknown",)}]
        notifier.apply(TypeAdapter(Notify).validate_python({"targets": targets, "rules": rules}), RuleContext({}, {}))
        # Queues are used by the thread of the notifier alone, after what it was given before.
        notifier.notice(stranger(2))
        until(lambda: notifier.facts()["targets"]["t0"]["waiting"] == 2)
        with receiver(port) as hook:
            until(lambda: len(hook.received) == 2, 40)
    assert [one.json["picture"] for one in hook.received] == [None, None]


def test_what_waits_about_someone_who_was_removed_is_not_sent(folder: Path) -> None:
    with receiver() as first:
        port = first.port
    with notifying(webhook(f"http://127.0.0.1:{port}/", folder), kinds=("match", "unknown")) as notifier:
        now = time.monotonic()
        for track, person in enumerate(("alice", "bob")):
            visit = ("porch", track)
            notifier.notice(Notice("match", person, 1_790_000_000.0, now, camera="porch", person=person, visit=visit))
        notifier.notice(stranger(9))
        until(lambda: notifier.facts()["targets"]["t0"]["waiting"] == 3)
        until(lambda: notifier.problems, 20)
        notifier.forget("alice")
        notifier.forget("u-7f3a19c2")
        until(lambda: notifier.facts()["targets"]["t0"]["waiting"] == 1)
        with receiver(port) as hook:
            until(lambda: hook.received, 40)
            # Enrolled again: what happens from now on is sent.
            again = Notice("match", "E", 1_790_000_000.0, time.monotonic(), camera="porch", person="alice")
            notifier.notice(again)
            until(lambda: len(hook.received) == 2, 20)
    assert [one.json["person"] for one in hook.received] == ["bob", "alice"]


def test_a_process_that_is_stopped_is_replaced(hook: Receiver, folder: Path) -> None:
    # SIGSTOP: it neither reads nor answers. The clock of the notifier alone jumps.
    clock = MovedClock()
    with notifying(webhook(hook.url, folder), clock=clock) as notifier:
        notifier.notice(stranger(1))
        # Received is not answered yet: a process that is stopped in between has its message sent again.
        until(lambda: notifier.facts()["targets"]["t0"]["sent"] == 1, 20)
        assert notifier._process is not None
        os.kill(notifier._process._process.pid, signal.SIGSTOP)
        notifier.notice(stranger(2))
        until(lambda: notifier._under_way, 20)
        clock.ahead = TIMEOUT
        until(lambda: len(hook.received) == 2, 30)
    assert hook.received[1].json["event"] == "E2"


def test_a_process_that_cannot_be_started_is_a_problem_and_tried_again(hook: Receiver, folder: Path) -> None:
    clock = MovedClock()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with notifying(webhook(hook.url, folder), clock=clock, started=False) as notifier:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        try:
            notifier.start()
            until(lambda: notifier.problems, 20)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert notifier.problems[0] == "notify: the process that sends cannot be started (Too many open files)"
        clock.ahead = 5.0
        notifier.notice(stranger(1, age=-5.0))
        until(lambda: hook.received, 20)
        until(lambda: not notifier.problems)
