"""Web push, from a notice to a browser that decrypts it; real push services were not tried."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from edgeface.core.errors import EdgefaceError
from edgeface.notify.subscriptions import FILE, MAX_SUBSCRIPTIONS, Subscription, SubscriptionFile, browsers
from edgeface.notify.targets import Outgoing, SendError
from edgeface.notify.web_push import WebPushSender
from edgeface.security.vault import Vault, VaultKey, open_vault
from tests.notify.test_notifier import notifying, stranger
from tests.support.broker import until
from tests.support.certificates import Authority
from tests.support.http_receiver import Receiver, receiver
from tests.support.push_browser import PushBrowser, vapid

TARGET = {"type": "web_push", "contact": "mailto:me@example.com", "allow_local": True}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A push service on this machine, with a certificate."""
    authority = Authority(tmp_path / "tls")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.broker("127.0.0.1"))
    with receiver(tls=context) as one:
        yield one


@pytest.fixture
def file(tmp_path: Path) -> SubscriptionFile:
    folder = tmp_path / "data"
    folder.mkdir()
    return SubscriptionFile(folder, open_vault(folder))


def known(fields: dict[str, str], label: str = "") -> Subscription:
    return Subscription.model_validate({**fields, "label": label})


def subscribe(file: SubscriptionFile, service: Receiver, name: str) -> PushBrowser:
    browser = PushBrowser()
    file.add(known(browser.fields(f"https://127.0.0.1:{service.port}/push/{name}"), name))
    return browser


def test_a_browser_reads_what_only_it_can_read(service: Receiver, file: SubscriptionFile) -> None:
    pytest.importorskip("http_ece")
    phone, tablet = subscribe(file, service, "phone"), subscribe(file, service, "tablet")
    with notifying(TARGET, browsers=file, page="https://edgeface.example/") as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.facts()["targets"]["t0"]["sent"] == 1, 30)
        link = notifier.links
    by_path = {one.path: one for one in service.received}
    assert sorted(by_path) == ["/push/phone", "/push/tablet"]
    got = phone.decrypt(by_path["/push/phone"].body)
    assert got["title"] == "Stranger at porch"
    assert got["id"] == "E1"
    base, _, token = got["link"].rpartition("/")
    assert base == "https://edgeface.example/stranger"
    assert link.find(token) == "u-7f3a19c2"
    with pytest.raises(Exception, match=r"^$"):
        tablet.decrypt(by_path["/push/phone"].body)
    headers = by_path["/push/phone"].headers
    assert (headers["Content-Encoding"], headers["TTL"], headers["Urgency"]) == ("aes128gcm", "60", "high")
    claims, key = vapid(headers["Authorization"])
    assert claims["aud"] == f"https://127.0.0.1:{service.port}"
    assert claims["sub"] == "mailto:me@example.com"
    assert 0 < claims["exp"] - time.time() < 24 * 3600
    assert key == file.public()


def test_a_browser_that_is_gone_is_removed(service: Receiver, file: SubscriptionFile) -> None:
    pytest.importorskip("http_ece")
    subscribe(file, service, "phone")
    service.status = 410
    with notifying(TARGET, browsers=file) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.facts()["targets"]["t0"]["sent"] == 1, 30)
        assert notifier.problems == ()
    found = file.browsers()
    assert found is not None
    assert found.subscriptions == ()


def test_an_error_of_the_push_service_is_the_targets_problem(service: Receiver, file: SubscriptionFile) -> None:
    pytest.importorskip("http_ece")
    subscribe(file, service, "phone")
    service.status = 500
    with notifying(TARGET, browsers=file) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.problems, 30)
        assert notifier.problems == ("notify t0: it answers HTTP 500",)
    assert file.browsers() is not None


