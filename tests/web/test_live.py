import asyncio
import http.client
import json
import threading
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

pytest.importorskip("starlette")

from edgeface.cameras import advice as camera_advice
from edgeface.core.types import Box, Face, Frame, FrameResult, Image, RejectReason
from edgeface.imaging.opencv import cv2
from edgeface.web.http.connections import ConnectionLimits
from edgeface.web.http.problems import Problem
from edgeface.web.hub import MAX_QUEUED, LiveHub
from edgeface.web.live import feed, stream
from edgeface.web.live.feed import Feed
from edgeface.web.texts import camera_strings
from tests.support.clock import FixedClock
from tests.support.web import CAMERA, COOKIE, STATE, Stage, client, context, make_token, server, serving, stage  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from edgeface.web.context import WebContext
    from edgeface.web.server import Server

    Client = Callable[..., TestClient]

PICTURE = f"/api/v1/cameras/{CAMERA}/picture"
FACES = f"/api/v1/cameras/{CAMERA}/faces"
STREAM = "/api/v1/events/stream"

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811


def decoded(data: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(image, np.uint8)


def outcome(clock: FixedClock, seq: int, age: float = 0.1) -> FrameResult:
    image = np.random.default_rng(seq).integers(0, 255, (480, 640, 3), np.uint8)
    image.flags.writeable = False
    face = Face(1, Box(100, 120, 200, 240), "match", "barack", "Barack", None, 0.9, None)
    return FrameResult(Frame(CAMERA, seq, clock.now - age, 1e9, image), (face,), ())


@pytest.fixture
def clock(context: "WebContext") -> FixedClock:
    """The context's clock, which stands still; no film is played."""
    fixed = FixedClock(1000.0)
    object.__setattr__(context, "clock", fixed)
    object.__setattr__(context, "hub", LiveHub())
    return fixed


def run(work: Callable[[Feed], Awaitable[None]], context: "WebContext", **settings: float) -> None:
    async def whole() -> None:
        one = Feed(context, CAMERA, **settings)
        await work(one)
        one.close()

    asyncio.run(whole())


def test_the_picture_of_the_faces_that_were_told(client: "Client", context: "WebContext") -> None:
    # The film has times of its own, not the clock's.
    object.__setattr__(context, "clock", FixedClock(0.5))
    viewer = client("viewer")
    seen = viewer.get(FACES).json()
    answer = viewer.get(PICTURE, params={"seq": seen["seq"]})
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-frame-seq"] == str(seen["seq"])
    assert decoded(answer.content).shape == (480, 640, 3)
    assert (seen["frame_size"], seen["region"], seen["smallest_face"]) == ([640, 480], [0.0, 0.0, 1.0, 1.0], 60)
    assert {(face["label"], face["person"]) for face in seen["faces"]} <= {
        *(("match", "barack"), ("unknown", None), ("new", None), ("uncertain", None)),
    }


def test_boxes_are_drawn_and_a_width_is_shared(context: "WebContext", clock: FixedClock) -> None:
    async def work(one: Feed) -> None:
        with context.hub.watch(CAMERA):
            context.hub(outcome(clock, 1))
            shot = await one.newest()
        before = shot.frame.image.copy()
        plain = decoded(await one.picture(shot, boxes=False, width=None))
        drawn = decoded(await one.picture(shot, boxes=True, width=None))
        small = decoded(await one.picture(shot, boxes=True, width=300))
        assert small.shape == (240, 320, 3)
        assert plain.shape == drawn.shape == (480, 640, 3)
        # The box is green, and the rest of the picture is unchanged.
        assert np.abs(drawn[150:200, 99:102].astype(int) - (75, 180, 60)).mean() < 60
        assert np.abs(drawn[300:, 300:].astype(int) - plain[300:, 300:]).mean() < 3
        assert np.array_equal(shot.frame.image, before)
        assert await one.picture(shot, boxes=True, width=310) is await one.picture(shot, boxes=True, width=320)
        assert decoded(await one.picture(shot, boxes=False, width=5000)).shape == (480, 640, 3)

    run(work, context)


def test_one_encoding_serves_everybody_five_times_a_second(context: "WebContext", clock: FixedClock) -> None:
    encoded: list[tuple[int, bytes]] = []

    async def look(one: Feed) -> tuple[int, bytes]:
        shot = await one.newest()
        return shot.frame.seq, await one.picture(shot, boxes=False, width=None)

    async def work(one: Feed) -> None:
        with context.hub.watch(CAMERA):
            for tick in range(10):
                # Sixteen pictures per second, and ten viewers request each.
                context.hub(outcome(clock, tick))
                seen = await asyncio.gather(*(look(one) for _ in range(10)))
                # All ten get the same bytes object: it was encoded once.
                assert len({id(data) for _, data in seen}) == 1
                encoded.extend([] if encoded and seen[0][1] is encoded[-1][1] else seen[:1])
                clock.sleep(1 / 16)

    run(work, context)
    assert [seq for seq, _ in encoded] == [0, 4, 8]


def test_the_picture_before_is_kept_for_who_was_told_of_it_and_no_longer(
    context: "WebContext", clock: FixedClock
) -> None:
    async def work(one: Feed) -> None:
        with context.hub.watch(CAMERA):
            for seq in (1, 2, 3):
                context.hub(outcome(clock, seq))
                assert (await one.newest()).frame.seq == seq
                clock.sleep(0.21)
            assert [(await one.newest(seq)).frame.seq for seq in (3, 2, 1)] == [3, 2, 3]

    run(work, context)


def test_nothing_is_held_and_nothing_encoded_when_nobody_looks(context: "WebContext", clock: FixedClock) -> None:
    shown = outcome(clock, 1)
    image = weakref.ref(shown.frame.image)
    context.hub(shown)
    assert context.hub.latest(CAMERA) is None

    async def work(one: Feed) -> None:
        nonlocal shown
        asking = asyncio.ensure_future(one.newest())
        await asyncio.sleep(0.05)
        looked = one.active
        context.hub(shown)
        await one.picture(await asking, boxes=False, width=None)
        del asking, shown
        assert image() is not None
        await asyncio.sleep(0.4)
        assert (looked, one.active) == (True, False)
        assert context.hub.latest(CAMERA) is None
        assert image() is None
        context.hub(outcome(clock, 2))
        assert context.hub.latest(CAMERA) is None

    run(work, context, lease=0.2)


def test_a_stale_picture_is_not_the_camera(context: "WebContext", clock: FixedClock) -> None:
    context.hub.state = {"cameras": {CAMERA: {"status": "offline", "problem": "no route to host"}}}

    async def work(one: Feed) -> None:
        with context.hub.watch(CAMERA):
            context.hub(outcome(clock, 1, age=feed.MAX_AGE + 0.1))
            with pytest.raises(Problem) as caught:
                await one.newest()
        assert caught.value.status == 503
        assert caught.value.detail == f"camera {CAMERA} delivers no image now: it is offline (no route to host)"

    run(work, context, timeout=0.1)


def test_a_camera_that_is_away_is_told_as_a_problem(client: "Client") -> None:
    answer = client("viewer").get("/api/v1/cameras/yard/picture")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.json()["detail"] == "camera yard delivers no image now: no frame has arrived"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/cameras/nowhere/picture", 404),
        ("/api/v1/cameras/nowhere/faces", 404),
        ("/api/v1/cameras/%2e%2e/picture", 404),
        (f"{PICTURE}?width=0", 422),
        (f"{PICTURE}?width=1e9", 422),
        (f"{PICTURE}?boxes=perhaps", 422),
        (f"{PICTURE}?seq=-1", 422),
        (f"{PICTURE}?other=1", 400),
    ],
)
def test_a_wrong_request_is_told_so(client: "Client", path: str, status: int) -> None:
    answer = client("viewer").get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("path", [PICTURE, FACES, STREAM, f"/api/v1/cameras/{CAMERA}/view"])
