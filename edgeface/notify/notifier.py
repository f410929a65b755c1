"""Takes notices from any thread, decides by the rules, and has a process of its own send them."""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from edgeface.core.errors import ConfigError, EdgefaceError
from edgeface.notify.delivery import MAX_AGE, Delivery
from edgeface.notify.links import StrangerLinks
from edgeface.notify.notice import TEST, Notice
from edgeface.notify.rules import NotificationRules
from edgeface.notify.sender import Handover, TargetSecrets
from edgeface.notify.sender_process import TIMEOUT, Answer, SenderProcess
from edgeface.notify.settings import AppriseTarget, WebPushTarget
from edgeface.security.secret_sources import secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgeface.core.clock import Clock
    from edgeface.notify.delivery import Message
    from edgeface.notify.rules import RuleContext
    from edgeface.notify.settings import Notify, Target
    from edgeface.notify.subscriptions import SubscriptionFile

_log = logging.getLogger(__name__)

MAX_WAITING = 256
"""Notices and answers that wait for the thread; any more are dropped and counted."""
CLOSE_TIMEOUT = 3.0
"""Seconds at the end for the messages under way."""
_RESTART_PAUSE = 5.0


class _Answered(NamedTuple):
    """What a process reports; None once it has ended."""

    process: SenderProcess
    answer: Answer | None


class _Change(NamedTuple):
    """Other settings."""

    settings: Notify
    context: RuleContext


_Item: TypeAlias = "Notice | _Answered | _Change | None"
"""What the thread takes; None wakes it up."""


