"""Who a correction denies, exactly, and which negative template would cost a person their own match."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeface.core.types import Embedding
from edgeface.gallery.negatives import COST, LEAD, Denials, harm
from edgeface.gallery.search import LARGE, Bounded
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot, unit_mean

Floats = NDArray[np.float32]


def unit(rows: NDArray[np.floating]) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def mixed(one: Embedding, other: Embedding, cosine: float) -> Embedding:
    """A unit vector with this cosine to `one`, in the plane of both."""
    across = unit(other - (other @ one) * one)
    return np.asarray(cosine * one + np.sqrt(1 - cosine**2) * across, np.float32)


AXES = np.eye(8, dtype=np.float32)


def view(matrix: Floats, negatives: list[tuple[int, Embedding]], ignored: int = -1) -> GallerySnapshot:
    names = [f"p{n:06}" for n in range(len(matrix))]
    persons = [Person(name, name, n == ignored, 0.0, 1, 0) for n, name in enumerate(names)]
    own = {name: row[None] for name, row in zip(names, matrix, strict=True)}
    return make_snapshot(persons, own, None, [(names[row], negative) for row, negative in negatives])


def brute(
    snapshot: GallerySnapshot, negatives: list[tuple[int, Embedding]], probe: Embedding
) -> list[tuple[float, str]]:
    """Everyone who is not denied, the nearest first."""
    denied = {row for row, n in negatives if float((n - snapshot.matrix[row]) @ probe) >= LEAD}
    scores = (snapshot.matrix @ probe).tolist()
    return sorted(((s, p.id) for r, (s, p) in enumerate(zip(scores, snapshot.people, strict=True)) if r not in denied),
                  reverse=True)  # fmt: skip


def agrees(snapshot: GallerySnapshot, negatives: list[tuple[int, Embedding]], probe: Embedding) -> bool:
    expected, found = brute(snapshot, negatives, probe), snapshot.match(probe)
    if not expected or found is None:
        return not expected and found is None
    runner_up = expected[1][0] if len(expected) > 1 else None
    assert found.person == expected[0][1]
    return found.score == pytest.approx(expected[0][0], abs=1e-6) and found.runner_up == pytest.approx(
        runner_up, abs=1e-6
    )


@settings(max_examples=80)
@given(st.integers(1, 40), st.integers(0, 30), st.integers(0, 1000))
def test_a_match_leaves_out_exactly_those_who_are_denied(count: int, denials: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = unit(rng.standard_normal((count, 16)))
    negatives = [(int(rng.integers(count)), unit(rng.standard_normal(16))) for _ in range(denials)]
    snapshot = view(matrix, negatives)
    probes = [*unit(rng.standard_normal((5, 16))), *(negative for _, negative in negatives)]
    assert all(agrees(snapshot, negatives, probe) for probe in probes)


def test_a_bounded_search_leaves_them_out_too() -> None:
    rng = np.random.default_rng(3)
    axes = np.linalg.qr(rng.standard_normal((48, 48)))[0][:, :12]
    matrix = unit(rng.standard_normal((LARGE, 12)) @ axes.T + 0.02 * rng.standard_normal((LARGE, 48)))
    negatives = [(n, mixed(matrix[n], unit(rng.standard_normal(48)), 0.8)) for n in range(0, 200, 2)]
    snapshot = view(matrix, negatives)
    assert isinstance(snapshot.search, Bounded)
    probes = [*(n for _, n in negatives), *matrix[:50], *unit(rng.standard_normal((50, 12)) @ axes.T)]
    assert all(agrees(snapshot, negatives, probe) for probe in probes)
    # Without the denials, nearly all of them would be matched.
    assert sum(int((matrix @ negative).argmax()) == n for n, negative in negatives) > len(negatives) / 2


def test_the_next_person_is_matched_with_the_margin_to_those_who_remain() -> None:
    face = mixed(AXES[0], AXES[1], 0.7)
    snapshot = view(np.stack([AXES[0], AXES[1], AXES[2]]), [(0, face)])
    found = snapshot.match(face)
    assert found is not None
    assert found.person == "p000001"
    assert found.runner_up == pytest.approx(0.0, abs=1e-6)
    assert snapshot.denied(face) == {"p000000"}
    assert snapshot.score("p000000", face) is None
    assert snapshot.score("p000001", face) == pytest.approx(0.714, abs=0.001)
    own = snapshot.match(AXES[0])
    assert own is not None
    assert own.person == "p000000"


def test_who_is_alone_and_denied_is_no_one() -> None:
    face = mixed(AXES[0], AXES[1], 0.7)
    assert view(AXES[:1], [(0, face)]).match(face) is None
    assert view(AXES[:1], []).match(face) is not None


@pytest.mark.parametrize(("lead", "denied"), [(0.081, True), (0.079, False)])
def test_a_face_is_denied_from_the_lead_on(lead: float, *, denied: bool) -> None:
    probe = AXES[2] * np.float32(0.5) + AXES[3] * np.float32(0.5 + lead) + AXES[4] * np.float32(0.3)
    denials = Denials.of(AXES[2:3], [(0, AXES[3])])
    assert denials is not None
    assert (denials.rows(np.asarray(probe, np.float32)) is not None) is denied


def test_a_negative_of_someone_who_is_not_shown_is_left_out() -> None:
    people = [Person("alice", "Alice", False, 0.0, 1, 0, expires="2026-01-01"), Person("bob", "Bob", False, 0.0, 1, 0)]
    own = {"alice": AXES[:1], "bob": AXES[1:2]}
    made = make_snapshot(people, own, "2026-11-28", [("alice", AXES[2]), ("carol", AXES[3])])
    assert made.denials is None


@pytest.mark.parametrize(("gap", "harmful"), [(0.082, False), (0.078, True)])
def test_a_negative_template_must_leave_each_own_template_nearer_to_the_person(gap: float, *, harmful: bool) -> None:
    first, second = mixed(AXES[0], AXES[1], 0.95), mixed(AXES[0], AXES[2], 0.95)
    negative = mixed(first, AXES[3], float(first @ second) - gap)
    found = harm([first, second], negative)
    assert (found is not None) is harmful
    if found is not None:
        assert found.number == 0
        assert found.own == pytest.approx(float(first @ second), abs=1e-5)
        assert found.negative == pytest.approx(found.own - gap, abs=1e-5)


@pytest.mark.parametrize(("cosine", "harmful"), [(0.618, False), (0.622, True)])
def test_an_only_template_is_compared_with_what_a_photo_of_the_person_would_have(
    cosine: float, *, harmful: bool
) -> None:
    assert (harm([AXES[0]], mixed(AXES[0], AXES[1], cosine)) is not None) is harmful


@settings(max_examples=60)
@given(st.integers(2, 8), st.integers(0, 1000))
def test_the_worst_template_is_found(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    own, negative = list(unit(rng.standard_normal((count, 6)))), unit(rng.standard_normal(6))
    gaps = [float(t @ unit_mean([o for o in own if o is not t])) - float(t @ negative) for t in own]
    found = harm(own, negative)
    assert (found is not None) is (min(gaps) < COST)
    if found is not None:
        assert found.own - found.negative == pytest.approx(min(gaps), abs=1e-4)
