"""Liveness by another sensor beside the camera: near infrared, depth and heat, on synthetic pictures."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.core.types import Box, Detection, Frame, Image, Look, LookReason, Values
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.detectors import DEFAULT_DETECTOR
from edgeface.faces.liveness.depth import DepthLiveness, distance_from_plane
from edgeface.faces.liveness.infrared import InfraredLiveness
from edgeface.faces.liveness.sensor import Companion, SensorLiveness
from edgeface.faces.liveness.thermal import ThermalLiveness, temperatures
from edgeface.faces.protocols import DetectionRequest, Detector, LivenessDetector, SearchGrid
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from tests.support.photos import photo
from tests.support.sensors import FACE, LANDMARKS, SIZE, face, flat, heat, living, measured, taken

CAMERAS = {"porch": Companion(camera="beside")}
DEPTH = DepthLiveness(cameras=CAMERAS)
THERMAL = ThermalLiveness(cameras=CAMERAS)
INFRARED = InfraredLiveness(cameras=CAMERAS)
ALIVE, SPOOF = Look((1.0,)), Look((0.0,))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return DEFAULT_DETECTOR.open()


class NoDetector:
    """Depth and heat need none."""


def opened(liveness: SensorLiveness) -> LivenessDetector:
    return liveness.open(NoDetector())  # type: ignore[arg-type]


def look(liveness: SensorLiveness, values: Values | None, found: Detection | None = None) -> Look | LookReason:
    return opened(liveness).look(taken(measured(values)), found or face(), 0.8)


def test_a_face_with_a_nose_is_deep() -> None:
    assert look(DEPTH, living()) == ALIVE


@pytest.mark.parametrize("slope", [(0.0, 0.0), (0.8, 0.0), (0.0, -0.7), (0.6, 0.5)])
@pytest.mark.parametrize("focal", [None, 250.0, 400.0])
def test_a_flat_picture_is_flat_however_it_is_held_and_whatever_the_focal_length(
    slope: tuple[float, float], focal: float | None
) -> None:
    assert look(DepthLiveness(cameras=CAMERAS, focal=focal), flat(slope=slope)) == SPOOF


@pytest.mark.parametrize(("nose", "found"), [(8.0, SPOOF), (14.0, ALIVE)])
def test_a_face_must_be_eight_millimetres_deep(nose: float, found: Look) -> None:
    # One of five points pulls the plane by a fifth of its distance towards itself.
    assert look(DEPTH, living(nose)) == found
    assert look(DepthLiveness(cameras=CAMERAS, depth=4.0), living(nose)) == ALIVE


@pytest.mark.parametrize("point", [0, 1, 2, 6, 7])
def test_without_the_distance_of_one_landmark_there_is_no_look(point: int) -> None:
    values, (x, y) = living(), LANDMARKS[point] / 2
    values[int(y) - 6 : int(y) + 7, int(x) - 6 : int(x) + 7] = 0
    assert look(DEPTH, values) == "no_picture"


@pytest.mark.parametrize("smooth", [0.0, 3.0, 8.0])
def test_noise_of_three_millimetres_makes_no_depth(smooth: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        noise = rng.normal(0, 3, SIZE[::-1])
        if smooth:
            noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), smooth), np.float64)
            noise *= 3 / noise.std()
        assert look(DEPTH, np.asarray(np.rint(flat() + noise), np.uint16)) == SPOOF


def test_single_pixels_that_measure_nothing_are_left_out() -> None:
    values = living()
    values[::2, ::2] = 0
    assert look(DEPTH, values) == ALIVE


def test_a_hole_in_a_picture_through_which_the_wall_is_seen_is_no_depth() -> None:
    values, (x, y) = flat(), LANDMARKS[2] / 2
    values[int(y) - 6 : int(y) + 7, int(x) - 6 : int(x) + 7] = 2000
    assert look(DEPTH, values) == "no_picture"


def test_landmarks_that_are_missing_give_no_look() -> None:
    lost = LANDMARKS.copy()
    lost[1] = np.nan
    assert look(DEPTH, living(), face(landmarks=lost)) == "no_picture"
    assert look(DEPTH, living(), face(landmarks=LANDMARKS[:6])) == "no_picture"


def test_a_camera_that_measures_nothing_gives_no_look() -> None:
    for liveness in (DEPTH, THERMAL):
        assert look(liveness, None) == "no_picture"
        assert look(liveness, np.zeros(SIZE[::-1], np.uint16)) == "no_picture"


@settings(max_examples=100)
@given(
    st.lists(st.tuples(*[st.floats(-200, 200)] * 2), min_size=5, max_size=5),
    st.tuples(*[st.floats(-3, 3)] * 2),
    st.floats(200, 3000),
)
def test_points_of_a_plane_have_no_distance_from_it(
    flat_points: list[tuple[float, float]], slope: tuple[float, float], away: float
) -> None:
    points = np.array([(x, y, away + slope[0] * x + slope[1] * y) for x, y in flat_points])
    assert distance_from_plane(points) < 1e-6


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_whatever_is_measured_gives_a_look_or_a_reason(seed: int, sparse: bool) -> None:  # noqa: FBT001 - drawn
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 65536, SIZE[::-1]).astype(np.uint16)
    if sparse:
        values[rng.random(values.shape) < 0.97] = 0
    for liveness in (DEPTH, THERMAL):
        assert look(liveness, values) in (ALIVE, SPOOF, "no_picture")


@pytest.mark.parametrize(
    ("of_face", "around", "found"),
    [
        (34.0, 22.0, ALIVE),
        (34.0, 29.9, ALIVE),
        # A screen or paper: as warm as the room.
        (22.0, 22.0, SPOOF),
        # A warm screen is cooler than a face,
        (27.5, 20.0, SPOOF),
        # a heated picture may be hotter,
        (41.0, 22.0, SPOOF),
        # and in the heat nothing stands out.
        (35.0, 33.0, SPOOF),
        (34.0, 30.5, SPOOF),
    ],
)
def test_a_face_is_warm_and_its_surroundings_are_not(of_face: float, around: float, found: Look) -> None:
    assert look(THERMAL, heat(of_face, around)) == found


def test_the_limits_of_heat_are_those_of_the_configuration() -> None:
    cold = ThermalLiveness(cameras=CAMERAS, coolest=20.0, warmer=1.0)
    assert look(cold, heat(22.0, 20.5)) == ALIVE
    with pytest.raises(ValueError, match="coolest must be below warmest"):
        ThermalLiveness(cameras=CAMERAS, coolest=41.0)


def test_heat_is_that_of_the_face_and_of_the_ring_around_it() -> None:
    values = heat()
    # Beyond twice the face nothing counts.
    values[:, :60] = values[:20] = 40_000
    warmth, around = temperatures(values, Box(*(side / 2 for side in FACE)))
    assert warmth == pytest.approx(34.0)
    assert around == pytest.approx(22.0)


@pytest.mark.parametrize("liveness", [DEPTH, THERMAL, INFRARED], ids=lambda one: one.type)
@pytest.mark.parametrize(
    "frame",
    [
        taken(None),
        taken(measured(living(), 9.79)),
        taken(measured(living(), 10.21)),
        taken(measured(living(), doubtful=True)),
        taken(measured(living(), camera="another")),
        taken(measured(living()), camera="yard"),
    ],
    ids=["missing", "old", "later", "perhaps a recording", "another camera", "a camera without a companion"],
)
def test_without_a_picture_of_the_moment_there_is_no_look(liveness: SensorLiveness, frame: Frame) -> None:
    assert opened(liveness).look(frame, face(), 0.8) == "no_picture"


@pytest.mark.parametrize("liveness", [DEPTH, THERMAL, INFRARED], ids=lambda one: one.type)
def test_a_face_beyond_the_edge_of_the_other_picture_gives_no_look(liveness: SensorLiveness) -> None:
    shifted = type(liveness)(cameras={"porch": Companion(camera="beside", shift=(0.5, 0.0))})
    assert look(shifted, living()) == "no_picture"


def test_two_pictures_lie_on_each_other_as_the_keys_say() -> None:
    placed = DepthLiveness(cameras={"porch": Companion(camera="beside", scale=(0.5, 2.0), shift=(0.25, -0.5))})
    seen = placed.find(taken(measured(living())), face())
    assert seen is not None
    # x of 240 in 640 is 0.375, so 0.4375 of 320.
    assert seen.box == pytest.approx((140, 20, 180, 220))
    assert seen.landmarks[2] == pytest.approx((160, 2 * 255 / 2 - 120))


def test_the_place_is_that_of_the_detectors_box() -> None:
    located = replace(face(Box(0, 0, 640, 480)), found=FACE)
    seen = DEPTH.find(taken(measured(living())), located)
    assert seen is not None
    assert seen.box == pytest.approx((120, 70, 200, 170))


def test_only_a_camera_with_a_companion_is_judged() -> None:
    assert (DEPTH.judges("porch"), DEPTH.judges("yard")) == (True, False)
    assert DEPTH.companions == {"porch": "beside"}


def in_infrared(portrait: Image, gain: float) -> Image:
    """How a camera for near infrared might see the same scene: grey, at a share of the brightness, with noise."""
    grey = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[:, :, None] * gain
    noise = np.random.default_rng(1).normal(0, 2, grey.shape)
    return np.repeat(np.clip(grey + noise, 0, 255).astype(np.uint8), 3, axis=2)


@pytest.mark.parametrize("name", ["obama", "astronaut"])
@pytest.mark.parametrize(
    ("gain", "found"), [(0.8, ALIVE), (0.0, SPOOF)], ids=["seen in infrared", "a screen, which is dark"]
)
def test_a_face_must_be_seen_in_infrared(name: str, gain: float, found: Look, detector: Detector) -> None:
    portrait = photo(name)
    (one, *_) = detector.detect(portrait, DetectionRequest((Box(0, 0, portrait.shape[1], portrait.shape[0]),)))
    small: Image = cv2.resize(in_infrared(portrait, gain), None, fx=0.75, fy=0.75).astype(np.uint8)
    frame = taken(Frame("beside", 0, 10.0, 0.0, small), image=portrait)
    assert INFRARED.open(detector).look(frame, one, 0.8) == found


class Finds:
    """A detector that finds one face, wherever it is asked to search."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def grid(self, width: int, height: int) -> SearchGrid:
        return SearchGrid(Box(0, 0, width, height))

    def detect(self, _image: Image, request: DetectionRequest) -> list[Detection]:
        assert request.parts == (), "only where the camera sees the face"
        return [face(self._box)]


