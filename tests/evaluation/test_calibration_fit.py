from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pytest

from edgeface.core.errors import GalleryError
from edgeface.evaluation.calibration_fit import fit, measure, offset, short
from edgeface.evaluation.impostors import KINDS, SINGLE, FalseMatches, Kind, false_matches
from edgeface.evaluation.rates import BINS
from edgeface.evaluation.tail import DECADE, extrapolate, hide_last_decade, last_shown
from edgeface.faces.calibration import RULE_OF_30

PEOPLE = 250


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def people(count: int, photos: int) -> tuple[np.ndarray, np.ndarray]:
    person = np.repeat(np.arange(count), photos)
    # Faces differ in few dimensions, and photos of one face in many.
    vectors = 0.25 * rng().normal(size=(person.size, 192))
    vectors[:, :24] += rng().normal(size=(count, 24))[person]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), person


FACES = people(PEOPLE, 5)
Curves: TypeAlias = dict[Kind, FalseMatches]


@pytest.fixture(scope="module")
def curves() -> Curves:
    """Measured once, and only by the process that runs these tests."""
    return measure(*FACES, rng())


@pytest.mark.slow(seconds=8)
def test_no_kind_of_comparison_exceeds_a_row(curves: Curves) -> None:
    made = fit(curves, rng())
    for row in made.rows:
        for kind in KINDS:
            curve = curves[kind]
            at = min(BINS - 1, round(row.cosine * BINS))
            if curve.count[at] >= 2 * RULE_OF_30:
                # A table has steps, and a visit's draws are noise.
                assert curve.fmr[at] <= 1.15 * row.fmr, (kind, row)


def test_rows_end_where_fewer_than_30_pairs_are_left_and_then_are_estimated(curves: Curves) -> None:
    made = fit(curves, rng())
    assert made.pairs == PEOPLE * (PEOPLE - 1) // 2
    assert made.rows[-1].false_matches == pytest.approx(RULE_OF_30, abs=3)
    assert made.rows[-1].fmr == pytest.approx(made.rows[-1].false_matches / made.pairs, rel=0.01)
    assert made.estimated
    assert all(row.false_matches <= RULE_OF_30 for row in made.estimated)
    assert made.rows[-1].fmr / DECADE < made.estimated[-1].fmr < made.rows[-1].fmr
    every = made.rows + made.estimated
    assert all(a.cosine < b.cosine and a.fmr >= b.fmr for a, b in pairwise(every))


def test_estimated_rows_state_no_less_than_was_counted() -> None:
    embeddings, person = FACES
    # Twins, whose faces no model of strangers expects.
    twins = embeddings.copy()
    for one in range(0, 20, 2):
        twins[person == one + 1] = twins[person == one]
    of_twins = measure(twins, person, rng(), [SINGLE])
    for row in fit(of_twins, rng()).estimated:
        assert row.fmr >= float(of_twins[SINGLE].fmr[round(row.cosine * BINS)])


def test_an_offset_is_kept_below_what_a_kind_can_show(curves: Curves) -> None:
    base = curves[SINGLE]
    wanted = np.geomspace(0.1, 1e-6, 60)
    assert not offset({SINGLE: base}, wanted).any()
    moved = offset(curves, wanted)
    assert (moved > 0).all()
    assert moved[-1] == moved[-10]


def test_too_few_people_make_no_table() -> None:
    with pytest.raises(GalleryError, match="too few people for a calibration table: fewer than 30"):
        fit(measure(*people(4, 5), rng()), rng())


def test_the_tail_of_a_gaussian_is_predicted(curves: Curves) -> None:
    cosine = np.arange(BINS) / BINS
    base = curves[SINGLE]
    end = last_shown(base)
    found = extrapolate(base, end, np.arange(end + 1, end + 100), rng())
    assert (found.upper >= found.rate).all()
    assert (np.diff(found.rate) <= 0).all()
    assert found.rate[0] == pytest.approx(float(base.fmr[end]), rel=0.5)
    assert cosine[end] < 1


@pytest.mark.slow(seconds=6)
def test_a_hidden_decade_is_predicted_within_its_interval() -> None:
    found = hide_last_decade(*people(1200, 1), 3, rng())
    assert len(found) == 3
    assert sum(one.covered for split in found for one in split) >= 5
    assert all(one.error > 0 for split in found for one in split)


def test_a_few_people_have_no_tail_to_test() -> None:
    assert hide_last_decade(*people(6, 2), 2, rng()) == []
    few = false_matches(*people(6, 2), SINGLE, rng())
    assert few is not None
    assert last_shown(few) == -1


@pytest.mark.parametrize(("rate", "shown"), [(0.123456, 0.1235), (1.00001e-5, 1.001e-5), (0.5, 0.5)])
def test_a_rate_is_rounded_up(rate: float, shown: float) -> None:
    assert short(rate) == shown
