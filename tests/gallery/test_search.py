import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeface.gallery.search import LARGE, Bounded, Exact, Nearest, Search, bounded, main_axes, pairs, searcher
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot

Floats = NDArray[np.float32]
COUNT = 20_000


def unit(rows: NDArray[np.floating]) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def people(count: int, seed: int, size: int = 48, within: int = 12, off: float = 0.02) -> Floats:
    """Unit rows that lie near to `within` axes, as embeddings do."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(99).standard_normal((size, size)))[0][:, :within]
    rows = rng.standard_normal((count, within)) * np.linspace(2, 1, within) @ axes.T
    return unit(rows + off * rng.standard_normal((count, size)))


def brute(matrix: Floats, probe: Floats) -> Nearest:
    scores = matrix @ probe
    ordered = np.sort(scores)
    return Nearest(int(np.argmax(scores)), float(ordered[-1]), float(ordered[-2]) if scores.size > 1 else None)


def same(one: Nearest, other: Nearest) -> bool:
    if one.runner_up is None or other.runner_up is None:
        return one == other
    return (
        one.row == other.row
        and abs(one.score - other.score) < 1e-6
        and abs(one.runner_up - other.runner_up) < 1e-6
    )  # fmt: skip


def view(matrix: Floats, ignored: int = -1) -> GallerySnapshot:
    names = [f"p{n:06}" for n in range(len(matrix))]
    persons = [Person(name, name, n == ignored, 0.0, 1, 0) for n, name in enumerate(names)]
    return make_snapshot(persons, {name: row[None] for name, row in zip(names, matrix, strict=True)})


@pytest.fixture(name="large", scope="module")
def _large() -> Floats:
    return people(COUNT, 1)


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(2, 32), st.integers(0, 1000))
def test_exact_is_brute_force(count: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, probe = unit(rng.standard_normal((count, size))), unit(rng.standard_normal(size))
    assert Exact(matrix).nearest(probe) == brute(matrix, probe)


@settings(max_examples=60)
@given(st.integers(64, 3000), st.integers(1, 32), st.floats(0, 1), st.integers(0, 1000))
def test_a_bound_never_changes_what_is_found_however_bad_its_axes_are(
    count: int, axes: int, off: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = people(count, seed, 32, 8, off)
    turned = np.linalg.qr(rng.standard_normal((32, 32)))[0][:, :axes].astype(np.float32)
    search = bounded(matrix, turned)
    own = unit(matrix[rng.integers(count)] + 0.1 * rng.standard_normal(32))
    for probe in (own, unit(rng.standard_normal(32)), -matrix[0], people(1, seed + 1, 32, 8, off)[0]):
        want = brute(matrix, probe)
        assert {want.row, *np.flatnonzero(matrix @ probe >= (want.runner_up or 0))} <= {*search.candidates(probe)}
        assert same(search.nearest(probe), want)


def test_a_large_gallery_is_searched_by_a_bound_that_leaves_few_rows(large: Floats) -> None:
    search, rng = searcher(large), np.random.default_rng(2)
    assert isinstance(search, Bounded)
    assert search.axes.shape[1] == 16
    left = []
    for row in rng.integers(0, COUNT, 50):
        probe = unit(large[row] + 0.05 * rng.standard_normal(large.shape[1]))
        found = search.nearest(probe)
        assert same(found, brute(large, probe))
        assert found.row == row or found.score > float(large[row] @ probe)
        left.append(search.candidates(probe).size)
    assert np.median(left) < COUNT / 1000


def test_rows_that_are_left_out_are_not_found_and_the_bound_still_leaves_few(large: Floats) -> None:
    search, rng = searcher(large), np.random.default_rng(5)
    assert isinstance(search, Bounded)
    for row in rng.integers(0, COUNT, 30):
        probe = unit(large[row] + 0.05 * rng.standard_normal(large.shape[1]))
        without = np.unique([row, *rng.integers(0, COUNT, 40)])
        assert same(search.nearest(probe, without), Exact(large).nearest(probe, without))
        found = search.candidates(probe, without)
        assert not {*found.tolist()} & {*without.tolist()}
        assert found.size < COUNT / 32
    everyone_but = np.delete(np.arange(COUNT), [3, 5000])
    assert same(search.nearest(large[9], everyone_but), Exact(large).nearest(large[9], everyone_but))


@settings(max_examples=40)
@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 1000), st.booleans())
def test_a_search_that_follows_another_finds_the_same(lost: int, added: int, seed: int, flat: bool) -> None:  # noqa: FBT001
    rng = np.random.default_rng(seed)
    before = unit(rng.standard_normal((LARGE + 400, 48))) if flat else people(LARGE + 400, 1)
    rows = np.insert(np.delete(np.arange(len(before)), rng.integers(0, len(before), lost)), added // 2, [-1] * added)
    matrix = before.take(rows, axis=0, mode="clip")
    matrix[rows < 0] = people(added, seed)
    search = searcher(matrix, searcher(before), rows)
    assert isinstance(search, Exact if flat else Bounded)
    for probe in (matrix[added // 2], people(1, seed + 1)[0], unit(rng.standard_normal(48))):
        assert same(search.nearest(probe), brute(matrix, probe))


def test_the_axes_are_chosen_again_after_a_quarter_of_the_rows(large: Floats) -> None:
    search, few = searcher(large), np.arange(COUNT)
    assert isinstance(search, Bounded)
    few[:3000] = -1
    once = searcher(large, search, few)
    assert isinstance(once, Bounded)
    assert once.axes is search.axes
    assert once.replaced == 3000
    twice = searcher(large, once, few)
    assert isinstance(twice, Bounded)
    assert twice.axes is not search.axes
    assert twice.replaced == 0


def test_strangers_find_the_same_two_rows_in_a_large_gallery(large: Floats) -> None:
    search = searcher(large)
    assert all(same(search.nearest(probe), brute(large, probe)) for probe in people(50, 3))


def test_a_small_gallery_and_one_without_main_axes_are_compared_whole() -> None:
    assert isinstance(searcher(people(LARGE - 1, 1)), Exact)
    everywhere = unit(np.random.default_rng(1).standard_normal((LARGE, 32)))
    assert isinstance(searcher(everywhere), Exact)


def test_main_axes_are_orthonormal_and_hold_most_of_the_length(large: Floats) -> None:
    axes = main_axes(large)
    np.testing.assert_allclose(axes.T @ axes, np.eye(axes.shape[1]), atol=1e-6)
    assert float(((large @ axes) ** 2).sum(axis=1).mean()) > 0.9


def test_one_of_equals_is_the_nearest_and_another_is_the_runner_up(large: Floats) -> None:
    twins = large.copy()
    twins[[9, COUNT - 1]] = twins[7000]
    for search in (Exact(twins), searcher(twins)):
        found = search.nearest(twins[7000])
        assert found.row in {9, 7000, COUNT - 1}
        assert [found.score, found.runner_up] == pytest.approx([1, 1], abs=1e-6)


def test_somebody_with_a_look_alike_is_found_with_that_runner_up(large: Floats) -> None:
    matrix = large.copy()
    matrix[COUNT - 1] = unit(matrix[5] + 0.05 * people(1, 8)[0])
    for search in (Exact(matrix), searcher(matrix)):
        found = search.nearest(matrix[5])
        assert found.row == 5
        assert found.runner_up == pytest.approx(float(matrix[COUNT - 1] @ matrix[5]), abs=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_probe_that_is_not_finite_finds_nobody_by_any_threshold(large: Floats, bad: float) -> None:
    probe = np.full(large.shape[1], bad, np.float32)
    with np.errstate(invalid="ignore"):
        assert not searcher(large).nearest(probe).score >= 0


def test_one_person_has_no_runner_up() -> None:
    assert Exact(people(1, 1)).nearest(people(1, 1)[0]).runner_up is None
    match = view(people(1, 1)).match(people(1, 1)[0])
    assert match is not None
    assert match.margin is None


def test_nobody_is_found_among_nobody() -> None:
    nobody = make_snapshot([], {})
    assert nobody.match(people(1, 1)[0]) is None
    assert nobody.alike(0) == []
    assert nobody.alike_to("alice", 0) == []


def test_an_ignored_person_is_found_and_marked_as_ignored(large: Floats) -> None:
    for count in (3, LARGE):
        shown = view(large[:count], ignored=2)
        match, other = shown.match(large[2]), shown.match(large[1])
        assert match is not None
        assert other is not None
        assert (match.person, match.ignored) == ("p000002", True)
        assert (other.person, other.ignored) == ("p000001", False)


def test_templates_are_read_into_one_row_a_person() -> None:
    rows = people(4, 1)
    two = [Person(name, name, ignored=False, enrolled=0.0, templates=2, foreign=0) for name in ("a", "b")]
    made = make_snapshot(two, {"a": rows[:2], "b": rows[2:]})
    np.testing.assert_allclose(made.matrix, unit(rows.reshape(2, 2, -1).mean(axis=1)), atol=1e-6)


@settings(max_examples=30)
@given(st.integers(1, 60), st.floats(-1, 1), st.integers(1, 50), st.integers(0, 1000))
def test_pairs_are_those_of_all_rows_against_all(count: int, least: float, most: int, seed: int) -> None:
    matrix = people(count, seed, 16, 8)
    scores = matrix @ matrix.T
    every = [(i, j) for i in range(count) for j in range(i + 1, count) if scores[i, j] >= least + 1e-6]
    found = pairs(matrix, least, most)
    assert [score for *_, score in found] == sorted((score for *_, score in found), reverse=True)
    assert all(i < j and abs(score - scores[i, j]) < 1e-6 for i, j, score in found)
    assert min(most, len(every)) <= len(found) <= most
    if len(found) < most:
        assert {*every} <= {(i, j) for i, j, _ in found}


def test_pairs_of_many_people_are_found_in_pieces() -> None:
    rows = people(6000, 1, 32, 12)
    rows[5999] = rows[3]
    tracemalloc.start()
    try:
        found = pairs(rows, 0.9, 5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[0][:2] == (3, 5999)
    assert len(found) == 5
    assert peak < 120e6


def test_those_who_are_like_one_person_are_named_without_that_person() -> None:
    rows = people(40, 1, 16, 8)
    rows[30] = unit(rows[3] + 0.1 * rows[4])
    shown = view(rows)
    (first, score), *_ = shown.alike_to("p000003", 0.9)
    assert first == "p000030"
    assert score == pytest.approx(float(rows[3] @ rows[30]), abs=1e-6)
    assert ("p000003", "p000030") in [pair[:2] for pair in shown.alike(0.9)]
    assert shown.alike_to("nobody", 0.9) == []


def test_what_is_kept_for_a_search_cannot_be_written(large: Floats) -> None:
    search: Search = searcher(large)
    assert isinstance(search, Bounded)
    assert not any(array.flags.writeable for array in (search.axes, search.along, search.off))


def test_numpy_has_one_thread_in_the_program() -> None:
    program = (
        "import os, sys; from edgeface.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'numpy' not in sys.modules\n"
        "import numpy; print('threads', len(os.listdir('/proc/self/task')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("threads 1\n")
