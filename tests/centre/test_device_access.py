import asyncio
import datetime as dt
import http.client
import ssl
import threading
import time
from contextlib import closing
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgeface.fleet import digest
from edgeface.fleet.messages import Certificate, Lease, Receipt, Refused, Renewal, Rows
from tests.support.centre import MODEL, entry
from tests.support.centre_server import HOST, SITE, Door, Running, exchanged

EPOCH = f"/sites/{SITE}/epoch"
CHANGES = f"/sites/{SITE}/changes?model={MODEL}&after="


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", EPOCH),
        ("GET", f"{CHANGES}0"),
        ("GET", f"/sites/{SITE}/snapshot?model={MODEL}"),
        ("POST", f"/sites/{SITE}/applied"),
        ("POST", f"/sites/{SITE}/proposals"),
        ("POST", "/renew"),
    ],
)
def test_nothing_but_joining_works_without_a_certificate(shared: Running, method: str, path: str) -> None:
    status, body = Door(shared, "stranger").ask(method, path, b"" if method == "POST" else None)
    assert status == 401
    assert "certificate" in Refused.read(body).detail


def test_a_certificate_of_another_authority_is_refused_by_tls(shared: Running) -> None:
    device = Door(shared, "forger")
    device.key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "front")])
    issuer = shared.context.authority.certificate.subject
    now = dt.datetime.now(dt.timezone.utc)
    forged = (
        x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(device.key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .sign(device.key, hashes.SHA256())
    )  # fmt: skip
    device.certificate = forged.public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        device.ask("GET", EPOCH)


def test_a_certificate_of_the_authority_that_no_device_has_is_refused(shared: Running) -> None:
    device = Door(shared, "forger")
    made = shared.context.authority.device("front", device.csr())
    device.certificate = made.public_bytes(serialization.Encoding.PEM).decode()
    assert device.ask("GET", EPOCH)[0] == 403


def test_a_device_gets_nothing_of_a_site_that_it_does_not_follow(running: Running) -> None:
    running.context.store.add_site("other")
    device = running.device("front", "other")
    running.context.store.put(SITE, entry(1), "admin")
    for path in (EPOCH, f"{CHANGES}0", f"/sites/{SITE}/snapshot?model={MODEL}", "/sites/nowhere/epoch"):
        status, body = device.ask("GET", path)
        assert (status, Refused.read(body).detail) == (403, "this device does not follow this site")
    assert device.ask("GET", "/sites/other/epoch")[0] == 200


def test_headers_give_no_identity(shared: Running, shared_device: Door) -> None:
    device, stranger = shared_device, Door(shared, "stranger")
    with closing(stranger.connection()) as connection:
        headers = {
            "X-SSL-Client-Cert": device.certificate.replace("\n", " "),
            "X-SSL-Client-Verify": "SUCCESS",
            "X-Forwarded-Client-Cert": "Subject=CN=front",
        }
        connection.request("GET", f"/fleet/v1{EPOCH}", headers=headers)
        assert connection.getresponse().status == 401


def test_a_revoked_device_is_refused_with_its_next_request_on_the_same_connection(running: Running) -> None:
    device = running.device("front")
    with closing(device.connection()) as connection:
        assert exchanged(connection, "GET", EPOCH)[0] == 200
        running.context.store.revoke("front", "admin")
        status, body = exchanged(connection, "GET", EPOCH)
        assert (status, Refused.read(body).detail) == (403, "this device was revoked, or is not known: join again")
        assert exchanged(connection, "POST", "/renew", Renewal(request=device.csr()).packed())[0] == 403


@pytest.fixture
def _quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeface.centre.devices.waiting.LOOK_SECONDS", 0.2)


@pytest.mark.usefixtures("_quick_look")
def test_a_waiting_request_is_cut_when_its_device_is_revoked(running: Running) -> None:
    device, other = running.device("front"), running.device("back")
    found: dict[str, tuple[int, bytes]] = {}

    def wait(one: Door, seconds: int) -> None:
        found[one.name] = one.ask("GET", f"{CHANGES}0&wait={seconds}")

    threads = [threading.Thread(target=wait, args=pair) for pair in ((device, 30), (other, 2))]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    running.context.store.revoke("front", "admin")
    threads[0].join()
    assert time.monotonic() - began < 2
    threads[1].join()
    assert found["front"][0] == 403
    assert found["back"][0] == 200


def test_a_waiting_request_is_answered_by_a_change(running: Running) -> None:
    device = running.device("front")
    put = threading.Timer(0.5, lambda: running.context.store.put(SITE, entry(1), "admin"))
    began = time.monotonic()
    put.start()
    status, body = device.ask("GET", f"{CHANGES}0&wait=30")
    assert status == 200
    assert [row.seq for row in Rows.read(body).rows] == [1]
    assert time.monotonic() - began < 5


def test_a_request_that_waits_in_vain_is_answered_with_nothing(shared_device: Door) -> None:
    began = time.monotonic()
    status, body = shared_device.ask("GET", f"{CHANGES}0&wait=1")
    assert (status, Rows.read(body).rows) == (200, ())
    assert 1 <= time.monotonic() - began < 5


def test_waiting_requests_are_answered_when_the_centre_stops(running: Running) -> None:
    device = running.device("front")
    found: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: found.append(device.ask("GET", f"{CHANGES}0&wait=30")))
    thread.start()
    time.sleep(0.5)
    began = time.monotonic()
    running.server.stop()
    thread.join()
    assert time.monotonic() - began < 3
    assert (found[0][0], Rows.read(found[0][1]).rows) == (200, ())


