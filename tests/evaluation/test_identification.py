from __future__ import annotations

import math

import numpy as np
import pytest

from edgeface.evaluation.identification import Searches, Setup, search


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


SEARCHES = Searches(
    mated=np.array([0.9, 0.8, 0.7, 0.4]),
    margins=np.array([0.5, 0.01, 0.5, 0.3]),
    right=np.array([True, True, False, True]),
    strangers=np.array([0.6, 0.3, 0.2, 0.1]),
    people=4,
)


def test_a_search_that_finds_the_wrong_person_is_a_miss() -> None:
    assert SEARCHES.fnir(0.0) == 0.25
    assert SEARCHES.fnir(0.5) == 0.5
    assert SEARCHES.fnir(0.9) == 0.75


def test_a_person_who_is_too_near_to_the_next_is_a_miss() -> None:
    assert SEARCHES.fnir(0.5, margin=0.08) == 0.75


def test_fpir_counts_strangers_at_or_above_the_threshold() -> None:
    assert SEARCHES.fpir(0.6) == 0.25
    assert SEARCHES.fpir(0.61) == 0
    # The rule of three would give 0.75; the bound of none in four.
    assert SEARCHES.fpir_upper(0.61) == pytest.approx(2.996 / 4, rel=0.001)


def test_the_threshold_of_an_fpir_keeps_it() -> None:
    threshold = SEARCHES.threshold_at(0.25)
    assert SEARCHES.fpir(threshold) <= 0.25
    assert threshold == pytest.approx(0.3)
    assert math.isnan(SEARCHES.threshold_at(0.2))


def clusters(people: int, photos: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    centres = np.repeat(np.eye(people), photos, axis=0)
    vectors = centres + spread * rng().normal(size=centres.shape)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.repeat(np.arange(people), photos)


def test_people_who_are_unlike_are_told_apart() -> None:
    embeddings, person = clusters(12, 4, 0.01)
    found = search(embeddings, person, Setup(5, 2, 2), 20, rng())
    assert found is not None
    assert found.right.all()
    assert found.mated.shape == found.margins.shape == (20 * 5,)
    assert found.strangers.shape == (20 * 7,)
    assert (found.fnir(0.5), found.fpir(0.5), found.people) == (0, 0, 12)


def test_means_miss_less_than_single_photos() -> None:
    embeddings, person = clusters(30, 8, 0.25)
    one, mean = (search(embeddings, person, Setup(10, k, m), 40, rng()) for k, m in ((1, 1), (3, 5)))
    assert one is not None
    assert mean is not None
    assert mean.fnir(0.5) < one.fnir(0.5)


def test_templates_and_probes_are_different_photos() -> None:
    # One photo twice would be at a cosine of 1.
    embeddings, person = clusters(6, 2, 0.3)
    found = search(embeddings, person, Setup(3, 1, 1), 50, rng())
    assert found is not None
    assert found.mated.max() < 0.999


@pytest.mark.parametrize("setup", [Setup(6, 1, 1), Setup(3, 2, 1), Setup(3, 1, 3)])
def test_too_few_people_or_photos_show_nothing(setup: Setup) -> None:
    embeddings, person = clusters(6, 2, 0.1)
    assert search(embeddings, person, setup, 5, rng()) is None
