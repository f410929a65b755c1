"""Guided enrollment at a camera: takes five good and different shots, and gives advice for the next one."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from edgeface.cameras.mailbox import Mailbox
from edgeface.core.errors import CameraError, GalleryError, PhotoError
from edgeface.core.types import CameraImage, Frame
from edgeface.gallery.snapshot import unit_mean
from edgeface.gallery.thumbnails import thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from edgeface.cameras.base import Camera
    from edgeface.core.clock import Clock
    from edgeface.core.types import Box, Embedding, Image, Quality
    from edgeface.faces.analyzer import FaceAnalyzer
    from edgeface.people.enrollment import KnownFaces

SHOTS = 5
"""Five photos had no false rejection in 15,600 comparisons at an FMR of 1e-5 (docs/accuracy.md)."""
GIVE_UP = 60.0
"""Seconds after which the enrollment ends without a result."""
SILENT = 10.0
"""Seconds without a picture after which the camera counts as failed."""

Pose = Literal["straight ahead", "turned left", "turned right"]
POSES: tuple[Pose, ...] = ("straight ahead", "turned left", "turned right")
_MAX_PER_POSE = 2
# Degrees of yaw: the estimate from five points is good to a few degrees, and up to 10 a face counts as frontal.
_STRAIGHT, _TURNED = 8.0, 12.0
# Frames of a person who does not move are nearly identical, and such a template adds nothing: one photo at two sizes
# gives 0.99, its mirror image 0.96 to 0.98, another photo of the person 0.74 to 0.85. Compared within one pose only,
# because of mirror images.
_SAME_SHOT = 0.95

_ADVICE = {
    "small": "come closer",
    "blurred": "hold still",
    "turned": "look towards the camera",
    "dark": "more light on the face, please",
    "bright": "less light on the face, please",
    "cut": "move into the middle of the picture",
    "covered": "take off mask and dark glasses; keep hands and hair out of the face",
}
_POSE_ADVICE: dict[Pose, str] = {
    "straight ahead": "look straight at the camera",
    "turned left": "turn your head a little to your left",
    "turned right": "turn your head a little to your right",
}
TEXTS = {
    **_ADVICE,
    **{str(pose): text for pose, text in _POSE_ADVICE.items()},
    "unclear": "look at the camera",
    "none": "no face in view: look at the camera",
    "several": "one at a time: {count} faces in view",
    "another": "this looks like another person: only one person can be enrolled at a time",
    "same": "the same as before, so move a little",
    "taken": f"{{count}} of {SHOTS} taken",
}
"""The parts of every advice by a key of its own, for the pages, which translate them; joined by a semicolon."""


def pose_of(quality: Quality) -> Pose | None:
    """The pose that the yaw shows, None between two poses; the person's left is the right of the picture."""
    if abs(quality.yaw) <= _STRAIGHT:
        return "straight ahead"
    if abs(quality.yaw) < _TURNED:
        return None
    return "turned left" if quality.yaw > 0 else "turned right"


