import numpy as np
import pytest

from edgeface.core.settings import Level
from edgeface.core.types import LEVELS, Embedding, Match
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.snapshot import make_snapshot
from edgeface.recognition.decision import AGE, MARGIN, WINDOW, Evidence, Thresholds, decide, likeness, thresholds
from edgeface.recognition.settings import Recognition

RULES = Recognition(frames=3, seconds=0.3, unknown_frames=5)
THRESHOLDS = Thresholds(accept=0.5, near=0.35, same=0.35)
SIZE = 8


def unit(*values: float) -> Embedding:
    vector = np.zeros(SIZE, np.float32)
    vector[: len(values)] = values
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


class OnePerson:
    """A gallery of which the nearest person is given: for the mean, and for the newest frame."""

    def __init__(
        self, score: float, runner_up: float | None = None, *, ignored: bool = False, newest: Match | None = None
    ) -> None:
        match = Match("alice", score, runner_up, ignored)
        self._answers = iter((match, newest or match))

    def match(self, embedding: Embedding) -> Match | None:
        assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)
        return next(self._answers)


class NoOne:
    """An empty gallery."""

    def match(self, _: Embedding) -> Match | None:
        return None


def gathered(frames: int, step: float = 0.15) -> Evidence:
    evidence = Evidence()
    for n in range(frames):
        evidence = evidence.add(unit(1, 0.01 * n), n * step, THRESHOLDS.same)
    return evidence


def test_nothing_is_decided_from_too_few_frames() -> None:
    assert decide(gathered(2, step=1.0), OnePerson(0.9), THRESHOLDS, RULES) is None


def test_nothing_is_decided_from_frames_of_one_moment() -> None:
    assert decide(gathered(9, step=0.01), OnePerson(0.9), THRESHOLDS, RULES) is None


def test_enough_good_frames_over_the_threshold_are_a_match() -> None:
    decision = decide(gathered(3), OnePerson(0.5), THRESHOLDS, RULES)
    assert decision is not None
    assert (decision.kind, decision.person, decision.frames) == ("match", "alice", 3)


def test_a_match_needs_the_newest_frame_alone_to_reach_the_threshold() -> None:
    poor, good = Match("alice", 0.49, 0.1), Match("alice", 0.5, 0.1)
    assert decide(gathered(3), OnePerson(0.9, newest=poor), THRESHOLDS, RULES) is None
    decision = decide(gathered(WINDOW), OnePerson(0.9, newest=poor), THRESHOLDS, RULES)
    assert decision is not None
    assert (decision.kind, decision.reason) == ("uncertain", "near_threshold")
    confirmed = decide(gathered(3), OnePerson(0.9, newest=good), THRESHOLDS, RULES)
    assert confirmed is not None
    assert confirmed.kind == "match"


def test_a_match_needs_the_mean_to_reach_the_threshold() -> None:
    good = Match("alice", 0.9, 0.1)
    assert decide(gathered(5), OnePerson(0.49, newest=good), THRESHOLDS, RULES) is None
    decision = decide(gathered(WINDOW), OnePerson(0.49, newest=good), THRESHOLDS, RULES)
    assert decision is not None
    assert (decision.kind, decision.person) == ("uncertain", None)


def test_a_newest_frame_without_a_number_confirms_no_match() -> None:
    broken = Match("alice", float("nan"), 0.1)
    assert decide(gathered(3), OnePerson(0.9, newest=broken), THRESHOLDS, RULES) is None


def test_a_newest_frame_that_is_nearer_to_someone_else_confirms_no_match() -> None:
    bob = Match("bob", 0.9, 0.6)
    assert decide(gathered(3), OnePerson(0.9, newest=bob), THRESHOLDS, RULES) is None


