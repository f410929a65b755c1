"""Keeps one camera running: stamps its frames, detects frozen and repeated images, reopens the device with back-off.

A reader thread owns the device and reads without pause. A blocked read cannot be interrupted, so the reader is
abandoned and replaced; when it wakes it discards its frame and exits.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from edgeface.cameras.base import CameraBase
from edgeface.cameras.freshness import DARK, Freshness
from edgeface.cameras.repetition import Repetition
from edgeface.core.errors import CameraError, CameraLoginError
from edgeface.core.types import Frame

if TYPE_CHECKING:
    from edgeface.cameras.base import Camera
    from edgeface.cameras.mailbox import Mailbox
    from edgeface.core.clock import Clock
    from edgeface.core.types import CameraImage

_log = logging.getLogger(__name__)

Status: TypeAlias = Literal["online", "stalled", "offline", "disabled", "ended"]

BACKOFF = (0.0, 1.0, 2.0, 3.0)
"""Seconds between the starts of two openings, by the number of failures so far: a camera that returns after an hour
is read again within 5 s. An attempt on a missing device or port costs less than 1 ms (x86-64, OpenCV 5.0), so 20 per
minute are cheap."""

MIN_PAUSE_SECONDS = 1.0
"""Between a failure and the next opening, even if the opening itself waited for a host that does not answer."""

LOGIN_PAUSE_SECONDS = 60.0
"""After a camera has refused the login: many cameras lock an account after a few wrong passwords in a row."""

SUCCESS_FRAMES = 10
"""New images after which an opening counts as a success."""

MAX_OPENING_SECONDS = 30.0
"""A longer opening is abandoned; the longest timeout of the drivers themselves is 10 s."""

MAX_READ_SECONDS = 4.0
"""A longer read is abandoned; where it works, the driver's own timeout of 2 s comes first."""

MAX_READERS = 4
"""Reader threads of one camera, blocked ones included."""

# How often a waiting reader reads the clock, which only a test may move.
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class CaptureState:
    """The state of a camera."""

    status: Status
    frames: int
    """New images since the start."""
    repeats: int
    """Images that were not new, and were dropped."""
    fps: float
    """New images per second over the last five seconds."""
    reopens: int
    """Openings after the first."""
    blocked: int
    """Reader threads that hang in a driver."""
    age: float | None
    """Seconds since the last new image; None before the first."""
    error: str | None
    """Why the camera is stalled or offline; None otherwise."""
    dark: bool = False
    """Images arrive but show nothing: it is night, or the lens is covered."""
    repeated: int = 0
    """Images that are identical to an earlier one, other than the last."""
    doubtful: bool = False
    """Images or timestamps repeat time and again, though too few for a recording."""
    replayed: str | None = None
    """Why the images count as a recording in place of the camera: none of them is passed on."""
    recorded: bool = False
    """The camera plays a recording by configuration."""


@dataclass(slots=True, eq=False)
class _Reader:
    """One reader thread and the state that only it writes."""

    failures: int
    began: float
    """When it started to open the device."""
    wake: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)
    reading: bool = False
    """The device is open and has delivered an image."""
    waiting: bool = True
    """Between two openings."""
    good: int = 0
    refused: bool = False
    """The camera has refused the login at the last opening."""

    @property
    def alive(self) -> bool:
        return self.thread.is_alive()


