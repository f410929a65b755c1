"""The page's server, its answers to what is wrong, and what a daemon lets it see."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.config.configuration import Configuration, Web, WebTls
from edgeface.core.errors import CameraError, GalleryError, PhotoError
from edgeface.daemon.daemon import Daemon
from edgeface.demo.run import CLIP
from edgeface.web import server as web_server
from edgeface.web.auth.accounts import make_token
from edgeface.web.auth.guard import public
from edgeface.web.http import limits
from edgeface.web.http.limits import MAX_UPLOAD_BYTES, ConcurrencyLimit
from edgeface.web.http.problems import Problem
from edgeface.web.hub import MAX_QUEUED, LiveHub
from edgeface.web.server import Server
from tests.support.certificates import Authority
from tests.support.threaded import threaded
from tests.support.web import CAMERA, Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.testclient import TestClient

    from edgeface.core.types import FrameResult
    from edgeface.web.context import WebContext

    Make = Callable[..., TestClient]

SECRET = "Barack lives at 5 Main Street"  # noqa: S105 - what no log may say


def with_routes(stage: Stage, **endpoints: Any) -> None:
    """Serve these as /api/NAME and /NAME."""
    from starlette.routing import Route

    for name, endpoint in endpoints.items():
        for path in (f"/api/{name}", f"/{name}"):
            stage.app.router.routes.insert(0, Route(path, public(endpoint), methods=["GET", "POST"]))


def raising(error: Exception) -> Any:
    async def endpoint(_: Request) -> Response:
        raise error

    return endpoint


@pytest.mark.parametrize(
    ("error", "status", "title", "detail"),
    [
        (Problem(404, detail="no such person"), 404, "Not Found", "no such person"),
        (Problem(409, "Alike", "a look-alike", "/problems/alike"), 409, "Alike", "a look-alike"),
        (GalleryError("refused"), 409, "Conflict", "refused"),
        (PhotoError("no face"), 422, "Unprocessable Content", "no face"),
        (CameraError("away"), 503, "Service Unavailable", "away"),
    ],
)
def test_a_foreseen_error_is_a_problem_for_programs_and_a_page_for_people(
    stage: Stage, client: Make, error: Exception, status: int, title: str, detail: str
) -> None:
    with_routes(stage, fails=raising(error))
    told = client(None).get("/api/fails")
    assert told.headers["content-type"] == "application/problem+json"
    problem = getattr(error, "type", "about:blank")
    assert (told.status_code, told.json()) == (
        status,
        {"type": problem, "title": title, "status": status, "detail": detail},
    )
    page = client(None).get("/fails")
    assert page.headers["content-type"].startswith("text/html")
    assert page.status_code == status
    assert detail in page.text


def test_a_page_of_an_error_shows_no_markup_of_others(stage: Stage, client: Make) -> None:
    with_routes(stage, fails=raising(GalleryError("<script>alert(1)</script>")))
    assert "<script>alert" not in client(None).get("/fails").text


@pytest.mark.parametrize("path", ["/api/fails", "/fails"])
def test_what_nobody_foresaw_has_a_number_and_nothing_personal(
    stage: Stage, client: Make, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    with_routes(stage, fails=raising(ValueError(SECRET)))
    with caplog.at_level(logging.DEBUG):
        answer = client(None).get(path)
    assert answer.status_code == 500
    (record,) = [one for one in caplog.records if one.name == "edgeface.web.http.problems"]
    number = record.getMessage().partition("number ")[2][:8]
    assert number in answer.text
    assert "ValueError" in record.getMessage()
    assert SECRET not in answer.text + caplog.text
    assert "Traceback" not in answer.text + caplog.text


def test_an_unknown_path_and_a_wrong_method_are_problems(client: Make) -> None:
    admin = client("admin")
    assert admin.get("/api/v1/nothing").json() == {"type": "about:blank", "title": "Not Found", "status": 404}
    wrong = admin.put("/api/v1/people")
    assert (wrong.status_code, wrong.json()["title"]) == (405, "Method Not Allowed")
    assert "GET" in wrong.headers["allow"]


def test_every_answer_is_strict(stage: Stage, client: Make) -> None:
    with_routes(stage, fails=raising(ValueError("x")))
    admin = client("admin")
    paths = ("/", "/login", "/api/v1/people", "/api/fails", "/nothing", "/static/edgeface.css", "/static/nothing")
    answers = [admin.get(path) for path in paths] + [admin.get("/", headers={"host": "evil.example"})]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == ("no-cache" if "/static/" in str(answer.url) else "no-store")
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers


async def _length(request: Request) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(len(await limits.body(request)))


@pytest.mark.parametrize(
    ("kind", "size", "status"),
    [
        ("application/json", 64 * 1024, 200),
        ("application/json", 64 * 1024 + 1, 413),
        ("image/jpeg", MAX_UPLOAD_BYTES, 200),
        ("image/jpeg", MAX_UPLOAD_BYTES + 1, 413),
        ("multipart/form-data; boundary=x", MAX_UPLOAD_BYTES + 1, 413),
    ],
)
def test_a_body_has_a_limit_by_its_kind(stage: Stage, client: Make, kind: str, size: int, status: int) -> None:
    with_routes(stage, length=_length)
    answer = client(None).post("/api/length", content=b"x" * size, headers={"content-type": kind})
    assert answer.status_code == status


def test_what_all_bring_together_is_bounded_too(stage: Stage, client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with_routes(stage, length=_length)
    monkeypatch.setattr(limits, "MAX_HELD_BYTES", 1000)
    nobody = client(None)
    for _ in range(3):
        assert nobody.post("/api/length", content=b"x" * 1000).status_code == 200
        answer = nobody.post("/api/length", content=b"x" * 1001)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_an_upload_without_an_end_is_stopped_while_it_comes(
    stage: Stage, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAIN_SECONDS", 0.5)
    with_routes(stage, length=_length)
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(
            b"POST /api/length HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012 - one of many fails
            while True:
                client.sendall(chunk)


def test_an_upload_of_200_mb_is_told_why_it_is_refused(stage: Stage, server: Server) -> None:
    with_routes(stage, length=_length)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request(
            "POST",
            "/api/length",
            (b"x" * 1_000_000 for _ in range(200)),
            {"Content-Type": "image/jpeg", "Content-Length": "200000000"},
        )
        answer = connection.getresponse()
        assert answer.status == 413
        assert json.load(answer)["detail"] == "at most 10 MB are accepted"


def test_an_upload_that_nobody_reads_is_not_waited_for(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(
            b"POST /api/v1/recognise HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            b"Content-Length: 200000000\r\n\r\nx"
        )
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


def test_an_upload_that_lies_about_its_length_ends_with_an_error(stage: Stage, server: Server) -> None:
    with_routes(stage, length=_length)
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(
            b"POST /api/length HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            b"Content-Length: 200000000\r\n\r\n" + b"x" * 1000
        )
        client.shutdown(socket.SHUT_WR)
        assert b" 200 OK" not in client.recv(1000)


def test_an_upload_that_dawdles_is_stopped(stage: Stage, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.3)
    with_routes(stage, length=_length)
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(b"POST /api/length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")


async def _form(request: Request) -> Response:
    from starlette.datastructures import UploadFile
    from starlette.responses import JSONResponse

    given = await limits.form(request)
    files = [one for one in given.getlist("photo") if isinstance(one, UploadFile)]
    on_disk = [one.file._rolled for one in files]  # type: ignore[attr-defined]
    return JSONResponse({"sizes": [len(await one.read()) for one in files], "on_disk": on_disk})


def test_a_form_is_bounded_and_its_files_never_touch_a_disk(stage: Stage, client: Make) -> None:
    with_routes(stage, form=_form)
    nobody = client(None)

    def post(count: int, size: int = 10, **fields: str) -> Any:
        return nobody.post("/api/form", data=fields, files=[("photo", ("a", b"x" * size))] * count)

    assert post(2, 4_000_000).json() == {"sizes": [4_000_000] * 2, "on_disk": [False] * 2}
    assert post(limits.MAX_FILES + 1).status_code == 400
    assert post(3, 4_000_000).status_code == 413
    assert post(1, 10, name="x" * (limits.MAX_FIELD_BYTES + 1)).status_code == 400
    assert post(1, 10, **{f"f{n}": "x" for n in range(limits.MAX_FIELDS + 1)}).status_code == 400
    assert nobody.post("/api/form", json={}).status_code == 415
    broken = nobody.post("/api/form", content=b"x", headers={"content-type": "multipart/form-data"})
    assert broken.status_code == 400
    assert broken.headers["content-type"] == "application/problem+json"


def test_few_are_decoded_at_a_time_some_wait_and_the_rest_is_sent_away() -> None:
    async def work() -> tuple[int, int]:
        slots, there, most, away = ConcurrencyLimit(2, 3), 0, 0, 0

        async def one() -> None:
            nonlocal there, most, away
            try:
                async with slots.one():
                    there += 1
                    most = max(most, there)
                    await asyncio.sleep(0.01)
                    there -= 1
            except Problem as problem:
                assert problem.status == 503
                away += 1

        await asyncio.gather(*(one() for _ in range(9)))
        async with slots.one():
            return most, away

    assert asyncio.run(work()) == (2, 4)


def fetched(url: str, context: ssl.SSLContext | None = None) -> int:
    request = urllib.request.Request(url)  # noqa: S310 - it is ours
    with urllib.request.urlopen(request, timeout=5, context=context) as answer:  # noqa: S310 - as above
        return int(answer.status)


def test_the_page_is_served_by_tls(stage: Stage, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.broker("127.0.0.1")
    running = Server(stage.app, Web(port=0, tls=WebTls(certificate=certificate, key=key)), stage.context.hub)
    running.start()
    try:
        assert running.wait(10), running.problem
        assert running.url.startswith("https://127.0.0.1:")
        assert fetched(f"{running.url}login", authority.context(None)) == 200
        old = authority.context(None)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(OSError, match=r"(?i)ssl|tls"):
            fetched(f"{running.url}login", old)
        with pytest.raises(OSError, match=r"(?i)remote|reset|closed"):
            fetched(f"http://127.0.0.1:{running.port}/login")
    finally:
        running.stop()


@pytest.mark.parametrize("broken", ["missing", "garbage"])
def test_a_certificate_that_cannot_be_used_is_a_problem_in_one_line(
    stage: Stage, tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    if broken == "garbage":
        (tmp_path / "c").write_text("x")
        (tmp_path / "k").write_text("x")
    tls = WebTls(certificate=tmp_path / "c", key=tmp_path / "k")
    running = Server(stage.app, Web(port=0, tls=tls), stage.context.hub)
    running.start()
    wait_for(lambda: running.problem is not None)
    running.stop()
    assert running.problem is not None
    assert running.problem.startswith("web: ")
    assert "\n" not in running.problem
    assert [one.levelname for one in caplog.records] == ["ERROR"]


def wait_for(holds: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_port_that_is_taken_is_tried_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(web_server, "RETRY_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = Server(stage.app, Web(port=port), stage.context.hub)
        running.start()
        wait_for(lambda: running.problem is not None)
        time.sleep(0.3)
    try:
        assert running.wait(5)
        assert running.problem is None
        assert fetched(f"{running.url}login") == 200
    finally:
        running.stop()
    (told,) = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert told == f"web: 127.0.0.1:{port} cannot be served: Address already in use"


async def _events(request: Request) -> Response:
    from starlette.responses import StreamingResponse

    async def lines() -> AsyncIterator[bytes]:
        yield b"begin\n"
        async for wire in request.app.state.context.hub.events():
            yield json.dumps(wire).encode()

    return StreamingResponse(lines())


async def _for_ever(_: Request) -> Response:
    from starlette.responses import StreamingResponse

    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"part\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(parts())


@contextmanager
def streaming(port: int, path: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    with closing(connection), connection.getresponse() as answer:
        answer.fp.read(2)
        yield answer


def test_it_ends_in_time_whatever_streams(stage: Stage, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with_routes(stage, events=_events, ever=_for_ever)
    with streaming(server.port, "/api/events"), streaming(server.port, "/api/ever"):
        wait_for(lambda: stage.context.hub.listeners == 1)
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 2.0
    assert not [thread for thread in threading.enumerate() if thread.name == "web"]
    assert stage.context.hub.listeners == 0
    assert "does not end" not in caplog.text


def test_a_connection_that_says_nothing_is_closed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "IDLE_SECONDS", 1)
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: local")
        assert client.recv(100) == b""


@pytest.mark.parametrize("text", [b"\x16\x03\x01\x00\xff garbage", b"GET / HTTP/9\r\n\r\n", b"GET " + b"x" * 70_000])
def test_garbage_gets_400_and_leaves_no_trace(server: Server, text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(text)
        answer = client.recv(100)
    assert answer.startswith(b"HTTP/1.1 400 ")
    # The server says its address in a thread of its own, and may do so now.
    assert [one.message for one in caplog.records if not one.message.startswith("the page is at ")] == []
    assert fetched(f"{server.url}login") == 200


def outcome(camera: str = CAMERA) -> FrameResult:
    import numpy as np

    from edgeface.core.types import Frame, FrameResult

    return FrameResult(Frame(camera, 0, 0.0, 0.0, np.zeros((2, 2, 3), np.uint8)), (), ())


def test_a_picture_is_kept_only_while_somebody_looks() -> None:
    hub, first = LiveHub(), outcome()
    hub(first)
    assert hub.latest(CAMERA) is None
    with hub.watch(CAMERA):
        with hub.watch(CAMERA):
            hub(first)
        hub(outcome("yard"))
        assert hub.latest(CAMERA) is first
        assert hub.latest("yard") is None
    assert hub.latest(CAMERA) is None
    hub(first)
    assert hub.latest(CAMERA) is None


def test_what_is_heard_reaches_every_listener_from_any_thread() -> None:
    hub = LiveHub()

    async def listen() -> list[int]:
        return [wire["n"] async for wire in hub.events()]

    async def work() -> list[list[int]]:
        listeners = [asyncio.create_task(listen()) for _ in range(3)]
        while hub.listeners < 3:  # noqa: ASYNC110 - a glass has no event for it
            await asyncio.sleep(0.001)
        threads = [threading.Thread(target=hub.on_message, args=({"kind": "match", "n": n},)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        hub.close()
        return list(await asyncio.gather(*listeners))

    assert [sorted(heard) for heard in asyncio.run(work())] == [list(range(20))] * 3
    assert hub.listeners == 0
    # The loop has gone: nobody is waited for.
    hub.on_message({"kind": "match", "n": 20})
    assert len(hub.recent()) == 21


def test_what_was_heard_of_somebody_can_be_forgotten() -> None:
    hub = LiveHub()
    wires: list[dict[str, Any]] = [
        {"person": "anna"},
        {"person": "berta", "unknown": None},
        {"unknown": "u-7f3a"},
        {"kind": "started"},
    ]
    for wire in wires:
        hub.on_message(wire)
    hub.forget("anna")
    hub.forget("u-7f3a")
    assert hub.recent() == [wires[1], wires[3]]


def test_a_slow_listener_loses_the_oldest_and_it_is_counted() -> None:
    hub = LiveHub()

    async def work() -> list[int]:
        heard: list[int] = []
        async for wire in hub.events():
            if not heard:
                for n in range(1, MAX_QUEUED + 11):
                    hub.on_message({"n": n})
                await asyncio.sleep(0.01)
            heard.append(wire.get("n", -wire.get("count", 0)))
            if heard[-1] == MAX_QUEUED + 10:
                break
        return heard

    async def begun() -> list[int]:
        task = asyncio.create_task(work())
        while not hub.listeners:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
        hub.on_message({"n": 0})
        return await task

    assert asyncio.run(begun()) == [0, -10, *range(11, MAX_QUEUED + 11)]
    wait_for(lambda: hub.dropped == 10)
    assert len(hub.recent()) == MAX_QUEUED + 11


def test_the_state_is_said_again_for_whoever_asks() -> None:
    hub = LiveHub()
    hub.state = {"n": 1}

    def answer() -> None:
        wait_for(lambda: hub.asked)
        hub.state = {"n": 2}

    thread = threading.Thread(target=answer)
    thread.start()
    assert asyncio.run(hub.report()) == {"n": 2}
    thread.join()
    assert not hub.asked
    assert asyncio.run(hub.report()) == {"n": 2}


def test_the_sites_models_are_for_one_at_a_time(context: WebContext) -> None:
    with context.analyzer() as analyzer:
        other = threading.Thread(target=lambda: context.analyzer().__enter__().limits)
        other.start()
        other.join(0.2)
        assert other.is_alive()
        assert analyzer.limits == context.configuration().quality
    other.join(5)
    assert not other.is_alive()


def test_the_sites_gallery_is_the_daemons(context: WebContext) -> None:
    with context.gallery() as gallery:
        assert [person.id for person in gallery.people()] == ["barack", "eileen"]


def test_the_daemon_loads_nothing_of_the_web_unless_it_is_wanted() -> None:
    wanted = "starlette uvicorn jinja2 argon2 prometheus_client multipart anyio edgeface.web.context"
    code = f"import edgeface.daemon.daemon, sys; print([name for name in {wanted!r}.split() if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def daemon_of(folder: Path, *, web: Web | None) -> Daemon:
    cameras = {CAMERA: {"type": "replay", "path": CLIP}}
    return Daemon(Configuration(data=folder, cameras=cameras, web=web))  # type: ignore[arg-type]


def test_a_daemon_shows_its_state_and_what_it_says(tmp_path: Path) -> None:
    token = make_token(tmp_path, "admin", "admin", 0.0)
    daemon = daemon_of(tmp_path, web=Web(port=0))
    with threaded(daemon):
        wait_for(lambda: daemon._window.problem is None and daemon._window.url and daemon._window._server.wait(0))  # type: ignore[union-attr]
        link = daemon.sign_in_link()
        assert link is not None
        assert "/login#" in link
        request = urllib.request.Request(  # noqa: S310 - it is ours
            f"{daemon._window.url}api/v1/state", headers={"authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - as above
            state = json.load(answer)
        assert CAMERA in json.dumps(state)
        context = daemon._window._context
        assert context is not None
        wait_for(lambda: any(wire["kind"] == "unknown" for wire in context.hub.recent()), 30)
        assert {"mqtt", "doors", "journal", "problems", "cameras"} <= context.hub.state.keys()
    assert not [one for one in threading.enumerate() if one.name == "web"]
    (event, *_) = [wire for wire in context.hub.recent() if wire["kind"] == "unknown"]
    assert event["event_type"] == "unknown"
    assert event["id"]


_COST = """
import sys, threading, time
from pathlib import Path
from edgeface.daemon.daemon import Daemon
from edgeface.demo.run import CLIP
from edgeface.config.configuration import Configuration; from edgeface.config.configuration import Web