def test_embeddings_leave_the_window_when_they_are_old() -> None:
    evidence = gathered(5, step=1.0)
    assert evidence.add(unit(1), 4.0 + AGE, THRESHOLDS.same).times == (4.0, 4.0 + AGE)
    later = evidence.add(unit(1), 5.0 + AGE, THRESHOLDS.same)
    assert (later.frames, later.seconds) == (1, 0.0)


@pytest.mark.parametrize("level", LEVELS)
def test_joining_the_window_asks_for_what_the_level_asks_of_one_comparison(level: Level) -> None:
    table, view = CalibrationTable.shipped(), make_snapshot([], {})
    assert thresholds(table, level, view).same == table.threshold(level, 1)


def test_somebody_below_near_is_unknown_after_more_frames() -> None:
    assert decide(gathered(4), OnePerson(0.1), THRESHOLDS, RULES) is None
    decision = decide(gathered(5), OnePerson(0.1), THRESHOLDS, RULES)
    assert decision is not None
    assert (decision.kind, decision.person) == ("unknown", None)


def test_with_an_empty_gallery_everybody_is_unknown() -> None:
    decision = decide(gathered(5), NoOne(), THRESHOLDS, RULES)
    assert decision is not None
    assert decision.kind == "unknown"


def test_between_near_and_accept_is_doubt_and_it_is_said_late() -> None:
    assert decide(gathered(5), OnePerson(0.49), THRESHOLDS, RULES) is None
    decision = decide(gathered(WINDOW), OnePerson(0.49), THRESHOLDS, RULES)
    assert decision is not None
    assert (decision.kind, decision.reason, decision.person) == ("uncertain", "near_threshold", None)


def test_two_people_too_close_are_never_a_match() -> None:
    for runner_up in (0.9 - MARGIN / 2, 0.9):
        decision = decide(gathered(5), OnePerson(0.9, runner_up), THRESHOLDS, RULES)
        assert decision is not None
        assert (decision.kind, decision.reason) == ("uncertain", "two_people")


def test_an_ignored_face_is_ignored_and_shields_whoever_is_like_it() -> None:
    ignored = decide(gathered(3), OnePerson(0.9, ignored=True), THRESHOLDS, RULES)
    assert ignored is not None
    assert (ignored.kind, ignored.person) == ("ignored", None)


def test_an_infinite_threshold_matches_nobody() -> None:
    decision = decide(gathered(WINDOW), OnePerson(1.0), Thresholds(np.inf, np.inf, -1.0), RULES)
    assert decision is not None
    assert decision.kind == "unknown"


def test_another_face_on_the_same_track_starts_the_evidence_afresh() -> None:
    evidence = gathered(5).add(unit(0, 0, 1), 1.0, THRESHOLDS.same)
    assert (evidence.frames, evidence.seconds) == (1, 0.0)


def test_the_window_is_bounded_and_keeps_the_latest() -> None:
    evidence = gathered(3 * WINDOW)
    assert evidence.frames == WINDOW
    assert evidence.times[-1] == pytest.approx((3 * WINDOW - 1) * 0.15)


def test_the_time_counts_from_the_first_frame_even_when_it_has_left_the_window() -> None:
    patient = RULES.model_copy(update={"seconds": 2.0})
    assert decide(gathered(WINDOW), OnePerson(0.9), THRESHOLDS, patient) is None
    assert decide(gathered(2 * WINDOW), OnePerson(0.9), THRESHOLDS, patient) is not None


def test_visits_are_compared_more_strictly_among_more_unknowns_and_there_is_no_cliff() -> None:
    table = CalibrationTable.shipped()
    among = [likeness(table, count) for count in (0, 1, 10, 100, 1_000, 1_014, 1_015, 10_000, 1_000_000)]
    assert [one.same for one in among] == sorted(one.same for one in among)
    assert among[1].same == table.threshold("low", 1)
    assert among[-1].same == among[-2].same == table.estimated[-1].cosine
    assert all(one.alike <= one.same for one in among)
    assert among[4].alike < among[4].same < among[-1].same
