from __future__ import annotations

import math

import numpy as np
import pytest

from edgeface.evaluation.identification import Searches, Setup, Visits, fpir_interval, search, strangers
from edgeface.gallery.snapshot import unit_mean
from edgeface.recognition.decision import MARGIN


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def visits(*scores: float) -> Visits:
    return Visits(np.array(scores), np.arange(len(scores)), np.full(len(scores), 9))


SEARCHES = Searches(
    mated=visits(0.9, 0.8, -1.0, 0.4),
    mistaken=visits(-1.0, 0.3, 0.7, -1.0),
    strangers=visits(0.6, 0.3, 0.2, 0.1),
    people=4,
)


def test_a_visit_that_matches_someone_else_is_a_miss() -> None:
    assert SEARCHES.fnir(0.25) == 0.5
    assert SEARCHES.fnir(0.35) == 0.25
    assert SEARCHES.fnir(0.5) == 0.5
    assert SEARCHES.fnir(0.95) == 1


def test_fpir_counts_strangers_at_or_above_the_threshold() -> None:
    assert SEARCHES.fpir(0.6) == 0.25
    assert SEARCHES.fpir(0.61) == 0


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
    assert found.mated.score.shape == found.mistaken.score.shape == (20 * 5,)
    assert found.strangers.score.shape == (20 * 7,)
    assert (found.fnir(0.5), found.fpir(0.5), found.people) == (0, 0, 12)
    assert (found.mated.visitor == found.mated.found).all()


def test_means_miss_less_than_single_photos() -> None:
    embeddings, person = clusters(30, 8, 0.25)
    one, mean = (search(embeddings, person, Setup(10, k, m), 40, rng()) for k, m in ((1, 1), (3, 5)))
    assert one is not None
    assert mean is not None
    assert mean.fnir(0.5) < one.fnir(0.5)


def test_templates_and_frames_are_different_photos() -> None:
    # One photo twice would be at a cosine of 1.
    embeddings, person = clusters(6, 2, 0.3)
    found = search(embeddings, person, Setup(3, 1, 1), 50, rng())
    assert found is not None
    assert found.mated.score.max() < 0.999


@pytest.mark.parametrize("setup", [Setup(6, 1, 1), Setup(3, 2, 1), Setup(3, 1, 3)])
def test_too_few_people_or_photos_show_nothing(setup: Setup) -> None:
    embeddings, person = clusters(6, 2, 0.1)
    assert search(embeddings, person, setup, 5, rng()) is None


def test_strangers_need_no_more_photos_than_a_visit_has() -> None:
    embeddings, person = clusters(6, 2, 0.1)
    found = strangers(embeddings, person, Setup(3, 2, 1), 5, rng())
    assert found is not None
    assert found.score.shape == (5 * 3,)
    assert strangers(embeddings, person, Setup(3, 3, 1), 5, rng()) is None
    assert strangers(embeddings, person, Setup(6, 1, 1), 5, rng()) is None


def test_a_strangers_visit_is_decided_as_recognition_decides() -> None:
    embeddings, person = clusters(12, 5, 0.5)
    found = strangers(embeddings, person, Setup(11, 5, 5), 1, rng())
    assert found is not None
    visitor = int(found.visitor[0])
    others = [one for one in range(12) if one != visitor]
    gallery = np.stack([unit_mean(embeddings[person == one].astype(np.float32)) for one in others])
    # The order of the frames is drawn: no order may give more than the best of all frames allows.
    frames = embeddings[person == visitor]
    assert float(found.score[0]) <= float((frames @ gallery.T).max()) + 1e-6


def test_two_people_whose_scores_are_close_match_no_one() -> None:
    near = np.zeros((2, 3, 4))
    near[0] = [1, 0, 0, 0]
    near[1] = [1, 0.05, 0, 0]
    embeddings = np.concatenate([near.reshape(6, 4), np.tile([0.9, 0.02, 0.1, 0], (3, 1))])
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    person = np.repeat(np.arange(3), 3)
    found = strangers(embeddings, person, Setup(2, 3, 3), 30, rng())
    assert found is not None
    both = [score for score, visitor in zip(found.score, found.visitor, strict=True) if visitor == 2]
    assert both
    assert max(both) == -1
    assert MARGIN > 0.01


def test_an_interval_contains_the_rate_and_narrows_with_people() -> None:
    def made(people: int) -> Visits:
        visitor = np.tile(np.arange(people), 20)
        return Visits(np.where(visitor % 10 == 0, 0.9, 0.1), visitor, (visitor + 1) % people)

    few, many = (fpir_interval(made(people), made(people).score > 0.5, 200, rng()) for people in (40, 400))
    for one in (few, many):
        assert one.low <= 0.1 <= one.high
    assert many.high - many.low < few.high - few.low
