"""Head turns: which courses of yaw pass a challenge, alone and in the pipeline."""

import math
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.liveness.heads import HeadTurn, recorded
from edgeface.core.types import Turn
from edgeface.recognition.challenge import ALL_SECONDS, FAR, LEAST_WIDTH, TURN_SECONDS, HeadTurns, PoseSample
from tests.support.film import DATA
from tests.support.scripted import FPS

ORDERS: list[tuple[Turn, Turn]] = list(product(("left", "right"), repeat=2))  # type: ignore[arg-type]
REST = [0.0, 1.0, -1.0, 0.5]


def turned(side: Turn, degrees: float = 40.0, seconds: float = 1.2, fps: float = FPS) -> list[float]:
    """A turn to one side and back, as a raised cosine; left is positive."""
    count = max(3, round(seconds * fps))
    sign = 1 if side == "left" else -1
    return [sign * degrees * (1 - math.cos(2 * math.pi * n / count)) / 2 for n in range(count + 1)]


def eyes(yaw: float) -> float:
    """How wide the eyes of a head are apart at this angle, as `eye_width` measures it."""
    return 0.9 * math.cos(math.radians(yaw))


def judged(
    turns: tuple[Turn, ...],
    yaws: Sequence[float],
    fps: float = FPS,
    *,
    same: bool = True,
    alone: bool = True,
    narrowed: float = 1.0,
) -> HeadTurns:
    """The challenge after these frames; a turned face has `narrowed` times the width of a head's."""
    challenge = HeadTurns(turns, 0.0)
    for number, yaw in enumerate(yaws):
        sample = PoseSample((number + 1) / fps, yaw, eyes(yaw) * (narrowed if abs(yaw) >= FAR else 1), same, alone)
        challenge.add(sample, 1 / fps)
    return challenge


@pytest.mark.parametrize("turns", ORDERS)
@pytest.mark.parametrize(("fps", "seconds"), [(15.0, 1.2), (15.0, 2.5), (5.0, 2.0), (30.0, 1.0)])
@pytest.mark.parametrize("degrees", [30.0, 40.0, 55.0])
def test_a_head_that_turns_as_it_is_asked_passes(
    turns: tuple[Turn, Turn], fps: float, seconds: float, degrees: float
) -> None:
    yaws = [*REST, *turned(turns[0], degrees, seconds, fps), *REST, *turned(turns[1], degrees, seconds, fps), *REST]
    assert judged(turns, yaws, fps).result == "passed"


@pytest.mark.parametrize(
    ("yaws", "reason"),
    [
        (REST * 40, "late"),
        ([*REST, *turned("left", 22.0)] * 8, "late"),
        ([*REST, *turned("right")], "wrong_side"),
        ([*REST, *[45.0] * 5, *REST], "jump"),
        # From a picture of the front to one from the side, and back: nothing between.
        ([*REST, *[29.0] * 5, *REST] * 12, "late"),
    ],
    ids=["still", "not far enough", "wrong side", "jump", "two pictures"],
)
def test_what_is_no_turn_to_the_left_fails(yaws: list[float], reason: str) -> None:
    challenge = judged(("left", "right"), yaws)
    assert (challenge.result, challenge.reason) == ("failed", reason)


@pytest.mark.parametrize(
    ("narrowed", "passes"), [(LEAST_WIDTH + 0.02, True), (LEAST_WIDTH - 0.02, False), (0.0, False)]
)
def test_a_turned_face_that_is_too_narrow_for_its_yaw_is_a_picture(narrowed: float, passes: bool) -> None:  # noqa: FBT001
    yaws = [*REST, *turned("left"), *REST]
    assert (judged(("left",), yaws, narrowed=narrowed).result == "passed") == passes


def test_without_a_width_nothing_passes() -> None:
    challenge = HeadTurns(("left",), 0.0)
    for number, yaw in enumerate([*REST, *turned("left"), *REST]):
        challenge.add(PoseSample((number + 1) / FPS, yaw, 0.0, same=True, alone=True), 1 / FPS)
    assert challenge.result is None


def test_another_face_and_company_fail_at_once() -> None:
    yaws = [*REST, *turned("left")]
    assert judged(("left",), yaws, same=False).reason == "another_face"
    assert judged(("left",), yaws, alone=False).reason == "company"
    assert judged(("left",), [*yaws, *REST]).result == "passed"


def test_a_face_that_is_lost_fails() -> None:
    challenge = judged(("left",), [*REST, *turned("left")[:6]])
    challenge.missing((len(REST) + 6) / FPS + 0.2, 1 / FPS)
    assert challenge.result is None
    challenge.missing((len(REST) + 6) / FPS + 0.4, 1 / FPS)
    assert challenge.reason == "lost"


