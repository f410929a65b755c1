"""A web context for tests: a gallery, a journal and a camera without a daemon, and clients of each role."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.config import loader
from edgeface.config.configuration import Web
from edgeface.core.clock import SystemClock
from edgeface.core.types import Box, Probe
from edgeface.daemon.session import RecognitionSession
from edgeface.demo.scenario import CLIP
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.thumbnails import Thumbnail, thumbnail
from edgeface.gallery.unknowns import Unknown
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from edgeface.people.service import PeopleService
from tests.support.broker import until
from tests.support.film import DATA, film, picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.applications import Starlette
    from starlette.testclient import TestClient
    from starlette.types import ASGIApp

    from edgeface.config.configuration import Configuration
    from edgeface.core.types import FrameResult
    from edgeface.web.auth.accounts import Role
    from edgeface.web.context import WebContext
    from edgeface.web.server import Server

BOOT = "0123456789abcdef"
CAMERA = "porch"
UNKNOWN = "u-7f3a"
"""The id of the person in tests/data/biden.jpg."""
EVENT = "01JDPZ6M8W3V5Q7R9T1X2Y4Z6A"
"""The event of that person's last visit, which can be corrected."""
PEOPLE = {"barack": "obama", "eileen": "astronaut"}
"""The ids of the enrolled people, with their photos in tests/data; the names are "Barack" and "Eileen"."""
ORIGIN = "http://localhost"
COOKIE = "edgeface"
"""The session, over plain http and without a base path."""
STATE: dict[str, Any] = {
    "version": "0.1.0",
    "uptime": 61,
    "cameras": {
        CAMERA: {
            "status": "online",
            "fps": 15.0,
            "age": 0.08,
            "frames": 900,
            "processed": 880,
            "drops": 20,
            "reopens": 1,
            "repeated": 3,
            "replayed": False,
            "recorded": False,
            "not_judged": {"small": 2},
            "liveness": {
                "looks": 40,
                "withheld": {"close": 2},
                "verdicts": {"living": 3, "screen_or_print": 1},
                "challenges": {"asked": 2, "passed": 1, "failed": 1},
                "scores": [0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 0],
                "score_total": 2.9,
                "seconds": [0, 3, 0, 0, 0, 0, 0],
                "seconds_total": 1.1,
            },
            "unknown_held_back": 0,
            "problem": None,
        }
    },
    "temperature": 51.5,
    "throttled": None,
    "clock": "synced",
    "models": {"blazeface.tflite": "0" * 64},
    "key": "file",
    "key_list": {"number": 7, "expires": "2026-11-23T08:00:00.000Z", "seconds_left": 57_600, "devices": 2},
    "problems": ["door front: no signing key (edgeface keys new)"],
    "doors": {},
    "journal": {"problem": None, "failures": 0, "set_aside": None, "seq": 5, "head": "0" * 16},
    "mqtt": None,
}


@dataclass
class Stage:
    """The application of one test, and what its handlers have done."""

    context: WebContext
    app: Starlette
    folder: Path
    """Has config.yaml and the data folder."""
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """The rows written by `context.record`."""
    reloads: int = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"


@pytest.fixture(scope="session")
def _enrolled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with config.yaml and data, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "config.yaml").write_text(_yaml(folder))
    for person, photo in PEOPLE.items():
        (folder / "photos" / person.capitalize()).mkdir(parents=True)
        shutil.copy(DATA / f"{photo}.jpg", folder / "photos" / person.capitalize())
    configuration = loader.load(folder / "config.yaml")
    PeopleService(configuration).enroll_folder(folder / "photos")
    _add_unknown(configuration)
    return folder


@pytest.fixture(scope="session")
def _outcomes(_enrolled: Path) -> list[FrameResult]:
    """The pipeline's results with Obama and Biden in front of the camera."""
    configuration = loader.load(_enrolled / "config.yaml")
    with closing(RecognitionSession(configuration, BOOT, 1_000.0)) as bench:
        frames = film((1.0, (("obama", 20, 60), ("biden", 380, 60))), camera=CAMERA)
        outcomes = [bench.pipeline.process(frame) for frame in frames]
    assert any(event.type == "match" for outcome in outcomes for event in outcome.events)
    return outcomes


