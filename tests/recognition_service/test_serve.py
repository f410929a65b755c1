"""edgeface serve: real processes, real HTTP; who is in a picture, who may ask, and what happens when something ends."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeface.cli import main
from tests.support import hostile
from tests.support.broker import until
from tests.support.certificates import Authority
from tests.support.serving import DATA, RECOGNISE, Service, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PHOTO = (DATA / "obama2.jpg").read_bytes()


def enroll(folder: Path, person: str, photo: str) -> None:
    assert main.main(["enroll", person, str(DATA / f"{photo}.jpg"), "--data", str(folder / "data")]) == 0


@pytest.fixture(scope="session")
def barack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    enroll(folder, "barack", "obama")
    return folder / "data"


@pytest.fixture(name="start")
def _start(tmp_path: Path, barack: Path) -> Iterator[Callable[..., Service]]:
    """Starts services with a copy of the data folder in which Barack is enrolled."""
    shutil.copytree(barack, tmp_path / "data")
    made: list[Service] = []

    def start(*arguments: str) -> Service:
        made.append(Service(tmp_path, *arguments))
        return made[-1]

    yield start
    for one in made:
        one.close()


def contents(folder: Path) -> dict[str, str]:
    """A digest of each file that holds people, accounts or keys; SQLite's shared memory is none."""
    files = [path for path in folder.iterdir() if not path.name.endswith("-shm")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.stat().st_size}


@pytest.mark.slow(seconds=8)
def test_a_picture_is_answered_by_who_is_in_it_and_nothing_is_written(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 1}")
    token, viewer = service.token(), service.token("viewer")
    service.wait()
    before = contents(service.folder / "data")
    answer = service.ask(RECOGNISE, PHOTO, token)
    assert answer.status == 200
    (face,) = answer.json["faces"]
    assert (face["label"], face["person"], face["level"], face["level_basis"]) == (
        "match",
        "barack",
        "normal",
        "measured",
    )
    assert face["score"] > face["threshold"]
    assert answer.json["frame_size"] == [267, 512]
    stranger = service.ask("/api/v1/recognize", (DATA / "biden.jpg").read_bytes(), token).json["faces"][0]
    assert (stranger["label"], stranger["person"], stranger["unknown"]) == ("unknown", None, None)
    assert answer.headers["cache-control"] == "no-store"
    counted = service.ask("/metrics", token=viewer).body.decode()
    assert 'edgeface_serve_requests_total{status="200"} 2.0' in counted
    assert 'edgeface_serve_faces_total{label="match"} 1.0' in counted
    assert "edgeface_serve_people 1.0" in counted
    assert "edgeface_serve_seconds_count 2.0" in counted
    assert contents(service.folder / "data") == before
    assert "barack" not in service.log
    assert service.stop() == 0


@pytest.mark.slow(seconds=6)
def test_who_may_ask_what(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 1}")
    tokens = {role: service.token(role) for role in ("recognise", "viewer", "admin")}
    service.wait()
    statuses = {
        (path, role): service.ask(path, PHOTO if path == RECOGNISE else None, token).status
        for path in (RECOGNISE, "/metrics", "/api/v1/openapi.json", "/api/v1/people", "/", "/login", "/health/ready")
        for role, token in [*tokens.items(), ("no one", None), ("wrong", "edgeface_x")]
    }
    allowed = {
        RECOGNISE: {"recognise", "admin"},
        "/metrics": {"viewer", "admin"},
        "/api/v1/openapi.json": {"viewer", "admin"},
    }
    for (path, role), status in statuses.items():
        if path == "/health/ready":
            assert status == 200
        elif path in allowed:
            refused = 403 if role in tokens else 401
            assert status == (200 if role in allowed[path] else refused), (path, role)
        else:
            assert status == 404, (path, role)
    document = service.ask("/api/v1/openapi.json", token=tokens["viewer"]).json
    assert set(document["paths"]) == {RECOGNISE, "/api/v1/recognize", "/api/v1/openapi.json"}
    assert "429" in document["paths"][RECOGNISE]["post"]["responses"]


@pytest.mark.slow(seconds=10)
def test_hostile_pictures_are_refused_and_the_next_one_is_judged(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 1, requests_per_minute: 100000}")
    token = service.token()
    service.wait()
    for name, data in hostile.corpus().items():
        assert service.ask(RECOGNISE, data, token).status in {200, 413, 422}, name
    assert service.ask(RECOGNISE, b"", token).status == 422
    assert service.ask(RECOGNISE, PHOTO, token, {"Content-Type": "text/plain"}).status == 415
    assert service.ask(RECOGNISE, bytes(10_000_001), token).status == 413
    assert service.who("obama2", token) == "barack"
    assert "Traceback" not in service.log