class Capture:
    """One camera's reader and its state; frames go to `mailbox`.

    Any thread may call `state`; only the main thread may call the other methods. Call `supervise` about once a second.
    """

    def __init__(
        self, name: str, camera: Camera, mailbox: Mailbox, clock: Clock, *, enabled: bool = True, recorded: bool = False
    ) -> None:
        """`recorded` is whether the camera plays a recording by configuration, whose images may repeat."""
        self.name = name
        self._camera, self._mailbox, self._clock = camera, mailbox, clock
        self._enabled = enabled
        self._running = False
        self._fresh = Freshness(parts=not recorded)
        self._repetition = None if recorded else Repetition()
        self._reader: _Reader | None = None
        self._readers: list[_Reader] = []
        # Held while an image is delivered, so that a replaced reader never delivers one.
        self._lock = threading.Lock()
        self._seq = 0
        self._openings = 0
        self._ended = False
        self._stalled = False
        self._error: str | None = None
        self._logged: tuple[Status, str | None, bool] | None = None

    def start(self) -> None:
        """Start reading, unless the camera is disabled."""
        self._running = True
        self.supervise()

    def stop(self) -> None:
        """Ask the reader to close the device and exit; returns at once."""
        self._running = False
        self._dismiss()

    def _dismiss(self) -> None:
        with self._lock:
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.wake.set()

    def join(self, timeout: float) -> bool:
        """After `stop`, wait at most `timeout` seconds per reader; False if one hangs in its driver."""
        for reader in self._readers:
            reader.thread.join(timeout)
        return not any(reader.alive for reader in self._readers)

    def enable(self) -> None:
        """Open the device after `disable`."""
        if not self._enabled:
            self._enabled, self._ended, self._stalled, self._error = True, False, False, None
            self.supervise()

    def retry_login(self) -> None:
        """End the wait after a refused login: the password may be another one now."""
        reader = self._reader
        if reader is not None and reader.refused and reader.waiting:
            self._dismiss()
            self.supervise()

    def disable(self) -> None:
        """Close the device until `enable`."""
        self._enabled = False
        self._dismiss()

    def state(self) -> CaptureState:
        """The camera's state at this moment, even while its reader hangs."""
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
            error=self._problem(now) if status in {"stalled", "offline"} else None,
            dark=status == "online" and self._fresh.dark(now),
            repeated=0 if self._repetition is None else self._repetition.repeated,
            doubtful=status == "online" and self._repetition is not None and self._repetition.doubtful(now),
            replayed=self._replayed(now),
            recorded=self._repetition is None,
        )

    def supervise(self) -> CaptureState:
        """Start the reader, or replace one that hangs; log a change of state; return the state."""
        now = self._clock.monotonic()
        reader = self._reader
        self._readers = [other for other in self._readers if other.alive or other is reader]
        # Hanging readers count however often the camera is switched off and on.
        if self._running and self._enabled and not self._ended and len(self._readers) < MAX_READERS:
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
        if self._stalled or (reader.reading and (self._fresh.problem(now) or self._replayed(now))):
            return "stalled"
        return "online" if reader.reading else "offline"

    def _problem(self, now: float) -> str | None:
        reading = self._reader is not None and self._reader.reading
        return (self._fresh.problem(now) or self._replayed(now) if reading else None) or self._error

    def _replayed(self, now: float) -> str | None:
        return None if self._repetition is None else self._repetition.replayed(now)

    def _hangs(self, reader: _Reader, now: float) -> bool:
        if not reader.alive:
            return True
        if reader.waiting:
            return False
        if reader.reading:
            return self._fresh.silence(now) > MAX_READ_SECONDS
        return now - reader.began > MAX_OPENING_SECONDS

    def _log(self, state: CaptureState) -> None:
        change = (state.status, state.error if state.status == "offline" else None, state.dark)
        opening = state.status == "offline" and state.error is None
        if change != self._logged and not opening:
            self._logged = change
            level = logging.WARNING if state.status in {"stalled", "offline"} else logging.INFO
            reason = f": {state.error}" if state.error else f": {DARK}" if state.dark else ""
            _log.log(level, "camera %s is %s%s", self.name, state.status, reason)

    def _begin(self, failures: int) -> None:
        reader = _Reader(failures, self._clock.monotonic())
        reader.thread = threading.Thread(target=self._run, args=(reader,), name=f"capture-{self.name}", daemon=True)
        with self._lock:
            self._reader = reader
        self._readers.append(reader)
        reader.thread.start()

    def _run(self, reader: _Reader) -> None:
        while self._wait(reader):
            try:
                self._read(reader)
            except CameraError as error:
                self._record_failure(reader, error)
            else:
                return

    def _wait(self, reader: _Reader) -> bool:
        """Wait for the back-off; False if the reader has been replaced."""
        reader.waiting, reader.reading, reader.good = True, False, 0
        due = reader.began + BACKOFF[min(reader.failures, len(BACKOFF) - 1)]
        if reader.failures:
            pause = LOGIN_PAUSE_SECONDS if reader.refused else MIN_PAUSE_SECONDS
            due = max(due, self._clock.monotonic() + pause)
        while self._reader is reader and (left := due - self._clock.monotonic()) > 0:
            reader.wake.wait(min(left, _POLL_SECONDS))
        reader.began, reader.waiting = self._clock.monotonic(), False
        return self._reader is reader

    def _read(self, reader: _Reader) -> None:
        """Read until the clip ends or the reader is replaced; raises CameraError if the device fails."""
        self._openings += 1
        if reader.refused and isinstance(self._camera, CameraBase):
            self._camera.require_login()
        with closing(self._camera.images()) as pictures:
            for picture in pictures:
                if not self._deliver(reader, picture):
                    return
        with self._lock:
            if self._reader is reader:
                self._ended = True

    def _deliver(self, reader: _Reader, picture: CameraImage) -> bool:
        """Put a new image into the mailbox; False if the reader was replaced. Raises CameraError if it is frozen."""
        with self._lock:
            if self._reader is not reader:
                return False
            now = self._clock.monotonic()
            if not reader.reading:
                self._fresh.opened(now)
                if self._repetition is not None:
                    self._repetition.opened()
                reader.reading = True
            if self._fresh.is_new(picture, now):
                self._put(picture, now)
                self._stalled = False
                reader.good += 1
                if reader.good == SUCCESS_FRAMES:
                    reader.failures = 0
            elif (problem := self._fresh.problem(now)) is not None:
                self._stalled = True
                raise CameraError(problem)
            return True

    def _put(self, picture: CameraImage, now: float) -> None:
        for array in (picture.image, picture.values):
            if array is not None:
                array.flags.writeable = False
        doubtful = self._repetition is not None and self._repetition.doubts(picture, now)
        if self._replayed(now) is None:
            wall = self._clock.wall()
            self._mailbox.put(Frame(self.name, self._seq, now, wall, picture.image, doubtful, picture.values))
        self._seq += 1

    def _record_failure(self, reader: _Reader, error: CameraError) -> None:
        reader.failures += 1
        reader.refused = isinstance(error, CameraLoginError)
        with self._lock:
            if self._reader is reader:
                self._error = str(error)
                # A device that opens but repeats its image is stalled; one that does not open is offline.
                self._stalled = self._stalled and reader.reading
