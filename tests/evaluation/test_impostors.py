from __future__ import annotations

import numpy as np
import pytest

from edgeface.evaluation import impostors
from edgeface.evaluation.impostors import DRAWS, KINDS, SINGLE, Kind, false_matches, genuine_scores
from edgeface.evaluation.rates import BINS


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def people(counts: list[int], spread: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    person = np.repeat(np.arange(len(counts)), counts)
    vectors = rng().normal(size=(len(counts), 16))[person] + spread * rng().normal(size=(person.size, 16))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), person


def at(cosine: float) -> int:
    return round(cosine * BINS)


def test_each_pair_of_people_weighs_alike_however_many_photos_they_have() -> None:
    embeddings, person = people([1, 40, 3])
    found = false_matches(embeddings, person, SINGLE, rng())
    assert found is not None
    scores = embeddings @ embeddings.T
    shares = [float((scores[person == a][:, person == b] >= 0.1).mean()) for a in range(3) for b in range(3) if a != b]
    assert found.fmr[at(0.1)] == pytest.approx(np.mean(shares), abs=0.02)
    assert found.pairs == 3
    assert found.count[at(0.1)] == pytest.approx(3 * np.mean(shares), abs=0.06)


def test_everyone_matches_everyone_below_the_lowest_threshold() -> None:
    embeddings, person = people([5, 6, 7, 8])
    for kind in KINDS:
        found = false_matches(embeddings, person, kind, rng())
        assert found is not None
        assert found.fmr[0] == pytest.approx(1)
        assert (np.diff(found.fmr) <= 1e-12).all()


def test_only_people_with_enough_photos_are_compared() -> None:
    embeddings, person = people([1, 3, 5, 2])
    found = false_matches(embeddings, person, Kind(3, 5), rng())
    assert found is not None
    # Two can enroll, and one of them visits the other.
    assert found.pairs == 1
    assert found.enrolled[[0, 3], 0].tolist() == [0, 0]
    assert false_matches(*people([2, 2]), Kind(3, 1), rng()) is None


def test_a_visit_needs_the_newest_frame_and_the_mean() -> None:
    gallery = np.eye(4)[:1]
    looks, other = np.array([1.0, 0, 0, 0]), np.array([0, 1.0, 0, 0])

    def score(*frames: np.ndarray) -> float:
        return float(impostors._scores(gallery, np.stack(frames)[:, None])[0, 0])

    assert score(looks, looks, looks) == pytest.approx(1)
    # The newest frame is of another face, so the mean alone is no match.
    assert score(looks, looks, other) == pytest.approx(0)
    # One frame that looks alike is not enough either.
    assert score(other, other, looks) == pytest.approx(1 / 5**0.5)
    # A visit matches if one of its decisions does.
    assert score(looks, looks, looks, other, other) == pytest.approx(1)


def test_the_weight_of_people_changes_the_rate_they_cause() -> None:
    embeddings, person = people([2] * 6)
    embeddings[person == 1] = embeddings[person == 0]
    found = false_matches(embeddings, person, SINGLE, rng())
    assert found is not None
    assert found.drawn(np.ones(6)) == pytest.approx(found.fmr)
    without = found.drawn(np.array([0.0, 1, 1.25, 1.25, 1.25, 1.25]))
    assert without[at(0.95)] < found.fmr[at(0.95)]


def test_blocks_do_not_change_the_rates() -> None:
    embeddings, person = people([3] * 20)
    whole = false_matches(embeddings, person, SINGLE, rng())
    parts = false_matches(embeddings, person, SINGLE, rng(), block=7)
    assert whole is not None
    assert parts is not None
    assert parts.fmr == pytest.approx(whole.fmr)


def test_a_person_matches_their_own_templates_as_often_as_photos_are_alike() -> None:
    embeddings, person = people([2, 8, 9])
    scores = genuine_scores(embeddings, person, Kind(3, 5), rng())
    assert scores.shape == (2, DRAWS)
    assert scores.max() < 0.9999
    same = genuine_scores(np.repeat(embeddings[[0, 2, 10]], 9, axis=0), np.repeat(np.arange(3), 9), Kind(3, 5), rng())
    assert same == pytest.approx(1)
    assert genuine_scores(embeddings, person, Kind(5, 5), rng()).shape == (0, DRAWS)
