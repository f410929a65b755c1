"""Looks for passes in the pictures of the cameras whose doors accept them; one thread, and a process of its own."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from edgeface.access.factor_messages import PassShown
from edgeface.access.passes import PassError, opens, verify
from edgeface.access.policy import kinds_of
from edgeface.core.clock import synchronised
from edgeface.imaging.qr_codes import QrReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgeface.access.pass_list import PassRulesFile
    from edgeface.access.policy import AccessPolicy
    from edgeface.core.clock import Clock
    from edgeface.core.types import Frame, FrameResult

log = logging.getLogger(__name__)

INTERVAL = 0.8
"""Seconds between two pictures of a camera that are searched."""
ATTENTION = 10.0
"""Seconds after a face was in view for which a camera's pictures are searched: a pass may hide the face."""
REPEAT = 5.0
"""Seconds in which a refusal of the same text is not counted again."""
REFUSALS_PER_MINUTE = 10
"""Refusals that are recorded; the rest are counted."""

_MINUTE = 60.0
_ENDED = "the thread that reads passes does not run"


class PassReader:
    """Reads passes from `start` to `stop`; `observe` belongs to the vision thread."""

    def __init__(
        self,
        rules_file: PassRulesFile,
        clock: Clock,
        on_pass: Callable[[PassShown], object],
        record: Callable[[str, Mapping[str, Any]], object],
        synced: Callable[[], bool] = synchronised,
    ) -> None:
        """`record` gets kind and facts of a row of the journal; both callbacks run in the reader's thread."""
        self.doors: Mapping[str, Sequence[str]] = {}
        """The doors that accept a pass, by camera; may be replaced by another thread."""
        self._rules_file = rules_file
        self._clock = clock
        self._on_pass, self._record = on_pass, record
        self._synced = synced
        self._reader = QrReader()
        self._face_at: dict[str, float] = {}
        self._searched_at: dict[str, float] = {}
        self._frames: dict[str, Frame] = {}
        self._arrived = threading.Condition()
        self._stopping = False
        self._last: tuple[str, float] = ("", float("-inf"))
        self._recorded: deque[float] = deque(maxlen=REFUSALS_PER_MINUTE)
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="passes", daemon=True)

    def start(self) -> None:
        """Start the thread; the process starts with the first picture."""
        self._thread.start()

    def stop(self) -> None:
        """Stop both."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._reader.close()

    def observe(self, result: FrameResult) -> None:
        """Queue the picture of a result, if it is its camera's turn; returns at once."""
        frame = result.frame
        camera, now = frame.camera, frame.monotonic
        if not self.doors.get(camera) or frame.doubtful:
            return
        if result.faces:
            self._face_at[camera] = now
        attentive = now - self._face_at.get(camera, float("-inf")) <= ATTENTION
        if not attentive or now - self._searched_at.get(camera, float("-inf")) < INTERVAL:
            return
        self._searched_at[camera] = now
        with self._arrived:
            self._frames[camera] = frame
            self._arrived.notify()

    def facts(self) -> dict[str, Any]:
        """The passes in the state message; docs/events.md names the keys."""
        return {
            "searched": self._counts["searched"],
            "accepted": self._counts["accepted"],
            "refused": dict(self._refused),
            "failures": self._reader.failures,
            "problem": self._rules_file.problem if self._stopping or self._thread.is_alive() else _ENDED,
        }

    def _run(self) -> None:
        while (frame := self._take()) is not None:
            text = self._reader.read(frame.image)
            if text is not None:
                self._judge(text, frame)
            self._counts["searched"] += 1

    def _take(self) -> Frame | None:
        """The next picture, always the newest of its camera; None at the end."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._frames or self._stopping)
            return None if self._stopping else self._frames.pop(next(iter(self._frames)))

    def _judge(self, text: str, frame: Frame) -> None:
        self._rules_file.refresh()
        try:
            one = verify(text, self._rules_file.rules, self._clock.wall(), synced=self._synced())
            doors = opens(one, self.doors.get(frame.camera, ()))
        except PassError as error:
            self._refuse(text, frame, error)
            return
        self._counts["accepted"] += 1
        for door in doors:
            self._on_pass(PassShown(door, frame.camera, one.person, one.id, frame.monotonic))

    def _refuse(self, text: str, frame: Frame, error: PassError) -> None:
        before, at = self._last
        now = frame.monotonic
        if text == before and now - at < REPEAT:
            return
        self._last = (text, now)
        self._refused[error.reason] += 1
        # Another QR code, such as that of a parcel, is nothing to record.
        full = len(self._recorded) == REFUSALS_PER_MINUTE and now - self._recorded[0] < _MINUTE
        if error.reason == "malformed" or full:
            return
        self._recorded.append(now)
        for door in self.doors.get(frame.camera, ()):
            facts = {"door": door, "kind": "pass", "person": error.person, "reason": f"pass_{error.reason}"}
            self._record("factor", facts)


def doors_by_camera(policy: AccessPolicy) -> dict[str, tuple[str, ...]]:
    """The doors of which some rule accepts a pass, by camera."""
    found: dict[str, tuple[str, ...]] = {}
    for name, door in policy.doors.items():
        if "pass" in kinds_of(door):
            found[door.camera] = (*found.get(door.camera, ()), name)
    return found