def test_nobody_looks_without_signing_in(client: "Client", path: str) -> None:
    assert client().get(path).status_code == 401


def test_a_connection_that_asks_again_and_again_is_not_idle(stage: Stage) -> None:
    bearer, pause = f"Bearer {make_token(stage, 'viewer')}", threading.Event()
    with (
        serving(stage, limits=ConnectionLimits(idle_seconds=2)) as server,
        closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection,
    ):
        connection.connect()
        used = connection.sock
        for _ in range(20):
            connection.request("GET", f"/api/v1/cameras/{CAMERA}/view", headers={"authorization": bearer})
            assert connection.getresponse().read()
            assert connection.sock is used
            pause.wait(0.18)


class Listening:
    """A client of the stream, over a real connection."""

    def __init__(self, server: "Server", **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.connection.request("GET", STREAM, headers={name.replace("_", "-"): one for name, one in headers.items()})
        self.answer = self.connection.getresponse()
        self.listens = self.answer.status == 200

    def block(self) -> dict[str, str]:
        """The next event or comment; empty at the end."""
        fields: dict[str, str] = {}
        while line := self.answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ") if not line.startswith(":") else ("comment", "", line)
            fields[name] = value
        return fields

    def event(self) -> tuple[str, dict[str, Any]]:
        """The next event's id and data."""
        while "data" not in (fields := self.block()):
            assert fields, "the stream has ended"
        data = json.loads(fields["data"])
        assert fields.get("event") == data["kind"]
        return fields.get("id", ""), data

    def close(self) -> None:
        self.listens = False
        self.answer.close()
        self.connection.close()


@pytest.fixture
def listen(server: "Server", stage: Stage) -> Iterator[Callable[..., Listening]]:
    """Makes clients of the stream that are listening already."""
    bearer, made = f"Bearer {make_token(stage, 'viewer')}", list[Listening]()

    def make(**headers: str) -> Listening:
        one = Listening(server, **({"authorization": bearer} | headers))
        made.append(one)
        if one.answer.status == 200:
            assert one.block() == {"retry": "3000"}
            wait_for(lambda: stage.context.hub.listeners >= sum(each.listens for each in made))
        return one

    yield make
    for one in made:
        one.close()


def wait_for(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(500):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it does not come true")


def test_what_is_said_comes_at_once(listen: Callable[..., Listening], context: "WebContext") -> None:
    client = listen()
    assert client.answer.headers["content-type"].startswith("text/event-stream")
    context.hub.on_message({"kind": "match", "id": "a", "name": "Grüße\nevent: x\u2028", "score": float("nan")})
    assert client.event() == ("a", {"kind": "match", "id": "a", "name": "Grüße\nevent: x\u2028", "score": None})


def test_who_comes_back_hears_what_was_missed(listen: Callable[..., Listening], context: "WebContext") -> None:
    for name in "abc":
        context.hub.on_message({"kind": "match", "id": name})
    client = listen(last_event_id="a")
    context.hub.on_message({"kind": "left", "id": "d"})
    assert [client.event()[0] for _ in range(3)] == ["b", "c", "d"]


def test_who_was_away_for_too_long_is_told_so(listen: Callable[..., Listening], context: "WebContext") -> None:
    context.hub.on_message({"kind": "match", "id": "b"})
    client = listen(last_event_id="long ago")
    assert client.event() == ("", {"kind": "dropped", "count": None})
    assert client.event()[0] == "b"


def test_a_new_client_hears_nothing_old(listen: Callable[..., Listening], context: "WebContext") -> None:
    context.hub.on_message({"kind": "match", "id": "old"})
    client = listen()
    context.hub.on_message({"kind": "match", "id": "new"})
    assert client.event()[0] == "new"


def test_a_sign_of_life_comes_when_nothing_is_said(
    listen: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.1)
    assert listen().block() == {"comment": ": still here"}


def test_only_so_many_listen(listen: Callable[..., Listening], context: "WebContext") -> None:
    clients = [listen() for _ in range(stream.MAX_CLIENTS)]
    assert listen().answer.status == 503
    clients[0].close()
    context.hub.on_message({"kind": "match", "id": "x"})
    wait_for(lambda: context.hub.listeners < stream.MAX_CLIENTS)
    assert listen().answer.status == 200


def test_many_that_come_at_once_are_answered_503_beyond_the_cap(stage: Stage) -> None:
    bearer, count = f"Bearer {make_token(stage, 'viewer')}", stream.MAX_CLIENTS + 10
    with serving(stage, limits=ConnectionLimits(half_sent=100)) as server:
        with ThreadPoolExecutor(count) as pool:
            clients = list(pool.map(lambda _: Listening(server, authorization=bearer), range(count)))
        statuses = Counter(one.answer.status for one in clients)
        for one in clients:
            one.close()
    assert statuses == {200: stream.MAX_CLIENTS, 503: 10}


def test_the_stream_ends_at_sign_out(server: "Server", client: "Client") -> None:
    signed_in = client("viewer")
    cookie = signed_in.cookies[COOKIE]
    listening = Listening(server, cookie=f"{COOKIE}={cookie}")
    with closing(listening):
        assert listening.block() == {"retry": "3000"}
        assert signed_in.post("/logout").status_code == 303
        assert not listening.block()


def test_the_stream_does_not_keep_a_session_alive(stage: Stage, client: "Client") -> None:
    signed_in, auth = client("viewer"), stage.app.state.auth
    cookie = signed_in.cookies[COOKIE]
    before = auth.sessions.peek(cookie)
    assert before is not None
    assert auth.sessions.peek(cookie) is before
    assert auth.sessions.peek("other") is None


def test_the_stream_ends_with_the_daemon(
    listen: Callable[..., Listening], context: "WebContext", server: "Server"
) -> None:
    client = listen()
    context.hub.close()
    assert client.block() == {}
    assert server.problem is None


def test_a_slow_listener_loses_the_oldest_and_is_told(context: "WebContext") -> None:
    async def work() -> list[dict[str, Any]]:
        async with aclosing(context.hub.events()) as events:
            first = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0)
            for n in range(MAX_QUEUED + 20):
                context.hub.on_message({"kind": "match", "id": str(n)})
            await asyncio.sleep(0.05)
            return [dict(await first), *[dict(await anext(events)) for _ in range(MAX_QUEUED)]]

    heard = asyncio.run(work())
    assert heard[0] == {"kind": "dropped", "count": 20}
    assert [one["id"] for one in heard[1:]] == [str(n) for n in range(20, MAX_QUEUED + 20)]
    assert context.hub.dropped == 20


PROBLEM = "rtsp://10.0.0.9 refuses the user name or the password"


def test_every_reason_has_words_for_the_frame() -> None:
    assert set(camera_strings.LIVE_WHY) == set(get_args(RejectReason))


def away(stage: Stage, status: str, problem: str | None) -> None:
    cameras = {CAMERA: {**STATE["cameras"][CAMERA], "status": status, "problem": problem}}
    stage.context.hub.state = {**STATE, "cameras": cameras}


def test_the_reason_of_a_camera_is_exactly_its_own_and_the_advice_is_translated(client: "Client", stage: Stage) -> None:
    away(stage, "offline", PROBLEM)
    viewer = client("viewer")
    shown = viewer.get(f"/live/{CAMERA}").json()
    assert (shown["problem"], shown["text"]) == (PROBLEM, "The camera is offline.")
    assert shown["advice"] == camera_advice.LOGIN
    german = viewer.get(f"/live/{CAMERA}", headers={"accept-language": "de"}).json()
    assert german["problem"] == PROBLEM
    assert german["advice"].startswith("Benutzernamen und Passwort")
    # Without JavaScript the page has them too.
    page = viewer.get("/live").text
    assert PROBLEM in page
    assert shown["advice"].replace("'", "&#39;") in page
    away(stage, "disabled", None)
    assert viewer.get(f"/live/{CAMERA}").json()["advice"] is None
    assert viewer.get("/live/nowhere").status_code == 404
    assert client().get(f"/live/{CAMERA}").status_code == 303
