"""The live view, a change of the region and the metrics of a daemon that runs."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")

from edgeface.config import loader
from edgeface.core.clock import SystemClock
from edgeface.daemon.daemon import Daemon
from edgeface.demo.run import CLIP, PEOPLE
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
    """The daemon's page, asked by an admin's token."""

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
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def until(self, path: str, true: Callable[[Any], bool]) -> Any:
        """Ask until the answer is as it should be."""
        pause = threading.Event()
        for _ in range(200):
            status, _, body = self.ask(path)
            if status == 200 and true(said := json.loads(body)):
                return said
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
        context = daemon._window._context
        assert context is not None

        def heard(key: str) -> set[str]:
            return {wire[key] for wire in context.hub.recent() if wire.get(key) is not None}

        def goes(key: str) -> None:
            until(lambda: heard(key), 30)
            who = min(heard(key))
            with context.gallery() as gallery:
                # An unknown is said before it is stored.
                until(lambda: who in {*(one.id for one in gallery.people()), *(one.id for one in gallery.unknowns())})
                erase(configuration, gallery, who, clock.wall())
            until(lambda: who not in heard(key), 10)

        goes("person")
        goes("unknown")


@pytest.fixture
def running(source: Path) -> Iterator[Page]:
    configuration = loader.load(source)
    daemon = Daemon(configuration, source=source)
    token = accounts.make_token(configuration.data, "test", "admin", 0.0)
    with threaded(daemon):
        server = daemon._window._server
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
    # Nobody's head is in that corner.
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