def test_200_devices_wait_at_once_and_others_are_served(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    # One device stands for all of them.
    monkeypatch.setattr("edgeface.centre.devices.limits.AT_A_TIME", 201)
    device = running.device("front")

    async def waiting(context: ssl.SSLContext) -> tuple[float, bytes]:
        reader, writer = await asyncio.open_connection(HOST, running.server.device_port, ssl=context)
        writer.write(f"GET /fleet/v1{CHANGES}0&wait=30 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
        at = time.monotonic()
        writer.close()
        return at, line

    async def run() -> tuple[float, float, list[tuple[float, bytes]]]:
        context = device.context()
        tasks = [asyncio.create_task(waiting(context)) for _ in range(200)]
        while running.server.waiting < 200:
            assert not any(task.done() for task in tasks)
            await asyncio.sleep(0.05)
        began = time.monotonic()
        status, _ = await asyncio.to_thread(device.ask, "GET", EPOCH)
        assert status == 200
        asked = time.monotonic() - began
        threads = threading.active_count()
        assert threads < 60, threads
        put = time.monotonic()
        await asyncio.to_thread(running.context.store.put, SITE, entry(1), "admin")
        return asked, put, await asyncio.gather(*tasks)

    asked, put, answers = asyncio.run(run())
    assert asked < 2
    assert {line for _, line in answers} == {b"HTTP/1.1 200 OK\r\n"}
    assert max(at for at, _ in answers) - put < 10


def test_a_certificate_is_renewed_and_the_earlier_one_holds_until_the_new_one_is_used(running: Running) -> None:
    device = running.device("front")
    before = device.certificate
    running.clock.sleep(20 * 86_400)
    status, body = device.ask("POST", "/renew", Renewal(request=device.csr()).packed())
    assert status == 200
    # It was lost on the way: the earlier one is still good.
    assert device.ask("GET", EPOCH)[0] == 200
    device.certificate = Certificate.read(body).certificate
    assert running.context.store.devices()[0].certificate_ends > running.clock.wall() + 29 * 86_400
    running.clock.now = 0
    # A certificate that begins in the future is no good to TLS; the test's clock ran ahead of the machine's.
    device.certificate = before
    status, body = device.ask("POST", "/renew", Renewal(request=device.csr()).packed())
    device.certificate = Certificate.read(body).certificate
    assert device.ask("GET", EPOCH)[0] == 200
    device.certificate = before
    assert device.ask("GET", EPOCH)[0] == 403


def test_a_connection_does_not_outlive_its_certificate(running: Running) -> None:
    device = running.device("front")
    with closing(device.connection()) as connection:
        assert exchanged(connection, "GET", EPOCH)[0] == 200
        running.clock.sleep(30 * 86_400 + 1)
        status, body = exchanged(connection, "GET", EPOCH)
        assert (status, Refused.read(body).detail) == (403, "the certificate of this device has expired: join again")


def test_changes_below_the_floor_are_gone(running: Running) -> None:
    device = running.device("front")
    for number in range(3):
        running.context.store.put(SITE, entry(number), "admin")
    running.context.store.upkeep.raise_floor(SITE, 2)
    assert device.ask("GET", f"{CHANGES}1&wait=5")[0] == 410
    assert device.ask("GET", f"{CHANGES}9")[0] == 410
    assert device.ask("GET", f"{CHANGES}2")[0] == 200


def test_a_receipt_renews_the_lease(running: Running) -> None:
    device = running.device("front")
    running.context.store.put(SITE, entry(1), "admin")
    rows = Rows.read(device.ask("GET", f"/sites/{SITE}/snapshot?model={MODEL}")[1])
    state = digest.to_hex(digest.of(SITE, ((row.person, row.seq) for row in rows.rows)))
    facts: dict[str, Any] = {"seq": rows.seq, "digest": state, "count": 1, "at": 1}
    signed = Receipt.signed(device.receipts, "front", SITE, facts)
    status, body = device.ask("POST", f"/sites/{SITE}/applied", signed.packed())
    assert (status, Lease.read(body).seconds) == (200, 30 * 86_400)
    forged = signed.model_copy(update={"seq": 0})
    assert device.ask("POST", f"/sites/{SITE}/applied", forged.packed())[0] == 422
    other = Receipt.signed(device.receipts, "front", SITE, {**facts, "digest": "0" * 64})
    assert device.ask("POST", f"/sites/{SITE}/applied", other.packed())[0] == 409


DEEP = b"\x91" * 50_000 + b"\xc0"
CODE = b"\x81\xa4code\xc0"
HOSTILE = [b"", b"\xc1", b"\x80", b"\xde\xff\xff", b"\xdb\xff\xff\xff\xff", DEEP, b"{}", bytes(60_000), CODE]


@pytest.mark.parametrize("path", ["/join", "/renew", f"/sites/{SITE}/applied", f"/sites/{SITE}/proposals"])
def test_a_hostile_body_is_one_refusal(shared_device: Door, path: str) -> None:
    device = shared_device
    for body in HOSTILE:
        status, answer = device.ask("POST", path, body)
        assert status == 422, body[:20]
        assert Refused.read(answer).detail.startswith("not a ")
    assert device.ask("POST", path, b"\x80", "application/json")[0] == 415
    assert device.ask("POST", path, bytes(70_000))[0] == 413
    assert device.ask("GET", path)[0] == 405


@pytest.mark.parametrize(
    "query",
    ["", "model=m", "model=&after=0", f"model={MODEL}&after=-1", f"model={MODEL}&after=1e3", f"model={MODEL}&after=٣",
     f"model={MODEL}&after=0&wait=31", f"model={MODEL}&after=0&after=1", f"model={MODEL}&after=0&other=1",
     f"model={'m' * 200}&after=0", f"model={MODEL}&after={'9' * 5000}"],
)  # fmt: skip
def test_a_hostile_query_is_one_refusal(shared_device: Door, query: str) -> None:
    from urllib.parse import quote

    status, body = shared_device.ask("GET", f"/sites/{SITE}/changes?{quote(query, safe='=&:')}")
    assert status == 422
    assert len(Refused.read(body).detail) < 200


def test_an_unknown_path_is_refused_in_the_devices_language(shared_device: Door) -> None:
    status, body = shared_device.ask("GET", "/nothing")
    assert status == 404
    assert Refused.read(body).detail == "Not Found"


def test_what_fails_at_the_centre_is_told_to_its_log_only(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    device = running.device("front")
    running.context.store._keyring.close()
    status, body = device.ask("GET", EPOCH)
    assert status == 503
    assert Refused.read(body).detail == "the centre cannot do this now; its log says why"
    assert "keyring.db" in caplog.text