@pytest.mark.slow(seconds=12)
def test_who_is_forgotten_or_enrolled_is_so_in_all_workers_within_two_seconds(start: Callable[..., Service]) -> None:
    service = start()
    token = service.token()
    service.wait()
    assert {service.who("obama2", token) for _ in range(8)} == {"barack"}
    data = ["--data", str(service.folder / "data")]
    assert main.main(["forget", "barack", *data]) == 0
    time.sleep(2)
    # The kernel shares connections at random: 16 of them reach both workers.
    assert {service.who("obama2", token) for _ in range(16)} == {None}
    enroll(service.folder, "joe", "biden")
    time.sleep(2)
    assert {service.who("biden", token) for _ in range(16)} == {"joe"}


@pytest.mark.slow(seconds=10)
def test_a_worker_that_is_killed_is_replaced_while_the_other_serves(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 2, requests_per_minute: 1000000}")
    token, viewer = service.token(), service.token("viewer")
    service.wait()
    first, other = service.workers
    os.kill(first, signal.SIGKILL)
    until(lambda: first not in service.workers and not is_alive(first))
    assert service.who("obama2", token) == "barack"
    assert other in service.workers

    def ready() -> str:
        return service.ask("/metrics", token=viewer).body.decode()

    until(lambda: "edgeface_serve_workers_ready 2.0" in ready(), 20)
    assert "edgeface_serve_worker_restarts_total 1.0" in ready()
    assert len(service.workers) == 2
    assert "exited with status -9" in service.log


@pytest.mark.slow(seconds=8)
def test_workers_end_with_the_supervisor(start: Callable[..., Service]) -> None:
    service = start()
    service.wait()
    left = service.workers
    assert len(left) == 2
    service.process.kill()
    service.process.wait()
    until(lambda: not any(map(is_alive, left)))


