from __future__ import annotations

import numpy as np

from edgeface.evaluation.cross_validation import Row, held_out
from edgeface.evaluation.identification import Setup
from edgeface.evaluation.rates import Interval


def rng() -> np.random.Generator:
    return np.random.default_rng(9)


def people(count: int, photos: int) -> tuple[np.ndarray, np.ndarray]:
    person = np.repeat(np.arange(count), photos)
    vectors = rng().normal(size=(count, 24))[person] + 0.5 * rng().normal(size=(person.size, 24))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), person


def test_stated_rates_hold_for_people_who_are_not_in_the_table() -> None:
    found = held_out(*people(300, 3), 2, rng(), setups=[Setup(2, 1, 1), Setup(200, 1, 1)])
    low = next(row for row in found.rows if row.level == "low")
    assert low.setup == Setup(2, 1, 1)
    assert low.holds
    assert 0 < low.measured.rate < 2 * low.stated
    assert 0 < found.ratio < 2
    # A half has too few people for a gallery of 200.
    assert (Setup(200, 1, 1), "low") in found.missing


def test_a_row_whose_interval_is_above_the_stated_rate_does_not_hold() -> None:
    row = Row(Setup(5, 1, 1), "low", estimated=False, stated=0.01, measured=Interval(0.03, 0.011, 0.05))
    assert not row.holds


def test_a_few_people_show_nothing() -> None:
    found = held_out(*people(6, 2), 1, rng(), setups=[Setup(2, 1, 1)])
    assert found.rows == ()
    assert len(found.missing) == 3
    assert np.isnan(found.ratio)