@pytest.fixture(scope="session")
def _recorded(_enrolled: Path, _outcomes: list[FrameResult]) -> Path:
    """The same folder, with a journal."""
    with closing(Journal(_enrolled / "data" / "journal.db", clock=SystemClock())) as journal:
        for row in _rows(_outcomes):
            journal.append(row)
    return _enrolled


@pytest.fixture
def stage(tmp_path: Path, _recorded: Path, _outcomes: list[FrameResult]) -> Iterator[Stage]:
    """The context and the application; a thread plays the camera's results in a loop, five per second."""
    folder = tmp_path / "web"
    shutil.copytree(_recorded, folder)
    (folder / "config.yaml").write_text(_yaml(folder))
    made = _stage(folder)
    made.context.hub.state = STATE
    done = threading.Event()
    player = threading.Thread(target=_play, args=(made.context, _outcomes, done))
    player.start()
    yield made
    done.set()
    player.join()
    made.context.hub.close()
    made.context.journal.close()


@pytest.fixture
def addressed(stage: Stage) -> Stage:
    """The stage whose configuration knows the address of the page."""
    path = stage.folder / "config.yaml"
    target = "{type: webhook, url: 'https://w.example', secret_env: W}"
    rules = "[{kinds: [match], to: [w]}]"
    notify = f"notify: {{page: 'https://faces.example/', targets: {{w: {target}}}, rules: {rules}}}\n"
    path.write_text(path.read_text() + notify)
    stage.context.reload()
    return stage


@pytest.fixture
def context(stage: Stage) -> WebContext:
    return stage.context


@pytest.fixture
def client(stage: Stage) -> Iterator[Callable[..., TestClient]]:
    """Makes clients: client("admin") and client("viewer") have a session and its CSRF token, client(None) has neither.

    client("admin", token=True) sends a bearer token instead.
    """
    made: list[TestClient] = []

    def make(role: str | None = None, *, token: bool = False) -> TestClient:
        made.append(sign_in(stage, role, token=token))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def server(stage: Stage) -> Iterator[Server]:
    """The application behind a real uvicorn, at server.url."""
    with serving(stage) as running:
        yield running


@contextmanager
def serving(stage: Stage, settings: Web | None = None, app: ASGIApp | None = None, **more: Any) -> Iterator[Server]:
    """A stage's application, or another one, behind a real uvicorn that listens; at any free port without settings."""
    from edgeface.web.server import STOP_SECONDS, Server

    running = Server(app or stage.app, settings or Web(port=0), stage.context.hub, **more)
    running.start()
    try:
        assert running.wait(60), running.problem
        yield running
    finally:
        until(running.stop, STOP_SECONDS)


def sign_in(stage: Stage, role: str | None, *, token: bool = False) -> TestClient:
    """A client, as the fixture `client` makes it."""
    from starlette.testclient import TestClient

    client = TestClient(stage.app, base_url=ORIGIN, raise_server_exceptions=True, follow_redirects=False)
    if role is not None and token:
        client.headers["authorization"] = f"Bearer {make_token(stage, role)}"
    elif role is not None:
        sessions = stage.app.state.auth.sessions
        answer = client.post("/login", data={"secret": sessions.make_code(role)})
        assert answer.headers["location"] == "/", answer.text
        client.headers["x-csrf-token"] = sessions.find(client.cookies[COOKIE]).csrf
    return client


def with_routes(stage: Stage, **endpoints: Any) -> None:
    """Serve these as /api/NAME and /NAME."""
    from starlette.routing import Route

    from edgeface.web.auth.guard import public

    for name, endpoint in endpoints.items():
        for path in (f"/api/{name}", f"/{name}"):
            stage.app.router.routes.insert(0, Route(path, public(endpoint), methods=["GET", "POST"]))