def test_each_turn_has_its_time_and_all_of_them_too() -> None:
    slow = [*REST * 25, *turned("left"), *REST * 25]
    challenge = judged(("left", "right"), slow)
    assert challenge.turn == "right"
    assert challenge.until <= ALL_SECONDS
    assert HeadTurns(("left",), 3.0).until == 3.0 + TURN_SECONDS


@settings(max_examples=150)
@given(
    st.lists(st.floats(-24.0, 24.0), min_size=4, max_size=120), st.sampled_from(ORDERS), st.sampled_from([5.0, 15.0])
)
def test_no_course_passes_that_is_never_25_degrees_from_the_front(
    yaws: list[float], turns: tuple[Turn, Turn], fps: float
) -> None:
    assert judged(turns, yaws, fps).result != "passed"


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from([0.0, 3.0, -5.0, 8.0, 26.0, 33.0, 50.0, -30.0]), min_size=4, max_size=120),
    st.sampled_from(ORDERS),
)
def test_no_course_passes_that_has_nothing_between_front_and_side(yaws: list[float], turns: tuple[Turn, Turn]) -> None:
    assert judged(turns, yaws).result != "passed"


@settings(max_examples=200)
@given(
    st.floats(-14.0, 14.0),
    st.lists(st.floats(-24.9, 24.9), min_size=4, max_size=120),
    st.sampled_from(ORDERS),
    st.sampled_from([5.0, 15.0, 30.0]),
)
def test_no_course_passes_that_is_never_25_degrees_from_its_rest(
    rest: float, moved: list[float], turns: tuple[Turn, Turn], fps: float
) -> None:
    assert judged(turns, [rest] * 4 + [rest + by for by in moved], fps).result != "passed"


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from(["left", "right"]), st.floats(26.0, 60.0), st.floats(0.6, 2.5)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(ORDERS),
    st.sampled_from([10.0, 15.0, 30.0]),
)
def test_no_turn_passes_whose_way_out_was_not_seen(
    turns: list[tuple[Turn, float, float]], order: tuple[Turn, Turn], fps: float
) -> None:
    yaws = REST.copy()
    for side, degrees, seconds in turns:
        way = turned(side, degrees, seconds, fps)
        out, back = way[: len(way) // 2], way[len(way) // 2 :]
        yaws += [*(yaw for yaw in out if not 12.0 <= abs(yaw) < 25.0), *back, *REST]
    assert judged(order, yaws, fps).result != "passed"


RECORDED = recorded(DATA / "yaw")


@pytest.mark.parametrize("fps", [15.0, 5.0])
@pytest.mark.parametrize("turn", RECORDED, ids=lambda turn: turn.name)
def test_the_turns_of_living_heads_pass(turn: HeadTurn, fps: float) -> None:
    rest = [turn.yaws[0]] * 4
    course = [*rest, *(turn.at(n / fps) for n in range(round(turn.seconds * fps) + 1)), *rest]
    for first, second in ORDERS:
        yaws = [(1 if side == "left" else -1) * yaw for side in (first, second) for yaw in course]
        assert judged((first, second), yaws, fps).result == "passed"


def test_there_are_recorded_turns_of_four_heads() -> None:
    assert len({turn.name[:5] for turn in RECORDED}) == 4


def test_frames_with_a_wrong_yaw_are_no_turn() -> None:
    single = [*REST, 15.0, 20.0, 27.0, 20.0, 15.0, 2.0]
    assert judged(("left",), single * 13).reason == "late"
    # 90 is what `pose` gives where the landmarks are not those of a face.
    assert judged(("left",), [*REST, 15.0, *[90.0] * 3, 15.0, *REST]).reason is None
    assert judged(("left",), [*REST, 15.0, *[90.0] * 5, 15.0, *REST]).reason == "lost"


@pytest.mark.parametrize(("rest", "by", "passes"), [(0.0, 28.0, True), (-14.0, 38.0, False), (14.0, 24.0, False)])
def test_a_turn_counts_from_its_rest_and_from_the_front(rest: float, by: float, passes: bool) -> None:  # noqa: FBT001
    yaws = [rest + yaw for yaw in turned("left", by, 5.0, 30.0)]
    assert (judged(("left",), [rest] * 4 + yaws + [rest] * 4, 30.0).result == "passed") == passes


def test_a_turn_that_is_too_slow_is_late() -> None:
    challenge = judged(("left",), [*REST, *turned("left", 40.0, 2 * TURN_SECONDS)])
    assert (challenge.result, challenge.reason) == ("failed", "late")


def test_a_face_beyond_35_degrees_must_be_the_persons_once() -> None:
    challenge = HeadTurns(("left",), 0.0)
    for number, yaw in enumerate([*REST, 14.0, 24.0, *[40.0] * 6, 24.0, 14.0, *REST]):
        challenge.add(PoseSample((number + 1) / FPS, yaw, eyes(yaw), abs(yaw) < 35, alone=True), 1 / FPS)
    assert challenge.result is None