# The face is at (120, 70, 200, 170) of the companion's picture.
@pytest.mark.parametrize(
    ("box", "found"),
    [
        (Box(120, 70, 200, 170), ALIVE),
        (Box(140, 80, 220, 180), ALIVE),
        (Box(180, 70, 260, 170), SPOOF),
        (Box(0, 0, 320, 240), SPOOF),
    ],
)
def test_a_face_in_infrared_must_be_at_the_same_place(box: Box, found: Look) -> None:
    assert INFRARED.open(Finds(box)).look(taken(measured(living())), face(), 0.8) == found


def test_a_face_elsewhere_in_infrared_is_another_one(detector: Detector) -> None:
    portrait = photo("obama")
    (one, *_) = detector.detect(portrait, DetectionRequest((Box(0, 0, portrait.shape[1], portrait.shape[0]),)))
    size = portrait.shape[1] * 2, portrait.shape[0]
    wide = np.full((size[1], size[0], 3), 30, np.uint8)
    wide[:, size[0] // 2 :] = in_infrared(portrait, 0.8)
    # The camera sees the left half of what the infrared camera sees.
    beside = {"porch": Companion(camera="beside", scale=(0.5, 1.0))}
    frame = taken(Frame("beside", 0, 10.0, 0.0, wide), image=portrait)
    assert InfraredLiveness(cameras=beside).open(detector).look(frame, one, 0.8) == SPOOF


@pytest.mark.parametrize(("nose", "found"), [(25.0, ALIVE), (0.0, SPOOF)])
def test_depth_is_measured_at_the_landmarks_that_the_analyzer_locates(nose: float, found: Look) -> None:
    analyzer = FaceAnalyzer.open(DEFAULT_DETECTOR, EmbedderSettings(), QualityLimits(), DEPTH)
    portrait = photo("obama")
    (one,) = analyzer.faces(portrait)
    # As large as the portrait, with a bump of the nose's width where the analyzer sees its tip.
    x, y = np.meshgrid(np.arange(portrait.shape[1]), np.arange(portrait.shape[0]))
    tip, width = one.detection.landmarks[2], one.detection.box.width
    bump = nose * np.clip(1 - np.hypot(x - tip[0], y - tip[1]) / (0.18 * width), 0, 1) ** 0.5
    values = np.asarray(np.rint(700 - bump), np.uint16)
    assert analyzer.look_at(taken(measured(values), image=portrait), one) == found
