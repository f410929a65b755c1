from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edgeface.cameras.replay import ReplayCamera
from edgeface.config.configuration import Configuration
from edgeface.core.errors import CameraError, GalleryError
from edgeface.core.types import CameraImage, Image, Quality
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.settings import QualityLimits
from edgeface.gallery.agreement import Limits
from edgeface.imaging.opencv import cv2
from edgeface.imaging.photos import load
from edgeface.people.enrollment import KnownFaces
from edgeface.people.guided import GIVE_UP, SHOTS, Guide, newest, pose_of, shoot
from tests.support.clock import FixedClock
from tests.support.shots import DATA, embedding_of, frame, session

THRESHOLD = 0.5
LIMITS = Limits(0.45, 0.40, 0.57, 0.60, 0.65)


@pytest.fixture(name="analyzer", scope="module")
def _analyzer() -> FaceAnalyzer:
    limits = QualityLimits(height=50, sharpness=0.2, dark=0.12, bright=0.92, yaw=40.0, pitch=35.0)
    return Configuration.model_construct(cameras={}, quality=limits).open_analyzer()


def guide(analyzer: FaceAnalyzer, known: KnownFaces | None = None, person: str = "obama") -> Guide:
    return Guide(analyzer, known or KnownFaces(LIMITS), person)


def quality(yaw: float) -> Quality:
    return Quality(150, 0.8, 0.5, yaw, 0.0, None)


@pytest.mark.parametrize(
    ("yaw", "pose"),
    [
        (0, "straight ahead"),
        (-7, "straight ahead"),
        (10, None),
        (-10, None),
        (15, "turned left"),
        (-30, "turned right"),
    ],
)
def test_a_pose_follows_from_the_yaw(yaw: float, pose: str | None) -> None:
    assert pose_of(quality(yaw)) == pose


def held(analyzer: FaceAnalyzer) -> list[Image]:
    """Each picture of the session for as many looks as the detector needs to look everywhere."""
    return [image for image in session(analyzer) for _ in range(4)]


