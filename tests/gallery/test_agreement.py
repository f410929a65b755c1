"""Embeddings of one person, of two, and a wrong one among them."""

import numpy as np
import pytest

from edgeface.core.types import Embedding
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.agreement import Limits, likeness, outliers, to_the_rest, two_people
from edgeface.gallery.snapshot import unit_mean
from tests.support.embeddings import unit

LIMITS = Limits(0.45, 0.40, 0.57, 0.60, 0.65)


def photos(person: int, count: int, noise: float = 0.6) -> list[Embedding]:
    """Photos of one person: with this noise, two of them have a cosine of about 0.74."""
    return [unit_mean([unit(person) + np.float32(noise) * unit(1000 * person + n)]) for n in range(count)]


def test_the_limits_are_those_of_the_decision() -> None:
    assert list(Limits.of(CalibrationTable.shipped().cosine)) == pytest.approx(list(LIMITS), abs=0.0015)


def test_an_embedder_whose_table_ends_early_gets_its_strictest_cosine() -> None:
    table = CalibrationTable.shipped()
    assert table.cosine(1e-12) == table.estimated[-1].cosine
    assert table.cosine(1.0) == table.rows[0].cosine


def test_likeness_is_the_mean_of_all_cosines() -> None:
    one, other = photos(1, 2), photos(2, 3)
    assert likeness(one, other) == pytest.approx(np.mean([float(a @ b) for a in one for b in other]), abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 12, 100])
def test_photos_of_one_person_are_one(count: int) -> None:
    assert two_people(photos(1, count), LIMITS) is None
    assert outliers(photos(1, count), LIMITS) == frozenset()


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (3, 3), (6, 4), (50, 50)])
def test_photos_of_two_people_are_two(first: int, second: int) -> None:
    split = two_people([*photos(1, first), *photos(2, second)], LIMITS)
    assert split is not None
    assert split.score < split.needed
    assert split.group == tuple(range(first, first + second))


def test_the_smaller_group_is_named_wherever_it_is() -> None:
    split = two_people([photos(2, 1)[0], *photos(1, 3)], LIMITS)
    assert split is not None
    assert split.group == (0,)
    assert split.needed == LIMITS.alone


@pytest.mark.parametrize("count", [2, 3, 5, 8, 12])
def test_one_wrong_template_is_marked_and_no_other(count: int) -> None:
    marked = outliers([*photos(1, count), *photos(2, 1)], LIMITS)
    # Of two, neither is known to be the right one.
    assert marked == (frozenset({count}) if count > 1 else frozenset({0, 1}))


def test_a_second_person_with_less_than_a_quarter_of_the_templates_is_marked_and_not_a_split() -> None:
    rows = [*photos(1, 12), *photos(2, 2)]
    assert two_people(rows, LIMITS) is None
    assert outliers(rows, LIMITS) == {12, 13}


def test_all_templates_of_a_second_person_are_marked() -> None:
    # Each has three of its own kind, so none is unlike the rest.
    rows = [*photos(1, 4), *photos(2, 4)]
    assert min(to_the_rest(rows)) > LIMITS.same
    assert outliers(rows, LIMITS) == {4, 5, 6, 7}


@pytest.mark.parametrize("count", [4, 6, 12])
def test_a_single_wrong_photo_among_many_is_found_if_asked_for(count: int) -> None:
    rows = [*photos(1, count), *photos(2, 1)]
    split = two_people(rows, LIMITS, single=True)
    assert split is not None
    assert split.group == (count,)
    assert two_people(photos(1, count + 1), LIMITS, single=True) is None


def test_the_cosine_to_the_rest_leaves_the_template_itself_out() -> None:
    rows = photos(1, 3)
    assert to_the_rest(rows)[0] == pytest.approx(float(unit_mean(rows[1:]) @ rows[0]), abs=1e-6)
    assert to_the_rest(rows[:1]) == [1.0]
