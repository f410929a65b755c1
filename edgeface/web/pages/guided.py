"""Guided enrollment at a camera of the device, from a page: one at a time, in its own thread."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from edgeface.core.errors import EdgefaceError, GalleryError
from edgeface.core.text import check_id
from edgeface.core.types import CameraImage
from edgeface.gallery.snapshot import check_days
from edgeface.people.enrollment import EnrollOptions, OverridableError
from edgeface.people.guided import POSES, SHOTS, SILENT, TEXTS, shoot
from edgeface.web.texts import camera_strings, strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.people.guided import Guide, Pose
    from edgeface.people.service import EnrollResult
    from edgeface.web.context import WebContext

State = Literal["running", "ready", "failed", "cancelled"]

READY_SECONDS = 300.0
"""Seconds for which finished shots wait for confirmation."""
_PAUSE = 0.05
_MAX_LINES = 6


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an enrollment."""

    person: str
    name: str | None
    camera: str
    given: str | None
    expires: str | None
    state: State = "running"
    lines: tuple[str, ...] = ()
    """Instructions to the person, newest last; none while the camera is opened."""
    taken: int = 0
    """Number of shots."""
    missing: tuple[Pose, ...] = POSES
    """Poses without a shot."""
    pose: Pose | None = POSES[0]
    """The pose of the next shot; None if there are enough."""
    different_people: bool = False
    """The face may be enrolled under another id."""

    @property
    def advice(self) -> str:
        """The newest instruction, in the language of the request; why it failed is as the device reports it."""
        return in_words(self.lines[-1]) if self.lines else strings.GUIDE_STARTING

    @property
    def count(self) -> str:
        """How many pictures are taken, and what comes next, in one text."""
        count = strings.GUIDE_TAKEN.format(taken=self.taken, wanted=SHOTS)
        if self.pose is None:
            return count
        return camera_strings.GUIDE_NEXT.format(count=count, pose=camera_strings.GUIDE_ADVICE[self.pose])

    @property
    def poses(self) -> dict[Pose, str]:
        """Each pose, and whether it is `taken`, `next` or still `open`."""
        return {pose: "next" if pose == self.pose else "open" if pose in self.missing else "taken" for pose in POSES}


def in_words(line: str) -> str:
    """An instruction of the guide in the language of the request; what is none of its own stays as it is."""
    # The first number of a part is the one that varies.
    whole = _part(line)
    return "; ".join(map(_part, line.split("; "))) if whole == line else whole


def _part(text: str) -> str:
    number = re.search(r"\d+", text)
    template = text if number is None else text.replace(number.group(), "{count}", 1)
    key = next((key for key, known in TEXTS.items() if known == template), None)
    if key is None:
        return text
    return camera_strings.GUIDE_ADVICE[key].format(count="" if number is None else number.group())


class Guidance:
    """The current enrollment, if any; any thread may call it."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._run = 0
        self._guide: Guide | None = None
        self._ended = 0.0

    @property
    def progress(self) -> Progress | None:
        """The progress; None without an enrollment."""
        with self._lock:
            over = self._progress is not None and self._progress.state != "running"
            if over and self._context.clock.monotonic() - self._ended > READY_SECONDS:
                self._progress = self._guide = None
            return self._progress

    def start(self, progress: Progress) -> None:
        """Start an enrollment. Raises GalleryError for an invalid id, an unknown camera, or while another one runs."""
        check_id(progress.person)
        check_days(progress.given, progress.expires)
        if progress.camera not in self._context.configuration().face_cameras:
            raise GalleryError(f"there is no camera {progress.camera[:64]!a}")
        current = self.progress
        if current is not None and current.state in {"running", "ready"}:
            raise GalleryError(strings.GUIDE_BUSY)
        with self._lock:
            self._run += 1
            self._progress, self._guide = progress, None
            thread = threading.Thread(target=self._lead, args=(self._run, progress), name="guidance", daemon=True)
        thread.start()

    def cancel(self) -> None:
        """Cancel the enrollment, and drop its shots."""
        with self._lock:
            self._run += 1
            self._guide = None
            self._ended = self._context.clock.monotonic()
            if self._progress is not None:
                self._progress = replace(self._progress, state="cancelled")

    def finish(self, *, anyway: bool = False, accept_limits: bool = False) -> EnrollResult:
        """Enroll from the shots. Raises GalleryError if they are not ready; they stay after an OverridableError."""
        with self._lock:
            progress, guide = self._progress, self._guide
            if progress is None or progress.state != "ready" or guide is None:
                raise GalleryError(strings.GUIDE_NONE)
            self._progress = self._guide = None
        options = EnrollOptions(
            given=progress.given,
            expires=progress.expires,
            anyway=anyway,
            accept_limits=accept_limits,
            different_people=progress.different_people,
        )
        try:
            return self._context.people.enroll_guided(guide, progress.name, options)
        except OverridableError:
            with self._lock:
                self._progress, self._guide = progress, guide
            raise

    def _lead(self, run: int, progress: Progress) -> None:
        """The thread: take the shots, and give instructions."""
        try:
            guide = self._context.people.guide(progress.person, different_people=progress.different_people)
            shoot(
                self._pictures(run, progress.camera),
                guide,
                self._context.clock,
                lambda line: self._report(run, guide, "running", line),
            )
            self._report(run, guide, "ready")
        except EdgefaceError as error:
            self._report(run, None, "failed", str(error))

    def _pictures(self, run: int, camera: str) -> Iterator[CameraImage]:
        """Yield the camera's newest pictures; the guide has the models to itself while it processes one."""
        clock, seq, since = self._context.clock, -1, self._context.clock.monotonic()
        with self._context.hub.watch(camera):
            while self._run == run:
                result = self._context.hub.latest(camera)
                if result is not None and result.frame.seq != seq:
                    seq, since = result.frame.seq, clock.monotonic()
                    with self._context.analyzer():
                        yield CameraImage(result.frame.image, None)
                elif clock.monotonic() - since > SILENT:
                    raise GalleryError(f"the camera has given no picture for {SILENT:.0f} s")
                else:
                    clock.sleep(_PAUSE)

    def _report(self, run: int, guide: Guide | None, state: State, *lines: str) -> None:
        with self._lock:
            if self._run != run or self._progress is None:
                return
            self._guide, self._ended = guide, self._context.clock.monotonic()
            shown = (*self._progress.lines, *lines)[-_MAX_LINES:]
            self._progress = replace(self._progress, state=state, lines=shown)
            if guide is not None:
                taken = min(SHOTS, len(guide.shots))
                self._progress = replace(self._progress, taken=taken, missing=guide.missing, pose=guide.next_pose)
