"""Second factors in gallery.db: sealed, found by number, code or card, counted, and erased with the person."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edgeface.core.errors import GalleryError, VaultError
from edgeface.gallery.factors import MAX_CARDS, Factor
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.people import trace_search
from edgeface.security.attempts import AttemptKey
from edgeface.security.pins import Cost, StoredPin
from tests.gallery.test_corrections import MODEL, count
from tests.support.embeddings import unit

CHEAP = Cost(memory=8, passes=1, lanes=1)
PIN = StoredPin(b"s" * 16, b"p" * 32, None, CHEAP)
DURESS = replace(PIN, duress=b"d" * 32)
UID = "04a2b3c4d5e6f7"


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery.open(tmp_path, MODEL)
    for seed, person in enumerate(("alice", "bob")):
        opened.enroll(person, person.title(), [Template(unit(seed), MODEL, "photo", 1.0)], 1.0)
    yield opened
    opened.close()


def test_a_factor_is_found_by_what_is_shown_and_by_nothing_else(gallery: Gallery) -> None:
    gallery.set_pin("alice", "1042", DURESS, 5.0)
    gallery.set_code("alice", "40819273", 6.0)
    gallery.add_card("bob", UID, 7.0)
    assert gallery.pin_of("1042") == ("alice", DURESS)
    assert (gallery.pin_of("01042"), gallery.pin_of("42")) == (None, None)
    assert (gallery.person_of_code("40819273"), gallery.person_of_code("40819274")) == ("alice", None)
    assert (gallery.person_of_card(UID), gallery.person_of_card(UID[:8])) == ("bob", None)
    assert [one._replace(id="") for one in gallery.factors()] == [
        Factor("", "alice", "pin", 5.0, "1042", duress=True),
        Factor("", "alice", "code", 6.0, "8"),
        Factor("", "bob", "card", 7.0, "e6f7"),
    ]
    assert [one.kind for one in gallery.factors("bob")] == ["card"]
    assert (gallery.is_person("bob"), gallery.is_person("carol")) == (True, False)


def test_a_new_pin_or_code_replaces_the_old_one_and_cards_add_up(gallery: Gallery) -> None:
    gallery.set_pin("alice", "1042", PIN, 5.0)
    gallery.set_pin("alice", "1043", DURESS, 6.0)
    gallery.set_code("alice", "40819273", 6.0)
    gallery.set_code("alice", "81927304", 6.0)
    assert (gallery.pin_of("1042"), gallery.pin_of("1043")) == (None, ("alice", DURESS))
    assert (gallery.person_of_code("40819273"), gallery.person_of_code("81927304")) == (None, "alice")
    for n in range(MAX_CARDS):
        gallery.add_card("alice", f"04a2b3c{n}", 7.0)
    with pytest.raises(GalleryError, match="10 cards; no more are possible"):
        gallery.add_card("alice", UID, 7.0)
    assert count(gallery, "factors") == 2 + MAX_CARDS


def test_what_belongs_to_someone_else_is_refused_and_changes_nothing(gallery: Gallery) -> None:
    gallery.set_pin("alice", "1042", PIN, 5.0)
    gallery.set_pin("bob", "7", DURESS, 5.0)
    gallery.set_code("alice", "40819273", 6.0)
    gallery.add_card("alice", UID, 5.0)
    before = gallery.factors()
    with pytest.raises(GalleryError, match="the number 1042 is taken"):
        gallery.set_pin("bob", "1042", PIN, 6.0)
    with pytest.raises(GalleryError, match="this code is taken: draw another"):
        gallery.set_code("bob", "40819273", 6.0)
    with pytest.raises(GalleryError, match="this card is alice's"):
        gallery.add_card("bob", UID, 6.0)
    with pytest.raises(GalleryError, match="no one is enrolled with this id"):
        gallery.set_pin("carol", "8", PIN, 6.0)
    with pytest.raises(GalleryError, match="no such factor"):
        gallery.remove_factor("bob", before[0].id, 6.0)
    assert gallery.factors() == before
    assert gallery.pin_of("7") == ("bob", DURESS)


def test_one_factor_is_removed(gallery: Gallery) -> None:
    gallery.set_pin("alice", "1042", PIN, 5.0)
    gallery.add_card("alice", UID, 5.0)
    card = next(one for one in gallery.factors("alice") if one.kind == "card")
    change = gallery.remove_factor("alice", card.id, 8.0)
    assert change.facts == {"person": "alice", "removed": True, "factor": "card"}
    assert (gallery.person_of_card(UID), gallery.pin_of("1042")) == (None, ("alice", PIN))


def test_the_audit_trail_gets_no_secret(gallery: Gallery) -> None:
    facts = [
        gallery.set_pin("alice", "1042", PIN, 5.0).facts,
        gallery.set_pin("alice", "1042", DURESS, 5.0).facts,
        gallery.set_code("alice", "40819273", 6.0).facts,
        gallery.add_card("bob", UID, 7.0).facts,
        gallery.unlock("alice", 8.0).facts,
    ]
    assert facts == [
        {"person": "alice", "factor": "pin"},
        {"person": "alice", "factor": "duress"},
        {"person": "alice", "factor": "code"},
        {"person": "bob", "factor": "card"},
        {"person": "alice", "factor": "unlocked"},
    ]


def test_attempts_are_kept_by_door_and_person_until_they_are_unlocked(gallery: Gallery) -> None:
    front, alice, bob = AttemptKey("front"), AttemptKey("front", "alice"), AttemptKey("back", "bob")
    gallery.put_attempts({front: {"tokens": 9.5}, alice: {"wrong": 1}, bob: {"wrong": 2}})
    gallery.put_attempts({alice: {"wrong": 3}})
    with closing(Gallery.open(gallery.path.parent, MODEL)) as other:
        assert other.all_attempts() == {front: {"tokens": 9.5}, alice: {"wrong": 3}, bob: {"wrong": 2}}
    assert gallery.attempts(AttemptKey("back", "alice")) is None
    gallery.set_pin("alice", "1042", PIN, 1.0)
    assert gallery.attempts(alice) is None, "a new PIN has no wrong one"
    gallery.put_attempts({alice: {"wrong": 3}})
    gallery.unlock("alice", 1.0)
    assert (gallery.attempts(front), gallery.attempts(alice), gallery.attempts(bob)) == (
        {"tokens": 9.5},
        None,
        {"wrong": 2},
    )
    gallery.put_attempts({bob: None})
    assert gallery.all_attempts().keys() == {front}
    with pytest.raises(GalleryError, match="no one is enrolled"):
        gallery.unlock("carol", 1.0)


def test_nothing_of_a_factor_is_in_plain_text(gallery: Gallery) -> None:
    gallery.set_pin("alice", "5550123456", DURESS, 5.0)
    gallery.set_code("alice", "40819273", 6.0)
    gallery.add_card("alice", UID, 7.0)
    gallery.put_attempts({AttemptKey("front-door", "alice"): {"wrong": 3}})
    data = b"".join(path.read_bytes() for path in gallery.path.parent.glob("gallery.db*"))
    for text in (b"5550123456", b"40819273", UID.encode(), bytes.fromhex(UID), b"alice", b"front-door", b"wrong"):
        assert text not in data
    assert b"p" * 32 not in data


def test_a_row_that_was_moved_to_another_person_does_not_open(gallery: Gallery) -> None:
    gallery.set_pin("alice", "1042", PIN, 5.0)
    with closing(sqlite3.connect(gallery.path)) as connection:
        connection.execute("UPDATE factors SET person = ?", (gallery.tag("bob"),))
        connection.commit()
    with pytest.raises(VaultError, match="a row was altered"):
        gallery.pin_of("1042")


def test_a_person_who_is_forgotten_leaves_no_factor_and_no_attempt(gallery: Gallery) -> None:
    gallery.set_pin("alice", "1042", PIN, 5.0)
    gallery.set_code("alice", "40819273", 6.0)
    gallery.add_card("alice", UID, 7.0)
    gallery.put_attempts({AttemptKey("front", "alice"): {"wrong": 3}, AttemptKey("front"): {"tokens": 3.0}})
    terms = trace_search.terms(gallery, ["alice"], 0.5)
    tags = gallery.factor_tags("alice")
    assert len(tags) == 4
    assert set(tags) <= set(terms.tags)
    gallery.remove(["alice"])
    assert trace_search.search(gallery.path.parent, terms)[1] == []
    assert (gallery.pin_of("1042"), gallery.person_of_code("40819273"), gallery.person_of_card(UID)) == (None,) * 3
    assert gallery.all_attempts().keys() == {AttemptKey("front")}
    gallery.add_card("bob", UID, 10.0)


def test_factors_and_attempts_stay_when_a_person_is_replaced(gallery: Gallery) -> None:
    gallery.set_pin("alice", "1042", PIN, 5.0)
    gallery.put_attempts({AttemptKey("front", "alice"): {"wrong": 3}})
    gallery.replace("alice", "Alice", [Template(unit(7), MODEL, "import", 1.0)], 8.0, ignored=False)
    assert gallery.pin_of("1042") == ("alice", PIN)
    assert gallery.attempts(AttemptKey("front", "alice")) == {"wrong": 3}
