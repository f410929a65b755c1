"""Exact limits of proportions, against published values."""

import pytest

from edgeface.evaluation.proportions import at_most, interval, trials_needed, upper_limit


@pytest.mark.parametrize(
    ("count", "trials", "low", "high"),
    [
        # The tables of Documenta Geigy (7th edition) and R's binom.test.
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (0, 1, 0.0, 0.9750),
        (0, 42, 0.0, 0.0841),
        (3, 100, 0.0062, 0.0852),
    ],
)
def test_the_two_sided_interval_is_that_of_clopper_and_pearson(
    count: int, trials: int, low: float, high: float
) -> None:
    found = interval(count, trials)
    assert found.rate == count / trials
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("count", "trials", "limit"), [(0, 42, 0.0688), (0, 5, 0.4507), (0, 4, 0.5271), (1, 10, 0.3942)]
)
def test_the_one_sided_limit(count: int, trials: int, limit: float) -> None:
    assert upper_limit(count, trials) == pytest.approx(limit, abs=5e-5)
    if not count:
        assert upper_limit(count, trials) == pytest.approx(1 - 0.05 ** (1 / trials))


def test_nothing_tried_shows_nothing() -> None:
    assert upper_limit(0, 0) == upper_limit(3, 3) == 1.0


@pytest.mark.parametrize(
    ("claim", "count", "trials"), [(0.07, 0, 42), (0.05, 0, 59), (0.03, 0, 99), (0.01, 0, 299), (0.05, 1, 93)]
)
def test_so_many_trials_show_a_claim_and_one_less_does_not(claim: float, count: int, trials: int) -> None:
    assert trials_needed(claim, count) == trials
    assert upper_limit(count, trials) < claim <= upper_limit(count, trials - 1)


def test_large_numbers_neither_overflow_nor_vanish() -> None:
    assert at_most(500, 1000, 0.5) == pytest.approx(0.5126, abs=1e-4)
    low, high = interval(5000, 10000)[1:]
    assert (low, high) == pytest.approx((0.4902, 0.5098), abs=1e-4)
