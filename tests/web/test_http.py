"""Problems, security headers and limits on requests."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.core.errors import CameraError, GalleryError, PhotoError
from edgeface.web.http import limits
from edgeface.web.http.limits import MAX_UPLOAD_BYTES, ConcurrencyLimit, Limits
from edgeface.web.http.problems import Problem
from tests.support.web import ORIGIN, Stage, serving, with_routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.testclient import TestClient

    from edgeface.web.server import Server

    Make = Callable[..., TestClient]

SECRET = "Barack lives at 5 Main Street"  # noqa: S105 - no log may contain it


def raising(error: Exception) -> Any:
    async def endpoint(_: Request) -> Response:
        raise error

    return endpoint


@pytest.mark.parametrize(
    ("error", "status", "title", "detail"),
    [
        (Problem(404, detail="no such person"), 404, "Not Found", "no such person"),
        (Problem(409, "Alike", "a look-alike"), 409, "Alike", "a look-alike"),
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
    assert (told.status_code, told.json()) == (
        status,
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
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

    return JSONResponse(len(await request.body()))


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


def test_what_all_bring_together_is_bounded_too(stage: Stage) -> None:
    from starlette.testclient import TestClient

    with_routes(stage, length=_length)
    nobody, image = TestClient(Limits(stage.app, held=1000), base_url=ORIGIN), {"content-type": "image/jpeg"}
    for _ in range(3):
        assert nobody.post("/api/length", content=b"x" * 1000, headers=image).status_code == 200
        answer = nobody.post("/api/length", content=b"x" * 1001, headers=image)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert nobody.post("/api/length", content=b"x" * 1001).status_code == 200, "a form is no upload"


def test_what_one_address_brings_is_bounded_so_that_others_can_bring_something(stage: Stage) -> None:
    with_routes(stage, length=_length)
    head = b"POST /api/length HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\n"

    def status(source: str, size: int) -> tuple[socket.socket, bytes]:
        client = socket.create_connection(("127.0.0.1", server.port), 5, source_address=(source, 0))
        client.sendall(head + b"x" * size)
        client.settimeout(0.5)
        try:
            return client, client.recv(12)
        except TimeoutError:
            return client, b""

    one, other = "127.0.0.2", "127.0.0.3"
    with serving(stage, app=Limits(stage.app, held=3000, held_of_address=2000)) as server:
        found = [status(one, 999), status(one, 999), status(one, 999), status(other, 1000)]
        for client, _ in found:
            client.close()
    assert [text for _, text in found] == [b"", b"", b"HTTP/1.1 503", b"HTTP/1.1 200"]


def test_an_upload_without_an_end_is_stopped_while_it_comes(stage: Stage) -> None:
    with_routes(stage, length=_length)
    with (
        serving(stage, app=Limits(stage.app, drain_seconds=0.5)) as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as client,
    ):
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
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request(
            "POST",
            "/api/length",
            (b"x" * 1_000_000 for _ in range(200)),
            {"Content-Type": "image/jpeg", "Content-Length": "200000000"},
        )
        answer = connection.getresponse()
        assert answer.status == 413
        assert json.load(answer)["detail"].startswith("at most 10 MB are accepted at a time: ")


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


def test_an_upload_that_dawdles_is_stopped(stage: Stage) -> None:
    with_routes(stage, length=_length)
    with (
        serving(stage, app=Limits(stage.app, seconds=0.3)) as server,
        socket.create_connection(("127.0.0.1", server.port), 10) as client,
    ):
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
