from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from edgeface.cameras.mailbox import Mailbox
from edgeface.core.types import Frame


def frame(camera: str, seq: int) -> Frame:
    return Frame(camera, seq, 0.0, 0.0, np.zeros((2, 2, 3), np.uint8))


def test_the_newest_frame_of_a_camera_wins_and_the_drop_is_counted() -> None:
    box = Mailbox()
    for seq in range(3):
        box.put(frame("porch", seq))
    taken = box.take(0)
    assert taken is not None
    assert taken.seq == 2
    assert box.take(0) is None
    assert box.drops == {"porch": 2}


def test_a_fast_camera_does_not_starve_a_slow_one() -> None:
    box = Mailbox()
    served = 0
    for seq in range(60):
        box.put(frame("slow", seq))
        for burst in range(10):
            box.put(frame("fast", seq * 10 + burst))
        taken = [box.take(0), box.take(0)]
        served += sum(t is not None and t.camera == "slow" and t.seq == seq for t in taken)
    assert served == 60
    assert box.drops == {"fast": 540}


def test_cameras_are_served_in_turn_when_vision_is_the_bottleneck() -> None:
    box = Mailbox()
    order = []
    for seq in range(12):
        for camera in "abc":
            box.put(frame(camera, seq))
        taken = box.take(0)
        assert taken is not None
        order.append(taken.camera)
    assert order == list("abc") * 4


def test_a_real_slow_camera_beside_a_fast_one_gets_nearly_all_of_its_turns() -> None:
    box, taken = Mailbox(), []

    def produce(camera: str, count: int, period: float) -> None:
        for seq in range(count):
            box.put(frame(camera, seq))
            time.sleep(period)

    def consume() -> None:
        while (got := box.take(1)) is not None or not box.closed:
            if got is not None:
                taken.append(got.camera)
                time.sleep(0.004)

    producers = [threading.Thread(target=produce, args=a) for a in (("slow", 60, 0.012), ("fast", 700, 0.001))]
    consumer = threading.Thread(target=consume)
    for thread in (*producers, consumer):
        thread.start()
    for thread in producers:
        thread.join()
    box.close()
    consumer.join()
    # A shared queue passes 17 to 22 frames of the slow one; a busy machine loses some of its 60.
    assert taken.count("slow") >= 30
    assert taken.count("fast") + box.drops["fast"] == 700


def test_a_put_wakes_a_waiting_take() -> None:
    box = Mailbox()
    timer = threading.Timer(0.05, box.put, [frame("porch", 7)])
    timer.start()
    taken = box.take(5)
    timer.join()
    assert taken is not None
    assert taken.seq == 7


def test_closing_wakes_a_waiting_take_and_leaves_what_waits() -> None:
    box = Mailbox()
    timer = threading.Timer(0.05, box.close)
    timer.start()
    started = time.monotonic()
    assert box.take(60) is None
    assert time.monotonic() - started < 30
    timer.join()

    late = Mailbox()
    late.put(frame("porch", 1))
    late.close()
    late.put(frame("porch", 2))
    taken = late.take(0)
    assert taken is not None
    assert taken.seq == 1
    assert late.take(5) is None
    assert late.drops == {"porch": 1}


@pytest.mark.parametrize("timeout", [0, 0.02])
def test_take_gives_up_after_its_timeout(timeout: float) -> None:
    assert Mailbox().take(timeout) is None


def at(camera: str, monotonic: float) -> Frame:
    return Frame(camera, 0, monotonic, 0.0, np.zeros((2, 2, 3), np.uint8))


def test_a_companions_nearest_picture_is_attached_and_never_taken_by_itself() -> None:
    box = Mailbox({"porch": "porch-ir"})
    for moment in (1.0, 1.1, 1.2):
        box.put(at("porch-ir", moment))
    assert box.take(0) is None
    box.put(at("porch", 1.11))
    box.put(at("yard", 1.11))
    taken, other = box.take(0), box.take(0)
    assert taken is not None
    assert taken.companion is not None
    assert (taken.companion.camera, taken.companion.monotonic) == ("porch-ir", 1.1)
    assert other is not None
    assert other.companion is None
    assert box.drops == {}


def test_a_companion_that_was_never_seen_attaches_nothing_and_an_old_picture_is_bounded() -> None:
    box = Mailbox({"porch": "porch-ir"})
    box.put(at("porch", 1.0))
    taken = box.take(0)
    assert taken is not None
    assert taken.companion is None
    for moment in range(100):
        box.put(at("porch-ir", float(moment)))
    box.put(at("porch", 1.0))
    taken = box.take(0)
    assert taken is not None
    assert taken.companion is not None
    assert taken.companion.monotonic == 92.0, "the eight newest are kept"