def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) / 1024

def cpu():
    clocks = {t.name: time.clock_gettime(time.pthread_getcpuclockid(t.ident)) for t in threading.enumerate()}
    return clocks["web"], time.process_time()

cameras = {"porch": {"type": "replay", "path": CLIP, "loop": True}}
before = resident()
daemon = Daemon(Configuration(data=Path(sys.argv[1]), cameras=cameras, web=Web(port=0)))
after = resident()
thread = threading.Thread(target=daemon.run)
thread.start()
time.sleep(4)
first = cpu()
time.sleep(6)
last = cpu()
daemon.stop()
thread.join()
print((last[0] - first[0]) / (last[1] - first[1]), after - before)
"""


@pytest.mark.slow(seconds=13)
def test_nobodys_looking_costs_next_to_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _COST, tmp_path], capture_output=True, text=True, check=True)
    share, megabytes = map(float, done.stdout.split())
    assert share < 0.02
    assert megabytes < 40


def test_a_daemon_without_its_page_goes_on_and_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        daemon = daemon_of(tmp_path, web=Web(port=other.getsockname()[1]))
        with threaded(daemon):
            wait_for(lambda: daemon._window.problem is not None)
            context = daemon._window._context
            assert context is not None
            wait_for(lambda: context.hub.state.get("problems"))
            assert "cannot be served: Address already in use" in context.hub.state["problems"][-1]
            wait_for(lambda: any(wire["kind"] == "unknown" for wire in context.hub.recent()), 30)