@dataclass(slots=True, eq=False)
class Guide:
    """The state of one enrollment; reads no clock and no camera."""

    analyzer: FaceAnalyzer
    known: KnownFaces
    person: str
    shots: list[tuple[Pose, Embedding]] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    """The face of each shot as a JPEG."""
    _turn: int = 0
    _expected: list[Box] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether there are five shots, which include every pose."""
        return len(self.shots) >= SHOTS

    @property
    def missing(self) -> tuple[Pose, ...]:
        """Poses without a shot."""
        return tuple(pose for pose in POSES if not any(pose == taken for taken, _ in self.shots))

    @property
    def next_pose(self) -> Pose | None:
        """The pose of the next shot; None if there are five."""
        if self.done:
            return None
        return (self.missing or tuple(pose for pose in POSES if self._wanted(pose)))[0]

    def offer(self, image: Image) -> str:
        """Take a shot from `image` if it is useful and return advice; raises PhotoError for someone else's face."""
        faces = self.analyzer.faces(image, self._turn, self._expected)
        self._turn += 1
        self._expected = [detection.box for detection, _ in faces]
        if len(faces) != 1:
            return TEXTS["several"].format(count=len(faces)) if faces else TEXTS["none"]
        (face,) = faces
        detection, quality = face.detection, self.analyzer.template_quality(image, face)
        if quality.reason is not None:
            return _ADVICE.get(quality.reason, TEXTS["unclear"])
        pose = pose_of(quality)
        if pose is None or not self._wanted(pose):
            return self._next()
        advice = self._take(pose, self.analyzer.embed(image, detection))
        if len(self.pictures) < len(self.shots):
            self.pictures.append(thumbnail(image, detection.box))
        return advice

    def _take(self, pose: Pose, embedding: Embedding) -> str:
        self.known.look_alikes_of(embedding, self.person)
        taken = [other for _, other in self.shots]
        if taken and float(unit_mean(taken) @ embedding) < self.known.limits.same:
            return TEXTS["another"]
        if any(pose == other[0] and float(embedding @ other[1]) >= _SAME_SHOT for other in self.shots):
            return f"{TEXTS['same']}; {self._next()}"
        self.shots.append((pose, embedding))
        return TEXTS["taken"].format(count=len(self.shots)) + ("" if self.done else f"; {self._next()}")

    def _wanted(self, pose: Pose) -> bool:
        """Whether a shot of this pose leaves enough of the five for the missing poses."""
        count = sum(pose == taken for taken, _ in self.shots)
        return pose in self.missing or (count < _MAX_PER_POSE and SHOTS - len(self.shots) > len(self.missing))

    def _next(self) -> str:
        return "" if self.next_pose is None else _POSE_ADVICE[self.next_pose]


def shoot(
    pictures: Iterator[CameraImage], guide: Guide, clock: Clock, say: Callable[[str], None]
) -> tuple[Embedding, ...]:
    """Take the shots from `pictures`; passes each change of advice to `say`.

    Raises GalleryError with what was missing if the pictures end or GIVE_UP seconds have passed.
    """
    start, last, why = clock.monotonic(), "", "the pictures ended"
    for picture in pictures:
        try:
            advice = guide.offer(picture.image)
        except PhotoError as error:
            raise GalleryError(str(error)) from error
        if advice != last:
            say(advice)
            last = advice
        if guide.done:
            return tuple(embedding for _, embedding in guide.shots)
        if clock.monotonic() - start > GIVE_UP:
            why = f"gave up after {GIVE_UP:.0f} s"
            break
    missing = f"; no shot {', '.join(guide.missing)}" if guide.missing else ""
    raise GalleryError(f"no one was enrolled: {why} with {len(guide.shots)} of {SHOTS} shots{missing} (last: {last})")


def newest(camera: Camera) -> Generator[CameraImage, None, None]:
    """Yield the newest picture for a slow reader; raises CameraError after SILENT seconds without one."""
    mailbox, errors = Mailbox(), list[CameraError]()
    threading.Thread(target=_read, args=(camera, mailbox, errors), daemon=True).start()
    try:
        while (frame := mailbox.take(SILENT)) is not None:
            yield CameraImage(frame.image, frame.monotonic)
        if not mailbox.closed:
            raise CameraError(f"no picture from the camera for {SILENT:.0f} s")
        if errors:
            raise errors[0]
    finally:
        mailbox.close()


def _read(camera: Camera, mailbox: Mailbox, errors: list[CameraError]) -> None:
    try:
        with closing(camera.images()) as pictures:
            for picture in pictures:
                if mailbox.closed:
                    return
                mailbox.put(Frame("", 0, picture.timestamp or 0.0, 0.0, picture.image))
    except CameraError as error:
        errors.append(error)
    finally:
        mailbox.close()