def test_another_attempt_goes_to_the_browsers_that_have_not_got_it(service: Receiver, file: SubscriptionFile) -> None:
    pytest.importorskip("http_ece")
    # The certificate is for no such name, and no one listens at that port.
    file.add(known(PushBrowser().fields(f"https://localhost:{service.port}/push/wrong")))
    file.add(known(PushBrowser().fields("https://127.0.0.1:9/push/dead")))
    subscribe(file, service, "phone")
    with notifying(TARGET, browsers=file) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.facts()["targets"]["t0"]["failed"] >= 2, 30)
        (problem,) = notifier.problems
        assert problem.startswith("notify t0: 2 of 3 browsers: it")
    assert [one.path for one in service.received] == ["/push/phone"]


def test_a_browser_that_failed_comes_last_the_next_time(service: Receiver, file: SubscriptionFile) -> None:
    pytest.importorskip("http_ece")
    for name in ("first", "second"):
        subscribe(file, service, name)
    known_now = file.browsers()
    assert known_now is not None
    sender = WebPushSender("mailto:me@example.com")
    sender.browsers = known_now
    service.status = 500
    with pytest.raises(SendError, match=r"^2 of 2 browsers: it answers HTTP 500$"):
        sender.send(Outgoing("E1", 1_790_000_000, "title", "body", {}, None))
    sender._failed = frozenset({known_now.subscriptions[0].id})
    service.status = 201
    sender.send(Outgoing("E2", 1_790_000_000, "title", "body", {}, None))
    assert [one.path for one in service.received[2:]] == ["/push/second", "/push/first"]


def test_a_target_without_browsers_reaches_no_one_and_says_so(file: SubscriptionFile) -> None:
    pytest.importorskip("http_ece")
    with notifying(TARGET, browsers=file) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.problems, 30)
        assert notifier.problems == ("notify t0: no browser is added: open the page Notifications in one",)


def test_a_local_push_service_is_refused_unless_it_is_allowed(service: Receiver, file: SubscriptionFile) -> None:
    pytest.importorskip("http_ece")
    subscribe(file, service, "phone")
    with notifying({**TARGET, "allow_local": False}, browsers=file) as notifier:
        notifier.notice(stranger())
        until(lambda: notifier.problems, 30)
        assert "private network" in notifier.problems[0]
    assert service.received == []


def test_the_file_is_sealed_and_bounded(file: SubscriptionFile) -> None:
    assert browsers(file.folder) is None
    first = PushBrowser().fields("https://push.example/a-secret-path")
    file.add(known(first, "phone"))
    text = (file.folder / FILE).read_bytes()
    assert b"push.example" not in text
    assert (file.folder / FILE).stat().st_mode & 0o777 == 0o600
    file.add(known(first, "phone again"))
    for n in range(MAX_SUBSCRIPTIONS - 1):
        file.add(known(PushBrowser().fields(f"https://push.example/{n}")))
    with pytest.raises(EdgefaceError, match="32 browsers already"):
        file.add(known(PushBrowser().fields("https://push.example/more")))
    found = browsers(file.folder)
    assert found is not None
    assert len(found.subscriptions) == MAX_SUBSCRIPTIONS
    assert found.subscriptions[0].label == "phone again"
    file.remove([found.subscriptions[0].id, "nothing"])
    found = file.browsers()
    assert found is not None
    assert len(found.subscriptions) == MAX_SUBSCRIPTIONS - 1
    (file.folder / FILE).write_bytes(text[:-1] + b"x")
    with pytest.raises(EdgefaceError, match="altered"):
        file.browsers()


@pytest.mark.parametrize(
    "wrong",
    [
        {"endpoint": "http://push.example/a"},
        {"endpoint": "https://user@push.example/a"},
        {"endpoint": "file:///etc/passwd"},
        {"endpoint": "https://push.example/" + "a" * 2000},
        {"p256dh": "AAAA"},
        {"p256dh": "B" + "A" * 86},
        {"auth": "AAAA"},
        {"auth": "not base64!"},
    ],
)
def test_what_is_no_browser_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        known({**PushBrowser().fields("https://push.example/a"), **wrong})


def test_the_key_stays_the_same(file: SubscriptionFile) -> None:
    assert file.public() == file.public()
    assert SubscriptionFile(file.folder, Vault(VaultKey("file", bytes(32)))) != file
