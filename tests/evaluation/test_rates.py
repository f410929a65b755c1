from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.evaluation import rates
from edgeface.evaluation.rates import AllPairs, ScoredPairs

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
SAME = np.array([1, 1, 0, 1, 0, 1, 0, 0], bool)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def ignore(_: int) -> None:
    """Take no notice of the progress."""


def noisy(count: int = 400) -> tuple[rates.Floats, rates.Flags]:
    same = rng().random(count) < 0.5
    # Two digits, so that there are ties.
    return np.round(rng().normal(0, 1, count) + 1.5 * same, 2), same


def test_auc_counts_the_pairs_in_the_right_order() -> None:
    # Of 16 pairs of a genuine and an impostor score, 4 + 4 + 3 + 2 are in the right order.
    assert rates.auc(SCORES, SAME) == pytest.approx(13 / 16)
    assert rates.auc(np.ones(8), SAME) == pytest.approx(0.5)


def test_auc_and_roc_are_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is a second opinion")
    scores, same = noisy()
    assert rates.auc(scores, same) == pytest.approx(sklearn.roc_auc_score(same, scores))
    far, tmr, _ = sklearn.roc_curve(same, scores, drop_intermediate=False)
    ours = rates.roc(scores, same)
    assert ours[0] == pytest.approx(far)
    assert ours[1] == pytest.approx(tmr)


def test_eer_is_where_both_errors_meet() -> None:
    # At 0.6 three of four genuine are accepted, and one of four impostors.
    assert rates.eer(SCORES, SAME) == pytest.approx(0.25)
    assert rates.eer(np.array([1.0, 1.0, 0.0]), np.array([True, True, False])) == 0


def test_tmr_is_that_of_the_highest_threshold_that_the_far_allows() -> None:
    assert rates.tmr(SCORES, SAME, 0.25) == pytest.approx(0.75)
    assert rates.tmr(SCORES, SAME, 0.5) == pytest.approx(1.0)


def test_tmr_is_unknown_when_there_are_too_few_impostors() -> None:
    assert math.isnan(rates.tmr(SCORES, SAME, 0.2))
    assert math.isnan(rates.tmr(SCORES, np.zeros(8, bool), 0.25))


def test_a_pair_of_weight_two_counts_as_two_pairs() -> None:
    twice = np.concatenate([SCORES, SCORES[2:4]])
    weights = np.where(np.isin(np.arange(8), [2, 3]), 2.0, 1.0)
    doubled = rates.tmr(twice, np.concatenate([SAME, SAME[2:4]]), 0.4)
    assert rates.tmr(SCORES, SAME, 0.4, weights) == pytest.approx(doubled)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=30))
def test_the_best_threshold_is_the_best_of_all(pairs: list[tuple[int, bool]]) -> None:
    scores, same = np.array([score for score, _ in pairs], float), np.array([genuine for _, genuine in pairs])

    def right(threshold: float) -> int:
        return int(((scores >= threshold) == same).sum())

    assert right(rates.best_threshold(scores, same)) == max(right(score) for score in scores)


def test_accuracy_takes_each_folds_threshold_from_the_others() -> None:
    scores = np.array([0.9, 0.1, 0.9, 0.1, 0.35, 0.3])
    same = np.array([1, 0, 1, 0, 1, 0], bool)
    pairs = ScoredPairs(scores, same, np.arange(6), np.arange(6))
    by_fold = rates.accuracy_by_fold(pairs, np.array([0, 0, 1, 1, 2, 2]))
    # The others' best threshold for the last fold is 0.9, where its genuine pair is missed.
    assert by_fold == pytest.approx([1.0, 1.0, 0.5])


def test_the_interval_holds_the_rate_and_widens_with_fewer_people() -> None:
    scores, same = noisy(2000)
    widths = []
    photo = np.arange(2000)
    for people in (1000, 20):
        pairs = ScoredPairs(scores, same, photo % people, np.where(same, photo, photo + 1) % people)
        rate, low, high = rates.tmr_interval(pairs, 0.1, 200, rng())
        assert low <= rate <= high
        widths.append(high - low)
    assert widths[1] > widths[0] > 0


def four_photos() -> AllPairs:
    # Two people with two photos each: 0.8 and 0.6 within, 0.5, 0.4, 0.3 and 0.2 between them.
    gram = np.array([[1, 0.8, 0.5, 0.3], [0.8, 1, 0.4, 0.2], [0.5, 0.4, 1, 0.6], [0.3, 0.2, 0.6, 1]])
    embeddings = np.linalg.cholesky(gram)
    rows: list[int] = []
    compared = rates.compare_all(embeddings, np.array([0, 0, 1, 1]), rows.append)
    assert sum(rows) == 4
    return compared


def test_all_against_all_counts_each_comparison_once() -> None:
    compared = four_photos()
    assert compared.comparisons == 4
    assert int(compared.genuine.sum()) == 2
    at = {round(float(cosine), 4): place for place, cosine in enumerate(rates.thresholds())}
    assert compared.fmr()[at[0.5]] == pytest.approx(0.25)
    assert compared.fmr()[at[0.5005]] == 0
    assert compared.fnmr()[at[0.6]] == 0
    assert compared.fnmr()[at[0.6005]] == pytest.approx(0.5)
    assert compared.fnmr()[at[0.8005]] == pytest.approx(1.0)


def test_fnmr_is_said_at_the_lowest_threshold_that_the_fmr_allows() -> None:
    interval, threshold = four_photos().fnmr_at(0.25, 20, rng())
    assert interval.rate == 0
    assert threshold == pytest.approx(0.4005)
    assert math.isnan(four_photos().fnmr_at(0.2, 20, rng())[0].rate)


def test_blocks_do_not_change_the_counts() -> None:
    vectors = rng().normal(size=(50, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    person = np.arange(50) // 3
    whole = rates.compare_all(vectors, person, ignore)
    parts = rates.compare_all(vectors, person, ignore, block=7)
    assert (parts.impostor == whole.impostor).all()
    assert (parts.genuine == whole.genuine).all()
    assert int(whole.genuine.sum()) + whole.comparisons == 50 * 49 // 2


def test_fnmr_per_person_weighs_people_alike() -> None:
    genuine = np.zeros((3, rates.BINS), np.int64)
    genuine[0, 1000] = 90
    genuine[1, [200, 1000]] = [1, 1]
    compared = AllPairs(np.zeros_like(genuine), genuine)
    assert compared.fnmr_per_person(0.3) == pytest.approx((0 + 0.5) / 2)
    assert compared.fnmr()[600] == pytest.approx(1 / 92)
