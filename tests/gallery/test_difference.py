"""A snapshot that takes up only what has changed equals one that reads everything."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.types import Embedding
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.negatives import Negative
from edgeface.gallery.snapshot import GallerySnapshot, Template

MODEL, OTHER = "test-model:01234567", "old-model:00000000"
DAY = 86_400.0
NOON = 1_800_000_000.0
IDS = ("alice", "bob", "carol", "dave", "erin")


def unit(seed: int, size: int = 16) -> Embedding:
    vector = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def template(seed: int, model: str = MODEL) -> Template:
    return Template(unit(seed), model, "photo", 100.0)


def negative(event: str, seed: int) -> Negative:
    return Negative(event, "porch", NOON, unit(seed))


def same(one: GallerySnapshot, other: GallerySnapshot) -> None:
    assert (one.people, one.left_out, one.enrolled) == (other.people, other.left_out, other.enrolled)
    assert one.rows == other.rows
    np.testing.assert_array_equal(one.matrix, other.matrix)
    assert not one.matrix.flags.writeable
    assert (one.denials is None) == (other.denials is None)
    if one.denials is not None and other.denials is not None:
        np.testing.assert_array_equal(one.denials.owners, other.denials.owners)
        np.testing.assert_array_equal(one.denials.leads, other.denials.leads)
    for seed in range(200, 204):
        assert one.match(unit(seed)) == other.match(unit(seed))
    assert one.stored is not None
    assert other.stored is not None
    assert one.stored._replace(negatives={}, generation=0) == other.stored._replace(negatives={}, generation=0)
    assert one.stored.negatives.keys() == other.stored.negatives.keys()


def merge(gallery: Gallery, who: str, other: str, seed: int) -> None:
    with gallery.transaction():
        gallery.enroll(other, None, gallery.templates(who), seed, ignored=gallery.person(other).ignored)
        gallery.link(other, gallery.person(who).look_alikes)
    gallery.remove([who], into=other)


def rolled_back(gallery: Gallery, who: str, other: str, seed: int) -> None:
    """A change that a reader sees within the transaction, and that is then undone."""
    with gallery.transaction():
        gallery.enroll(who, other, [template(seed)], 1.0)
        gallery.snapshot(NOON)
        raise GalleryError("undone")


STEPS: dict[str, Callable[[Gallery, str, str, int], object]] = {
    "enroll": lambda g, who, other, n: g.enroll(who, other, [template(n), template(n + 1)], 1.0),
    "ignore": lambda g, who, _, n: g.enroll(who, None, [template(n)], 1.0, ignored=True),
    "foreign": lambda g, who, _, n: g.enroll(who, None, [template(n, OTHER)], 1.0),
    "replace": lambda g, who, other, n: g.replace(who, other, [template(n)], 1.0, ignored=n % 2 == 0),
    "remove": lambda g, who, _, __: g.remove_template(who, g.template_id(g.templates(who)[0]), 1.0),
    "rename": lambda g, who, _, n: g.rename(who, f"name {n}", 1.0),
    "forget": lambda g, who, _, __: g.remove([who]),
    "merge": merge,
    "deny": lambda g, who, _, n: g.deny(who, negative(f"E{n}", n)),
    "restore": lambda g, who, _, __: g.remove_negative(who, g.negatives(who)[0].event, 1.0),
    "link": lambda g, who, other, _: g.link(who, [other]),
    "expires": lambda g, who, _, n: g.consent(who, 1.0, None, "never" if n % 4 == 0 else f"2027-01-{10 + n % 12:02}"),
    "old negatives": lambda g, _, __, n: g.expire(0.0, 0.0, 0.0, NOON + n - 20),
    "undone": rolled_back,
}


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(STEPS)), st.sampled_from(IDS), st.sampled_from(IDS), st.integers(0, 40),
            st.booleans(), st.integers(-3, 3), st.booleans(),
        ),
        max_size=25,
    )
)  # fmt: skip
def test_what_is_taken_up_by_difference_equals_a_full_read(
    steps: list[tuple[str, str, str, int, bool, int, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        reader, writer = (stack.enter_context(closing(Gallery.open(Path(folder), MODEL))) for _ in range(2))
        for step, who, other, number, own, day, look in steps:
            gallery = reader if own else writer
            try:
                STEPS[step](gallery, who, other, number)
            except (GalleryError, IndexError):
                # Not possible now, for example because no one has this id.
                assert not gallery._db.in_transaction
            if look:
                wall = NOON + day * DAY
                with closing(Gallery.open(Path(folder), MODEL)) as whole:
                    same(reader.snapshot(wall), whole.snapshot(wall))


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    with closing(Gallery.open(tmp_path, MODEL)) as opened:
        for n, who in enumerate(IDS):
            opened.enroll(who, None, [template(10 * n), template(10 * n + 1)], 1.0)
        yield opened


def test_who_has_not_changed_is_not_read_again(gallery: Gallery, tmp_path: Path) -> None:
    before = gallery.snapshot()
    with closing(Gallery.open(tmp_path, MODEL)) as other:
        other.rename("bob", "Bob B.", 1.0)
    assert gallery.changed()
    after = gallery.snapshot()
    assert [one is two for one, two in zip(before.people, after.people, strict=True)] == [True, False, True, True, True]
    assert after.name("bob") == "Bob B."
    assert gallery.snapshot() is after


def test_a_snapshot_of_another_connection_will_do_as_the_base_and_one_of_another_model_will_not(
    gallery: Gallery, tmp_path: Path
) -> None:
    base = gallery.snapshot()
    with closing(Gallery.open(tmp_path, MODEL)) as other:
        other.base = base
        assert other.snapshot() is base
    with closing(Gallery.open(tmp_path, OTHER)) as foreign:
        foreign.base = base
        assert (foreign.snapshot().people, foreign.snapshot().left_out) == ((), 10)


def test_a_row_that_someone_alters_is_noticed_by_a_reader_that_runs(gallery: Gallery, tmp_path: Path) -> None:
    gallery.snapshot()
    with closing(sqlite3.connect(tmp_path / "gallery.db")) as intruder, intruder:
        intruder.execute("UPDATE templates SET sealed = zeroblob(length(sealed)) WHERE seq = 2")
    with closing(Gallery.open(tmp_path, MODEL)) as other:
        other.rename("alice", "Alice", 1.0)
    assert gallery.changed()
    with pytest.raises(VaultError, match="altered"):
        gallery.snapshot()


def test_rows_that_someone_swaps_are_noticed_by_a_reader_that_runs(gallery: Gallery, tmp_path: Path) -> None:
    gallery.snapshot()
    with closing(sqlite3.connect(tmp_path / "gallery.db")) as intruder, intruder:
        one, two = intruder.execute("SELECT tag, sealed FROM people LIMIT 2").fetchall()
        intruder.execute("UPDATE people SET sealed = ? WHERE tag = ?", (one[1], two[0]))
    with pytest.raises(VaultError, match="altered"):
        gallery.snapshot()


def test_a_backup_that_is_put_back_is_taken_up_whole(gallery: Gallery, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "backup.db")) as backup:
        gallery._db.backup(backup)
        gallery.remove(["alice"])
        gallery.enroll("bob", "Bob", [template(99)], 1.0)
        gallery.snapshot(NOON)
        with closing(sqlite3.connect(tmp_path / "gallery.db")) as restored:
            backup.backup(restored)
    with closing(Gallery.open(tmp_path, MODEL)) as whole:
        assert [one.id for one in whole.people()] == list(IDS)
        same(gallery.snapshot(NOON), whole.snapshot(NOON))
