"""Relays over HTTP, with real sockets and each fault; the time is that of the door."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from edgeface.core.clock import SystemClock
from edgeface.core.http.login import Login
from edgeface.door.relay import Relay
from edgeface.door.relays.base import RelayError
from edgeface.door.relays.http import HttpDriver, HttpRelay
from edgeface.door.relays.tasmota import pulse_time
from edgeface.door.relays.web_client import digest, json_object
from tests.support.broker import until
from tests.support.relays import PASSWORD, WebRelay
from tests.support.slack import Slack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KINDS = ("shelly-gen2", "shelly-gen1", "tasmota")
OPEN = 1.5


@pytest.fixture(params=KINDS)
def device(request: pytest.FixtureRequest) -> Iterator[WebRelay]:
    relay = WebRelay(request.param).start()
    yield relay
    relay.stop()


@pytest.fixture
def shelly() -> Iterator[WebRelay]:
    relay = WebRelay("shelly-gen2").start()
    yield relay
    relay.stop()


def settings(device: WebRelay, **more: Any) -> HttpRelay:
    return HttpRelay(device=device.kind, url=device.url, **{"seconds": OPEN, **more})  # type: ignore[arg-type]


@contextmanager
def opened(device: WebRelay, **more: Any) -> Iterator[Relay]:
    relay = Relay(settings(device, **more), SystemClock(), lambda: None)
    try:
        yield relay
    finally:
        relay.close()


def test_it_opens_reads_back_and_shuts(device: WebRelay) -> None:
    device.contact.switch(True)
    with Slack() as slack, opened(device) as relay:
        # Whatever it was before, it is off first.
        until(lambda: relay.report.word == "off" and not device.contact.on, 3)
        began = time.monotonic()
        relay.open(began)
        until(lambda: relay.report.word == "on", 3)
        until(lambda: relay.report.word == "off", 5)
        assert [on for _, on in device.contact.history] == [True, False, True, False]
        assert OPEN - 0.1 < device.contact.off_at() - began < OPEN + 1 + slack.late
        assert relay.report.problem is None


def test_its_own_timer_closes_it_without_the_controller(device: WebRelay) -> None:
    driver = HttpDriver(settings(device))
    with Slack() as slack:
        began = time.monotonic()
        driver.on(1.2)
        assert driver.is_on()
        until(lambda: not device.contact.on, 4)
    assert 1.1 < device.contact.off_at() - began < 2.6 + slack.late


@pytest.mark.parametrize("kind", KINDS)
def test_the_password_is_sent_as_the_device_takes_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    device = WebRelay(kind, secured=True).start()
    try:
        monkeypatch.setenv("LOCK", PASSWORD)
        driver = HttpDriver(settings(device, password_env="LOCK"))  # noqa: S106 - the name of a variable
        driver.on(1.0)
        assert device.contact.on
        monkeypatch.setenv("LOCK", "wrong")
        with pytest.raises(RelayError, match="rejects the user name or password") as caught:
            driver.off()
        monkeypatch.delenv("LOCK")
        with pytest.raises(RelayError, match="the environment has no LOCK"):
            driver.off()
        with pytest.raises(RelayError, match="rejects the user name or password"):
            HttpDriver(settings(device)).off()
        assert "wrong" not in str(caught.value)
        # A digest shows no password, and Basic is sent to no device that uses digests.
        if kind == "shelly-gen2":
            assert not any(PASSWORD in (header or "") or "Basic" in (header or "") for header in device.headers)
    finally:
        device.stop()


@pytest.mark.parametrize(
    "challenge",
    ["", "Basic realm=x", 'Basic realm=x, qop="auth"', "Digest realm=x", 'Digest qop="auth", algorithm=SHA-512'],
)
def test_a_password_is_given_to_no_other_login_than_digest(challenge: str) -> None:
    with pytest.raises(RelayError, match="not sent the password"):
        digest(Login("admin", PASSWORD), challenge, "/")


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "an error": ({"status": 500}, "it answers HTTP 500"),
    "not JSON": ({"body": b"<html>"}, "not a JSON object"),
    "a list": ({"body": b"[]"}, "not a JSON object"),
    "another JSON": ({"body": b'{"output": 1, "ison": "on", "POWER": true}'}, "no state of the relay"),
    "too much": ({"body": b" " * 20_000}, "not a JSON object"),
    "drips": ({"drip": True}, "too slow"),
    "says off": ({"reads": False}, "it reports off after it was switched on"),
    "does nothing": ({"obeys": False}, "it reports off after it was switched on"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.slow(seconds=5)
def test_what_it_cannot_confirm_it_reports_and_switches_off(
    shelly: WebRelay, fault: str, record_property: Callable[[str, object], None]
) -> None:
    changes, problem = FAULTS[fault]
    with opened(shelly) as relay:
        until(lambda: relay.report.word == "off", 3)
        for name, value in changes.items():
            setattr(shelly, name, value)
        began = time.monotonic()
        relay.open(began)
        until(lambda: problem in (relay.report.problem or ""), 4.5)
        assert relay.report.word == "not confirmed"
        until(lambda: not shelly.contact.on and time.monotonic() > began + OPEN, OPEN + 5)
        shelly.repair()
        until(lambda: relay.report.word == "off" and relay.report.problem is None, 7)
        off = shelly.contact.off_at() - began if shelly.contact.history else 0.0
        record_property("off after seconds", off)
        assert off < OPEN + 5


@pytest.mark.slow(seconds=10)
def test_a_device_that_obeys_late_is_off_in_time(
    shelly: WebRelay, record_property: Callable[[str, object], None]
) -> None:
    with opened(shelly) as relay:
        until(lambda: relay.report.word == "off", 3)
        shelly.delay = 3.0
        relay.open(began := time.monotonic())
        until(lambda: "too slow" in (relay.report.problem or ""), 3)
        time.sleep(began + OPEN + 6 - time.monotonic())
        # The device has switched on long after the door's time, because it was told so before.
        assert [on for _, on in shelly.contact.history] == [True, False]
        record_property("off after seconds", shelly.contact.off_at() - began)
        assert shelly.contact.off_at() - began < OPEN + 5
        assert relay.report.word == "not confirmed"
        shelly.repair()
        until(lambda: relay.report.word == "off", 6)


@pytest.mark.slow(seconds=6)
def test_a_device_that_always_reads_on_is_told_to_switch_off_until_it_reads_off(shelly: WebRelay) -> None:
    with opened(shelly, seconds=0.5) as relay:
        until(lambda: relay.report.word == "off", 3)
        relay.open(time.monotonic())
        until(lambda: relay.report.word == "on", 3)
        shelly.reads = True
        until(lambda: relay.report.problem == "it reports on after it was switched off", 3)
        assert (relay.report.word, relay.is_open) == ("not confirmed", True)
        count = sum("on=false" in path for path in shelly.requests)
        until(lambda: sum("on=false" in path for path in shelly.requests) >= count + 2, 5)
        shelly.reads = None
        until(lambda: (relay.report.word, relay.is_open) == ("off", False), 3)


@pytest.mark.slow(seconds=6)
def test_a_server_that_dies_while_it_is_open(shelly: WebRelay, record_property: Callable[[str, object], None]) -> None:
    with Slack() as slack, opened(shelly) as relay:
        until(lambda: relay.report.word == "off", 3)
        relay.open(began := time.monotonic())
        until(lambda: relay.report.word == "on", 3)
        shelly.stop()
        until(lambda: relay.report.word == "not confirmed", 5)
        assert relay.is_open
        assert "no answer from 127.0.0.1" in str(relay.report.problem)
        # Nothing but its own timer can close it now.
        until(lambda: not shelly.contact.on, OPEN + 5)
        record_property("off after seconds", shelly.contact.off_at() - began)
        assert shelly.contact.off_at() - began < OPEN + 2 + slack.late


def test_a_redirect_is_not_followed(shelly: WebRelay) -> None:
    other = WebRelay("shelly-gen2").start()
    try:
        shelly.status, shelly.location = 302, f"{other.url}/rpc/Switch.Set?id=0&on=true"
        with pytest.raises(RelayError, match=r"redirect, which is not followed \(HTTP 302\)"):
            HttpDriver(settings(shelly)).on(1.0)
        assert other.requests == []
    finally:
        other.stop()


def test_no_proxy_is_used(shelly: WebRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    HttpDriver(settings(shelly)).on(1.0)
    assert shelly.contact.on


def test_a_server_that_never_answers_takes_two_seconds() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        relay = HttpRelay(device="shelly-gen2", url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with Slack() as slack, pytest.raises(RelayError, match="too slow or does not answer in HTTP"):
            HttpDriver(relay).off()
        assert time.monotonic() - began < 2.5 + slack.late


def test_headers_that_never_end_take_two_seconds() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer:
                try:
                    while True:
                        peer.sendall(b"H")
                        time.sleep(0.1)
                except OSError:
                    return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        relay = HttpRelay(device="tasmota", url=f"http://127.0.0.1:{server.getsockname()[1]}")
        began = time.monotonic()
        with Slack() as slack, pytest.raises(RelayError, match="too slow or does not answer in HTTP"):
            HttpDriver(relay).off()
        assert time.monotonic() - began < 2.5 + slack.late
        thread.join(5)


@pytest.mark.slow(seconds=8)
def test_a_relay_that_something_else_switches(shelly: WebRelay, record_property: Callable[[str, object], None]) -> None:
    with opened(shelly, seconds=1.0) as relay:
        until(lambda: relay.report.word == "off", 3)
        shelly.contact.switch(True)
        began = time.monotonic()
        until(lambda: relay.report.problem == "it was switched on by something else", 4)
        assert (relay.report.word, relay.is_open) == ("on", True)
        until(lambda: not shelly.contact.on, 6)
        record_property("off after seconds", time.monotonic() - began)
        assert time.monotonic() - began < 1.0 + 5
        until(lambda: relay.report.word == "off" and relay.report.problem is None, 3)


@pytest.mark.slow(seconds=5)
def test_one_that_is_switched_off_early_stays_off(shelly: WebRelay) -> None:
    with opened(shelly, seconds=6.0) as relay:
        relay.open(time.monotonic())
        until(lambda: relay.report.word == "on", 3)
        shelly.contact.switch(False)
        until(lambda: relay.report.problem == "it was switched off by something else", 4)
        assert (relay.report.word, relay.is_open) == ("off", False)
        time.sleep(1.5)
        assert not shelly.contact.on


def test_tasmota_without_its_timer_is_not_switched_on() -> None:
    device = WebRelay("tasmota").start()
    try:
        for body in (b'{"Command": "Unknown"}', b'{"WARNING": "Need user=<username>&password=<password>"}'):
            device.body = body
            with pytest.raises(RelayError):
                HttpDriver(settings(device)).on(1.0)
        assert not device.contact.history
        assert not any("Power1" in path for path in device.requests)
    finally:
        device.stop()


@pytest.mark.parametrize(
    ("seconds", "value"), [(1.2, 12), (4.0, 40), (11.1, 111), (11.2, 112), (12.0, 112), (61.0, 161)]
)
def test_pulse_time_is_never_shorter(seconds: float, value: int) -> None:
    assert pulse_time(seconds) == value


@pytest.mark.parametrize("url", ["ftp://a", "http://a/relay", "http://user@a", "http://a?x", "a", "http://a b"])
def test_an_address_is_a_scheme_a_host_and_a_port(url: str) -> None:
    with pytest.raises(ValidationError):
        HttpRelay(device="shelly-gen2", url=url)


def test_plaintext_to_another_machine_needs_a_word() -> None:
    with pytest.raises(ValidationError, match=r"plaintext to 192\.168\.1\.40"):
        HttpRelay(device="shelly-gen2", url="http://192.168.1.40")
    assert HttpRelay(device="shelly-gen2", url="http://192.168.1.40", insecure=True).host == "192.168.1.40"
    assert HttpRelay(device="shelly-gen2", url="https://192.168.1.40").host == "192.168.1.40"
    with pytest.raises(ValidationError, match="give one of"):
        HttpRelay.model_validate(
            {"device": "tasmota", "url": "https://a", "password_env": "A", "password_credential": "b"}
        )


def test_a_certificate_that_no_one_vouches_for_is_refused(shelly: WebRelay, tmp_path: Path) -> None:
    secure = settings(shelly).model_copy(update={"url": shelly.url.replace("http:", "https:")})
    with pytest.raises(RelayError, match="no answer"):
        HttpDriver(secure).off()
    missing = secure.model_copy(update={"ca": tmp_path / "missing.pem"})
    with pytest.raises(RelayError, match=r"relay\.ca"):
        HttpDriver(missing).off()


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 10_000, b"null", b'"a"'])
def test_garbage_is_an_error_and_no_exception(body: bytes) -> None:
    with pytest.raises(RelayError):
        json_object(body)
