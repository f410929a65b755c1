"""The pairs that are kept up to date equal those of a full comparison."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.core.types import Embedding
from edgeface.gallery import search
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import GallerySnapshot, Template
from edgeface.web import alike
from edgeface.web.alike import AlikePairs

MODEL = "test-model:01234567"


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    with closing(Gallery.open(tmp_path, MODEL)) as opened:
        for n in range(40):
            opened.enroll(f"p-{n:02}", None, [Template(face(n), MODEL, "photo", 1.0)], 1.0)
        yield opened


def face(seed: int) -> Embedding:
    """In six dimensions, many are alike."""
    vector = np.random.default_rng(seed).standard_normal(6).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def same(known: AlikePairs, snapshot: GallerySnapshot, least: float) -> int:
    found, whole = known.of(snapshot, least), snapshot.alike(least)
    assert sorted(pair[:2] for pair in found) == sorted(pair[:2] for pair in whole)
    assert [pair[2] for pair in found] == pytest.approx([pair[2] for pair in whole], abs=1e-6)
    return len(found)


@pytest.mark.parametrize("few", [0, 1000])
def test_pairs_follow_who_comes_changes_and_goes(gallery: Gallery, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(alike, "_FEW", few)
    known, rng = AlikePairs(), np.random.default_rng(3)
    for step in range(30):
        who = f"p-{rng.integers(50):02}"
        if step % 3 == 0 and gallery.knows(who):
            gallery.remove([who])
        else:
            gallery.enroll(who, None, [Template(face(100 + step), MODEL, "photo", 1.0)], 1.0)
        assert same(known, gallery.snapshot(), 0.8 + 0.01 * (step % 5)) > 0


def test_only_who_has_changed_is_compared_and_all_are_where_pairs_are_missing(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, calls = AlikePairs(), list[int]()
    pairs = search.pairs

    def counting(*arguments: object) -> list[tuple[int, int, float]]:
        calls.append(1)
        return pairs(*arguments)  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(alike, "pairs", counting)
    same(known, gallery.snapshot(), 0.8)
    gallery.rename("p-03", "New", 1.0)
    same(known, gallery.snapshot(), 0.81)
    assert calls == [1]
    same(known, gallery.snapshot(), 0.5)
    assert calls == [1, 1]
    # A list that was cut off cannot be continued.
    monkeypatch.setattr(alike, "MAX_ALIKE", 5)
    for _ in range(2):
        known.of(gallery.snapshot(), 0.6)
    assert len(calls) == 4
