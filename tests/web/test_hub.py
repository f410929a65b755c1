"""The hub: pictures for viewers, messages for listeners, and the state."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from edgeface.web.hub import MAX_QUEUED, LiveHub
from tests.support.broker import until
from tests.support.web import CAMERA

if TYPE_CHECKING:
    from edgeface.core.types import FrameResult


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
        while hub.listeners < 3:  # noqa: ASYNC110 - a hub has no event for it
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
    # The loop has ended: this must not wait.
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
    until(lambda: hub.dropped == 10)
    assert len(hub.recent()) == MAX_QUEUED + 11


def test_the_state_is_said_again_for_whoever_asks() -> None:
    hub = LiveHub()
    hub.state = {"n": 1}

    def answer() -> None:
        until(lambda: hub.state_requested)
        hub.state = {"n": 2}

    thread = threading.Thread(target=answer)
    thread.start()
    assert asyncio.run(hub.fresh_state()) == {"n": 2}
    thread.join()
    assert not hub.state_requested
    assert asyncio.run(hub.fresh_state()) == {"n": 2}
