"""Keeps one camera running: stamps its frames, sees a frozen picture, opens the device again with back-off.

A reader thread owns the device and always reads. A read that blocks cannot be interrupted, so the reader is then
replaced; the old one drops what it finds when it wakes, and ends.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from edgeface.cameras.freshness import DARK, Freshness
from edgeface.core.errors import CameraError
from edgeface.core.types import Frame

if TYPE_CHECKING:
    from edgeface.cameras.mailbox import Mailbox
    from edgeface.core.clock import Clock
    from edgeface.core.types import Camera, CameraImage

_log = logging.getLogger(__name__)

Status: TypeAlias = Literal["online", "stalled", "offline", "disabled", "ended"]

BACKOFF = (0.0, 1.0, 2.0, 3.0)
"""Seconds between the beginnings of two openings, by the number of failures before: a camera that returns after an
hour is seen again within 5 s. An attempt on a device or port that is not there costs less than 1 ms (x86-64, OpenCV
5.0), so 20 a minute are no burden."""

PAUSE_SECONDS = 1.0
"""Between a failure and the next opening, also when the opening itself has waited for a host that does not answer."""

GOOD = 10
"""New pictures after which an opening counts as a success."""

OPENING_SECONDS = 30.0
"""An opening that takes longer is given up; the longest timeout that drivers keep by themselves is 10 s."""

BLOCKED_SECONDS = 4.0
"""A read that takes longer is given up: the driver's own timeout of 2 s comes first where it works."""

READERS = 4
"""Most reader threads of one camera, blocked ones included."""

# How often a waiting reader looks at the clock: the clock may be one that only a test moves.
_SLICE = 0.02


@dataclass(frozen=True, slots=True)
class CaptureState:
    """How a camera is doing."""

    status: Status
    frames: int
    """New pictures since the start."""
    repeats: int
    """Pictures that were not new, and not passed on."""
    fps: float
    """New pictures a second over the last five seconds."""
    reopens: int
    """Openings after the first."""
    blocked: int
    """Reader threads that hang in a driver."""
    age: float | None
    """Seconds since the last new picture; None before the first."""
    error: str | None
    """What went wrong last; None when nothing has since the camera is online."""
    dark: bool = False
    """The pictures come and show nothing: it is night, or the lens is covered."""


