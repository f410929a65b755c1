"""Unknowns in gallery.db: what is added to what is stored, merges, pairs, and what others have changed."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.types import Probe
from edgeface.gallery import unknowns_file
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.thumbnails import Thumbnail
from edgeface.gallery.unknowns import PROPOSED, Alike, Unknown
from tests.support.embeddings import unit

MODEL = "test-model:01234567"
NOON = 1_800_000_000.0


def seen(identity: str, seed: int, last: float = NOON) -> Unknown:
    return Unknown(identity, unit(seed), (unit(seed),), 2, 1, last, last, "porch")


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery.open(tmp_path, MODEL)
    opened.store_unknowns([seen("u-0001", 1), seen("u-0002", 2, NOON + 10), seen("u-0003", 3, NOON + 20)])
    yield opened
    opened.close()


def test_visits_are_added_to_what_is_stored(gallery: Gallery) -> None:
    gallery.store_unknowns([seen("u-0001", 7, NOON + 60)])
    whole = gallery.unknown("u-0001")
    assert (whole.sightings, whole.weight, whole.first, whole.last) == (2, 4, NOON, NOON + 60)
    assert [np.array_equal(*pair) for pair in zip(whole.templates, (unit(1), unit(7)), strict=True)] == [True, True]
    assert {one.id for _, one in gallery.each_unknown()} == {"u-0001", "u-0002", "u-0003"}


def test_a_merge_keeps_the_id_that_was_seen_first_with_all_that_is_known(gallery: Gallery) -> None:
    gallery.store_pictures([Thumbnail("u-0001", NOON, b"one"), Thumbnail("u-0002", NOON + 10, b"other")])
    gallery.store_probes([Probe(f"E{n}", "porch", NOON, None, f"u-000{n}", unit(n)) for n in (1, 2, 3)])
    change = gallery.merge_unknowns("u-0002", "u-0001", NOON + 99)
    assert (change.kind, change.facts) == ("merged", {"unknown": "u-0001", "merged": "u-0002"})
    whole = gallery.unknown("u-0001")
    assert (whole.ids, whole.sightings, whole.first, whole.last) == (("u-0001", "u-0002"), 2, NOON, NOON + 10)
    assert len(whole.templates) == 2
    assert {data for _, data in gallery.pictures("u-0001")} == {b"one", b"other"}
    assert gallery.pictures("u-0002") == []
    probes = [gallery.probe(f"E{n}") for n in (1, 2, 3)]
    assert [one.unknown for one in probes if one is not None] == ["u-0001", "u-0001", "u-0003"]
    assert gallery.find_unknown("u-0002") is None


def test_a_merged_id_does_not_come_back(gallery: Gallery) -> None:
    gallery.merge_unknowns("u-0001", "u-0002", NOON)
    gallery.store_unknowns([seen("u-0002", 2, NOON + 60)], alike=[Alike("u-0001", "u-0002", 0.7)])
    assert "u-0002" in gallery.retired_ids()
    assert gallery.find_unknown("u-0002") is None
    assert gallery.alike_unknowns() == []
    with pytest.raises(GalleryError, match="u-0002: no such unknown"):
        gallery.merge_unknowns("u-0001", "u-0002", NOON)


@pytest.mark.parametrize(("one", "other", "why"), [
    ("u-0001", "u-0001", "u-0001: an unknown cannot be merged with itself"),
    ("u-0001", "u-9999", "u-9999: no such unknown"),
    ("../etc\n", "u-0001", "no such unknown"),
    ("", "u-0001", "no such unknown"),
])  # fmt: skip
def test_a_merge_that_is_refused_changes_nothing(gallery: Gallery, one: str, other: str, why: str) -> None:
    before = gallery.unknown_news(0).generation
    with pytest.raises(GalleryError, match=why) as refused:
        gallery.merge_unknowns(one, other, NOON)
    assert "\n" not in str(refused.value)
    assert (gallery.unknown_news(0).generation, len(gallery.unknowns())) == (before, 3)


def test_others_learn_of_merges_and_removals_and_not_of_visits(gallery: Gallery) -> None:
    before = gallery.unknown_news(0).generation
    gallery.store_unknowns([seen("u-0001", 1, NOON + 60)])
    tags = frozenset(gallery.tag(f"u-000{n}") for n in (1, 2, 3))
    assert gallery.unknown_news(before) == unknowns_file.UnknownNews(before, tags, ())
    with closing(Gallery.open(gallery.path.parent, MODEL)) as other:
        other.merge_unknowns("u-0001", "u-0002", NOON)
    news = gallery.unknown_news(before)
    assert news.tags == {gallery.tag("u-0001"), gallery.tag("u-0003")}
    assert [(one.id, one.sightings) for one in news.changed] == [("u-0001", 3)]
    gallery.store_unknowns([seen("u-0001", 1, NOON + 90)])
    assert gallery.unknown_news(news.generation).changed == ()


def test_pairs_are_listed_with_the_most_alike_first_until_an_id_is_gone(gallery: Gallery) -> None:
    pairs = [Alike("u-0001", "u-0002", 0.6), Alike("u-0002", "u-0003", 0.7)]
    gallery.store_unknowns([], alike=[*pairs, Alike("u-0001", "u-7777", 0.9)])
    assert gallery.alike_unknowns() == [pairs[1], pairs[0]]
    gallery.store_unknowns([], alike=[Alike("u-0002", "u-0001", 0.8)])
    assert gallery.alike_unknowns() == [pairs[0]._replace(score=0.8), pairs[1]]
    gallery.enroll("dave", "Dave", [Template(unit(3), MODEL, "unknown", NOON)], NOON, unknown="u-0003")
    assert gallery.alike_unknowns() == [pairs[0]._replace(score=0.8)]
    gallery.store_unknowns([], ["u-0001"])
    assert gallery.alike_unknowns() == []


def test_a_pair_of_two_people_is_not_proposed_again(gallery: Gallery) -> None:
    pair = Alike("u-0001", "u-0002", 0.7)
    gallery.store_unknowns([], alike=[pair])
    gallery.keep_apart("u-0002", "u-0001")
    assert gallery.alike_unknowns() == []
    gallery.store_unknowns([], alike=[pair])
    assert gallery.alike_unknowns() == []
    for one, other in (("u-0001", "u-0001"), ("u-0001", "u-9999")):
        with pytest.raises(GalleryError):
            gallery.keep_apart(one, other)
    # Who looks may still know better.
    assert gallery.merge_unknowns("u-0001", "u-0002", NOON).merged == "u-0002"


def test_the_pairs_are_bounded(gallery: Gallery) -> None:
    ids = [f"u-1{n:03}" for n in range(16)]
    couples = list(itertools.combinations(ids, 2))
    pairs = [Alike(one, other, 0.9 - n / 1000) for n, (one, other) in enumerate(couples)]
    gallery.store_unknowns([seen(one, n) for n, one in enumerate(ids)], alike=pairs[::-1])
    assert gallery.alike_unknowns() == pairs[:PROPOSED]
    assert gallery._db.execute("SELECT count(*) FROM alike").fetchone() == (PROPOSED,)


def test_a_pair_is_sealed_and_does_not_open_in_another_place(gallery: Gallery) -> None:
    gallery.store_unknowns([], alike=[Alike("u-0001", "u-0002", 0.6), Alike("u-0002", "u-0003", 0.7)])
    written = b"".join(path.read_bytes() for path in gallery.path.parent.glob("gallery.db*"))
    assert b"u-000" not in written
    with closing(sqlite3.connect(gallery.path)) as intruder, intruder:
        intruder.execute("UPDATE alike SET sealed = (SELECT max(sealed) FROM alike)")
    with pytest.raises(VaultError, match="altered"):
        gallery.alike_unknowns()