def test_five_varied_shots_are_taken_with_guidance_and_the_same_through_a_camera(
    analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    said = list[str]()
    frames = held(analyzer)
    asked = guide(analyzer)
    shots = shoot((CameraImage(image, None) for image in frames), asked, FixedClock(), said.append)
    assert len(shots) == SHOTS
    assert said[0] == "no face in view: look at the camera"
    assert "come closer" in said
    assert "1 of 5 taken; turn your head a little to your left" in said
    assert any(line.startswith("the same as before, so move a little; turn") for line in said)
    assert said[-1] == "5 of 5 taken"
    assert asked.next_pose is None
    assert guide(analyzer).next_pose == "straight ahead"
    assert {pose for pose, _ in asked.shots} == {"straight ahead", "turned left", "turned right"}
    assert (np.stack(shots) @ np.stack(shots).T).min() > THRESHOLD

    for number, image in enumerate(frames):
        assert cv2.imwrite(str(tmp_path / f"{number:03d}.png"), image[:, :, ::-1])
    again = shoot(ReplayCamera(path=tmp_path, pace="fast").images(), guide(analyzer), FixedClock(), lambda _: None)
    np.testing.assert_array_equal(np.stack(shots), np.stack(again))


def test_each_advice_is_said_once_until_it_changes(analyzer: FaceAnalyzer) -> None:
    said = list[str]()
    empty = CameraImage(np.full((480, 640, 3), 100, np.uint8), None)
    with pytest.raises(GalleryError):
        shoot(iter([empty] * 20), guide(analyzer), FixedClock(), said.append)
    assert said == ["no face in view: look at the camera"]


def test_giving_up_says_what_was_missing(analyzer: FaceAnalyzer) -> None:
    clock = FixedClock()
    image = frame(analyzer, "obama")

    def stands_still() -> Iterator[CameraImage]:
        while True:
            clock.sleep(5)
            yield CameraImage(image, None)

    with pytest.raises(GalleryError) as caught:
        shoot(stands_still(), guide(analyzer), clock, lambda _: None)
    assert "gave up after 60 s with 1 of 5 shots; no shot turned left, turned right" in str(caught.value)
    assert GIVE_UP < clock.now <= GIVE_UP + 5


def test_a_face_that_is_somebody_elses_ends_it(analyzer: FaceAnalyzer) -> None:
    known = KnownFaces(LIMITS, {"barack": embedding_of(analyzer, load(DATA / "obama3.jpg"))})
    with pytest.raises(GalleryError, match="this face is already enrolled as barack "):
        shoot(
            iter([CameraImage(frame(analyzer, "obama"), None)]),
            guide(analyzer, known, "eve"),
            FixedClock(),
            lambda _: None,
        )


def test_somebody_who_steps_in_is_not_taken(analyzer: FaceAnalyzer) -> None:
    asked = guide(analyzer)
    assert asked.offer(frame(analyzer, "obama")).startswith("1 of 5")
    limits = analyzer.limits.model_copy(update={"yaw": 89.0})
    asked.analyzer = replace(analyzer, limits=limits)
    advice = [asked.offer(frame(analyzer, name, mirrored=m)) for name in ("astronaut", "biden") for m in (False, True)]
    assert any("looks like another person" in line for line in advice)
    assert len(asked.shots) == 1


def test_two_faces_are_asked_to_come_one_at_a_time(analyzer: FaceAnalyzer) -> None:
    both = np.hstack([frame(analyzer, "obama")[:, 160:480], frame(analyzer, "astronaut")[:, 160:480]])
    assert guide(analyzer).offer(both) == "one at a time: 2 faces in view"


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda image: (image * 0.12).astype(np.uint8), "more light on the face, please"),
        (lambda image: (255 - (255 - image) * 0.07).astype(np.uint8), "less light on the face, please"),
        (lambda image: cv2.GaussianBlur(image, (0, 0), 7), "hold still"),
    ],
)
def test_bad_pictures_are_answered_with_what_to_do(analyzer: FaceAnalyzer, change: object, advice: str) -> None:
    assert callable(change)
    strict = replace(analyzer, limits=analyzer.limits.model_copy(update={"sharpness": 0.6}))
    assert guide(strict).offer(change(frame(analyzer, "obama"))) == advice


def test_a_mask_is_answered_with_what_to_do(analyzer: FaceAnalyzer) -> None:
    image = frame(analyzer, "obama")
    ((detection, _),) = analyzer.faces(image)
    left, _, right, bottom = map(round, detection.box)
    image[round(float(detection.landmarks[2][1])) - 4 : bottom, left:right] = (60, 90, 200)
    asked = guide(analyzer)
    assert asked.offer(image) == "take off mask and dark glasses; keep hands and hair out of the face"
    assert asked.shots == []


@dataclass
class Endless:
    """A camera that gives numbered pictures faster than anybody looks at them."""

    given: int = 0
    closed: bool = False
    error: CameraError | None = None
    stop_at: int = 10**9

    def images(self) -> Generator[CameraImage, None, None]:
        try:
            while self.given < self.stop_at:
                self.given += 1
                yield CameraImage(np.full((16, 16, 3), self.given % 256, np.uint8), float(self.given))
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


def test_the_newest_picture_is_given_to_a_slow_reader() -> None:
    camera = Endless()
    pictures = newest(camera)
    first = next(pictures).timestamp
    assert first is not None
    while camera.given < first + 1000:
        pass
    second = next(pictures).timestamp
    assert second is not None
    assert second > first + 900
    pictures.close()
    while not camera.closed:
        pass


def test_the_end_of_a_camera_is_the_end_of_the_pictures() -> None:
    last = [picture.timestamp for picture in newest(Endless(stop_at=5))][-1]
    assert last == 5


def test_a_cameras_error_comes_through() -> None:
    with pytest.raises(CameraError, match="unplugged"):
        list(newest(Endless(stop_at=3, error=CameraError("unplugged"))))