@pytest.mark.slow(seconds=8)
def test_a_stop_finishes_what_is_under_way_and_refuses_the_rest(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 1, queue: 100}")
    token = service.token()
    service.wait()
    head = {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"}
    with (
        closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as kept,
        closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as slow,
    ):
        kept.request("GET", "/health/ready")
        assert kept.getresponse().read() == b'{"status":"ready"}'
        # Half a photo: this one is under way for as long as the test needs.
        slow.putrequest("POST", RECOGNISE)
        for name, value in {**head, "Content-Length": str(len(PHOTO))}.items():
            slow.putheader(name, value)
        slow.endheaders(PHOTO[:1000])
        with ThreadPoolExecutor(8) as pool:
            under_way = [pool.submit(service.ask, RECOGNISE, PHOTO, token) for _ in range(8)]
            until(lambda: _established(service.port) >= 10)
            time.sleep(0.1)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            # Without a body: the connection may end, with the answer, before one is sent.
            kept.request("POST", RECOGNISE, b"", head)
            late = kept.getresponse()
            assert late.status == 503
            assert (late.headers["connection"], late.headers["retry-after"]) == ("close", "1")
            assert b"stopping" in late.read()
            assert [one.result().status for one in under_way] == [200] * 8
            slow.send(PHOTO[1000:])
            assert slow.getresponse().status == 200
    assert service.process.wait(20) == 0


def _established(port: int) -> int:
    """How many connections to a port there are."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


@pytest.mark.slow(seconds=6)
def test_a_token_that_is_used_too_often_must_wait(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 2, requests_per_minute: 30}")
    token, other = service.token(), service.token("admin")
    service.wait()
    answers = [service.ask(RECOGNISE, b"x", token) for _ in range(12)]
    # 10 s have five requests; both workers count together.
    assert [one.status for one in answers].count(429) >= 6
    refused = next(one for one in answers if one.status == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 12
    assert "more than 30 requests per minute" in refused.json["detail"]
    assert service.ask(RECOGNISE, b"x", other).status == 422


@pytest.mark.slow(seconds=6)
def test_more_pictures_than_may_wait_are_refused(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 1, queue: 1, requests_per_minute: 100000}")
    token = service.token()
    service.wait()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: service.ask(RECOGNISE, PHOTO, token), range(12)))
    statuses = [one.status for one in answers]
    assert set(statuses) == {200, 503}
    assert all(one.headers["retry-after"] for one in answers if one.status == 503)
    assert statuses.count(200) >= 3


@pytest.mark.slow(seconds=6)
def test_a_gallery_that_cannot_be_read_is_not_served(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 1}")
    token = service.token()
    service.wait()
    gallery = service.folder / "data" / "gallery.db"
    gallery.with_name("other.db").write_bytes(b"no database at all" * 1000)
    gallery.with_name("other.db").replace(gallery)
    until(lambda: service.ask("/health/ready").status == 503, 20)
    answer = service.ask(RECOGNISE, PHOTO, token)
    assert answer.status == 503
    assert "gallery cannot be read" in answer.json["detail"]
    assert service.ask("/health/live").status == 200
    assert "the gallery cannot be read" in service.log


@pytest.mark.slow(seconds=18)
def test_no_one_is_recognised_while_the_supervisor_hangs(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 1}")
    token = service.token()
    service.wait()
    service.process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: service.ask("/health/ready").status == 503, 20)
        assert service.ask(RECOGNISE, PHOTO, token).status == 503
    finally:
        service.process.send_signal(signal.SIGCONT)
    until(lambda: service.ask("/health/ready").status == 200)
    assert service.who("obama2", token) == "barack"


@pytest.mark.slow(seconds=30)
def test_a_worker_that_hangs_is_replaced(start: Callable[..., Service]) -> None:
    service = start("{port: 0, workers: 1}")
    service.wait()
    (hung,) = service.workers
    os.kill(hung, signal.SIGSTOP)
    until(lambda: not is_alive(hung), 40)
    assert "worker 0 does not answer: killing it" in service.log

    def ready() -> bool:
        with suppress(OSError):
            return service.ask("/health/ready").status == 200
        return False

    until(ready, 20)


@pytest.mark.slow(seconds=6)
def test_each_worker_has_a_socket_of_its_own_for_a_proxy(start: Callable[..., Service], tmp_path: Path) -> None:
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    service = start(f"{{port: 0, workers: 2, sockets: {sockets}}}")
    service.wait()
    for number in (0, 1):
        path = sockets / f"worker-{number}.sock"
        assert path.stat().st_mode & 0o777 == 0o660
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(path))
            one.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert one.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow(seconds=6)
def test_it_is_served_by_tls(start: Callable[..., Service], tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.broker("127.0.0.1")
    service = start(f"{{port: 0, workers: 1, tls: {{certificate: {certificate}, key: {key}}}}}")
    token = service.token()
    service.wait()
    assert f"https://127.0.0.1:{service.port}/" in service.log
    with closing(http.client.HTTPSConnection("127.0.0.1", service.port, context=authority.context(None))) as connection:
        connection.request("POST", RECOGNISE, PHOTO, {"Authorization": f"Bearer {token}", "Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["strict-transport-security"]


@pytest.mark.slow(seconds=6)
def test_a_worker_that_is_replaced_listens_only_when_it_is_ready(start: Callable[..., Service], tmp_path: Path) -> None:
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    service = start(f"{{port: 0, workers: 2, sockets: {sockets}}}")
    service.wait()
    os.kill(service.workers[0], signal.SIGKILL)
    until(lambda: "exited with status -9" in service.log)
    seen = set[str]()
    deadline = time.monotonic() + 60

    def answer() -> str:
        with socket.socket(socket.AF_UNIX) as one:
            try:
                one.connect(str(sockets / "worker-0.sock"))
            except (ConnectionRefusedError, FileNotFoundError):
                return "refused"
            one.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return one.recv(12).decode()

    while "HTTP/1.1 200" not in seen and time.monotonic() < deadline:
        seen.add(answer())
        time.sleep(0.02)
    assert seen == {"refused", "HTTP/1.1 200"}


@pytest.mark.parametrize(
    ("text", "status", "line"),
    [
        ("data: {data}\nserve: {{host: 0.0.0.0}}\n", 78, "plaintext on 0.0.0.0, which other machines can reach"),
        ("data: {data}\n", 78, "cameras: missing; for edgeface serve"),
        ("data: {data}/none\nserve:\n", 1, "no gallery here yet (edgeface enroll creates one)"),
        ("data: {data}\nserve: {{port: {taken}}}\n", 78, "cannot be served: Address already in use"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    text: str, status: int, line: str, tmp_path: Path, barack: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        config = tmp_path / "config.yaml"
        config.write_text(text.format(data=barack, taken=other.getsockname()[1]))
        assert main.main(["serve", "--config", str(config)]) == status
    said = capfd.readouterr().err
    assert line in said
    assert "Traceback" not in said


def test_a_folder_for_sockets_that_is_missing_ends_the_service(start: Callable[..., Service]) -> None:
    service = start("{port: 0, sockets: /nowhere}")
    assert service.process.wait(60) == 78
    assert "serve.sockets: /nowhere/worker-0.sock: No such" in service.log
    assert "Traceback" not in service.log


def test_a_worker_that_cannot_load_its_models_ends_the_service(start: Callable[..., Service], tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(b"no model")
    service = start(f"{{port: 0, workers: 1}}\nembedder: {{model: {model}}}")
    assert service.process.wait(60) == 78
    assert "worker 0: model.tflite: not a usable .tflite file" in service.log


def test_the_daemon_needs_a_camera(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"data: {tmp_path}\nserve:\n")
    assert main.main(["run", "--config", str(config)]) == 78
    assert "cameras: missing; only edgeface serve runs without cameras" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["0", "65"])
def test_a_number_of_workers_that_cannot_be_is_refused(
    workers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"data: {tmp_path}\nserve:\n")
    assert main.main(["serve", "--config", str(config), "--workers", workers]) == 2
    assert "--workers: should be from 1 to 64" in capsys.readouterr().err