@dataclass(slots=True, eq=False)
class _Reader:
    """One reader thread and what it alone writes."""

    failures: int
    began: float
    """When it began to open the device."""
    wake: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    reading: bool = False
    """The device is open and has given a picture."""
    waiting: bool = True
    """Between two openings."""
    good: int = 0

    @property
    def alive(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


class Capture:
    """One camera's reader and its state; frames go to `mailbox`.

    `start`, `stop`, `join`, `enable`, `disable` and `tend` belong to the main thread; `state` is for everybody.
    `tend` has to be called about once a second.
    """

    def __init__(self, name: str, camera: Camera, mailbox: Mailbox, clock: Clock, *, enabled: bool = True) -> None:
        self.name = name
        self._camera, self._mailbox, self._clock = camera, mailbox, clock
        self._enabled = enabled
        self._running = False
        self._fresh = Freshness()
        self._reader: _Reader | None = None
        self._readers: list[_Reader] = []
        # Held for the moment in which a picture is passed on, so that a replaced reader never passes one.
        self._lock = threading.Lock()
        self._seq = 0
        self._openings = 0
        self._ended = False
        self._stalled = False
        self._error: str | None = None
        self._logged: tuple[Status, str | None, bool] | None = None

    def start(self) -> None:
        """Begin to read, unless the camera is disabled."""
        self._running = True
        self.supervise()

    def stop(self) -> None:
        """Tell the reader to close the device, for good; returns at once."""
        self._running = False
        self._dismiss()

    def _dismiss(self) -> None:
        with self._lock:
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.wake.set()

    def join(self, timeout: float) -> bool:
        """Wait after `stop` for at most `timeout` seconds a reader; False when one hangs in its driver."""
        for reader in self._readers:
            if reader.thread is not None:
                reader.thread.join(timeout)
        return not any(reader.alive for reader in self._readers)

    def enable(self) -> None:
        """Open the device if it is closed on purpose."""
        if not self._enabled:
            self._enabled, self._ended, self._stalled, self._error = True, False, False, None
            self.supervise()

    def disable(self) -> None:
        """Close the device until `enable`."""
        self._enabled = False
        self._dismiss()

    def state(self) -> CaptureState:
        """How the camera is doing at this moment, whatever its reader hangs in."""
        now = self._clock.monotonic()
        status = self._status(now)
        return CaptureState(
            status=status,
            frames=self._seq,
            repeats=self._fresh.repeats,
            fps=self._fresh.fps(now),
            reopens=max(0, self._openings - 1),
            blocked=sum(reader.alive and reader is not self._reader for reader in list(self._readers)),
            age=self._fresh.age(now),
            error=self._why(now) if status in {"stalled", "offline"} else None,
            dark=status == "online" and self._fresh.dark(now),
        )

    def supervise(self) -> CaptureState:
        """Start the reader, or replace one that hangs; log a change of state, and return the state."""
        now = self._clock.monotonic()
        reader = self._reader
        self._readers = [other for other in self._readers if other.alive or other is reader]
        # Those that hang count against the bound however often the camera is switched off and on.
        if self._running and self._enabled and not self._ended and len(self._readers) < READERS:
            if reader is None:
                self._begin(failures=0)
            elif self._hangs(reader, now):
                self._replace(reader)
        state = self.state()
        self._log(state)
        return state

    def _replace(self, reader: _Reader) -> None:
        self._stalled, self._error = reader.alive, "hangs in its driver" if reader.alive else "its reader died"
        self._dismiss()
        self._begin(reader.failures + 1)

    def _status(self, now: float) -> Status:
        reader = self._reader
        if not self._enabled:
            return "disabled"
        if self._ended:
            return "ended"
        if reader is None or not reader.alive:
            return "offline"
        if self._stalled or (reader.reading and self._fresh.trouble(now)):
            return "stalled"
        return "online" if reader.reading else "offline"

    def _why(self, now: float) -> str | None:
        reading = self._reader is not None and self._reader.reading
        return (self._fresh.trouble(now) if reading else None) or self._error

    def _hangs(self, reader: _Reader, now: float) -> bool:
        if not reader.alive:
            return True
        if reader.waiting:
            return False
        if reader.reading:
            return self._fresh.silence(now) > BLOCKED_SECONDS
        return now - reader.began > OPENING_SECONDS

    def _log(self, state: CaptureState) -> None:
        change = (state.status, state.error if state.status == "offline" else None, state.dark)
        opening = state.status == "offline" and state.error is None
        if change != self._logged and not opening:
            self._logged = change
            level = logging.WARNING if state.status in {"stalled", "offline"} else logging.INFO
            why = f": {state.error}" if state.error else f": {DARK}" if state.dark else ""
            _log.log(level, "camera %s is %s%s", self.name, state.status, why)

    def _begin(self, failures: int) -> None:
        reader = _Reader(failures, self._clock.monotonic())
        reader.thread = threading.Thread(target=self._run, args=(reader,), name=f"capture-{self.name}", daemon=True)
        with self._lock:
            self._reader = reader
        self._readers.append(reader)
        reader.thread.start()

    def _run(self, reader: _Reader) -> None:
        while self._waited(reader) and not self._finished(reader):
            pass

    def _finished(self, reader: _Reader) -> bool:
        """Read until the clip ends or the reader is replaced; False when the device has failed."""
        try:
            self._read(reader)
        except CameraError as error:
            self._failed(reader, error)
            return False
        return True

    def _waited(self, reader: _Reader) -> bool:
        """Wait for the back-off; False when the reader is no longer wanted."""
        reader.waiting, reader.reading, reader.good = True, False, 0
        due = reader.began + BACKOFF[min(reader.failures, len(BACKOFF) - 1)]
        if reader.failures:
            due = max(due, self._clock.monotonic() + PAUSE_SECONDS)
        while self._reader is reader and (left := due - self._clock.monotonic()) > 0:
            reader.wake.wait(min(left, _SLICE))
        reader.began, reader.waiting = self._clock.monotonic(), False
        return self._reader is reader

    def _read(self, reader: _Reader) -> None:
        self._openings += 1
        with closing(self._camera.images()) as pictures:
            for picture in pictures:
                if not self._passed_on(reader, picture):
                    return
        with self._lock:
            if self._reader is reader:
                self._ended = True

    def _passed_on(self, reader: _Reader, picture: CameraImage) -> bool:
        """Hand over a picture if it is new; False when the reader has been replaced."""
        with self._lock:
            if self._reader is not reader:
                return False
            now = self._clock.monotonic()
            if not reader.reading:
                self._fresh.opened(now)
                reader.reading = True
            if self._fresh.is_new(picture, now):
                self._put(picture, now)
                self._stalled = False
                reader.good += 1
                if reader.good == GOOD:
                    reader.failures = 0
            elif (trouble := self._fresh.trouble(now)) is not None:
                self._stalled = True
                raise CameraError(trouble)
            return True

    def _put(self, picture: CameraImage, now: float) -> None:
        picture.image.flags.writeable = False
        self._mailbox.put(Frame(self.name, self._seq, now, self._clock.wall(), picture.image))
        self._seq += 1

    def _failed(self, reader: _Reader, error: CameraError) -> None:
        reader.failures += 1
        with self._lock:
            if self._reader is reader:
                self._error = str(error)
                # A device that opens and shows the same picture is stalled; one that does not open is offline.
                self._stalled = self._stalled and reader.reading
