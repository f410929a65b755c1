"""Crops are kept by consent only, sealed under the person's key, and a second model is made from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeface.centre.context import CentreContext
from edgeface.centre.enrolling import Enrolling, Facts
from edgeface.centre.models import embedding
from edgeface.centre.models.embedding import SiteEmbedding
from edgeface.centre.models.known import add_model, find_model, known_models
from edgeface.core.errors import FleetError, GoneError, ModelError, UnknownError
from edgeface.faces.calibration import path_of
from edgeface.faces.embedder import align, embedder_name
from edgeface.fleet.facts import to_mean
from edgeface.imaging.crops import MARGIN, inner, make_crop, open_crop
from edgeface.people.enrollment import DEFAULT
from tests.support.centre import MODEL, OTHER_MODEL, Centre, entry
from tests.support.centre import SITE as HOUSE
from tests.support.centre_server import SITE
from tests.support.other_model import other_model
from tests.support.photos import photo

DATA = Path(__file__).parents[1] / "data"
SHIPPED = embedder_name()
POINTS = np.array([[200, 210], [310, 205], [255, 280], [250, 330], [215, 340], [300, 335], [215, 340], [300, 335]])


def rows(centre: Centre) -> list[tuple[Any, ...]]:
    with centre.store._database.reading() as transaction:
        return transaction.execute("SELECT person, n, sealed FROM crops ORDER BY person, n", binary=True).fetchall()


def test_a_crop_has_what_an_embedder_sees_and_a_margin() -> None:
    image, points = photo("obama"), POINTS.astype(np.float32)
    crop = open_crop(make_crop(align(image, points, MARGIN)))
    assert crop.shape == (160, 160, 3)
    difference = np.abs(inner(crop).astype(int) - align(image, points).astype(int))
    assert difference.mean() < 0.1


def test_crops_are_kept_for_one_person_and_deleted(centre: Centre) -> None:
    centre.store.put_all(HOUSE, [entry(1), entry(2)], "admin")
    one, two = centre.person("person-1"), centre.person("person-2")
    centre.store.crops.keep(HOUSE, one, "2026-11-30", [b"first", b"second"])
    centre.store.crops.keep(HOUSE, one, "2026-11-30", [bytes([n]) * 9 for n in range(9)])
    centre.store.crops.keep(HOUSE, two, "2026-12-01", [b"other"])
    assert centre.store.crops.consents(HOUSE) == {one: ("2026-11-30", 5), two: ("2026-12-01", 1)}
    assert centre.store.crops.images(HOUSE, [one])[one] == [bytes([n]) * 9 for n in range(5)]
    assert not any(b"2026" in sealed or b"other" in sealed for *_, sealed in rows(centre))
    assert centre.store.crops.delete(HOUSE, one)
    assert not centre.store.crops.delete(HOUSE, one)
    assert centre.store.crops.consents(HOUSE) == {two: ("2026-12-01", 1)}


def test_a_crop_that_was_moved_does_not_open(centre: Centre) -> None:
    centre.store.put(HOUSE, entry(1), "admin")
    person = centre.person("person-1")
    centre.store.crops.keep(HOUSE, person, "2026-11-30", [b"first", b"second"])
    with centre.store._database.changing() as transaction:
        transaction.execute("UPDATE crops SET n = n + 10")
        transaction.execute("UPDATE crops SET n = 1 WHERE n = 12")
    with pytest.raises(FleetError, match="a sealed crop does not fit"):
        centre.store.crops.images(HOUSE, [person])


def test_whoever_is_forgotten_leaves_no_crop(centre: Centre) -> None:
    centre.store.put_all(HOUSE, [entry(1), entry(2)], "admin")
    one, two = centre.person("person-1"), centre.person("person-2")
    for person in (one, two):
        centre.store.crops.keep(HOUSE, person, "2026-11-30", [b"face"])
    centre.store.forget(HOUSE, one, "admin")
    assert {person for person, *_ in rows(centre)} == {two}
    with pytest.raises(UnknownError):
        centre.store.crops.keep(HOUSE, one, "2026-11-30", [b"face"])
    # Forgotten in a crash, before the row was gone: the key is destroyed, and nothing is kept for it again.
    centre.keyring.destroy([two])
    with pytest.raises(GoneError):
        centre.store.crops.keep(HOUSE, two, "2026-11-30", [b"face"])
    assert centre.store.crops.images(HOUSE, [two]) == {}


def test_a_change_of_another_template_gives_a_number_that_everyone_follows(centre: Centre) -> None:
    device, other = centre.joined("door-1"), centre.joined("door-2")
    centre.store.put(HOUSE, entry(1), "admin")
    device.follow()
    other.follow(OTHER_MODEL)
    assert centre.store.crops.lacking(HOUSE, OTHER_MODEL) == {centre.person("person-1")}
    found = centre.store.people(HOUSE)[0]
    centre.store.put(HOUSE, entry(1, embeddings={OTHER_MODEL: entry(2).embeddings[MODEL]}, seq=found.seq), "admin")
    assert centre.store.crops.lacking(HOUSE, OTHER_MODEL) == frozenset()
    device.follow()
    other.follow(OTHER_MODEL)
    (_, facts), (_, others) = device.people[found.person], other.people[found.person]
    assert facts is not None
    assert others is not None
    assert facts.mean == to_mean(entry(1).embeddings[MODEL])
    assert others.mean == to_mean(entry(2).embeddings[MODEL])


def test_photos_keep_crops_only_where_that_is_said(context: CentreContext) -> None:
    people = Enrolling(context, SITE, "admin")
    first = people.from_photos("barack", Facts(consent="2026-11-01"), [DATA / "obama.jpg"], DEFAULT, keep_crops=True)
    assert context.store.crops.consents(SITE) == {first.person.person: ("2026-11-01", 1)}
    # Other photos take the place of those before, and so do their crops: there are none now.
    people.from_photos("barack", Facts(), [DATA / "obama2.jpg"], DEFAULT)
    assert context.store.crops.consents(SITE) == {}


def test_a_second_model_is_made_from_crops_and_from_new_photos(
    context: CentreContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = Enrolling(context, SITE, "admin")
    people.from_photos("barack", Facts(), [DATA / "obama.jpg", DATA / "obama2.jpg"], DEFAULT, keep_crops=True)
    people.from_photos("joe", Facts(), [DATA / "biden.jpg"], DEFAULT)
    name = add_model(context.settings, other_model(tmp_path / "new"))
    assert [*known_models(context.settings)] == [SHIPPED, name]
    assert find_model(context.settings, "other") == name
    site = SiteEmbedding(context, SITE, "admin")
    assert [[one.id for one in part] for part in site.lacking(name)] == [["barack"], ["joe"]]
    before = context.store.means(SITE, SHIPPED)
    assert list(site.run()) == [(name, 1, 1)]
    assert [[one.id for one in part] for part in site.lacking(name)] == [[], ["joe"]]
    # Nothing is left to do, so nothing is loaded and nothing gets a number.
    seq = context.store.site(SITE).seq
    monkeypatch.setattr(embedding, "open_embedder", None)
    assert list(site.run()) == []
    assert context.store.site(SITE).seq == seq
    means = context.store.means(SITE, name)
    assert set(means) == {"barack"}
    assert float(means["barack"][::-1] @ before["barack"]) > 0.999
    assert np.array_equal(context.store.means(SITE, SHIPPED)["barack"], before["barack"])
    # Whoever is enrolled from now on has templates of both.
    people.from_photos("joe", Facts(), [DATA / "biden.jpg"], DEFAULT)
    assert site.lacking(name) == ((), ())
    assert float(context.store.means(SITE, name)["joe"][::-1] @ before["joe"]) > 0.999


def test_a_model_without_its_own_table_is_not_added(context: CentreContext, tmp_path: Path) -> None:
    file = other_model(tmp_path / "new")
    path_of(file).unlink()
    with pytest.raises(ModelError):
        add_model(context.settings, file)
    with pytest.raises(UnknownError, match="no such model"):
        find_model(context.settings, "other")
    assert [*known_models(context.settings)] == [SHIPPED]
