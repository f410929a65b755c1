"""The web page of a running daemon: its state, the live view, a change of the region, the metrics, and its cost."""

import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")

from edgeface.config import loader
from edgeface.config.configuration import Configuration, Web
from edgeface.core.clock import SystemClock
from edgeface.daemon.daemon import Daemon
from edgeface.demo.scenario import CLIP, PEOPLE
from edgeface.people.erasure import erase
from edgeface.people.service import PeopleService
from edgeface.web.auth import accounts
from tests.support.broker import until
from tests.support.threaded import threaded

YAML = """# The door.
data: {data}
cameras:
  porch:
    type: replay
    path: {clip}
    loop: true  # for ever
web: {{port: 0}}
"""


class Page:
    """A client of the daemon's page with an admin's token."""

    def __init__(self, daemon: Daemon, token: str) -> None:
        link = daemon.sign_in_link()
        assert link is not None
        self._base, self._token = link.partition("login#")[0], token

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any, bytes]:
        request = urllib.request.Request(  # noqa: S310 - our own page
            self._base + path.lstrip("/"),
            data=None if body is None else json.dumps(body).encode(),
            method="GET" if body is None else "PUT",
            headers={
                "authorization": f"Bearer {self._token}",
                "content-type": "application/json",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def until(self, path: str, true: Callable[[Any], bool]) -> Any:
        """Repeat the request until the answer is as expected."""
        pause = threading.Event()
        for _ in range(200):
            status, _, body = self.ask(path)
            if status == 200 and true(answer := json.loads(body)):
                return answer
            pause.wait(0.05)
        raise AssertionError(f"{path} does not come true: {status} {body[:500]!r}")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(YAML.format(data=tmp_path / "data", clip=CLIP))
    return path


@pytest.mark.slow(seconds=5)
def test_somebody_forgotten_at_the_command_line_is_forgotten_by_the_page(source: Path) -> None:
    configuration, clock = loader.load(source), SystemClock()
    PeopleService(configuration).enroll_folder(PEOPLE)
    daemon = Daemon(configuration, source=source)
    with threaded(daemon):
        assert daemon.sign_in_link() is not None
        context = daemon._page._context
        assert context is not None

        def heard(key: str) -> set[str]:
            return {wire[key] for wire in context.hub.recent() if wire.get(key) is not None}

        def goes(key: str) -> None:
            until(lambda: heard(key), 30)
            who = min(heard(key))
            with context.gallery() as gallery:
                # An unknown is published before it is stored.
                until(lambda: who in {*(one.id for one in gallery.people()), *(one.id for one in gallery.unknowns())})
                erase(configuration, gallery, [who], clock.wall())
            until(lambda: who not in heard(key), 10)

        goes("person")
        goes("unknown")


@pytest.fixture
def running(source: Path) -> Iterator[Page]:
    configuration = loader.load(source)
    daemon = Daemon(configuration, source=source)
    token = accounts.make_token(configuration.data, "test", "admin", 0.0)
    with threaded(daemon):
        server = daemon._page._server
        assert server is not None
        assert server.wait(20)
        yield Page(daemon, token)


@pytest.mark.slow(seconds=6)
def test_what_an_admin_drags_counts_at_once_and_what_it_costs_is_measured(running: Page, source: Path) -> None:
    faces, view, before = "/api/v1/cameras/porch/faces", "/api/v1/cameras/porch/view", source.read_text()
    seen = running.until(faces, lambda said: bool(said["faces"]))
    assert (seen["region"], seen["smallest_face"]) == ([0.0, 0.0, 1.0, 1.0], 60)

    _, headers, _ = running.ask(view)
    status, headers, body = running.ask(view, {"region": [0.0, 0.0, 0.3, 0.1]}, if_match=headers["etag"])
    assert (status, json.loads(body)["effective"]) == (200, "at_once")
    status, _, body = running.ask("/api/v1/detector", {"smallest_face": 90}, if_match=headers["etag"])
    assert (status, json.loads(body)["effective"]) == (200, "at_once")

    now = running.until(faces, lambda said: (said["region"], said["smallest_face"]) == ([0.0, 0.0, 0.3, 0.1], 90))
    # No face is in that corner.
    assert running.until(faces, lambda said: said["seq"] > now["seq"] + 30)["faces"] == []
    added = set(source.read_text().splitlines()) - set(before.splitlines())
    assert added == {"    region: [0.0, 0.0, 0.3, 0.1]", "detector: {type: blazeface, smallest_face: 90}"}
    assert before.splitlines()[:6] == source.read_text().splitlines()[:6]

    status, _, body = running.ask("/metrics")
    text = body.decode()
    assert status == 200
    assert 'edgeface_camera_status{camera="porch",status="online"} 1.0' in text
    for stage in ("detect", "landmark", "embed", "match"):
        assert f'edgeface_stage_seconds_count{{stage="{stage}"}} 0.0' not in text
        assert f'edgeface_stage_seconds_count{{stage="{stage}"}}' in text


def test_latency_is_in_the_state(running: Page) -> None:
    running.until("/api/v1/cameras/porch/faces", lambda _: True)
    state = running.until("/api/v1/state", lambda said: bool(said.get("latency")))
    assert set(state["latency"]) == {"p50", "p95"}
    assert 0 < state["latency"]["p50"] <= state["latency"]["p95"] < 5
    assert state["cameras"]["porch"]["latency"] == pytest.approx(state["latency"])


def test_the_daemon_loads_nothing_of_the_web_unless_it_is_wanted() -> None:
    wanted = "starlette uvicorn jinja2 argon2 prometheus_client multipart anyio edgeface.web.context"
    code = f"import edgeface.daemon.daemon, sys; print([name for name in {wanted!r}.split() if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def daemon_of(folder: Path, *, web: Web | None) -> Daemon:
    cameras = {"porch": {"type": "replay", "path": CLIP}}
    return Daemon(Configuration(data=folder, cameras=cameras, web=web))  # type: ignore[arg-type]


def test_a_daemon_shows_its_state_and_what_it_says(tmp_path: Path) -> None:
    token = accounts.make_token(tmp_path, "admin", "admin", 0.0)
    daemon = daemon_of(tmp_path, web=Web(port=0))
    server = daemon._page._server
    assert server is not None
    with threaded(daemon):
        until(lambda: not daemon._page.problems and server.wait(0), 20)
        link = daemon.sign_in_link()
        assert link is not None
        assert "/login#" in link
        request = urllib.request.Request(  # noqa: S310 - it is ours
            f"{server.url}api/v1/state", headers={"authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            state = json.load(answer)
        assert "porch" in json.dumps(state)
        context = daemon._page._context
        assert context is not None
        until(lambda: any(wire["kind"] == "unknown" for wire in context.hub.recent()), 30)
        assert {"mqtt", "doors", "journal", "problems", "cameras"} <= context.hub.state.keys()
    assert not [one for one in threading.enumerate() if one.name == "web"]
    (event, *_) = [wire for wire in context.hub.recent() if wire["kind"] == "unknown"]
    assert event["event_type"] == "unknown"
    assert event["id"]


_COST = """
import sys, threading, time
from pathlib import Path
from edgeface.daemon.daemon import Daemon
from edgeface.demo.scenario import CLIP
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
            until(lambda: daemon._page.problems != (), 20)
            context = daemon._page._context
            assert context is not None
            until(lambda: context.hub.state.get("problems"), 20)
            assert "cannot be served: Address already in use" in context.hub.state["problems"][-1]
            until(lambda: any(wire["kind"] == "unknown" for wire in context.hub.recent()), 30)


@pytest.mark.parametrize("fault", ["missing", "no account", "broken"])
def test_recognition_continues_without_a_page_that_cannot_start(
    source: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    says = {
        "missing": "web: uvicorn is not installed: ",
        "no account": "no one has an account",
        "broken": "RuntimeError",
    }
    if fault == "missing":
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        monkeypatch.delitem(sys.modules, "edgeface.web.server", raising=False)
    elif fault == "no account":
        source.write_text(source.read_text().replace("{port: 0}", "{port: 0, host: 0.0.0.0, insecure: true}"))
    else:

        def broken(*_: object) -> None:
            raise RuntimeError

        monkeypatch.setattr("edgeface.web.app.application", broken)
    daemon = Daemon(loader.load(source), source=source)
    with threaded(daemon):
        until(lambda: daemon._health.age("porch") is not None, 30)
        assert daemon.sign_in_link() is None
        (problem,) = daemon._page.problems
        assert says[fault] in problem
        assert problem in daemon._problems
    assert [one.getMessage() for one in caplog.records if one.name == "edgeface.daemon.web_page"] == [problem]
