"""People in shared memory: the same matches on the other side, and no one can change them there."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.gallery.gallery import Gallery
from edgeface.gallery.negatives import Negative
from edgeface.gallery.search import Bounded
from edgeface.gallery.snapshot import GallerySnapshot, Person, Template
from edgeface.recognition_service.shared_people import mapped, share
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "test-model:01234567"


def passed(snapshot: GallerySnapshot) -> GallerySnapshot:
    handle = share(snapshot)
    try:
        return mapped(handle)
    finally:
        os.close(handle)


def test_people_match_there_as_they_do_here(tmp_path: Path) -> None:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        for seed, person in enumerate(("alice", "bob", "carol")):
            template = Template(unit(seed), MODEL, "photo", 1.0)
            gallery.enroll(person, f"{person.title()} Ünï", [template], 1.0, ignored=person == "bob")
        gallery.link("alice", ["carol"])
        near = unit(0) + 0.6 * unit(7)
        near /= np.linalg.norm(near)
        gallery.deny("alice", Negative("01JDPZ6M8W3V5Q7R9T1X2Y4Z6A", "porch", 1.0, near))
        here = gallery.snapshot(1.0)
    there = passed(here)
    assert there.enrolled == here.enrolled == 2
    assert [(one.id, one.name, one.ignored, one.look_alikes) for one in there.people] == [
        (one.id, one.name, one.ignored, one.look_alikes) for one in here.people
    ]
    for seed in range(20):
        assert there.match(unit(seed)) == here.match(unit(seed))
    assert there.denied(near) == here.denied(near) == {"alice"}
    assert there.match(near) == here.match(near)


def test_of_a_person_only_what_decides_a_match_is_passed_on() -> None:
    person = Person("alice", "Alice", False, 123.0, 3, 2, "2026-01-01", "2027-01-01")
    (there,) = passed(GallerySnapshot((person,), unit(1)[None], 0)).people
    assert (there.id, there.name) == ("alice", "Alice")
    assert (there.enrolled, there.consent, there.expires) == (0.0, None, None)


def test_a_large_gallery_brings_its_search_along() -> None:
    rng = np.random.default_rng(1)
    # Embeddings near few axes, as real ones are.
    matrix = (rng.standard_normal((6_000, 30)) @ rng.standard_normal((30, 192))).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    people = tuple(Person(f"p{n}", f"P{n}", False, 0.0, 1, 0) for n in range(len(matrix)))
    here = GallerySnapshot(people, matrix, 0)
    there = passed(here)
    assert isinstance(here.search, Bounded)
    assert isinstance(there.search, Bounded)
    assert np.shares_memory(there.search.matrix, there.matrix)
    for row in range(0, len(matrix), 500):
        assert there.match(matrix[row]) == here.match(matrix[row])


def test_no_one_is_a_snapshot_too(tmp_path: Path) -> None:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        there = passed(gallery.snapshot(1.0))
    assert there.enrolled == 0
    assert there.match(unit(1)) is None


def test_what_was_shared_can_be_changed_by_no_one(tmp_path: Path) -> None:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        gallery.enroll("alice", None, [Template(unit(1), MODEL, "photo", 1.0)], 1.0)
        handle = share(gallery.snapshot(1.0))
    try:
        with pytest.raises(PermissionError):
            os.pwrite(handle, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(handle, 0)
        there = mapped(handle)
    finally:
        os.close(handle)
    assert not there.matrix.flags.writeable
    assert there.match(unit(1)) is not None
