"""The queue of one target."""

from edgeface.notify.delivery import MAX_AGE, MAX_QUEUED, Delivery
from edgeface.notify.notice import Notice


def at(monotonic: float) -> Notice:
    return Notice("unknown", f"E{monotonic}", 0.0, monotonic, camera="porch")


def test_one_message_at_a_time_in_order() -> None:
    queue = Delivery()
    queue.put(at(0.0), 0)
    queue.put(at(1.0), 0)
    first = queue.next(1.0)
    assert first is not None
    assert first.notice.monotonic == 0.0
    assert queue.next(1.0) is None
    queue.done(None, 2.0)
    second = queue.next(2.0)
    assert second is not None
    assert second.notice.monotonic == 1.0
    assert (queue.sent, queue.failed, len(queue)) == (1, 0, 1)


def test_a_failure_is_tried_again_after_growing_pauses_until_it_is_a_minute_old() -> None:
    queue = Delivery()
    queue.put(at(0.0), 0)
    now, tried = 0.0, []
    while len(queue):
        if queue.next(now) is not None:
            tried.append(now)
            queue.done("it answers HTTP 500", now)
        now += 0.5
    assert tried == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0]
    assert (queue.failed, queue.expired, queue.problem) == (6, 1, "it answers HTTP 500")


def test_a_target_that_was_away_for_an_hour_gets_nothing_old_and_hears_how_many_there_were() -> None:
    queue = Delivery()
    for second in range(0, 3600, 10):
        queue.put(at(float(second)), 0)
        if queue.next(second) is not None:
            queue.done("no answer", second)
    queue.put(at(3600.0), 0)
    got = []
    for now in range(3600, 3660):
        message = queue.next(now)
        if message is not None:
            assert now - message.notice.monotonic < MAX_AGE
            got.append(message)
            queue.done(None, now)
    assert queue.sent + queue.expired == 361
    assert sum(message.missed for message in got) == queue.expired
    assert got[0].missed > 350
    assert len(queue) == 0


def test_the_queue_is_bounded_and_the_newest_stay() -> None:
    queue = Delivery()
    for n in range(MAX_QUEUED + 5):
        queue.put(at(n / 100), 0)
    assert (len(queue), queue.expired) == (MAX_QUEUED, 5)
    message = queue.next(1.0)
    assert message is not None
    assert (message.notice.monotonic, message.missed) == (0.05, 5)


def test_it_says_when_it_is_due() -> None:
    queue = Delivery()
    assert queue.due(0.0) == MAX_AGE
    queue.put(at(0.0), 0)
    assert queue.due(0.0) == 0.0
    queue.next(0.0)
    assert queue.due(0.0) == MAX_AGE
    queue.done("no answer", 0.0)
    assert queue.due(0.0) == 1.0
    assert queue.due(0.75) == 0.25
