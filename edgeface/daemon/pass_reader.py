"""Looks for passes in the pictures of the cameras whose doors accept them; one thread, and a process of its own."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

from edgeface.access.factor_messages import PassShown
from edgeface.access.passes import PassError, opens, verify
from edgeface.core.clock import synchronised
from edgeface.imaging.qr_codes import QrReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from edgeface.access.pass_book import PassKeeper
    from edgeface.core.clock import Clock
    from edgeface.core.types import Frame, FrameResult

log = logging.getLogger(__name__)

INTERVAL = 0.7
"""Seconds between two pictures of a camera that are searched."""
ATTENTION = 10.0
"""Seconds after a face was in view for which a camera's pictures are searched: a pass may hide the face."""
REPEAT = 5.0
"""Seconds in which a refusal of the same text is not reported again."""

Refused = tuple[str, str, str | None]
"""The camera, the reason, and the person if a known key has signed the pass."""


class PassReader:
    """Reads passes from `start` to `stop`; `observe` belongs to the vision thread, `doors` may be called in any."""

    def __init__(
        self,
        doors: Callable[[], Mapping[str, Sequence[str]]],
        keeper: PassKeeper,
        clock: Clock,
        on_pass: Callable[[PassShown], object],
        on_refusal: Callable[[Refused], object],
        synced: Callable[[], bool] = synchronised,
    ) -> None:
        """`doors` are those that accept a pass, by camera; both callbacks run in the reader's thread."""
        self._doors = doors
        self._keeper = keeper
        self._clock = clock
        self._on_pass, self._on_refusal = on_pass, on_refusal
        self._synced = synced
        self._reader = QrReader()
        self._face_at: dict[str, float] = {}
        self._searched_at: dict[str, float] = {}
        self._frames: dict[str, Frame] = {}
        self._arrived = threading.Condition()
        self._stopping = False
        self._last: tuple[str, float] = ("", float("-inf"))
        self.counts: Counter[str] = Counter()
        """`searched`, `accepted`, and refusals by reason; the reader's thread writes it."""
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
        if not self._doors().get(camera):
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

    def _run(self) -> None:
        while (frame := self._take()) is not None:
            text = self._reader.read(frame.image)
            if text is not None:
                self._judge(text, frame)
            self.counts["searched"] += 1

    def _take(self) -> Frame | None:
        """The next picture, always the newest of its camera; None at the end."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._frames or self._stopping)
            return None if self._stopping else self._frames.pop(next(iter(self._frames)))

    def _judge(self, text: str, frame: Frame) -> None:
        self._keeper.refresh()
        try:
            one = verify(text, self._keeper.rules, self._clock.wall(), synced=self._synced())
            doors = opens(one, self._doors().get(frame.camera, ()))
        except PassError as error:
            self._refuse(text, frame, error)
            return
        self.counts["accepted"] += 1
        for door in doors:
            self._on_pass(PassShown(door, frame.camera, one.person, one.id, frame.monotonic))

    def _refuse(self, text: str, frame: Frame, error: PassError) -> None:
        before, at = self._last
        if text == before and frame.monotonic - at < REPEAT:
            return
        self._last = (text, frame.monotonic)
        self.counts[error.reason] += 1
        # Another QR code, such as that of a parcel, is nothing to report.
        if error.reason != "malformed":
            self._on_refusal((frame.camera, error.reason, error.person))