class Notifier:
    """The targets of one configuration; its thread owns rules and queues, and any thread may call `notice`."""

    def __init__(
        self,
        settings: Notify,
        context: RuleContext,
        clock: Clock,
        browsers: SubscriptionFile,
    ) -> None:
        """Read the secrets of the targets; one that cannot be read is the problem of its target."""
        self._settings = settings
        self._clock = clock
        self.links = StrangerLinks(clock)
        """The links in its messages."""
        self.browsers = browsers
        """The receivers of targets of type web_push."""
        self._rules = NotificationRules(settings.rules, context)
        self._handover = handover(settings)
        self._deliveries = {name: Delivery(one.problem) for name, one in self._handover.targets.items()}
        self._inbox: queue.Queue[_Item] = queue.Queue(MAX_WAITING)
        self._removed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._forgotten: dict[str, float] = {}
        self._process: SenderProcess | None = None
        self._process_problem: str | None = None
        self._under_way: dict[int, str] = {}
        self._last_id = 0
        self._start_at = float("-inf")
        self._dropped = 0
        self._started = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether its thread runs, from `start` to `close`."""
        return self._thread.is_alive()

    @property
    def problems(self) -> tuple[str, ...]:
        """Which targets do not take notifications, one line each; any thread may read it."""
        lines = [f"notify {name}: {one.problem}" for name, one in self._deliveries.items() if one.problem is not None]
        if self._process_problem is not None:
            lines.append(f"notify: {self._process_problem}")
        ended = self._started and not self.alive and not self._closing.is_set()
        return (*lines, "notify: its thread has ended") if ended else tuple(lines)

    def start(self) -> None:
        """Start the thread and the process."""
        self._started = True
        self._thread.start()

    def notice(self, notice: Notice) -> None:
        """Have it sent as the rules say; returns at once."""
        try:
            self._inbox.put_nowait(notice)
        except queue.Full:
            self._dropped += 1

    def apply(self, settings: Notify, context: RuleContext) -> None:
        """Continue with other settings, and with secrets that are read again; returns soon.

        Rules and targets that stay as they are keep their limits, counts and queues.
        """
        self._put_last(_Change(settings, context))

    def forget(self, person: str) -> None:
        """Send nothing more about a person or an unknown who has been removed; returns at once."""
        self._removed.put(person)

    def send_test(self) -> None:
        """Have a test sent to every target, whatever the rules say; returns at once."""
        self.notice(Notice(TEST, "", self._clock.wall(), self._clock.monotonic()))

    def facts(self) -> Mapping[str, Any]:
        """The part `notify` of the state; docs/events.md names the keys. Any thread may call it."""
        targets = {
            name: {
                "problem": one.problem,
                "sent": one.sent,
                "failed": one.failed,
                "expired": one.expired,
                "waiting": len(one),
            }
            for name, one in self._deliveries.items()
        }
        return {"targets": targets, "held_back": self._rules.held_back, "dropped": self._dropped}

    def close(self) -> None:
        """End the thread and the process; what waits is not sent."""
        self._closing.set()
        self._put_last(None)
        if self._thread.is_alive():
            self._thread.join(2 * CLOSE_TIMEOUT)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._flush()
            try:
                self._take(self._inbox.get(timeout=self._pause()))
            except queue.Empty:
                continue
        if self._process is not None:
            self._process.close(CLOSE_TIMEOUT)
        # The last answers count.
        with suppress(queue.Empty):
            while self._process is not None:
                self._take(self._inbox.get(timeout=1.0))

    def _take(self, what: _Item) -> None:
        now = self._clock.monotonic()
        if isinstance(what, _Answered):
            self._on_answer(*what, now)
        elif isinstance(what, _Change):
            self._change(*what)
        elif what is not None and what.kind == TEST:
            for delivery in self._deliveries.values():
                delivery.put(what, 0)
        elif what is not None and (selected := self._rules.select(what, now)):
            linked = replace(what, link=self._link(what))
            for target, held_back in selected:
                pictures = self._settings.targets[target].pictures
                self._deliveries[target].put(linked if pictures else linked.without_picture(), held_back)

    def _link(self, notice: Notice) -> str | None:
        """The page about a notice: of a stranger without sign-in, of a match for a correction."""
        if self._settings.page is None:
            return None
        page = self._settings.page.rstrip("/")
        if notice.kind == "unknown" and notice.unknown is not None:
            return f"{page}/stranger/{self.links.make(notice.unknown)}"
        return f"{page}/events/{notice.id}/correct" if notice.kind == "match" else page

    def _change(self, settings: Notify, context: RuleContext) -> None:
        """Take other settings; the process has the secrets of the earlier ones, and ends if they differ."""
        before, self._handover = self._handover, handover(settings)
        self._rules = NotificationRules(settings.rules, context, before=self._rules)
        found = {name: Delivery() for name in settings.targets}
        found.update({name: one for name, one in self._deliveries.items() if name in found})
        for name, delivery in found.items():
            if before.targets.get(name) != self._handover.targets[name]:
                delivery.reset(self._handover.targets[name].problem)
            if not settings.targets[name].pictures:
                delivery.drop_pictures()
        self._settings, self._deliveries = settings, found
        if self._process is not None and before != self._handover:
            self._start_at = float("-inf")
            self._process.end(TIMEOUT)

    def _flush(self) -> None:
        """Send what is due, with a process that is started when needed and ended when it hangs."""
        now = self._clock.monotonic()
        self._drop_forgotten(now)
        if self._process is not None and self._process.hangs:
            _log.warning("the process that sends notifications hangs: it is ended")
            self._process.kill()
            return
        if self._process is None:
            if now < self._start_at:
                return
            self._start_at = now + _RESTART_PAUSE
            self._process = self._started_process()
        if self._process is None or self._process.ending:
            return
        for name, delivery in self._deliveries.items():
            if (message := delivery.next(now)) is not None:
                self._send(self._process, name, message)

    def _started_process(self) -> SenderProcess | None:
        try:
            process = SenderProcess(self._handover, self._clock, lambda *answer: self._put_last(_Answered(*answer)))
        except (OSError, RuntimeError) as error:
            # RuntimeError: no more threads.
            reason = getattr(error, "strerror", None) or str(error)
            self._process_problem = f"the process that sends cannot be started ({reason})"
            _log.warning("notify: %s", self._process_problem)
            return None
        self._process_problem = None
        return process

    def _drop_forgotten(self, now: float) -> None:
        """Drop what waits about people who were removed after it happened."""
        while not self._removed.empty():
            self._forgotten[self._removed.get()] = now
        # What is older than this is dropped anyway.
        self._forgotten = {one: since for one, since in self._forgotten.items() if now - since < MAX_AGE}
        if self._forgotten:
            for delivery in self._deliveries.values():
                delivery.drop(self._is_forgotten)

    def _is_forgotten(self, notice: Notice) -> bool:
        return any(notice.monotonic <= self._forgotten.get(one or "", -1.0) for one in (notice.person, notice.unknown))

    def _send(self, process: SenderProcess, target: str, message: Message) -> None:
        self._last_id += 1
        self._under_way[self._last_id] = target
        browsers = None
        if isinstance(self._settings.targets[target], WebPushTarget):
            try:
                browsers = self.browsers.browsers()
            except EdgefaceError as error:
                self._finish(self._last_id, str(error), self._clock.monotonic())
                return
        process.send(self._last_id, target, message, self._clock.wall(), browsers)

    def _on_answer(self, process: SenderProcess, answer: Answer | None, now: float) -> None:
        if process is not self._process:
            return
        if answer is None:
            process.close(CLOSE_TIMEOUT)
            self._process = None
            for id_ in [*self._under_way]:
                self._finish(id_, "the process that sends it has ended", now)
            return
        process.answered(answer.id)
        if answer.gone:
            self._remove_browsers(answer.gone)
        self._finish(answer.id, answer.error, now)

    def _remove_browsers(self, gone: Sequence[str]) -> None:
        try:
            self.browsers.remove(gone)
        except (EdgefaceError, OSError) as error:
            _log.warning("notify: a browser could not be removed: %s", error)

    def _finish(self, id_: int, error: str | None, now: float) -> None:
        target = self._under_way.pop(id_, "")
        delivery = self._deliveries.get(target)
        if delivery is None:
            return
        if error not in {None, delivery.problem} and not self._closing.is_set():
            _log.warning("notify %s: %s", target, error)
        delivery.done(error, now)

    def _pause(self) -> float:
        """Seconds until something is due."""
        now = self._clock.monotonic()
        due = min((one.due(now) for one in self._deliveries.values()), default=MAX_AGE)
        # So often a process that hangs is noticed.
        return max(0.05, min(due, 1.0))

    def _put_last(self, what: _Item) -> None:
        """Put what must not be lost; the thread takes it sooner or later, or has ended."""
        while not self._closing.is_set() or self._thread.is_alive():
            try:
                self._inbox.put(what, timeout=1.0)
            except queue.Full:
                continue
            return


def handover(settings: Notify) -> Handover:
    """The targets with their secrets, or with the reason why they cannot be read."""
    return Handover(targets={name: _with_secrets(name, target) for name, target in settings.targets.items()})


def _with_secrets(name: str, target: Target) -> TargetSecrets:
    if isinstance(target, WebPushTarget):
        return TargetSecrets(type=target.type, contact=target.contact, allow_local=target.allow_local)
    sources, key = target.sources
    try:
        found = secret(f"{key} of {name}", f"notify.targets.{name}", *sources, key=key, error_type=ConfigError)
    except ConfigError as error:
        return TargetSecrets(type=target.type, problem=str(error))
    url = found if isinstance(target, AppriseTarget) else target.url
    return TargetSecrets(type=target.type, url=url or "", secret=found, allow_local=target.allow_local)
