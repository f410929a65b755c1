"""Merges of unknowns as workflows: recorded, refused when in doubt, and forgotten with every id that someone had."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.config.configuration import Configuration
from edgeface.core.errors import GalleryError
from edgeface.core.types import Embedding, Probe
from edgeface.gallery.unknowns import Alike, Unknown
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from edgeface.people.enrollment import DoubtError
from edgeface.people.proposals import proposals
from edgeface.people.service import PeopleService

ONE, OTHER, THIRD = "u-00000001", "u-00000002", "u-00000003"


def unit(*seeds: int) -> Embedding:
    vectors = [np.random.default_rng(seed).standard_normal(192).astype(np.float32) for seed in seeds]
    total = np.sum(vectors, axis=0)
    return np.asarray(total / np.linalg.norm(total), np.float32)


@pytest.fixture(name="service")
def _service(tmp_path: Path) -> PeopleService:
    """Two ids of one person, of which the second was seen first, and someone else."""
    service = PeopleService(Configuration.model_construct(cameras={}, data=tmp_path / "data"))
    with service.gallery(create=True) as gallery:
        for first, who, face in ((20.0, ONE, unit(1, 11)), (10.0, OTHER, unit(1, 12)), (30.0, THIRD, unit(3))):
            gallery.store_unknowns([Unknown(who, face, (face,), 2, 1, first, first, "porch")])
        gallery.store_unknowns([], alike=[Alike(ONE, OTHER, 0.5)])
        gallery.store_probes([Probe("E1", "porch", 20.0, None, ONE, unit(1, 11))])
    with closing(Journal(service.configuration.journal_path)) as journal:
        for number, who in enumerate((ONE, OTHER, THIRD)):
            assert journal.append(JournalRow(f"R{number}", "unknown", 10.0, json.dumps({"unknown": who})))
    return service


def rows(service: PeopleService) -> list[tuple[str, object]]:
    with closing(Journal(service.configuration.journal_path)) as journal:
        return [(one.row.kind, None if one.redacted else json.loads(one.row.payload)) for one in journal.rows()]


def test_a_merge_is_recorded_and_cannot_be_made_twice(service: PeopleService) -> None:
    with service.gallery() as gallery:
        ((kept, merged, score),) = proposals(gallery)
    assert (kept.id, merged.id, score) == (OTHER, ONE, 0.5)
    whole = service.merge_unknowns(ONE, OTHER)
    assert (whole.ids, whole.sightings) == ((OTHER, ONE), 2)
    assert rows(service)[-1] == ("merged", {"unknown": OTHER, "merged": ONE})
    with pytest.raises(GalleryError, match=f"{ONE}: no such unknown"):
        service.merge_unknowns(ONE, OTHER)


def test_two_faces_are_merged_only_if_someone_insists(service: PeopleService) -> None:
    before = rows(service)
    with pytest.raises(DoubtError, match="the faces differ: cosine"):
        service.merge_unknowns(ONE, THIRD)
    assert rows(service) == before
    assert service.merge_unknowns(ONE, THIRD, anyway=True).ids == (ONE, THIRD)
    assert rows(service)[-1] == ("merged", {"unknown": ONE, "merged": THIRD, "anyway": True})


def test_who_was_merged_is_forgotten_under_both_ids(service: PeopleService) -> None:
    service.merge_unknowns(ONE, OTHER)
    assert service.erase(OTHER).traces == ()
    kinds = dict.fromkeys(kind for kind, payload in rows(service) if payload is None)
    assert [*kinds] == ["unknown", "merged"]
    assert [payload for _, payload in rows(service) if payload is not None] == [{"unknown": THIRD}]
    with service.gallery() as gallery:
        assert [one.id for one in gallery.unknowns()] == [THIRD]
        assert gallery.probe("E1") is None
        assert {ONE, OTHER} <= {one for one in (ONE, OTHER, THIRD) if one in gallery.retired_ids()}


def test_a_person_takes_along_every_id_that_they_had_as_an_unknown(service: PeopleService) -> None:
    service.merge_unknowns(ONE, OTHER)
    service.enroll_unknown(OTHER, "dave", "Dave")
    with service.gallery() as gallery:
        assert len(gallery.templates("dave")) == 2
        assert gallery.alike_unknowns() == []
