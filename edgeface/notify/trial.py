"""One message to each target, to see whether it arrives; no rule is asked."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

from edgeface.notify.delivery import Message
from edgeface.notify.notice import TEST, Notice
from edgeface.notify.notifier import CLOSE_TIMEOUT, handover
from edgeface.notify.sender_process import START_TIMEOUT, TIMEOUT, Answer, SenderProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.core.clock import Clock
    from edgeface.notify.settings import Notify
    from edgeface.notify.subscriptions import Browsers


def send_tests(
    settings: Notify, names: tuple[str, ...], clock: Clock, browsers: Browsers | None
) -> Mapping[str, str | None]:
    """Send a test to each of these targets, web push to these browsers; returns the errors, None without."""
    answers: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()
    process = SenderProcess(handover(settings), clock, lambda _, answer: answers.put(answer))
    found: dict[str, str | None] = dict.fromkeys(names, "no answer in time")
    numbers = dict(enumerate(names, 1))
    until = clock.monotonic() + START_TIMEOUT + TIMEOUT
    try:
        for number, name in numbers.items():
            test = Notice(TEST, "", clock.wall(), clock.monotonic())
            process.send(number, name, Message(test, 0), clock.wall(), browsers)
        while numbers and (left := until - clock.monotonic()) > 0:
            answer = answers.get(timeout=left)
            if answer is None:
                return {**found, **dict.fromkeys(numbers.values(), "the process that sends it has ended")}
            if answer.id in numbers:
                found[numbers.pop(answer.id)] = answer.error
    except queue.Empty:
        return found
    finally:
        process.close(CLOSE_TIMEOUT)
    return found
