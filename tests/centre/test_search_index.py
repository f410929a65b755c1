"""The memory that search workers map: what is found in it, and what is left of someone who is removed."""

import datetime as dt
import os
import secrets
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeface.centre.search.index import Index, Rows
from edgeface.centre.tables.templates import NEVER
from edgeface.gallery.search import LARGE

SIZE, ROOM = 32, 2 * LARGE
TODAY = dt.date(2026, 11, 30).toordinal()
Floats = NDArray[np.float32]


def unit(rows: NDArray[np.floating]) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def embeddings(count: int, seed: int) -> Floats:
    """Unit rows near to ten axes, as embeddings lie."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(np.random.default_rng(9).standard_normal((SIZE, SIZE)))[0][:, :10]
    return unit(rng.standard_normal((count, 10)) @ axes.T + 0.02 * rng.standard_normal((count, SIZE)))


def people(count: int, seed: int, site: str = "tower", ends: int = NEVER) -> Rows:
    rng = np.random.default_rng(1000 + seed)
    return Rows([rng.bytes(16) for _ in range(count)], [site] * count, embeddings(count, seed), [ends] * count)


@pytest.fixture(name="index")
def _index() -> Iterator[Index]:
    made, handle = Index.make(SIZE, ROOM)
    yield made
    os.close(handle)


def found(index: Index, probe: Floats, most: int = 10, sites: list[str] | None = None) -> list[tuple[str, bytes]]:
    answer = index.best(probe, most, sites, TODAY)
    assert answer is not None
    assert [one.score for one in answer] == sorted((one.score for one in answer), reverse=True)
    return [(one.site, one.person) for one in answer]


def test_an_empty_index_finds_no_one(index: Index) -> None:
    assert found(index, embeddings(1, 1)[0]) == []
    index.put(people(0, 1))
    assert index.count == 0
    assert index.remove([bytes(16)]) == 0


@pytest.mark.parametrize("count", [30, LARGE + 1000])
def test_what_another_process_maps_finds_the_same_as_brute_force(count: int) -> None:
    index, handle = Index.make(SIZE, ROOM)
    given = people(count, 2)
    index.put(given, new=True)
    index.tidy()
    mapped = Index.mapped(handle)
    os.close(handle)
    for probe in (*embeddings(3, 3), given.matrix[7], -given.matrix[7]):
        order = np.argsort(-(given.matrix.astype(np.float64) @ probe.astype(np.float64)), kind="stable")
        assert found(mapped, probe, 20) == [("tower", given.people[row]) for row in order[:20]]


def test_no_other_site_is_compared_with(index: Index) -> None:
    index.put(people(6, 1, "tower"))
    index.put(people(5, 2, "annex"))
    probe = people(6, 1).matrix[0]
    assert {site for site, _ in found(index, probe)} == {"tower", "annex"}
    assert [site for site, _ in found(index, probe, 50, ["annex"])] == ["annex"] * 5
    assert found(index, probe, 50, ["nowhere"]) == []
    assert found(index, probe, 50, []) == []
    assert len(found(index, probe, 50, ["annex", "tower", "nowhere"])) == 11


def test_who_expires_is_not_found_from_that_day_on(index: Index) -> None:
    late, ends = people(1, 1, ends=TODAY + 1), people(1, 2, ends=TODAY)
    index.put(late)
    index.put(ends)
    assert found(index, ends.matrix[0]) == [("tower", late.people[0])]


def test_someone_who_is_put_again_is_there_once(index: Index) -> None:
    first, again = people(3, 1), people(3, 2, "annex")
    index.put(first)
    index.put(Rows(first.people[:2], again.sites[:2], again.matrix[:2], again.ends[:2]))
    assert index.count == 3
    assert found(index, again.matrix[0], 1) == [("annex", first.people[0])]
    assert sorted(found(index, first.matrix[0], 9)) == sorted(
        [("annex", first.people[0]), ("annex", first.people[1]), ("tower", first.people[2])]
    )


def test_equal_faces_are_both_found(index: Index) -> None:
    one = people(1, 1)
    for _ in range(3):
        index.put(one._replace(people=[secrets.token_bytes(16)]))
    assert len(found(index, one.matrix[0], 50)) == 3
    assert len(found(index, one.matrix[0], 2)) == 2


def test_nothing_is_left_in_memory_of_who_is_removed() -> None:
    index, handle = Index.make(SIZE, ROOM)
    given = people(LARGE + 500, 4)
    index.put(given, new=True)
    index.tidy()
    size = os.fstat(handle).st_size
    memory = os.pread(handle, size, 0)
    assert all(memory.count(given.people[row]) == 1 for row in (0, 1, LARGE + 499))
    assert memory.count(given.matrix[1].tobytes()) == 1
    assert index.remove([given.people[row] for row in (0, 1, LARGE + 499)]) == 3
    memory = os.pread(handle, size, 0)
    for row in (0, 1, LARGE + 499):
        assert given.people[row] not in memory
        assert given.matrix[row].tobytes() not in memory
    assert index.count == LARGE + 497
    assert given.people[0] not in {person for _, person in found(index, given.matrix[0], 50)}
    os.close(handle)


def test_a_search_during_a_change_is_repeated(index: Index) -> None:
    index.put(people(3, 1))
    index._state[0] += 1
    assert index.best(embeddings(1, 1)[0], 3, None, TODAY) is None
    index._state[0] += 1
    assert len(found(index, embeddings(1, 1)[0], 3)) == 3


def test_whoever_maps_the_memory_can_change_nothing() -> None:
    index, handle = Index.make(SIZE, ROOM)
    index.put(people(2, 1))
    with pytest.raises(PermissionError):
        os.pwrite(handle, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(handle, 0)
    mapped = Index.mapped(handle)
    with pytest.raises(ValueError, match="read-only"):
        mapped.put(people(1, 2))
    os.close(handle)


def test_memory_with_more_room_has_the_same_people(index: Index) -> None:
    index.put(people(4, 1))
    index.put(people(4, 2, "annex", TODAY))
    copy, handle = index.copied(3 * LARGE)
    probe = people(4, 1).matrix[2]
    assert found(copy, probe) == found(index, probe)
    assert copy.count == 8
    os.close(handle)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 11)), max_size=30))
def test_any_changes_leave_what_a_plain_dictionary_has(changes: list[tuple[bool, int]]) -> None:
    index, handle = Index.make(SIZE, ROOM)
    every, known = people(12, 5), dict[bytes, int]()
    for added, row in changes:
        if added:
            index.put(Rows([every.people[row]], [f"s{row % 3}"], every.matrix[row][None], [NEVER]))
            known[every.people[row]] = row
        else:
            assert index.remove([every.people[row]]) == (every.people[row] in known)
            known.pop(every.people[row], None)
    assert {person for _, person in found(index, every.matrix[0], 50)} == set(known)
    assert set(index.of_site("s1")) == {person for person, row in known.items() if row % 3 == 1}
    os.close(handle)
