import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core.types import Embedding
from edgeface.gallery.means import Means


def unit(seed: int) -> Embedding:
    vector = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def test_nothing_is_nearest_to_nothing() -> None:
    means = Means()
    assert means.nearest(unit(1)) is None
    means.put("a", unit(1), 1.0, 1.0)
    assert means.nearest(unit(1), without="a") is None
    assert means.least(["a"]) is None
    means.drop("a")
    assert (len(means), means.least([])) == (0, None)


def test_the_least_worth_that_is_not_to_be_kept_goes_first() -> None:
    means = Means()
    for number, name in enumerate("dcba"):
        means.put(name, unit(number), float(number), 10.0 - number)
    assert means.least([]) == "a"
    assert means.least(["a", "b", "nobody"]) == "c"
    assert means.older(2.0) == ["d", "c"]


@given(st.lists(st.tuples(st.integers(0, 150), st.booleans(), st.floats(0, 100)), max_size=300))
def test_it_finds_what_a_search_through_a_dictionary_finds(steps: list[tuple[int, bool, float]]) -> None:
    means, kept = Means(), dict[str, tuple[Embedding, float]]()
    for number, (who, dropped, time) in enumerate(steps):
        name = f"u-{who:04x}"
        if not dropped:
            means.put(name, unit(number), time, -time)
            kept[name] = unit(number), time
        elif name in kept:
            means.drop(name)
            del kept[name]
    assert len(means) == len(kept)
    assert sorted(means.older(50.0)) == sorted(name for name, (_, time) in kept.items() if time < 50)
    if kept:
        best = max(kept, key=lambda name: float(kept[name][0] @ unit(999)))
        found = means.nearest(unit(999))
        assert found is not None
        assert found.id == best
        assert found.score == pytest.approx(float(kept[best][0] @ unit(999)), abs=1e-6)
        assert all(np.array_equal(means[name], mean) for name, (mean, _) in kept.items())
        least = means.least([])
        assert least is not None
        assert kept[least][1] == max(time for _, time in kept.values())