def make_token(stage: Stage, role: str) -> str:
    """A bearer token of this role."""
    from edgeface.web.auth import accounts

    known: dict[str, Role] = {"admin": "admin", "recognise": "recognise"}
    return accounts.make_token(stage.data, role, known.get(role, "viewer"), 0.0)


def make_code(stage: Stage, role: str = "admin") -> str:
    """A one-time code: SERVER.url + "login#" + CODE signs a browser in."""
    code: str = stage.app.state.auth.sessions.make_code(role)
    return code


def make_app(context: WebContext, settings: Web) -> Starlette:
    """The application of a context, with the accounts in its data folder."""
    from edgeface.web.app import application
    from edgeface.web.auth.accounts import Accounts
    from edgeface.web.auth.guard import AuthService

    accounts = Accounts(context.configuration().data, context.clock)
    return application(context, AuthService(accounts, context.clock, settings.ingress), settings)


def _stage(folder: Path) -> Stage:
    from edgeface.web.context import WebContext

    clock, source = SystemClock(), folder / "config.yaml"
    running: list[Configuration] = [loader.load(source)]
    journal = Journal(running[0].data / "journal.db", clock=clock)

    def record(kind: str, facts: Any) -> None:
        made.notes.append((kind, dict(facts)))
        journal.record(kind, clock.wall(), facts)

    def reload() -> None:
        made.reloads += 1
        running[0] = loader.load(source)

    context = WebContext(lambda: running[0], source, clock, journal, record, reload)
    made = Stage(context, make_app(context, running[0].web or Web()), folder)
    return made


def _yaml(folder: Path) -> str:
    return (
        "# The door of the tests.\n"
        f"device: front\ndata: {folder / 'data'}\n"
        f"cameras:\n  {CAMERA}:\n    # A clip.\n    type: replay\n    path: {CLIP}\n"
        f"  yard: {{type: opencv, source: /dev/video99}}\n"
        "privacy: {pictures: all}\nweb: {}\n"
    )


def _add_unknown(configuration: Configuration) -> None:
    """Add an unknown with a picture."""
    shown = picture(("biden", 200, 60), face=120)
    analyzer = configuration.open_analyzer()
    ((detection, _),) = analyzer.faces(shown)
    embedding = analyzer.embed(shown, detection)
    wall = SystemClock().wall()
    unknown = Unknown(UNKNOWN, embedding, (embedding,), 1, 2, wall - 3600, wall - 60, CAMERA)
    with closing(Gallery.open(configuration.data, embedder_name(configuration.embedder.model))) as gallery:
        gallery.store_unknowns([unknown])
        gallery.store_probes([Probe(EVENT, CAMERA, wall - 60, None, UNKNOWN, embedding)])
        gallery.store_pictures([Thumbnail(UNKNOWN, wall - 60, thumbnail(shown, Box(*detection.box)))])


def _rows(outcomes: list[FrameResult]) -> Iterator[JournalRow]:
    """Rows of several kinds."""
    from edgeface.core.events import to_json, to_wire

    for event in (event for outcome in outcomes for event in outcome.events):
        yield JournalRow(event.id, event.type, event.captured_at, to_json(to_wire(event, sent_at=None, synced=True)))
    granted = {"door": "front", "person": "barack", "visit": 1, "grant_seq": 1, "score": 0.9, "level": "high"}
    refused = {"door": "front", "person": "eileen", "visit": 2, "reason": "schedule"}
    for number, (kind, facts) in enumerate((("granted", granted), ("refused", refused))):
        yield JournalRow(f"note-{number}", kind, 1_001.0 + number, json.dumps(facts))


def _play(context: WebContext, outcomes: list[FrameResult], done: threading.Event) -> None:
    while not done.is_set():
        for outcome in outcomes:
            context.hub(outcome)
            for _ in range(4):
                if context.hub.state_requested:
                    # As a daemon does when a request asks for a newer state.
                    context.hub.state = context.hub.state
                if done.wait(0.05):
                    return
